/** Whether the recorder does its work: alarms, disks, damage, retention, vault, cameras, plugins, clock. */

import { useState } from "preact/hooks";
import { api, type DeviceState, type Health, type PluginInfo, type Sight, type StreamState } from "../api";
import { t, word } from "../i18n";
import { useLoaded, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { found } from "../lib/search";
import { nowMs, session } from "../lib/session";
import { streamAdvice } from "../lib/stream-advice";
import { rateText } from "../lib/time";
import { Loading, Moment, Note, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { AuditCheckpoint } from "./audit-checkpoint";
import { DeviceLine } from "./camera-device";
import { AlarmList } from "./health-alarms";
import { DamagePanel } from "./health-damage";
import { DiskPanel } from "./health-disks";
import { MachinePanel } from "./health-machine";
import { PressurePanel } from "./health-pressure";
import { VaultPanel } from "./holds";
import { RetentionPanel } from "./retention";

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
      {health.data !== null && <Shown health={health.data} reload={health.reload} />}
    </>
  );
}

function Shown({ health, reload }: { health: Health; reload: () => void }) {
  const { ring } = health;
  const live = health.cameras.some((camera) => camera.state.main.status === "live");
  const late = live && ring.last_commit_utc_ms !== null && nowMs() - ring.last_commit_utc_ms > COMMIT_LATE_MS;
  const dirOf = (id: string) => health.disks.find((disk) => disk.id === id)?.dir ?? null;
  return (
    <div class="health">
      {late && <Note kind="bad">{t("health.commit_late")}</Note>}
      <AlarmList alarms={health.alarms} dirOf={dirOf} />
      {ring.overload_drops > 0 && <Note kind="warn">{t("health.overload", { count: ring.overload_drops })}</Note>}
      <DiskPanel ring={ring} disks={health.disks} reload={reload} />
      <DamagePanel damaged={health.damaged} />
      <RetentionPanel />
      <VaultPanel vault={health.vault} />
      <PressurePanel pressure={health.pressure} />
      <MachinePanel />
      {has(session.value, "admin") && <AuditCheckpoint />}
      <CameraPanel cameras={health.cameras} />
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

function CameraPanel({ cameras }: { cameras: Health["cameras"] }) {
  const [search, setSearch] = useState("");
  const shown = cameras.filter(({ name, state }) => found(search, name, t(`status.${state.main.status}`)));
  return (
    <section class="panel">
      <div class="panel-head">
        <h2>{t("nav.cameras")}</h2>
        {cameras.length > 0 && <Search label={t("cameras.search")} value={search} change={setSearch} />}
      </div>
      {cameras.length === 0 && <p class="muted">{t("cameras.empty")}</p>}
      {cameras.length > 0 && shown.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
      {shown.length > 0 && (
        <div class="table-wrap" role="region" tabIndex={0} aria-label={t("nav.cameras")}>
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
              {shown.map((camera) => (
                <CameraRow key={camera.id} name={camera.name} state={camera.state.main} sight={camera.state.sight} device={camera.device} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function CameraRow({ name, state, sight, device }: { name: string; state: StreamState; sight: Sight | null; device: DeviceState | null }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        <span class={`dot dot-${state.status}`} aria-hidden="true" /> {t(`status.${state.status}`)}
        {state.status === "lost" && state.reason !== null && <div class="bad">{word("reason", state.reason)}</div>}
        {state.status !== "live" && state.next_step !== null && <div class="note-next">{state.next_step}</div>}
        {sight !== null && (
          <>
            <div class="bad" data-sight={sight.kind}>
              {t(`sight.${sight.kind}`)} · {t("live.since")} <Moment ms={sight.since_utc_ms} />
            </div>
            <div class="note-next">{t(`sight.${sight.kind}.next`)}</div>
          </>
        )}
        {streamAdvice(state).map((advice) => (
          <div class="note-next" key={advice}>
            {t(advice)}
          </div>
        ))}
        {device !== null && <DeviceLine state={device} />}
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
