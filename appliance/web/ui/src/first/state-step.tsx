/** The third step: what each camera is for, how long its footage stays and whom to ask. Nothing is recorded before that is said. */

import { useState } from "preact/hooks";
import { api, type PolicyRules } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { loadCameras } from "../lib/session";
import { RETENTION_DAYS_MAX } from "../pages/camera-form";
import { Check, Note, Problem, TextField } from "../ui/parts";
import type { Looks } from "./looks";
import { type Draft, inputFrom, type Login, missing, type Statement, stated, toAdd } from "./plan";
import { Still } from "./still";

interface Props {
  drafts: Draft[];
  change: (how: (drafts: Draft[]) => Draft[]) => void;
  common: Statement;
  setCommon: (common: Statement) => void;
  looks: Looks;
  login: Login;
  rules: PolicyRules | null;
  back: () => void;
  next: () => void;
}

export function StateStep({ drafts, change, common, setCommon, looks, login, rules, back, next }: Props) {
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [count, setCount] = useState<number | null>(null);
  const add = useAct();
  const daysMax = rules?.retention_days_max ?? RETENTION_DAYS_MAX;
  const open = toAdd(drafts);
  const lacking = open.filter((each) => missing(each, daysMax).length > 0);
  const set = (key: string, part: Partial<Draft>) => change((old) => old.map((each) => (each.key === key ? { ...each, ...part } : each)));
  const apply = (which: (each: Draft) => boolean, over: boolean) =>
    change((old) => old.map((each) => (!which(each) ? each : over ? { ...each, ...saidOf(common) } : stated(each, common))));
  const mark = (key: string, on: boolean) => setMarked(new Set(on ? [...marked, key] : [...marked].filter((each) => each !== key)));
  /** One after the other: what is added is recorded at once, and a refusal stops at the camera that it is about. */
  const save = (event: Event) => {
    event.preventDefault();
    add.run(async () => {
      let done = 0;
      for (const each of open) {
        const made = await api.addCamera(inputFrom(each, looks[each.key]?.login ?? login));
        set(each.key, { recorded: made.id });
        done += 1;
        setCount(done);
      }
      await loadCameras();
      next();
    });
  };
  return (
    <section aria-labelledby="first-step">
      <h2 id="first-step">{t("first.step.state")}</h2>
      <p class="muted">{t("first.state.what")}</p>
      {open.length === 0 ? (
        <Note kind="info">{t("first.state.none")}</Note>
      ) : (
        <form onSubmit={save}>
          <fieldset class="panel" data-common>
            <legend>{t("first.state.common")}</legend>
            <Statements statement={common} change={(part) => setCommon({ ...common, ...part })} daysMax={daysMax} />
            <div class="row">
              <button type="button" onClick={() => apply(() => true, false)}>
                {t("first.state.fill")}
              </button>
              <button type="button" disabled={marked.size === 0} onClick={() => apply((each) => marked.has(each.key), true)}>
                {t("first.state.marked", { count: marked.size })}
              </button>
              <button type="button" class="quiet" onClick={() => setMarked(new Set(marked.size === open.length ? [] : open.map((each) => each.key)))}>
                {marked.size === open.length ? t("first.find.none") : t("first.find.all")}
              </button>
            </div>
          </fieldset>
          <ul class="first-found first-stated">
            {open.map((each) => (
              <li key={each.key} class="card first-card" data-draft={each.key}>
                {looks[each.key]?.picture && <Still picture={looks[each.key]!.picture!} label={t("first.still", { name: each.name })} />}
                <div class="first-card-text">
                  <Check label={each.name === "" ? each.label : each.name} hint={each.place} checked={marked.has(each.key)} change={(on) => mark(each.key, on)} />
                  <TextField label={t("camera.name")} value={each.name} change={(name) => set(each.key, { name })} required maxLength={64} />
                  <Statements statement={each} change={(part) => set(each.key, part)} daysMax={daysMax} required />
                </div>
              </li>
            ))}
          </ul>
          {lacking.length > 0 && <Note kind="warn">{t("first.state.lacking", { count: lacking.length })}</Note>}
          <Problem problem={add.problem} />
          {add.busy && count !== null && <p role="status">{t("first.state.added", { count })}</p>}
          <div class="row row-end">
            <button type="button" onClick={back}>
              {t("first.back")}
            </button>
            <button type="submit" class="primary" disabled={add.busy || lacking.length > 0}>
              {t("first.state.add", { count: open.length })}
            </button>
          </div>
        </form>
      )}
      {open.length === 0 && (
        <div class="row row-end">
          <button type="button" onClick={back}>
            {t("first.back")}
          </button>
          <button type="button" class="primary" onClick={next}>
            {t("first.next")}
          </button>
        </div>
      )}
    </section>
  );
}

/** What was said of what is common; an empty field says nothing. */
function saidOf(common: Statement): Partial<Statement> {
  return Object.fromEntries(Object.entries(common).filter(([, value]) => value.trim() !== ""));
}

interface StatementsProps {
  statement: Statement;
  change: (part: Partial<Statement>) => void;
  daysMax: number;
  required?: boolean;
}

function Statements({ statement, change, daysMax, required = false }: StatementsProps) {
  return (
    <div class="first-statement">
      <TextField label={t("camera.purpose")} value={statement.purpose} change={(purpose) => change({ purpose })} required={required} maxLength={128} />
      <TextField
        label={t("camera.retention")}
        type="number"
        min={1}
        max={daysMax}
        step={1}
        value={statement.retentionDays}
        change={(retentionDays) => change({ retentionDays })}
        required={required}
      />
      <TextField label={t("first.contact")} value={statement.contact} change={(contact) => change({ contact })} required={required} maxLength={128} />
    </div>
  );
}
