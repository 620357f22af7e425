/** The way from a new recorder to a recording station: one step after the other, which can be left and gone on with. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useLoaded, useTitle } from "../lib/hooks";
import { go, link } from "../lib/router";
import { cameras, session } from "../lib/session";
import { CheckStep } from "../first/check-step";
import { FindStep } from "../first/find-step";
import { type Look, type Looks, NO_LOOK } from "../first/looks";
import { kept, type Login, NO_LOGIN, type Progress, restored, type Step, STEPS } from "../first/plan";
import { StateStep } from "../first/state-step";
import { Icon } from "../ui/icon";
import { Note, Problem } from "../ui/parts";
import { AddPerson } from "./people";

const STORED = "watchbook.first-run";

export function FirstRun() {
  useTitle(t("first.title"));
  const [progress, setProgress] = useState<Progress>(() => restored(localStorage.getItem(STORED)));
  const [looks, setLooks] = useState<Looks>({});
  const [login, setLogin] = useState<Login>(NO_LOGIN);
  const policy = useLoaded(api.policy, "policy");
  useEffect(() => localStorage.setItem(STORED, kept(progress)), [progress]);
  const rules = policy.data?.in_force.rules ?? null;
  // What the station says of itself stands there until a person says otherwise.
  useEffect(() => {
    if (policy.data === null) return;
    const { contact, in_force } = policy.data;
    setProgress((old) => ({
      ...old,
      common: { ...old.common, contact: old.common.contact || contact, retentionDays: old.common.retentionDays || String(in_force.rules.retention_days) },
    }));
  }, [policy.data]);
  const change = useCallback((how: (drafts: Progress["drafts"]) => Progress["drafts"]) => setProgress((old) => ({ ...old, drafts: how(old.drafts) })), []);
  const look = useCallback((key: string, part: Partial<Look>) => setLooks((old) => ({ ...old, [key]: { ...(old[key] ?? NO_LOOK), ...part } })), []);
  const turn = (step: Step) => {
    setProgress((old) => ({ ...old, step }));
    scrollTo(0, 0);
    document.getElementById("main")?.focus();
  };
  const finish = () => {
    localStorage.removeItem(STORED);
    go((cameras.value ?? []).length > 0 ? link.cameras : link.wall);
  };
  const { step, drafts, common } = progress;
  return (
    <div class="first" data-step={step}>
      <div class="page-head">
        <h1>{t("first.title")}</h1>
        <a class="button quiet row-end" href={link.cameras}>
          {t("first.leave")}
        </a>
      </div>
      <Steps step={step} turn={turn} />
      <Problem problem={policy.problem} retry={policy.reload} />
      {step === "check" && <CheckStep next={() => turn("find")} />}
      {step === "find" && (
        <FindStep drafts={drafts} change={change} looks={looks} look={look} login={login} setLogin={setLogin} back={() => turn("check")} next={() => turn("state")} />
      )}
      {step === "state" && (
        <StateStep
          drafts={drafts}
          change={change}
          common={common}
          setCommon={(next) => setProgress((old) => ({ ...old, common: next }))}
          looks={looks}
          login={login}
          rules={rules}
          back={() => turn("find")}
          next={() => turn("person")}
        />
      )}
      {step === "person" && <PersonStep back={() => turn("state")} finish={finish} />}
    </div>
  );
}

/** Where a person is and where they can go: every step may be looked at again. */
function Steps({ step, turn }: { step: Step; turn: (step: Step) => void }) {
  return (
    <ol class="first-steps" aria-label={t("first.steps")}>
      <li>
        <span class="first-done">
          <Icon name="ok" /> {t("first.step.claim")}
        </span>
      </li>
      {STEPS.map((each) => (
        <li key={each}>
          <button type="button" class="quiet" aria-current={each === step ? "step" : undefined} onClick={() => turn(each)}>
            {STEPS.indexOf(each) < STEPS.indexOf(step) && <Icon name="ok" />} {t(`first.step.${each}`)}
          </button>
        </li>
      ))}
    </ol>
  );
}

/** The last step: whoever sets up is not whoever watches. */
function PersonStep({ back, finish }: { back: () => void; finish: () => void }) {
  const accounts = useLoaded(api.accounts, "accounts");
  const others = (accounts.data ?? []).filter((account) => account.id !== session.value?.account.id);
  const live = (cameras.value ?? []).filter((camera) => camera.state.main.status === "live").length;
  return (
    <section aria-labelledby="first-step">
      <h2 id="first-step">{t("first.step.person")}</h2>
      <p class="muted">{t("first.person.what")}</p>
      <Note kind={live > 0 ? "good" : "info"}>{t("first.person.recording", { live, count: (cameras.value ?? []).length })}</Note>
      <Problem problem={accounts.problem} retry={accounts.reload} />
      {session.value?.one_person_station === true && <Note kind="info">{t("people.one_person")}</Note>}
      {others.length > 0 && <Note kind="good">{t("first.person.others", { names: others.map((account) => account.name).join(", ") })}</Note>}
      {accounts.data !== null && others.length === 0 && <AddPerson done={accounts.reload} />}
      <div class="row row-end">
        <button type="button" onClick={back}>
          {t("first.back")}
        </button>
        <button type="button" class={others.length > 0 ? "primary" : ""} onClick={finish}>
          {others.length > 0 || session.value?.one_person_station === true ? t("first.finish") : t("first.finish_alone")}
        </button>
      </div>
    </section>
  );
}
