/** One camera of a scene: its picture, its name, and what has to be said of it. */

import { type Signal, useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ApiError, Camera } from "../api";
import { t, word } from "../i18n";
import { inside } from "../lib/case";
import { Icon } from "../ui/icon";
import { TranscodedNote } from "../live/transcoded-note";
import { problemText } from "../ui/problem-words";
import { intervalAt, isLost, isTranscoded, type Range, without } from "../timeline/ranges";
import type { View } from "../timeline/scale";
import { offsetText } from "./clocks";
import type { Lane } from "./data";
import type { Scene } from "./scene";
import { SceneScreen, type Standing } from "./screen";

interface Props {
  scene: Scene;
  camera: Camera;
  /** Number of the case. */
  case: string;
  /** What the case admits of this camera; `null`: nothing. */
  window: Range | null;
  lane: Lane | null;
  known: View | null;
  standing: Signal<ReadonlyMap<number, Standing>>;
  /** Cameras that the others do not wait for any more. */
  left: Signal<ReadonlySet<number>>;
  moment: Signal<number | null>;
  /** How far the camera's clock is from the recorder's, milliseconds. */
  offset: number | null;
  correction: number;
  lead: boolean;
  large: boolean;
  index: number;
  choose: () => void;
  enlarge: () => void;
}

export function SceneTile({ scene, camera, case: number, window, lane, known, standing, left, moment, offset, correction, lead, large, index, choose, enlarge }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const own = useComputed(() => standing.value.get(camera.id) ?? "loading");
  const isLeft = useComputed(() => left.value.has(camera.id));
  const shut = window === null;

  useEffect(() => {
    if (shut || video.current === null || canvas.current === null) return;
    scene.add(new SceneScreen(video.current, canvas.current, camera.id, number));
    return () => scene.remove(camera.id);
  }, [scene, camera.id, number, shut]);
  useEffect(() => {
    const screen = scene.screen(camera.id);
    if (screen === null || lane === null || known === null) return;
    const { spans, damaged } = lane.recordings;
    screen.setSpans(inside(without(spans, damaged.filter(isLost)), window), known);
  }, [scene, lane, known, number, window?.start, window?.end]);
  useEffect(() => {
    const screen = scene.screen(camera.id);
    if (screen !== null) screen.correction = correction;
  }, [scene, camera.id, number, shut, correction]);

  const label = t("timeline.picture", { name: camera.name });
  return (
    <div class={large ? "scene-tile scene-large" : "scene-tile"} data-camera={camera.id} data-standing={own.value} data-lead={lead}>
      <div class="picture">
        <video ref={video} muted playsInline disablePictureInPicture disableRemotePlayback aria-label={label} />
        <canvas ref={canvas} class="jpeg" hidden role="img" aria-label={label} />
        <Cover shut={shut} standing={own} left={isLeft} lane={lane} moment={moment} problem={() => saidOf(scene.screen(camera.id)?.problem ?? null)} mime={() => scene.screen(camera.id)?.unsupported ?? ""} />
        <LateMark standing={own} left={isLeft} />
        <ImpairedMark lane={lane} moment={moment} />
        <TranscodedMark lane={lane} moment={moment} standing={own} brief={!large} />
      </div>
      <div class="scene-foot">
        <button type="button" class="scene-name" aria-pressed={lead} onClick={choose} aria-keyshortcuts={String(index + 1)} title={t("scene.lead")}>
          <kbd>{index + 1}</kbd> {camera.name}
        </button>
        <span class="hint num" title={t("scene.clock.what")} data-offset={offset ?? ""} data-correction={correction}>
          <Icon name="clock" /> {offset === null ? t("scene.clock.none") : offsetText(offset)}
          {correction !== 0 && ` · ${t("scene.clock.corrected", { ms: offsetText(correction) })}`}
        </span>
        <button type="button" class="small quiet" aria-pressed={large} onClick={enlarge} aria-label={t("scene.enlarge", { name: camera.name })}>
          <Icon name={large ? "minus" : "plus"} />
        </button>
      </div>
    </div>
  );
}

/** What happened and what to do. */
function saidOf(problem: ApiError | null): string | null {
  if (problem === null) return null;
  const { title, next } = problemText(problem);
  return `${title} ${next}`;
}

interface CoverProps {
  shut: boolean;
  standing: { value: Standing };
  left: { value: boolean };
  lane: Lane | null;
  moment: Signal<number | null>;
  problem: () => string | null;
  mime: () => string;
}

/** In place of a picture: why there is none. */
function Cover({ shut, standing, left, lane, moment, problem, mime }: CoverProps) {
  if (shut) return <CoverText title={t("scene.shut")} next={t("scene.shut.next")} />;
  switch (standing.value) {
    case "shown":
      return null;
    case "loading":
      return left.value ? <CoverText title={t("scene.left")} next={t("scene.left.next")} /> : <span class="spinner" role="status" aria-label={t("loading")} />;
    case "unsupported":
      return <CoverText title={t("live.unsupported")} next={t("playback.unsupported.next", { mime: mime() })} />;
    case "failed":
      return <CoverText title={t("scene.failed")} next={problem() ?? ""} />;
    case "empty":
      return <NoFootage lane={lane} moment={moment} />;
  }
}

function NoFootage({ lane, moment }: { lane: Lane | null; moment: Signal<number | null> }) {
  const why = useComputed(() => {
    const ms = moment.value;
    if (lane === null || ms === null) return null;
    const gap = intervalAt(lane.recordings.gaps, ms);
    if (gap !== null) return word("reason", gap.reason);
    const run = intervalAt(lane.recordings.damaged, ms);
    if (run !== null) return word("damaged", run.kind);
    return intervalAt(lane.recordings.erased, ms) === null ? null : t("scene.erased");
  });
  return <CoverText title={t("timeline.no_footage")} next={why.value ?? t("scene.empty.next")} />;
}

function CoverText({ title, next }: { title: string; next: string }) {
  return (
    <div class="cover scene-cover" role="status">
      <p class="cover-title">{title}</p>
      <p>{next}</p>
    </div>
  );
}

/** Its pictures come too late for as long as the others can wait. */
function LateMark({ standing, left }: { standing: { value: Standing }; left: { value: boolean } }) {
  const late = useComputed(() => left.value && standing.value === "shown");
  return late.value ? <p class="picture-note scene-late">{t("scene.late")}</p> : null;
}

function TranscodedMark({ lane, moment, standing, brief }: { lane: Lane | null; moment: Signal<number | null>; standing: { value: Standing }; brief: boolean }) {
  const now = useComputed(() => standing.value === "shown" && lane !== null && isTranscoded(lane.recordings.spans, moment.value));
  return now.value ? <TranscodedNote brief={brief} /> : null;
}

function ImpairedMark({ lane, moment }: { lane: Lane | null; moment: Signal<number | null> }) {
  const wrong = useComputed(() => lane !== null && moment.value !== null && intervalAt(lane.recordings.impaired, moment.value) !== null);
  return wrong.value ? <p class="picture-note picture-impaired">{t("impaired.at_some")}</p> : null;
}
