/** One camera through time: picture, transport, timeline, events, and asking for a range. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Camera, WatchEvent } from "../api";
import { t } from "../i18n";
import { windowOf } from "../lib/case";
import { useTick, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { go, link, route } from "../lib/router";
import { cameras, camerasProblem, loadCameras, nowMs, session } from "../lib/session";
import { daysText } from "../lib/time";
import { LiveVideo } from "../live/live-video";
import { TimelineCanvas } from "../timeline/canvas";
import { useTimelineData } from "../timeline/data";
import { CaseChooser, useCase } from "../timeline/case-chooser";
import { EventList } from "../timeline/event-list";
import { ExportPanel } from "../timeline/export-panel";
import { type Head, useHead } from "../timeline/head";
import { PictureNote } from "../timeline/picture-note";
import { RedactPanel } from "../redact/redact-ask";
import { ordered, type Range } from "../timeline/ranges";
import { clampToNow, DAY, HOUR, MINUTE, reveal, type View, viewAround } from "../timeline/scale";
import { TimeLists } from "../timeline/time-lists";
import { Now, Transport, ViewButtons } from "../timeline/transport";
import { Icon } from "../ui/icon";
import { Empty, Loading, Problem } from "../ui/parts";
import { NoCameras } from "./wall";

const LENGTHS_MS = [MINUTE, 10 * MINUTE, HOUR, DAY, 7 * DAY];

export function TimelinePage({ id }: { id: number | null }) {
  const list = cameras.value;
  if (list === null) {
    return camerasProblem.value === null ? <Loading /> : <Problem problem={camerasProblem.value} retry={() => void loadCameras()} />;
  }
  const camera = id === null ? list[0] : list.find((each) => each.id === id);
  if (list.length === 0) return <NoCameras />;
  if (camera === undefined) {
    return (
      <Empty title={t("camera.gone", { id: id ?? 0 })}>
        <a href={link.timeline(list[0]?.id ?? 0)}>{t("timeline.other")}</a>
      </Empty>
    );
  }
  return <OneTimeline key={camera.id} camera={camera} list={list} />;
}

function firstMoment(): number | null {
  const at = route.value.query.get("at");
  return at !== null && /^\d{12,14}$/.test(at) ? Number(at) : null;
}

/** What an address marks, as a rule proposes it. */
function markedRange(): Range | null {
  const [start, end] = ["from", "to"].map((name) => route.value.query.get(name));
  const moments = [start, end].map((text) => (text != null && /^\d{12,14}$/.test(text) ? Number(text) : null));
  const [from, to] = moments;
  return from != null && to != null && to > from ? { start: from, end: to } : null;
}

function OneTimeline({ camera, list }: { camera: Camera; list: Camera[] }) {
  useTitle(`${camera.name} · ${t("nav.timeline")}`);
  const asked = useMemo(firstMoment, []);
  const [view, setView] = useState<View>(() => clampToNow(viewAround(asked ?? nowMs(), HOUR), nowMs()));
  const [live, setLive] = useState(false);
  const [selection, setSelection] = useState<Range | null>(markedRange);
  const [chosen, setChosen] = useState<string | null>(null);
  const data = useTimelineData(camera.id, view);
  const choice = useCase();
  const window = windowOf(choice.found, camera.id);
  const head = useHead({ camera: camera.id, case: choice.found?.case ?? "", window }, live, data);
  const spans = data.recordings?.spans ?? [];
  const gaps = data.recordings?.gaps ?? [];
  const damaged = data.recordings?.damaged ?? [];
  const impaired = data.recordings?.impaired ?? [];
  const held = data.recordings?.held ?? [];
  const erased = data.recordings?.erased ?? [];
  const inView = <T extends { start_utc_ms: number; end_utc_ms: number }>(list: readonly T[]) =>
    list.filter((each) => each.end_utc_ms > view.start && each.start_utc_ms < view.end);
  const newest = data.recordings?.last_utc_ms ?? null;
  const look = (ms: number) => setView((old) => clampToNow(reveal(old, ms), nowMs()));

  // A moment outside of what is known is shown once the answer about it has come. The first one is what was asked for, or shortly before the newest picture.
  const waiting = useRef<number | null>(asked);
  const opened = useRef(asked !== null);
  useEffect(() => {
    if (!opened.current && newest !== null) {
      opened.current = true;
      waiting.current = Math.max(data.recordings?.first_utc_ms ?? 0, newest - 20_000);
      look(waiting.current);
    }
    const to = waiting.current;
    if (to === null || data.window === null || to < data.window.start || to > data.window.end || spans.length === 0) return;
    waiting.current = null;
    head.seek(to);
  }, [data.recordings]);

  // Another case: the picture goes on where it was, as far as the case has it; else at the case's end, or shortly before the newest picture.
  useEffect(() => {
    if (window === null || newest === null) return;
    const here = waiting.current ?? head.position.peek() ?? newest - 20_000;
    const last = Math.min(window.end, newest) - 20_000;
    goTo(here >= window.start && here < window.end ? here : Math.max(window.start, last));
  }, [choice.found?.case, window?.start, window?.end, newest === null]);

  useEffect(() => {
    if (live) {
      const follow = () => look(nowMs());
      follow();
      const timer = setInterval(follow, 1_000);
      return () => clearInterval(timer);
    }
    // The view follows the picture as it leaves, but lets the reader look elsewhere.
    let last = head.position.peek();
    return head.position.subscribe((ms) => {
      const from = last;
      last = ms;
      if (ms === null || from === null || !head.playing.peek()) return;
      setView((old) => (from >= old.start && from <= old.end ? reveal(old, ms) : old));
    });
  }, [live]);

  const seek = (ms: number) => {
    setLive(false);
    waiting.current = null;
    if (data.window !== null && ms >= data.window.start && ms <= data.window.end) head.seek(ms);
    else waiting.current = ms;
  };
  const goTo = (ms: number) => {
    look(ms);
    seek(ms);
  };
  const mark = (end: "in" | "out") => {
    const here = live ? nowMs() : (head.position.peek() ?? nowMs());
    setSelection((old) => {
      if (end === "in") return { start: here, end: old !== null && old.end > here ? old.end : here + 10_000 };
      return old !== null && old.start < here ? { start: old.start, end: here } : ordered(here - 10_000, here);
    });
  };
  const choose = (event: WatchEvent) => {
    setChosen(event.id);
    // A little before it, so that the beginning is seen.
    goTo(event.start_utc_ms - 2_000);
  };
  const toggle = () => {
    if (live) return;
    if (head.playing.peek()) head.pause();
    else head.play();
  };

  const scene = { view, spans, gaps, damaged, impaired, held, erased, first: data.recordings?.first_utc_ms ?? null, events: data.events, chosen, selection };
  return (
    <div class="review">
      <div class="page-head">
        <label class="camera-choice">
          <span class="visually-hidden">{t("timeline.camera")}</span>
          <select value={String(camera.id)} onChange={(event) => go(link.timeline(Number(event.currentTarget.value)))}>
            {list.map((each) => (
              <option key={each.id} value={String(each.id)}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
        <h1 class="visually-hidden">{t("timeline.title", { name: camera.name })}</h1>
        <CaseChooser choice={choice} camera={camera} goTo={goTo} />
        <button type="button" class="small" onClick={() => go(link.scene([camera.id], head.position.peek() ?? undefined))}>
          <Icon name="camera" /> {t("scene.open")}
        </button>
        {data.recordings?.ring_days_now != null && <p class="muted">{t("timeline.ring", { duration: daysText(data.recordings.ring_days_now) })}</p>}
      </div>
      <Problem problem={data.problem} retry={data.reload} />
      <div class="review-main">
        <div class="stage" data-mode={live ? "live" : "recorded"}>
          <div class={live ? "picture hidden" : "picture"}>
            <video ref={head.video} muted playsInline disablePictureInPicture disableRemotePlayback aria-label={t("timeline.picture", { name: camera.name })} />
            <canvas ref={head.canvas} class="jpeg" hidden role="img" aria-label={t("timeline.picture", { name: camera.name })} />
            {!live && <PictureNote head={head} empty={data.recordings !== null && newest === null} shut={window === null} damaged={damaged} impaired={impaired} spans={spans} />}
          </div>
          {live && (
            <LiveVideo camera={camera.id} role="main_video" active known={camera.state.main} label={t("live.of", { name: camera.name })} />
          )}
        </div>
        <EventList events={data.events} cut={data.eventsCut} chosen={chosen} choose={choose} />
      </div>
      <div class="panel transport-panel">
        <div class="transport-row">
          <Transport head={head} live={live} toggle={toggle} goLive={() => setLive(true)} mayLive={has(session.value, "viewer")} />
          <Now head={head} live={live} goTo={goTo} />
          <ViewButtons view={view} setView={(next) => setView(clampToNow(next, nowMs()))} moment={() => head.position.peek()} lengths={LENGTHS_MS} />
        </div>
        <Canvas scene={scene} pictures={window === null ? null : { camera: camera.id, case: choice.found?.case ?? "", window }} head={head} live={live} setView={setView} seek={seek} select={setSelection} mark={mark} toggle={toggle} />
        <TimeLists
          gaps={inView(gaps)}
          damaged={inView(damaged)}
          impaired={inView(impaired)}
          impairedMerged={data.recordings?.impaired_merged ?? false}
          held={inView(held)}
          erased={inView(erased)}
          seek={goTo}
        />
        <Problem problem={head.problem} />
      </div>
      <ExportPanel camera={camera.id} range={selection} change={setSelection} mark={mark} recorded={{ spans, gaps, damaged, erased }} impaired={impaired} />
      {selection !== null && <RedactPanel camera={camera.id} range={selection} head={head} />}
    </div>
  );
}

type CanvasProps = Omit<Parameters<typeof TimelineCanvas>[0], "scene"> & {
  scene: Omit<Parameters<typeof TimelineCanvas>[0]["scene"], "position" | "now">;
  head: Head;
  live: boolean;
};

/** Only this part is drawn again for every move of the picture. */
function Canvas({ scene, head, live, ...rest }: CanvasProps) {
  useTick(1_000);
  const now = nowMs();
  return <TimelineCanvas {...rest} scene={{ ...scene, position: live ? now : head.position.value, now }} />;
}
