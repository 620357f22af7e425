/** Above the timeline: in which case footage is played, and what to do when there is none. */

import { useState } from "preact/hooks";
import { api, type Camera, type Case, type Purpose } from "../api";
import { t } from "../i18n";
import { chooseCase, chosenCase, windowOf, workable } from "../lib/case";
import { useAct, useLoaded, useTick } from "../lib/hooks";
import { cameras, nowMs, session } from "../lib/session";
import { dateTimeText } from "../lib/time";
import { emergencyInput, PURPOSES } from "../pages/case-form";
import { Icon } from "../ui/icon";
import { Confirm, Note, Problem, Select } from "../ui/parts";
import { withSecondFactor } from "../ui/second-factor";

const EVERY_MS = 10_000;

export interface CaseChoice {
  /** The chosen case, while it may be worked in. */
  found: Case | null;
  /** All that may be. */
  open: Case[];
  problem: ReturnType<typeof useLoaded>["problem"];
  known: boolean;
  reload: () => void;
}

/** The case that is chosen, as the recorder says it is now. With one alone, that one. */
export function useCase(): CaseChoice {
  const list = useLoaded(api.cases, "cases", EVERY_MS);
  useTick(EVERY_MS);
  const open = workable(list.data?.cases ?? [], session.value?.account.id ?? 0, nowMs());
  const only = open.length === 1 ? (open[0] ?? null) : null;
  const found = open.find((each) => each.case === chosenCase.value) ?? only;
  return { found, open, problem: list.problem, known: list.data !== null, reload: list.reload };
}

export function CaseChooser({ choice, camera, goTo }: { choice: CaseChoice; camera: Camera; goTo: (utcMs: number) => void }) {
  const { found, open, known } = choice;
  const window = windowOf(found, camera.id);
  const alone = session.value?.one_person_station === true;
  return (
    <section class="case-chooser" aria-label={t("chooser.title")} data-chosen={found?.case ?? ""}>
      <div class="row">
        {open.length > 0 && (
          <label class="case-choice">
            <span>
              <Icon name="lock" /> {t("chooser.title")}
            </span>
            <select value={found?.case ?? ""} onChange={(event) => chooseCase(event.currentTarget.value)}>
              {found === null && <option value="">{t("chooser.choose")}</option>}
              {open.map((each) => (
                <option key={each.case} value={each.case}>
                  {t("chooser.one", { case: each.case, purpose: t(`purpose.${each.purpose}`) })}
                  {each.cameras.includes(camera.id) ? "" : ` (${t("chooser.other_camera")})`}
                </option>
              ))}
            </select>
          </label>
        )}
        {window !== null && (
          <button type="button" class="small" onClick={() => goTo(window.start)}>
            {t("chooser.go")}
          </button>
        )}
        <Emergency camera={camera} reload={choice.reload} />
      </div>
      {window !== null && found !== null && (
        <p class="hint num">{t("chooser.window", { from: dateTimeText(window.start), to: dateTimeText(window.end), until: dateTimeText(found.expires_utc_ms) })}</p>
      )}
      {found !== null && window === null && <Note kind="info">{t("chooser.not_here", { case: found.case })}</Note>}
      {known && open.length === 0 && (
        <Note kind="info">
          <p>{t("chooser.none")}</p>
          <p class="note-next">{alone ? t("chooser.none.alone") : t("chooser.none.next")}</p>
        </Note>
      )}
      <Problem problem={choice.problem} retry={choice.reload} />
    </section>
  );
}

const HOURS = ["1", "6", "24"] as const;

/** Breaking the glass: opens footage for whoever asks alone, and says loudly what that means. */
function Emergency({ camera, reload }: { camera: Camera; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const [purpose, setPurpose] = useState<Purpose>("violence");
  const [hours, setHours] = useState<(typeof HOURS)[number]>("1");
  const [which, setWhich] = useState<"this" | "all">("this");
  const act = useAct();
  const open = () =>
    act.run(async () => {
      const now = nowMs();
      const ids = which === "this" ? [camera.id] : (cameras.value ?? []).map((each) => each.id);
      // The account keeps two people's numbers apart, the seconds two of one's own.
      const number = `E${session.value?.account.id ?? 0} ${dateTimeText(now).replace(/[^0-9 -]/g, ".")}`;
      setAsking(false);
      const opened = await withSecondFactor(() => api.openCase(emergencyInput(number, purpose, ids, Number(hours), now)));
      chooseCase(opened.case);
      reload();
    });
  return (
    <>
      <button type="button" class="small danger-quiet emergency" disabled={act.busy} onClick={() => setAsking(true)}>
        <Icon name="warn" /> {t("emergency.open")}
      </button>
      <Problem problem={act.problem} />
      {asking && (
        <Confirm title={t("emergency.title")} action={t("emergency.confirm")} busy={act.busy} confirm={open} cancel={() => setAsking(false)}>
          <Note kind="warn">{t("emergency.warning")}</Note>
          <Select label={t("case.purpose")} value={purpose} options={PURPOSES.map((value) => ({ value, text: t(`purpose.${value}`) }))} change={setPurpose} />
          <Select label={t("emergency.hours")} value={hours} options={HOURS.map((value) => ({ value, text: t(`emergency.hours.${value}`) }))} change={setHours} />
          <Select
            label={t("emergency.cameras")}
            value={which}
            options={[
              { value: "this", text: t("emergency.cameras.this", { name: camera.name }) },
              { value: "all", text: t("emergency.cameras.all") },
            ]}
            change={setWhich}
          />
        </Confirm>
      )}
    </>
  );
}
