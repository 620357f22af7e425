/** Whether the recorder does its work: ring, cameras, plugins, clock. */

import { api, type Health, type PluginInfo, type RingHealth, type StreamState } from "../api";
import { t, word } from "../i18n";
import { useLoaded, useTitle } from "../lib/hooks";
import { nowMs } from "../lib/session";
import { durationText, rateText, sizeText } from "../lib/time";
import { Loading, Moment, Note, Problem } from "../ui/parts";

const EVERY_MS = 3_000;
/** Commits come each half second; without one for this long the recorder is not writing. */
const COMMIT_LATE_MS = 10_000;

export function HealthPage() {
  useTitle(t("nav.health"));
  const health = useLoaded(api.health, "health", EVERY_MS);
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.health")}</h1>
      </div>
      <Problem problem={health.problem} retry={health.reload} />
      {health.data === null && health.problem === null && <Loading />}
      {health.data !== null && <Shown health={health.data} />}
    </>
  );
}

function Shown({ health }: { health: Health }) {
  const { ring } = health;
  const live = health.cameras.some((camera) => camera.state.main.status === "live");
  const late = live && ring.last_commit_utc_ms !== null && nowMs() - ring.last_commit_utc_ms > COMMIT_LATE_MS;
  return (
    <div class="health">
      {ring.alarm != null && <Note kind="bad">{ring.alarm}</Note>}
      {late && <Note kind="bad">{t("health.commit_late")}</Note>}
      {ring.overload_drops > 0 && <Note kind="warn">{t("health.overload", { count: ring.overload_drops })}</Note>}
      <RingPanel ring={ring} />
      <section class="panel">
        <h2>{t("nav.cameras")}</h2>
        {health.cameras.length === 0 && <p class="muted">{t("cameras.empty")}</p>}
        {health.cameras.length > 0 && (
          <div class="table-wrap">
            <table>
              <thead>
                <tr>
                  <th scope="col">{t("camera.name")}</th>
                  <th scope="col">{t("health.state")}</th>
                  <th scope="col">{t("live.since")}</th>
                  <th scope="col">{t("stream.picture")}</th>
                  <th scope="col" class="end">
                    {t("stream.bitrate")}
                  </th>
                  <th scope="col" class="end">
                    {t("stream.lost")}
                  </th>
                  <th scope="col" class="end">
                    {t("stream.damaged")}
                  </th>
                </tr>
              </thead>
              <tbody>
                {health.cameras.map((camera) => (
                  <CameraRow key={camera.id} name={camera.name} state={camera.state.main} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <section class="panel">
        <h2>{t("plugins.title")}</h2>
        {health.plugins.length === 0 && <p class="muted">{t("plugins.empty")}</p>}
        {health.plugins.map((plugin) => (
          <PluginLine key={plugin.id} plugin={plugin} />
        ))}
      </section>
      <section class="panel">
        <h2>{t("health.clock")}</h2>
        <p>
          <Moment ms={health.clock.now_utc_ms} /> · {word("sync", health.clock.sync_state)}
        </p>
      </section>
    </div>
  );
}

function RingPanel({ ring }: { ring: RingHealth }) {
  const share = ring.capacity_bytes > 0 ? Math.min(1, ring.used_bytes / ring.capacity_bytes) : 0;
  return (
    <section class="panel">
      <h2>{t("health.ring")}</h2>
      <div class="ring" role="meter" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)} aria-label={t("health.ring")}>
        <div style={{ width: `${share * 100}%` }} />
      </div>
      <p class="num">{t("health.ring.used", { used: sizeText(ring.used_bytes), capacity: sizeText(ring.capacity_bytes), share: Math.round(share * 100) })}</p>
      <p class="muted">{t("health.ring.what")}</p>
      <dl class="facts">
        <div>
          <dt>{t("health.oldest")}</dt>
          <dd>
            {ring.oldest_utc_ms === null ? (
              "–"
            ) : (
              <>
                <Moment ms={ring.oldest_utc_ms} /> ({durationText(nowMs() - ring.oldest_utc_ms)})
              </>
            )}
          </dd>
        </div>
        {ring.ring_days_now != null && (
          <div>
            <dt>{t("health.days")}</dt>
            <dd>{durationText(ring.ring_days_now * 86_400_000)}</dd>
          </div>
        )}
        <div>
          <dt>{t("health.last_commit")}</dt>
          <dd>{ring.last_commit_utc_ms === null ? "–" : <Moment ms={ring.last_commit_utc_ms} />}</dd>
        </div>
        <div>
          <dt>{t("health.commits")}</dt>
          <dd class="num">{ring.commits}</dd>
        </div>
      </dl>
    </section>
  );
}

function CameraRow({ name, state }: { name: string; state: StreamState }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        <span class={`dot dot-${state.status}`} aria-hidden="true" /> {t(`status.${state.status}`)}
        {state.status === "lost" && state.reason !== null && <div class="bad">{word("reason", state.reason)}</div>}
        {state.status !== "live" && state.next_step !== null && <div class="note-next">{state.next_step}</div>}
      </td>
      <td>
        <Moment ms={state.since_utc_ms} />
      </td>
      <td class="num">{state.codec === null ? "–" : `${state.width} × ${state.height}`}</td>
      <td class="num end">{state.bitrate_bps === null ? "–" : rateText(state.bitrate_bps)}</td>
      <td class="num end">{state.lost_packets}</td>
      <td class="num end">{state.damaged_access_units}</td>
    </tr>
  );
}

function PluginLine({ plugin }: { plugin: PluginInfo }) {
  return (
    <div class="plugin-line">
      <p>
        <strong>{word("plugin", plugin.id)}</strong> <span class="muted num">{plugin.version}</span> · {word("plugin_state", plugin.state)}
      </p>
      <p class="muted num">{t("health.plugin", { seen: plugin.frames_seen, dropped: plugin.frames_dropped, traps: plugin.traps })}</p>
      {plugin.last_error !== null && <Note kind="bad">{plugin.last_error}</Note>}
    </div>
  );
}
