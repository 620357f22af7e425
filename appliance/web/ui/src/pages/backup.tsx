/** The configuration as one sealed file: made, looked at, restored. */

import { useState } from "preact/hooks";
import { ApiError, api, type BackupChange, type BackupPlan } from "../api";
import { type Key, t, word } from "../i18n";
import { useAct } from "../lib/hooks";
import { status } from "../lib/session";
import { BeforeAfter } from "../ui/before-after";
import { Confirm, Field, Moment, Note, Problem, TextField } from "../ui/parts";
import { withSecondFactor } from "../ui/second-factor";
import { leftOut } from "./backup-words";

const ASK_AGAIN_MS = 1000;

/** Asks until `done` says so; a recorder that starts again does not answer for a while. */
async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
}

/** Everybody is signed out by a restore: the first answer that says so is the new start's. */
const startedAgain = () =>
  until(() =>
    api.session().then(
      () => false,
      (error: unknown) => error instanceof ApiError && error.status === 401,
    ),
  );

const isClaimed = () =>
  until(() =>
    api.status().then(
      (now) => {
        if (now.claimed) status.value = now;
        return now.claimed;
      },
      () => false,
    ),
  );

export function BackupPanel() {
  return (
    <>
      <MakeBackup />
      <RestoreBackup />
    </>
  );
}

function MakeBackup() {
  const [passphrase, setPassphrase] = useState("");
  const [repeat, setRepeat] = useState("");
  const [done, setDone] = useState(false);
  const act = useAct();
  const differs = repeat !== "" && repeat !== passphrase;
  const make = (event: Event) => {
    event.preventDefault();
    setDone(false);
    act.run(async () => {
      const file = await withSecondFactor(() => api.makeBackup(passphrase));
      const save = document.createElement("a");
      save.href = URL.createObjectURL(file);
      save.download = `watchbook-${new Date().toISOString().slice(0, 10)}.wbbackup`;
      save.click();
      URL.revokeObjectURL(save.href);
      setPassphrase("");
      setRepeat("");
      setDone(true);
    });
  };
  return (
    <form class="panel" onSubmit={make} data-backup>
      <h2>{t("backup.make")}</h2>
      <p>{t("backup.in")}</p>
      <p class="muted">{t("backup.not_in")}</p>
      <TextField label={t("backup.passphrase")} hint={t("backup.passphrase.hint")} type="password" autocomplete="new-password" value={passphrase} change={setPassphrase} required />
      <TextField label={t("password.repeat")} type="password" autocomplete="new-password" value={repeat} change={setRepeat} required error={differs ? t("password.differs") : null} />
      <Problem problem={act.problem} />
      {done && <Note kind="good">{t("backup.done")}</Note>}
      <div class="row row-end">
        <button type="submit" class="primary" disabled={act.busy || passphrase === "" || repeat !== passphrase}>
          {t(act.busy ? "backup.busy" : "backup.make.act")}
        </button>
      </div>
    </form>
  );
}

function ChooseFile({ change }: { change: (file: File | null) => void }) {
  return (
    <Field label={t("backup.file")} hint={t("backup.file.hint")}>
      {({ id, describedBy }) => <input id={id} type="file" accept=".wbbackup" aria-describedby={describedBy} required onChange={(event) => change(event.currentTarget.files?.[0] ?? null)} />}
    </Field>
  );
}

function RestoreBackup() {
  const [file, setFile] = useState<File | null>(null);
  const [passphrase, setPassphrase] = useState("");
  const [plan, setPlan] = useState<BackupPlan | null>(null);
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const compare = (event: Event) => {
    event.preventDefault();
    setPlan(null);
    act.run(async () => {
      if (file !== null) setPlan(await withSecondFactor(() => api.compareBackup(passphrase, file)));
    });
  };
  const restore = () =>
    act.run(async () => {
      if (file === null || plan === null) return;
      await withSecondFactor(() => api.restoreBackup(passphrase, file, plan.plan));
      await startedAgain();
    });
  return (
    <section class="panel" data-restore>
      <form onSubmit={compare}>
        <h2>{t("backup.restore")}</h2>
        <p>{t("backup.restore.what")}</p>
        <ChooseFile
          change={(chosen) => {
            setFile(chosen);
            setPlan(null);
          }}
        />
        <TextField label={t("backup.passphrase.of")} type="password" value={passphrase} change={setPassphrase} required />
        {!asking && <Problem problem={act.problem} />}
        <div class="row row-end">
          <button type="submit" disabled={act.busy || file === null || passphrase === ""}>
            {t("backup.compare")}
          </button>
        </div>
      </form>
      {plan !== null && <PlanShown plan={plan} restore={() => setAsking(true)} />}
      {asking && plan !== null && (
        <Confirm title={t("backup.restore.title")} action={t(act.busy ? "backup.restarting" : "backup.restore.act")} busy={act.busy} confirm={restore} cancel={() => setAsking(false)}>
          <p>{t("backup.restore.next")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </section>
  );
}

function PlanShown({ plan, restore }: { plan: BackupPlan; restore: () => void }) {
  const changes = plan.changes.filter((change) => change.fate !== "same");
  const nothing = changes.every((change) => change.fate === "stays" || change.fate === "left_out");
  return (
    <div data-plan>
      <p>
        {t("backup.of", { station: plan.station === "" ? plan.origin : plan.station, version: plan.version })} <Moment ms={plan.made_utc_ms} />
      </p>
      <h3>{t("backup.changes")}</h3>
      {nothing && <Note kind="info">{t("backup.nothing")}</Note>}
      <ul class="cards">
        {changes.map((change) => (
          <Changed key={`${change.part} ${change.number ?? ""}`} change={change} />
        ))}
      </ul>
      <p class="muted">{t("backup.same", { count: plan.changes.length - changes.length })}</p>
      {plan.plugins.length > 0 && <p class="muted">{t("backup.plugins", { plugins: plan.plugins.map((plugin) => `${plugin.id} ${plugin.version}`).join(", ") })}</p>}
      {!nothing && (
        <div class="row row-end">
          <button type="button" class="danger" onClick={restore}>
            {t("backup.restore.act")}
          </button>
        </div>
      )}
    </div>
  );
}

function Changed({ change }: { change: BackupChange }) {
  const why = leftOut(change);
  const name = change.number === null ? t(`backup.part.${change.part}` as Key, { count: change.name }) : `${word("backup.part", change.part)} ${change.number}: ${change.name}`;
  return (
    <li class="card" data-fate={change.fate}>
      <div class="card-main">
        <span class="card-title">{name}</span>
        <span class="tag">{word("backup.fate", change.fate)}</span>
      </div>
      {why !== null && <p class="muted">{t(why)}</p>}
      {change.fields.length > 0 && (
        <BeforeAfter differences={change.fields.map(({ field, before, after }) => ({ key: field, label: word("backup.field", field), before, after }))} />
      )}
    </li>
  );
}

/** On a recorder that nobody has claimed. */
export function RestoreFirst({ back }: { back: () => void }) {
  const [code, setCode] = useState("");
  const [file, setFile] = useState<File | null>(null);
  const [passphrase, setPassphrase] = useState("");
  const act = useAct();
  const restore = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      if (file === null) return;
      await api.claimWithBackup(code.trim(), passphrase, file);
      await isClaimed();
    });
  };
  return (
    <form onSubmit={restore} data-restore-first>
      <h2>{t("backup.first")}</h2>
      <p>{t("backup.first.what")}</p>
      <TextField label={t("claim.code")} hint={t("claim.code.hint")} value={code} change={setCode} required focus autocomplete="one-time-code" />
      <ChooseFile change={setFile} />
      <TextField label={t("backup.passphrase.of")} type="password" value={passphrase} change={setPassphrase} required />
      <Problem problem={act.problem} />
      <button type="submit" class="primary wide" disabled={act.busy || file === null || passphrase === "" || code.trim() === ""}>
        {t(act.busy ? "backup.restarting" : "backup.restore.act")}
      </button>
      <button type="button" class="wide" disabled={act.busy} onClick={back}>
        {t("backup.first.back")}
      </button>
    </form>
  );
}
