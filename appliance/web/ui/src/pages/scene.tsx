/** Recreating a scene: up to nine cameras on one clock, inside a case. */

import { type Signal, useComputed } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, type Bookmark, type Camera } from "../api";
import { t } from "../i18n";
import { windowOf } from "../lib/case";
import { useLoaded, useTick, useTitle } from "../lib/hooks";
import { link, route } from "../lib/router";
import { cameras, camerasProblem, loadCameras, nowMs } from "../lib/session";
import { durationText } from "../lib/time";
import { Bookmarks } from "../scene/bookmarks";
import { camerasOf, flipped, momentOf } from "../scene/choose";
import { Clocks, useCorrections, useOffsets } from "../scene/clocks";
import { extentOf, type Lane, useLanes } from "../scene/data";
import { AROUND_MS, HandOver, type Handing } from "../scene/hand-over";
import { nextRate, sceneAct } from "../scene/keys";
import { LanesCanvas, type LaneRow } from "../scene/lanes-canvas";
import { CAMERAS_MAX } from "../scene/scene";
import { SceneTile } from "../scene/tile";
import { KeyHelp, SceneNow, SceneTransport } from "../scene/transport";
import { type SceneHead, useScene } from "../scene/use-scene";
import { CaseChooser, useCase } from "../timeline/case-chooser";
import { ordered, type Range } from "../timeline/ranges";
import { clampToNow, DAY, HOUR, MINUTE, reveal, SECOND, type View, viewAround } from "../timeline/scale";
import { ViewButtons } from "../timeline/transport";
import { Check, Empty, Loading, Problem } from "../ui/parts";
import { NoCameras } from "./wall";

const LENGTHS_MS = [SECOND, 10 * SECOND, MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY];

export function ScenePage() {
  const list = cameras.value;
  if (list === null) return camerasProblem.value === null ? <Loading /> : <Problem problem={camerasProblem.value} retry={() => void loadCameras()} />;
  if (list.length === 0) return <NoCameras />;
  // Another address is another scene: a bookmark that somebody followed, or a link.
  return <OneScene key={route.value.query.toString()} list={list} />;
}

/** The bookmarks of the case are read again so often: others work in it, too. */
const BOOKMARKS_EVERY_MS = 20_000;
/** A scene without a moment begins so long before the newest footage. */
const BEFORE_NEWEST_MS = 20_000;

function OneScene({ list }: { list: Camera[] }) {
  useTitle(t("nav.scene"));
  const asked = useMemo(() => ({ cameras: camerasOf(route.value.query), at: momentOf(route.value.query) }), []);
  const choice = useCase();
  const found = choice.found;
  const number = found?.case ?? "";
  const [chosen, setChosen] = useState<number[]>(asked.cameras);
  const [all, setAll] = useState(false);
  const [view, setView] = useState<View>(() => clampToNow(viewAround(asked.at ?? nowMs(), HOUR), nowMs()));
  const [selection, setSelection] = useState<Range | null>(null);
  const [lead, setLead] = useState(0);
  const [large, setLarge] = useState<number | null>(null);
  const [help, setHelp] = useState(false);
  const [handing, setHanding] = useState<Handing>(null);
  const [marking, setMarking] = useState(false);
  const window = found === null ? null : { start: found.from_utc_ms, end: found.to_utc_ms };
  const head = useScene(window);
  const inCase = list.filter((camera) => found?.cameras.includes(camera.id) === true);

  // Without an address: the first cameras of the case.
  useEffect(() => {
    if (asked.cameras.length === 0 && chosen.length === 0 && inCase.length > 0) setChosen(inCase.slice(0, 4).map((camera) => camera.id));
  }, [number, inCase.length]);

  const played = useMemo(() => chosen.flatMap((id) => list.find((camera) => camera.id === id) ?? []), [chosen, list]);
  const others = all ? inCase.filter((camera) => !chosen.includes(camera.id)) : [];
  const rowCameras = [...played, ...others];
  const lanes = useLanes(
    rowCameras.map((camera) => camera.id),
    view,
  );
  const bookmarks = useLoaded(() => (number === "" ? Promise.resolve({ bookmarks: [] }) : api.bookmarks(number)), number, BOOKMARKS_EVERY_MS);
  const [correction, correct] = useCorrections();
  const offsets = useOffsets(played, asked.at);

  useFirstMoment(head, asked.at, lanes.lanes, window, (ms) => setView((old) => clampToNow(reveal(old, ms), nowMs())));
  useFollow(head, setView);
  useAddress(head, chosen);

  const flip = (camera: number) => setChosen((old) => flipped(old, camera));
  const show = (next: View) => setView(clampToNow(next, nowMs()));
  const seek = (ms: number) => {
    head.seek(Math.min(ms, nowMs()));
    setView((old) => clampToNow(reveal(old, ms), nowMs()));
  };
  const mark = (end: "in" | "out") => {
    const here = head.moment.peek() ?? nowMs();
    setSelection((old) => {
      if (end === "in") return { start: here, end: old !== null && old.end > here ? old.end : here + 10_000 };
      return old !== null && old.start < here ? { start: old.start, end: here } : ordered(here - 10_000, here);
    });
  };
  const openBookmark = (bookmark: Bookmark) => {
    setChosen(bookmark.cameras.slice(0, CAMERAS_MAX));
    head.scene.pause();
    seek(bookmark.at_utc_ms);
  };
  const leadCamera = played[Math.min(lead, played.length - 1)] ?? null;
  const picture = (direction: 1 | -1) => head.scene.stepPicture(leadCamera?.id ?? 0, direction);

  const key = (event: KeyboardEvent) => {
    if (event.defaultPrevented || isTyping(event)) return;
    const act = sceneAct(event, view, head.moment.peek() ?? nowMs());
    if (act === null) return;
    event.preventDefault();
    switch (act.kind) {
      case "toggle":
        return head.toggle();
      case "reverse":
        return head.reverse();
      case "picture":
        return picture(act.direction);
      case "seek":
        return seek(act.to);
      case "view":
        return show(act.view);
      case "rate":
        return head.setRate(nextRate(head.rate.peek(), act.direction));
      case "mark":
        return mark(act.end);
      case "lead":
        return setLead(act.index);
      case "bookmark":
        return setMarking(true);
      case "hold":
      case "export":
        return setHanding(act.kind);
      case "help":
        return setHelp((old) => !old);
      case "clear":
        return setSelection(null);
    }
  };

  const rows: LaneRow[] = useMemo(
    () => rowCameras.map((camera) => ({ camera: camera.id, name: camera.name, chosen: chosen.includes(camera.id), lane: lanes.lanes.get(camera.id) ?? null })),
    [rowCameras.map((camera) => `${camera.id} ${camera.name}`).join("\n"), chosen, lanes.lanes],
  );
  const listed = bookmarks.data?.bookmarks ?? [];
  const marks = useMemo(() => listed.map((each) => each.at_utc_ms), [bookmarks.data]);
  const playable = (camera: number) => {
    const own = windowOf(found, camera);
    return own === null ? null : { window: own, case: number };
  };
  const first = played[0] ?? list[0];
  return (
    <div class="scene" onKeyDown={key}>
      <div class="page-head">
        <h1>{t("nav.scene")}</h1>
        {first !== undefined && <CaseChooser choice={choice} camera={first} goTo={seek} />}
      </div>
      <p class="muted lead">{t("scene.what")}</p>
      <Problem problem={lanes.problem} retry={lanes.reload} />
      <CameraChoice list={inCase} chosen={chosen} flip={flip} open={chosen.length === 0} />
      {chosen.length === 0 ? (
        <Empty title={t("scene.none")}>
          <p>{inCase.length === 0 ? t("scene.none.case") : t("scene.none.next")}</p>
        </Empty>
      ) : (
        <div class="scene-grid" data-count={played.length} data-large={large !== null}>
          {played.map((camera, index) => (
            <SceneTile
              key={camera.id}
              scene={head.scene}
              camera={camera}
              case={number}
              window={windowOf(found, camera.id)}
              lane={lanes.lanes.get(camera.id) ?? null}
              known={lanes.window}
              standing={head.standing}
              left={head.left}
              moment={head.moment}
              offset={offsets.get(camera.id) ?? null}
              correction={correction(camera.id)}
              lead={camera === leadCamera}
              large={large === camera.id}
              index={index}
              choose={() => setLead(index)}
              enlarge={() => setLarge((old) => (old === camera.id ? null : camera.id))}
            />
          ))}
        </div>
      )}
      <div class="panel transport-panel">
        <div class="transport-row">
          <SceneTransport
            playing={head.playing}
            rate={head.rate}
            disabled={found === null || chosen.length === 0}
            toggle={head.toggle}
            reverse={head.reverse}
            picture={picture}
            setRate={head.setRate}
          />
          <SceneNow head={head} count={played.length} goTo={seek} />
          <ViewButtons view={view} setView={show} moment={() => head.moment.peek()} lengths={LENGTHS_MS} />
        </div>
        <Jumped head={head} />
        {rows.length > 0 && <Lanes rows={rows} view={view} head={head} selection={selection} bookmarks={marks} playable={playable} setView={setView} seek={head.seek} select={setSelection} flip={flip} />}
        {inCase.length > chosen.length && <Check label={t("scene.all_lanes", { count: inCase.length })} checked={all} change={setAll} hint={t("scene.all_lanes.hint")} />}
      </div>
      <div class="scene-panels">
        <BookmarkPanel
          head={head}
          number={number}
          list={listed}
          reload={bookmarks.reload}
          marking={marking}
          setMarking={setMarking}
          chosen={chosen}
          open={openBookmark}
        />
        <HandOverPanel head={head} number={number} chosen={chosen} selection={selection} window={window} handing={handing} hand={setHanding} mark={mark} clear={() => setSelection(null)} />
      </div>
      <Problem problem={bookmarks.problem} retry={bookmarks.reload} />
      <Clocks cameras={played} offsets={offsets} correction={correction} correct={correct} />
      <KeyHelp open={help} flip={() => setHelp((old) => !old)} />
    </div>
  );
}

/** Keys belong to whoever types, and Space to the button that has the focus. */
function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof Element)) return false;
  if (target.closest("input, select, textarea, dialog") !== null) return true;
  return (event.key === " " || event.key === "Enter") && target.closest("button, a, summary") !== null;
}

/** Where the scene begins: what was asked for, or shortly before the newest footage of the case. */
function useFirstMoment(head: SceneHead, asked: number | null, lanes: ReadonlyMap<number, Lane>, window: Range | null, look: (ms: number) => void): void {
  const done = useRef(false);
  useEffect(() => {
    if (done.current) return;
    const extent = extentOf(lanes);
    if (asked === null && (extent === null || window === null)) return;
    done.current = true;
    const newest = extent === null || window === null ? nowMs() : Math.min(extent.end, window.end) - BEFORE_NEWEST_MS;
    const to = asked ?? Math.max(extent?.start ?? 0, window?.start ?? 0, newest);
    look(to);
    head.seek(to);
  }, [lanes, window?.start, window?.end]);
}

/** The view follows the pictures as they leave it, but lets the reader look elsewhere. */
function useFollow(head: SceneHead, setView: (change: (old: View) => View) => void): void {
  useEffect(() => {
    let last = head.moment.peek();
    return head.moment.subscribe((ms) => {
      const from = last;
      last = ms;
      if (ms === null || from === null || !head.playing.peek()) return;
      setView((old) => (from >= old.start && from <= old.end ? reveal(old, ms) : old));
    });
  }, []);
}

/** The address says what is looked at, so that it can be reloaded and handed to somebody else who works in the case. */
function useAddress(head: SceneHead, chosen: readonly number[]): void {
  useEffect(() => {
    const write = () => {
      const at = head.moment.peek();
      if (chosen.length > 0 && at !== null && !head.playing.peek()) history.replaceState(null, "", link.scene(chosen, at));
    };
    write();
    return head.playing.subscribe(write);
  }, [chosen.join(",")]);
}

function CameraChoice({ list, chosen, flip, open }: { list: readonly Camera[]; chosen: readonly number[]; flip: (camera: number) => void; open: boolean }) {
  return (
    <details class="scene-choice" open={open}>
      <summary>{t("scene.cameras", { count: chosen.length, max: CAMERAS_MAX })}</summary>
      <div class="choice-list">
        {list.map((camera) => (
          <Check
            key={camera.id}
            label={camera.name}
            checked={chosen.includes(camera.id)}
            disabled={chosen.length >= CAMERAS_MAX && !chosen.includes(camera.id)}
            change={() => flip(camera.id)}
          />
        ))}
      </div>
    </details>
  );
}

function Jumped({ head }: { head: SceneHead }) {
  const jump = head.jumped.value;
  if (jump === null) return null;
  return (
    <p class="hint" role="status">
      {t("scene.jumped", { duration: durationText(Math.abs(jump.to - jump.from)) })}
    </p>
  );
}

type LanesProps = Omit<Parameters<typeof LanesCanvas>[0], "moment" | "now"> & { head: SceneHead };

/** Only this part is drawn again for every move of the pictures. */
function Lanes({ head, ...rest }: LanesProps) {
  useTick(1_000);
  return <LanesCanvas {...rest} moment={head.moment.value} now={nowMs()} />;
}

/** A moment that changes four times a second at most, for what is read and not watched. */
function useCalm(moment: Signal<number | null>): number | null {
  const calm = useComputed(() => (moment.value === null ? null : Math.round(moment.value / 250) * 250));
  return calm.value;
}

interface BookmarkPanelProps {
  head: SceneHead;
  number: string;
  list: readonly Bookmark[];
  reload: () => void;
  marking: boolean;
  setMarking: (marking: boolean) => void;
  chosen: readonly number[];
  open: (bookmark: Bookmark) => void;
}

function BookmarkPanel({ head, number, list, reload, marking, setMarking, chosen, open }: BookmarkPanelProps) {
  useCalm(head.moment);
  const known = number !== "";
  return <Bookmarks case={number} list={list} reload={reload} asking={marking && known} ask={setMarking} moment={() => (known ? head.moment.peek() : null)} cameras={chosen} open={open} />;
}

interface HandOverPanelProps {
  head: SceneHead;
  number: string;
  chosen: readonly number[];
  selection: Range | null;
  window: Range | null;
  handing: Handing;
  hand: (what: Handing) => void;
  mark: (end: "in" | "out") => void;
  clear: () => void;
}

function HandOverPanel({ head, number, chosen, selection, window, handing, hand, mark, clear }: HandOverPanelProps) {
  const moment = useCalm(head.moment);
  const range = useMemo(() => {
    if (selection !== null) return selection;
    const at = moment ?? nowMs();
    return { start: Math.max(window?.start ?? 0, at - AROUND_MS), end: Math.min(window?.end ?? at, at + AROUND_MS, nowMs()) };
  }, [selection, moment, window?.start, window?.end]);
  // What is being handed over stays as it was when somebody began, even while the pictures move on.
  const begun = useRef<Range | null>(null);
  if (handing === null || selection !== null) begun.current = null;
  else begun.current ??= range;
  return (
    <HandOver case={number} cameras={chosen} range={begun.current ?? range} marked={selection !== null} handing={number === "" ? null : handing} hand={hand} mark={mark} clear={clear} />
  );
}
