/** Checkpoints that the recorder sends to witnesses by itself: where to, what became of the last one, and one more at once. */

import { useState } from "preact/hooks";
import { api, type LogPush } from "../api";
import { t, word } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { has } from "../lib/roles";
import { session } from "../lib/session";
import { Moment, Note, Problem, TextField } from "../ui/parts";
import { withSecondFactor } from "../ui/second-factor";

const EVERY_MS = 10_000;
/** While one is on its way. */
const SOON_MS = 2_000;
const URL_BYTES_MAX = 256;

export function AuditPushes() {
  const [everyMs, setEveryMs] = useState(EVERY_MS);
  const loaded = useLoaded(() => api.logPushes(), "log-pushes", everyMs);
  const pushes = loaded.data ?? [];
  const wanted = pushes.some((push) => push.pending) ? SOON_MS : EVERY_MS;
  if (wanted !== everyMs) setEveryMs(wanted);
  if (pushes.length === 0 && loaded.problem === null) return null;
  return (
    <section aria-label={t("push.title")}>
      <h3>{t("push.title")}</h3>
      <p class="muted">{t("push.what")}</p>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      <ul class="plain-list">
        {pushes.map((push) => (
          <Push key={push.witness} push={push} reload={loaded.reload} />
        ))}
      </ul>
    </section>
  );
}

function Push({ push, reload }: { push: LogPush; reload: () => void }) {
  const [changing, setChanging] = useState(false);
  const act = useAct();
  const now = () =>
    act.run(async () => {
      await api.pushLog(push.witness);
      reload();
    });
  const { url, last, next_utc_ms: next, refused } = push;
  return (
    <li data-push={push.witness} data-outcome={last?.outcome}>
      <div class="row publisher">
        <div>
          <strong>{push.witness}</strong>
          <p class="path muted">{url ?? t("push.by_hand")}</p>
          {url !== null && (
            <p>
              {push.pending ? (
                t("push.pending")
              ) : (
                <>
                  {last === null ? t("push.none") : <Last last={last} />}
                  {next !== null && (
                    <span class="muted">
                      {" · "}
                      {t("push.next")} <Moment ms={next} />
                    </span>
                  )}
                </>
              )}
            </p>
          )}
          {last !== null && last.outcome !== "cosigned" && (
            <p class="muted" lang="en">
              {last.text}
            </p>
          )}
        </div>
        <div class="row">
          {url !== null && (
            <button type="button" class="small" disabled={act.busy || push.pending} onClick={now}>
              {t("push.now")}
            </button>
          )}
          {has(session.value, "admin") && (
            <button type="button" class="small" aria-expanded={changing} onClick={() => setChanging(!changing)}>
              {t("push.change")}
            </button>
          )}
        </div>
      </div>
      <Problem problem={act.problem} />
      {refused !== null && (
        <Note kind="bad">
          <p>
            <strong>{t("alarm.log_witness_refuses")}</strong> · <Moment ms={refused.utc_ms} />
          </p>
          <p lang="en">{refused.text}</p>
          <p class="note-next">{t("alarm.log_witness_refuses.next")}</p>
        </Note>
      )}
      {changing && (
        <Change
          push={push}
          close={() => {
            setChanging(false);
            reload();
          }}
        />
      )}
    </li>
  );
}

function Last({ last }: { last: NonNullable<LogPush["last"]> }) {
  return (
    <>
      {word("push.outcome", last.outcome)} <span class="muted num">({t("log.summary", { signed: last.entries })})</span> · <Moment ms={last.utc_ms} />
    </>
  );
}

function Change({ push, close }: { push: LogPush; close: () => void }) {
  const [url, setUrl] = useState(push.url ?? "");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await withSecondFactor(() => api.setLogPush(push.witness, url.trim()));
      close();
    });
  };
  return (
    <form class="inset" aria-label={t("push.change")} onSubmit={submit}>
      <TextField label={t("push.url")} hint={t("push.url.hint")} value={url} change={setUrl} maxLength={URL_BYTES_MAX} focus />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="button" onClick={close}>
          {t("cancel")}
        </button>
        <button type="submit" class="primary" disabled={act.busy}>
          {t("push.save")}
        </button>
      </div>
    </form>
  );
}
