/** One plugin: how it is doing, what it may do, the version that waits, and what can be done with it. */

import { useState } from "preact/hooks";
import { api, type PluginInfo, type PluginVersion } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { link } from "../lib/router";
import { cameraName } from "../lib/session";
import { durationText, sizeText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Confirm, Loading, Moment, Note, Problem } from "../ui/parts";
import { asksText, changeText, keyText, pluginName } from "./plugin-words";

const LOG_EVERY_MS = 2_000;

export function PluginCard({ plugin, reload }: { plugin: PluginInfo; reload: () => void }) {
  const { running, waiting } = plugin;
  const bad = plugin.state === "failed" || plugin.state === "restarting";
  return (
    <li class="card" data-plugin={plugin.id} data-state={plugin.state} data-version={running?.version ?? ""}>
      <div class="card-main">
        <Icon name="plugin" />
        <span class="card-title">{pluginName(plugin.id)}</span>
        {running !== null && <span class="muted num">{running.version}</span>}
        <span class={bad ? "tag tag-bad" : "tag"}>{t(`plugin_state.${plugin.state}`)}</span>
        {plugin.origin === "built_in" && <span class="tag">{t("plugin.built_in")}</span>}
      </div>
      <div class="card-state">
        <p>{plugin.summary}</p>
        {running !== null && <Provenance plugin={plugin} version={running} />}
        {running !== null && <Bound plugin={plugin} />}
        {plugin.state === "failed" && <Note kind="bad">{t("plugin.failed.next")}</Note>}
        {plugin.last_error !== null && (
          <Note kind={bad ? "bad" : "warn"}>
            <p lang="en">{plugin.last_error}</p>
          </Note>
        )}
        {waiting !== null && <Waiting plugin={plugin} waiting={waiting} reload={reload} />}
        {running !== null && (
          <details>
            <summary>{t("plugin.asks")}</summary>
            <Asks version={running} />
          </details>
        )}
        {running !== null && <Log plugin={plugin.id} />}
        <Acts plugin={plugin} reload={reload} />
      </div>
    </li>
  );
}

/** Who made it and who signed it. */
function Provenance({ plugin, version }: { plugin: PluginInfo; version: PluginVersion }) {
  return (
    <p class="muted">
      {t("plugin.by", { publisher: version.publisher, licence: version.licence })}
      {plugin.origin === "installed" && version.signer !== null && ` · ${t("plugin.signed", { name: version.signer.name, key: keyText(version.signer.key_id) })}`}
      {plugin.origin === "installed" && version.signer === null && (
        <>
          {" · "}
          <strong class="bad">{t("plugin.unsigned")}</strong>
        </>
      )}
    </p>
  );
}

function Bound({ plugin }: { plugin: PluginInfo }) {
  const { cost } = plugin;
  return (
    <>
      <p>
        {plugin.cameras.length === 0 && t("plugin.no_camera")}
        {plugin.cameras.map((id, place) => (
          <>
            {place > 0 && ", "}
            <a href={link.cameraEdit(id)}>{cameraName(id)}</a>
          </>
        ))}
      </p>
      {plugin.cameras.length > 0 && (
        <p class="muted num" data-cost>
          {t("health.plugin", { seen: plugin.frames_seen, dropped: plugin.frames_dropped, traps: plugin.traps })} ·{" "}
          {t("plugin.cost", { time: durationText(cost.processor_ms), longest: durationText(cost.call_us_max / 1000), memory: sizeText(cost.memory_bytes) })} ·{" "}
          {t("plugin.events", { count: cost.events })}
          {cost.marks_refused > 0 && ` · ${t("plugin.refused", { count: cost.marks_refused })}`}
        </p>
      )}
    </>
  );
}

function Asks({ version }: { version: PluginVersion }) {
  return (
    <ul class="plain-list">
      {asksText(version.asks).map((line) => (
        <li key={line}>{line}</li>
      ))}
      <li class="muted">{t("asks.never")}</li>
    </ul>
  );
}

function Waiting({ plugin, waiting, reload }: { plugin: PluginInfo; waiting: PluginVersion; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const sha256 = waiting.package_sha256 ?? "";
  const approve = () =>
    act.run(async () => {
      await api.approvePlugin(plugin.id, sha256);
      setAsking(false);
      reload();
    });
  const reject = () =>
    act.run(async () => {
      await api.rejectPlugin(plugin.id, sha256);
      reload();
    });
  return (
    <section class="inset waiting" aria-label={t("plugin.waits", { version: waiting.version })} data-waiting={waiting.version}>
      <h3>{t("plugin.waits", { version: waiting.version })}</h3>
      <Provenance plugin={plugin} version={waiting} />
      {waiting.installed_utc_ms !== null && (
        <p class="muted">
          {t("plugin.uploaded")} <Moment ms={waiting.installed_utc_ms} />
        </p>
      )}
      {plugin.running === null ? (
        <>
          <p>{t("plugin.asks")}</p>
          <Asks version={waiting} />
        </>
      ) : (
        <>
          <Changes plugin={plugin} />
          <details>
            <summary>{t("plugin.asks_all")}</summary>
            <Asks version={waiting} />
          </details>
        </>
      )}
      <details>
        <summary>{t("plugin.digest")}</summary>
        <p class="path">{sha256}</p>
      </details>
      {!asking && <Problem problem={act.problem} />}
      <div class="row row-end">
        <button type="button" class="danger-quiet" disabled={act.busy} onClick={reject}>
          {t("plugin.reject")}
        </button>
        <button type="button" class="primary" disabled={act.busy} onClick={() => setAsking(true)}>
          {t("plugin.approve")}
        </button>
      </div>
      {asking && (
        <Confirm title={t("plugin.approve.title", { name: pluginName(plugin.id), version: waiting.version })} action={t("plugin.approve")} busy={act.busy} confirm={approve} cancel={() => setAsking(false)}>
          <p>{plugin.running === null ? t("plugin.approve.first") : t("plugin.approve.upgrade", { before: plugin.running.version })}</p>
          {waiting.signer === null && <Note kind="warn">{t("plugin.approve.unsigned")}</Note>}
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </section>
  );
}

/** How the version that waits differs from the one that runs. */
function Changes({ plugin }: { plugin: PluginInfo }) {
  if (plugin.changes.length === 0) return <p>{t("plugin.no_changes")}</p>;
  return (
    <>
      <p>{t("plugin.changes", { version: plugin.running?.version ?? "" })}</p>
      <ul class="plain-list" data-changes>
        {plugin.changes.map((change) => (
          <li key={`${change.what} ${change.before} ${change.after}`}>
            {changeText(change)} {change.more && <span class="tag tag-bad">{t("change.more")}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

function Acts({ plugin, reload }: { plugin: PluginInfo; reload: () => void }) {
  const [asking, setAsking] = useState<"back" | "remove" | null>(null);
  const act = useAct();
  if (plugin.origin === "built_in") return null;
  const name = pluginName(plugin.id);
  const finish = (work: () => Promise<unknown>) => () =>
    act.run(async () => {
      await work();
      setAsking(null);
      reload();
    });
  return (
    <div class="row row-end">
      {plugin.previous !== null && (
        <button type="button" class="small" onClick={() => setAsking("back")}>
          {t("plugin.back", { version: plugin.previous.version })}
        </button>
      )}
      <button type="button" class="small danger-quiet" onClick={() => setAsking("remove")}>
        {t("plugin.remove")}
      </button>
      {asking === "back" && plugin.previous !== null && (
        <Confirm
          title={t("plugin.back.title", { name, version: plugin.previous.version })}
          action={t("plugin.back.do")}
          busy={act.busy}
          confirm={finish(() => api.rollBackPlugin(plugin.id))}
          cancel={() => setAsking(null)}
        >
          <p>{t("plugin.back.what", { version: plugin.running?.version ?? "" })}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
      {asking === "remove" && (
        <Confirm title={t("plugin.remove.title", { name })} action={t("plugin.remove")} busy={act.busy} confirm={finish(() => api.removePlugin(plugin.id))} cancel={() => setAsking(null)}>
          <p>{t("plugin.remove.what", { count: plugin.cameras.length })}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </div>
  );
}

/** What it logged; asked for only while it is open. */
function Log({ plugin }: { plugin: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("plugin.log")}</summary>
      {open && <LogLines plugin={plugin} />}
    </details>
  );
}

function LogLines({ plugin }: { plugin: string }) {
  const log = useLoaded(() => api.pluginLog(plugin), plugin, LOG_EVERY_MS);
  const lines = log.data?.lines ?? [];
  return (
    <>
      <Problem problem={log.problem} retry={log.reload} />
      {log.data === null && log.problem === null && <Loading />}
      {log.data !== null && lines.length === 0 && <p class="muted">{t("plugin.log.empty")}</p>}
      {log.data !== null && log.data.dropped > 0 && <p class="hint">{t("plugin.log.dropped", { count: log.data.dropped })}</p>}
      {lines.length > 0 && (
        <ol class="log" tabIndex={0} aria-label={t("plugin.log")}>
          {lines.map((line, place) => (
            <li key={place} class={`log-${line.level}`}>
              <Moment ms={line.at_utc_ms} only="time" /> <span class="muted">{cameraName(line.camera)}</span> <span class="log-text">{line.text}</span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}
