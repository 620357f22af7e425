/** What the recorder has signed of its audit log, to be carried out of the box: as a file, as a QR code, as a request to a witness. */

import { useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useLoaded } from "../lib/hooks";
import { Icon } from "../ui/icon";
import { Loading, Moment, Note, Problem, TextField } from "../ui/parts";
import { Qr } from "../ui/qr";

const EVERY_MS = 10_000;

export function AuditCheckpoint() {
  const loaded = useLoaded(() => api.log(), "log", EVERY_MS);
  const [open, setOpen] = useState(false);
  const [shown, setShown] = useState(false);
  const [old, setOld] = useState("0");
  const log = loaded.data;
  return (
    <details class="panel" role="region" aria-label={t("log.title")} open={open || (log !== null && log.refusal !== null)} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {t("log.title")}
        {log !== null && log.checkpoint !== null && <span class="muted num"> · {t("log.summary", { signed: log.signed_entries })}</span>}
      </summary>
      <p class="muted">{t("log.what")}</p>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      {log === null && loaded.problem === null && <Loading />}
      {log !== null && log.refusal !== null && (
        <Note kind="bad">
          <p>
            <strong>{t("alarm.log_unsigned")}</strong>
          </p>
          <p>{log.refusal}</p>
          <p class="note-next">{t("alarm.log_unsigned.next")}</p>
        </Note>
      )}
      {log !== null && log.checkpoint === null && log.refusal === null && <p>{t("log.none")}</p>}
      {log !== null && log.checkpoint !== null && (
        <>
          <dl class="facts">
            <div>
              <dt>{t("log.entries")}</dt>
              <dd class="num" data-signed-entries={log.signed_entries}>
                {log.signed_entries}
              </dd>
            </div>
            <div>
              <dt>{t("log.signed")}</dt>
              <dd>{log.signed_utc_ms === null ? "–" : <Moment ms={log.signed_utc_ms} />}</dd>
            </div>
            <div>
              <dt>{t("log.name")}</dt>
              <dd>
                <code>{log.origin}</code>
              </dd>
            </div>
            <div>
              <dt>{t("log.key")}</dt>
              <dd>
                <code class="break">{log.key ?? "–"}</code>
                <p class="hint">{t("log.key.hint")}</p>
              </dd>
            </div>
            <div>
              <dt>{t("log.root")}</dt>
              <dd>
                <code class="break">{log.root}</code>
              </dd>
            </div>
          </dl>
          <div class="row">
            <a class="button" href="/api/v1/log/checkpoint" download={`checkpoint-${log.signed_entries}.txt`}>
              <Icon name="download" /> {t("log.download")}
            </a>
            <button type="button" aria-expanded={shown} onClick={() => setShown(!shown)}>
              {shown ? t("log.hide") : t("log.show")}
            </button>
          </div>
          {shown && <Qr text={log.checkpoint} label={t("log.qr")} />}
          <h3>{t("log.witness")}</h3>
          <p class="muted">{t("log.witness.what")}</p>
          <TextField label={t("log.witness.old")} type="number" min={0} max={log.signed_entries} step={1} value={old} change={setOld} />
          <div class="row">
            <a class="button" href={`/api/v1/log/witness-request?old_entries=${Math.max(0, Math.floor(Number(old) || 0))}`} download={`witness-request-${log.signed_entries}.txt`}>
              <Icon name="download" /> {t("log.witness.download")}
            </a>
          </div>
        </>
      )}
    </details>
  );
}
