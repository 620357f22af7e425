/** What the station says of itself: shown with what the configuration file says, changed with a look at what becomes different and a reason, and put back out of the history. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api, type StationSettingRow, type StationSettings, type StationSettingsEntry } from "../api";
import { t } from "../i18n";
import { isTooLong } from "../lib/bytes";
import { useAct, useLoaded } from "../lib/hooks";
import { has } from "../lib/roles";
import { session } from "../lib/session";
import { BeforeAfter } from "../ui/before-after";
import { Loading, Note, Problem, TextField } from "../ui/parts";
import { StationHistory } from "./settings-history";
import { changed, type Draft, earlier, REASON_BYTES_MAX, typed, wrong } from "./station-form";

export function StationPanel() {
  const settings = useLoaded(api.stationSettings, "station");
  const [draft, setDraft] = useState<Draft>({});
  const [reason, setReason] = useState("");
  const [said, say] = useState<"saved" | "holds" | null>(null);
  const act = useAct();
  const may = has(session.value, "admin");
  const top = useRef<HTMLHeadingElement>(null);
  const { data } = settings;
  const set = (part: Draft) => {
    say(null);
    act.clear();
    setDraft((now) => ({ ...now, ...part }));
  };
  const discard = () => {
    say(null);
    act.clear();
    setDraft({});
    setReason("");
  };
  const putBack = (entry: StationSettingsEntry) => {
    if (data === null) return;
    const before = earlier(data, entry);
    set(before);
    if (Object.keys(before).length === 0) say("holds");
    else setReason(t("station.put_back.reason", { entry: entry.entry }));
    top.current?.focus();
  };
  const save = (event: Event) => {
    event.preventDefault();
    if (data === null) return;
    act.run(async () => {
      const changes = changed(data, draft).map(({ setting }) => ({ setting, value: draft[setting] ?? null }));
      try {
        await api.changeStationSettings({ version: data.version, reason, changes });
        setDraft({});
        setReason("");
        say("saved");
      } finally {
        // Also when somebody else was faster: what stands beside the new values is then theirs.
        settings.reload();
      }
    });
  };
  return (
    <>
      <section class="panel" data-station>
        <h2 ref={top} tabIndex={-1}>
          {t("station.title")}
        </h2>
        {said === "holds" && <Note kind="info">{t("station.put_back.holds")}</Note>}
        <p class="muted">{t("station.what")}</p>
        <Problem problem={settings.problem} retry={settings.reload} />
        {data === null && settings.problem === null && <Loading />}
        {data?.unreadable === true && <Note kind="bad">{t("station.unreadable")}</Note>}
        {data !== null && (
          <form onSubmit={save}>
            {data.settings.map((row) => (
              <Setting key={row.setting} row={row} all={data} draft={draft} set={may ? set : null} />
            ))}
            {may && <Differences all={data} draft={draft} reason={reason} setReason={setReason} busy={act.busy} discard={discard} />}
          </form>
        )}
        <Problem problem={act.problem} />
        {said === "saved" && <Note kind="good">{t("station.saved")}</Note>}
      </section>
      {data !== null && <StationHistory version={data.version} putBack={may ? putBack : null} />}
    </>
  );
}

const defaultText = (row: StationSettingRow) => (row.default === "" ? t("station.default.none") : t("station.default", { value: row.default }));

function hintOf(row: StationSettingRow, all: StationSettings): string {
  const parts = [t(`station.help.${row.setting}`), row.kind === "days" ? t("station.bounds", { least: row.least, most: row.most }) : "", defaultText(row)];
  const policy = row.setting === "request_answer_days" && Number(row.value) > all.policy_answer_days;
  if (policy) parts.push(t("station.policy", { days: all.policy_answer_days }));
  return parts.filter((part) => part !== "").join(" ");
}

/** One of them; without `set` it is shown and cannot be changed. */
function Setting({ row, all, draft, set }: { row: StationSettingRow; all: StationSettings; draft: Draft; set: ((part: Draft) => void) | null }) {
  const { setting, kind } = row;
  const label = kind === "days" ? `${t(`station.${setting}`)} (${t("station.unit.days")})` : t(`station.${setting}`);
  const text = typed(row, draft);
  const own = draft[setting] === undefined ? row.set_here : draft[setting] !== null;
  const bad = wrong(row, draft);
  const source = t(own ? "station.set_here" : "station.from_file");
  return (
    <div data-setting={setting} class="station-setting">
      {set === null ? (
        <dl class="role-list">
          <dt>{label}</dt>
          <dd>{text === "" ? t("backup.field.empty") : text}</dd>
          <dd class="muted">{hintOf(row, all)}</dd>
        </dl>
      ) : (
        <TextField
          label={label}
          hint={hintOf(row, all)}
          error={bad === null ? null : t(`station.wrong.${bad}`, { least: row.least, most: row.most })}
          type={kind === "days" ? "number" : kind === "address" ? "url" : "text"}
          {...(kind === "days" ? { min: row.least, max: row.most, step: 1 } : {})}
          value={text}
          change={(value) => set({ [setting]: value })}
        />
      )}
      <p class="row">
        <span class="tag">{source}</span>
        {set !== null && own && (
          <button type="button" class="small" aria-label={t("station.default.act.of", { setting: label })} onClick={() => set({ [setting]: null })}>
            {t("station.default.act")}
          </button>
        )}
      </p>
    </div>
  );
}

interface DifferencesProps {
  all: StationSettings;
  draft: Draft;
  reason: string;
  setReason: (reason: string) => void;
  busy: boolean;
  discard: () => void;
}

/** What would change, and why. Nothing is sent before somebody has seen it. */
function Differences({ all, draft, reason, setReason, busy, discard }: DifferencesProps) {
  const rows = changed(all, draft);
  const shown = useRef<HTMLDivElement>(null);
  const any = rows.length > 0;
  useEffect(() => {
    if (any) shown.current?.scrollIntoView({ block: "nearest" });
  }, [any]);
  if (!any) return null;
  const note = ({ setting, set_here }: StationSettingRow) => (draft[setting] === null ? t("station.from_file") : set_here ? null : t("station.set_here"));
  const isLong = isTooLong(reason, REASON_BYTES_MAX);
  const bad = isLong || rows.some((row) => wrong(row, draft) !== null);
  return (
    <div ref={shown} class="card" data-diff>
      <h3>{t("station.diff")}</h3>
      <BeforeAfter differences={rows.map((row) => ({ key: row.setting, label: t(`station.${row.setting}`), before: row.value, after: typed(row, draft).trim(), note: note(row) }))} />
      <TextField label={t("station.reason")} hint={t("station.reason.hint")} error={isLong ? t("station.wrong.long", { most: REASON_BYTES_MAX }) : null} value={reason} change={setReason} required />
      <div class="row row-end">
        <button type="button" onClick={discard}>
          {t("station.discard")}
        </button>
        <button type="submit" class="primary" disabled={busy || bad || reason.trim() === ""}>
          {t("save")}
        </button>
      </div>
    </div>
  );
}
