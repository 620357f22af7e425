/** One camera, large: its main stream, with what the stream is and where to go from here. */

import { useState } from "preact/hooks";
import type { Camera, LastGap, StreamState } from "../api";
import { t, word } from "../i18n";
import { useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { cameras, camerasProblem, loadCameras, session } from "../lib/session";
import { dateTimeText, durationText, rateText } from "../lib/time";
import { LiveVideo } from "../live/live-video";
import { PtzPanel } from "../live/ptz";
import { Icon } from "../ui/icon";
import { Empty, Loading, Problem } from "../ui/parts";

export function LiveOne({ id }: { id: number }) {
  const list = cameras.value;
  const camera = list?.find((each) => each.id === id);
  useTitle(camera?.name ?? t("nav.wall"));
  if (list === null) {
    return camerasProblem.value === null ? <Loading /> : <Problem problem={camerasProblem.value} retry={() => void loadCameras()} />;
  }
  if (camera === undefined) {
    return (
      <Empty title={t("camera.gone", { id })}>
        <a href={link.wall}>{t("unknown.back")}</a>
      </Empty>
    );
  }
  return <One camera={camera} list={list} />;
}

function One({ camera, list }: { camera: Camera; list: Camera[] }) {
  const [heard, setHeard] = useState<StreamState | null>(null);
  const state = heard ?? camera.state.main;
  const place = list.findIndex((each) => each.id === camera.id);
  const before = list[(place + list.length - 1) % list.length];
  const after = list[(place + 1) % list.length];
  return (
    <>
      <div class="page-head">
        <a class="button quiet" href={link.wall}>
          <Icon name="back" /> {t("nav.wall")}
        </a>
        <h1>
          <span class={`dot dot-${state.status}`} role="img" aria-label={t(`status.${state.status}`)} /> {camera.name}
        </h1>
        <div class="row row-end">
          {list.length > 1 && before !== undefined && after !== undefined && (
            <>
              <a class="button" href={link.live(before.id)} aria-label={t("camera.previous", { name: before.name })}>
                <Icon name="back" />
              </a>
              <a class="button" href={link.live(after.id)} aria-label={t("camera.next", { name: after.name })}>
                <Icon name="forward" />
              </a>
            </>
          )}
          {has(session.value, "investigator") && (
            <a class="button" href={link.timeline(camera.id)}>
              <Icon name="clock" /> {t("nav.timeline")}
            </a>
          )}
          {has(session.value, "admin") && (
            <a class="button" href={link.cameraEdit(camera.id)}>
              <Icon name="edit" /> {t("camera.settings")}
            </a>
          )}
        </div>
      </div>
      <div class="stage">
        <LiveVideo
          camera={camera.id}
          role="main_video"
          active={camera.enabled}
          known={camera.state.main}
          label={t("live.of", { name: camera.name })}
          report={setHeard}
        />
      </div>
      {camera.device_state?.ptz && (has(session.value, "investigator") || has(session.value, "admin")) && <PtzPanel key={camera.id} camera={camera.id} />}
      <StreamFacts state={state} />
    </>
  );
}

export function StreamFacts({ state }: { state: StreamState }) {
  if (state.codec === null) return null;
  return (
    <dl class="facts">
      <Fact name={t("stream.picture")} value={`${state.width} × ${state.height}`} />
      <Fact name={t("stream.codec")} value={state.codec} />
      {state.fps !== null && <Fact name={t("stream.rate")} value={t("stream.fps", { count: Math.round(state.fps * 10) / 10 })} />}
      {state.bitrate_bps !== null && <Fact name={t("stream.bitrate")} value={rateText(state.bitrate_bps)} />}
      <Fact name={t("stream.lost")} value={String(state.lost_packets)} />
      <Fact name={t("stream.damaged")} value={String(state.damaged_access_units)} />
      {state.encoder !== null && (
        <Fact name={t("local.encoder")} value={t("local.encoder.cost", { name: state.encoder.name, seconds: Math.round(state.encoder.cpu_s_per_min * 10) / 10 })} />
      )}
      {state.key_interval_ms !== null && <Fact name={t("stream.key_interval")} value={secondsText(state.key_interval_ms)} />}
      {state.media_utc_offset_ms !== null && <Fact name={t("stream.offset")} value={secondsText(state.media_utc_offset_ms)} />}
      {state.drift_ppm !== null && <Fact name={t("stream.drift")} value={`${Math.round(state.drift_ppm)} ppm`} />}
      {state.last_gap !== null && <Fact name={t("stream.last_gap")} value={lastGapText(state.last_gap)} />}
    </dl>
  );
}

function secondsText(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

function lastGapText({ start_utc_ms, end_utc_ms, reason }: LastGap): string {
  return t("stream.gap", { when: dateTimeText(start_utc_ms), length: durationText(end_utc_ms - start_utc_ms), reason: word("reason", reason) });
}

export function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
