/** What the recorder has signed of its audit log, to be carried out of the box: as a file, as a QR code, as a request to a witness. */

import { useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { has } from "../lib/roles";
import { session } from "../lib/session";
import { Icon } from "../ui/icon";
import { Confirm, Loading, Moment, Note, Problem, TextField } from "../ui/parts";
import { Qr } from "../ui/qr";
import { withSecondFactor } from "../ui/second-factor";
import { AuditMirrors } from "./audit-mirrors";
import { AuditPushes } from "./audit-push";
import { AuditWitnesses } from "./audit-witness";

const EVERY_MS = 10_000;

export function AuditCheckpoint() {
  const loaded = useLoaded(() => api.log(), "log", EVERY_MS);
  const [open, setOpen] = useState(false);
  const [shown, setShown] = useState(false);
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
          {log.retired_keys.length > 0 && (
            <details>
              <summary>{t("log.retired", { count: log.retired_keys.length })}</summary>
              <p class="muted">{t("log.retired.what")}</p>
              <ul>
                {log.retired_keys.map((key) => (
                  <li key={key}>
                    <code class="break">{key}</code>
                  </li>
                ))}
              </ul>
            </details>
          )}
          {has(session.value, "admin") && <ChangeKey reload={loaded.reload} />}
          {has(session.value, "auditor") && <AuditWitnesses signed={log.signed_entries} />}
          {(has(session.value, "auditor") || has(session.value, "admin")) && <AuditPushes />}
          {has(session.value, "auditor") && <AuditMirrors />}
        </>
      )}
    </details>
  );
}

function ChangeKey({ reload }: { reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const act = useAct();
  const change = () =>
    act.run(async () => {
      await withSecondFactor(() => api.changeLogKey(reason.trim()));
      setAsking(false);
      setReason("");
      reload();
    });
  return (
    <p>
      <button type="button" class="small" onClick={() => setAsking(true)}>
        {t("log.key.change")}
      </button>
      {asking && (
        <Confirm title={t("log.key.change")} action={t("log.key.change")} busy={act.busy || reason.trim() === ""} confirm={change} cancel={() => setAsking(false)}>
          <p>{t("log.key.change.what")}</p>
          <TextField label={t("log.key.change.reason")} value={reason} change={setReason} required maxLength={120} focus />
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </p>
  );
}
