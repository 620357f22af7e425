/** Witnesses of the audit log: requests go out as files, cosignatures come home, and a checkpoint that was kept outside is compared with the log. */

import { useState } from "preact/hooks";
import { api, type LogImport, type LogWitness } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { Icon } from "../ui/icon";
import { withSecondFactor } from "../ui/second-factor";
import { Confirm, Field, Moment, Note, Problem, TextField } from "../ui/parts";

/** A checkpoint with its lines is never larger. */
const FILE_BYTES_MAX = 65_536;

export function AuditWitnesses({ signed }: { signed: number }) {
  const loaded = useLoaded(() => api.logWitnesses(), "log-witnesses");
  const [adding, setAdding] = useState(false);
  const witnesses = loaded.data ?? [];
  return (
    <section aria-label={t("log.witness")}>
      <h3>{t("log.witness")}</h3>
      <p class="muted">{t("log.witness.what")}</p>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      {loaded.data !== null && witnesses.length === 0 && <p>{t("log.witness.none")}</p>}
      <ul class="plain-list">
        {witnesses.map((witness) => (
          <Witness key={witness.name} witness={witness} signed={signed} reload={loaded.reload} />
        ))}
      </ul>
      {adding ? (
        <Add
          close={() => {
            setAdding(false);
            loaded.reload();
          }}
        />
      ) : (
        <button type="button" class="small" onClick={() => setAdding(true)}>
          {t("log.witness.add")}
        </button>
      )}
      <Bring reload={loaded.reload} />
    </section>
  );
}

function Witness({ witness, signed, reload }: { witness: LogWitness; signed: number; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const remove = () =>
    act.run(async () => {
      await withSecondFactor(() => api.distrustWitness(witness.name));
      setAsking(false);
      reload();
    });
  const { cosigned_entries: entries, cosigned_utc_s: at } = witness;
  return (
    <li class="row publisher" data-witness={witness.name}>
      <div>
        <strong>{witness.name}</strong>
        <p class="muted">
          {entries === null || at === null ? (
            t("log.witness.never")
          ) : (
            <>
              {t("log.witness.last", { entries })} · <Moment ms={at * 1000} />
            </>
          )}
        </p>
        <p class="path muted">{witness.key}</p>
      </div>
      <div class="row">
        <a class="button small" href={`/api/v1/log/witness-request?old_entries=${entries ?? 0}`} download={`witness-request-${signed}.txt`}>
          <Icon name="download" /> {t("log.witness.download")}
        </a>
        <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
          {t("log.witness.remove")}
        </button>
      </div>
      {asking && (
        <Confirm title={t("log.witness.remove.title", { name: witness.name })} action={t("log.witness.remove")} busy={act.busy} confirm={remove} cancel={() => setAsking(false)}>
          <p>{t("log.witness.remove.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </li>
  );
}

function Add({ close }: { close: () => void }) {
  const [key, setKey] = useState("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await withSecondFactor(() => api.trustWitness(key.trim()));
      close();
    });
  };
  return (
    <form class="inset" aria-label={t("log.witness.add")} onSubmit={submit}>
      <TextField label={t("log.witness.key")} hint={t("log.witness.key.hint")} value={key} change={setKey} required maxLength={400} focus />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="button" onClick={close}>
          {t("cancel")}
        </button>
        <button type="submit" class="primary" disabled={act.busy || key.trim() === ""}>
          {t("log.witness.add")}
        </button>
      </div>
    </form>
  );
}

/** What comes back from outside, as a file or pasted. */
function Bring({ reload }: { reload: () => void }) {
  const [text, setText] = useState("");
  const [done, setDone] = useState<LogImport | null>(null);
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    setDone(null);
    act.run(async () => {
      setDone(await api.importCosignatures(text));
      setText("");
      reload();
    });
  };
  const take = async (file: File | undefined) => {
    if (file !== undefined && file.size <= FILE_BYTES_MAX) setText(await file.text());
  };
  return (
    <form class="inset" aria-label={t("log.bring")} onSubmit={submit}>
      <h3>{t("log.bring")}</h3>
      <p class="muted">{t("log.bring.what")}</p>
      <Field label={t("log.bring.file")}>{({ id }) => <input id={id} type="file" accept=".txt,text/plain,*/*" onChange={(event) => take(event.currentTarget.files?.[0])} />}</Field>
      <Field label={t("log.bring.text")}>{({ id }) => <textarea id={id} rows={4} spellcheck={false} maxLength={FILE_BYTES_MAX} value={text} onInput={(event) => setText(event.currentTarget.value)} />}</Field>
      <Problem problem={act.problem} />
      {done !== null && (
        <Note kind="good">
          {done.continues_entries !== null && <p>{t("log.bring.continues", { entries: done.continues_entries })}</p>}
          {done.cosigned.map((one) => (
            <p key={one.witness}>{t(one.newer ? "log.bring.taken" : "log.bring.older", { name: one.witness, entries: one.entries })}</p>
          ))}
        </Note>
      )}
      <div class="row row-end">
        <button type="submit" disabled={act.busy || text.trim() === ""}>
          {t("log.bring.do")}
        </button>
      </div>
    </form>
  );
}
