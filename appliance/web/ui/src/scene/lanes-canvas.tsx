/** The lanes as a thing to touch: scrub, mark a range, zoom and pan by mouse, finger and wheel, and see the picture under the pointer. Keys are the scene's. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { useWidth } from "../lib/hooks";
import { clockText, dateText, dateTimeText, utcText, zoneText } from "../lib/time";
import { readPalette } from "../timeline/draw";
import { intervalAt, ordered, type Range, spanAt } from "../timeline/ranges";
import { clampToNow, pan, span, timeAt, type View, xOf, zoom } from "../timeline/scale";
import type { Lane } from "./data";
import { drawLanes, drawMarks, heightOf, laneHeight, RULER_HEIGHT } from "./lanes";
import { type ThumbAsk, useThumb } from "./thumb";
import { ThumbPicture } from "./thumb-picture";

export interface LaneRow {
  camera: number;
  name: string;
  /** It is played. */
  chosen: boolean;
  lane: Lane | null;
}

interface Props {
  rows: readonly LaneRow[];
  view: View;
  moment: number | null;
  now: number;
  selection: Range | null;
  bookmarks: readonly number[];
  /** What may be played of a camera, and in which case; without it there is no picture under the pointer. */
  playable: (camera: number) => { window: Range; case: string } | null;
  setView: (view: View) => void;
  seek: (utcMs: number) => void;
  select: (range: Range | null) => void;
  flip: (camera: number) => void;
}

type Drag = { kind: "seek" } | { kind: "select"; anchor: number } | { kind: "pinch"; distance: number } | null;

export function LanesCanvas({ rows, view, moment, now, selection, bookmarks, playable, setView, seek, select, flip }: Props) {
  const base = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [hover, setHover] = useState<{ ms: number; row: number } | null>(null);
  const drag = useRef<Drag>(null);
  const touches = useRef(new Map<number, number>());
  const height = heightOf(rows.length);

  const lanes = useMemo(() => rows.map((row) => row.lane), [rows]);
  useEffect(() => {
    const context = prepared(base.current, width, height);
    if (context === null) return;
    const begun = performance.now();
    drawLanes(context, width, { view, lanes, now }, readPalette(context.canvas));
    // The last one alone is kept: whoever looks how long it took finds it here.
    performance.clearMeasures("scene-lanes");
    performance.measure("scene-lanes", { start: begun });
    // The end of now moves on: drawn again once it is a pixel further.
  }, [width, height, view, lanes, Math.floor(now / Math.max(1_000, span(view) / Math.max(1, width)))]);
  useEffect(() => {
    const context = prepared(over.current, width, height);
    if (context !== null) drawMarks(context, width, height, { view, moment, hover: hover?.ms ?? null, selection, bookmarks, now }, readPalette(context.canvas));
  }, [width, height, view, moment, hover, selection, bookmarks, now]);

  useWheel(box, { view, now, width }, setView);

  const at = (event: PointerEvent) => timeAt(view, width, event.clientX - (box.current?.getBoundingClientRect().left ?? 0));
  const topOf = (event: PointerEvent) => event.clientY - (box.current?.getBoundingClientRect().top ?? 0);

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    box.current?.focus();
    box.current?.setPointerCapture(event.pointerId);
    touches.current.set(event.pointerId, event.clientX);
    if (touches.current.size === 2) drag.current = { kind: "pinch", distance: distanceOf(touches.current) };
    else if (topOf(event) < RULER_HEIGHT) drag.current = { kind: "select", anchor: at(event) };
    else {
      drag.current = { kind: "seek" };
      seek(Math.min(at(event), now));
    }
  };
  const move = (event: PointerEvent) => {
    const ms = at(event);
    const row = Math.floor((topOf(event) - RULER_HEIGHT) / laneHeight(rows.length));
    if (event.pointerType === "mouse") setHover({ ms, row });
    if (touches.current.has(event.pointerId)) touches.current.set(event.pointerId, event.clientX);
    const doing = drag.current;
    if (doing?.kind === "seek") seek(Math.min(ms, now));
    if (doing?.kind === "select") select(ordered(doing.anchor, Math.min(ms, now)));
    if (doing?.kind === "pinch") {
      const distance = distanceOf(touches.current);
      setView(clampToNow(zoom(view, doing.distance / Math.max(10, distance), ms), now));
      drag.current = { kind: "pinch", distance };
    }
  };
  const up = (event: PointerEvent) => {
    touches.current.delete(event.pointerId);
    const doing = drag.current;
    drag.current = null;
    // A click on the ruler, without a drag, takes the selection away.
    if (doing?.kind === "select" && Math.abs(at(event) - doing.anchor) < span(view) / 200) select(null);
  };

  return (
    <div class="lanes" data-known={rows.filter((row) => row.lane !== null).length}>
      <div class={rows.length >= 10 ? "lane-names lane-names-many" : "lane-names"}>
        {rows.map((row) => (
          <button key={row.camera} type="button" class="lane-name" aria-pressed={row.chosen} data-lane={row.camera} title={row.name} onClick={() => flip(row.camera)}>
            {row.name}
          </button>
        ))}
      </div>
      <div
        ref={box}
        class="lanes-box"
        role="slider"
        tabIndex={0}
        aria-label={t("scene.timeline")}
        aria-valuemin={Math.round(view.start / 1000)}
        aria-valuemax={Math.round(view.end / 1000)}
        aria-valuenow={Math.round((moment ?? now) / 1000)}
        aria-valuetext={moment === null ? t("timeline.nothing") : dateTimeText(moment)}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
        onPointerLeave={() => setHover(null)}
      >
        <canvas ref={base} class="lanes-base" aria-hidden="true" />
        <canvas ref={over} class="lanes-over" aria-hidden="true" />
        {hover !== null && drag.current?.kind !== "select" && <Tip hover={hover} row={rows[hover.row]} view={view} width={width} now={now} playable={playable} />}
      </div>
    </div>
  );
}

/** The canvas at its size in the pixels of the screen, ready to be drawn on in CSS pixels. */
function prepared(canvas: HTMLCanvasElement | null, width: number, height: number): CanvasRenderingContext2D | null {
  const context = canvas?.getContext("2d") ?? null;
  if (canvas === null || context === null || width === 0) return null;
  const ratio = devicePixelRatio;
  const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
  // A size that is set anew costs a new picture, and the page its layout.
  if (canvas.width !== wide || canvas.height !== tall) {
    [canvas.width, canvas.height] = [wide, tall];
    [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

interface TipProps {
  hover: { ms: number; row: number };
  row: LaneRow | undefined;
  view: View;
  width: number;
  now: number;
  playable: Props["playable"];
}

/** One picture for each so many pixels: the pointer does not stand stiller than that. */
const THUMB_EVERY_PX = 6;

function Tip({ hover, row, view, width, now, playable }: TipProps) {
  const x = Math.min(width - 96, Math.max(96, xOf(view, width, hover.ms)));
  const grain = (span(view) / Math.max(1, width)) * THUMB_EVERY_PX;
  const { picture } = useThumb(row === undefined ? null : askOf(row, Math.round(hover.ms / grain) * grain, playable));
  return (
    <div class="tip scene-tip" style={{ left: `${x}px` }} title={utcText(hover.ms)}>
      {picture !== null && row !== undefined && <ThumbPicture picture={picture} camera={row.camera} />}
      <strong>{clockText(hover.ms, span(view) < 60_000 ? "millisecond" : "second")}</strong> {dateText(hover.ms)} · {zoneText(hover.ms)}
      {row !== undefined && <div>{row.name}</div>}
      {row !== undefined && row.lane !== null && factsOf(row.lane, hover.ms, view, now).map((fact) => <div key={fact}>{fact}</div>)}
    </div>
  );
}

function askOf(row: LaneRow, ms: number, playable: Props["playable"]): ThumbAsk | null {
  const allowed = playable(row.camera);
  const recorded = row.lane === null ? null : spanAt(row.lane.recordings.spans, ms);
  if (allowed === null || recorded === null || ms < allowed.window.start || ms >= allowed.window.end) return null;
  return { camera: row.camera, case: allowed.case, at: ms };
}

/** Lines of the tip. */
const FACTS_MAX = 4;

/** What is special about a moment, in words. */
export function factsOf({ recordings, events }: Lane, ms: number, view: View, now: number): string[] {
  const close = span(view) / 300;
  const near = <T extends { start_utc_ms: number; end_utc_ms: number }>(list: readonly T[]) => list.find((each) => each.start_utc_ms - close < ms && ms < each.end_utc_ms + close);
  const out: string[] = [];
  const [lost, gap] = [near(recordings.damaged), near(recordings.gaps)];
  if (lost !== undefined) out.push(word("damaged", lost.kind));
  else if (gap !== undefined) out.push(word("reason", gap.reason));
  else if (ms > now) out.push(t("timeline.future"));
  else if (spanAt(recordings.spans, ms) === null) out.push(t("timeline.no_footage"));
  for (const hold of recordings.held) if (intervalAt([hold], ms) !== null) out.push(t("timeline.held", { case: hold.case }));
  for (const event of events) {
    if (out.length >= FACTS_MAX) break;
    if (event.start_utc_ms - close < ms && ms < (event.end_utc_ms ?? event.start_utc_ms) + close) out.push(word("event", event.kind));
  }
  return [...new Set(out)];
}

function distanceOf(touches: Map<number, number>): number {
  const [a = 0, b = 0] = [...touches.values()];
  return Math.abs(a - b);
}

/** The wheel zooms about the pointer; sideways, or with shift, it pans. Not passive: the page must not scroll meanwhile. */
function useWheel(box: { current: HTMLDivElement | null }, scene: { view: View; now: number; width: number }, setView: (view: View) => void): void {
  const latest = useRef({ scene, setView });
  latest.current = { scene, setView };
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const { view, now, width } = latest.current.scene;
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      const amount = event.shiftKey ? event.deltaY : event.deltaX;
      const anchor = timeAt(view, width, event.clientX - element.getBoundingClientRect().left);
      latest.current.setView(clampToNow(sideways ? pan(view, (amount / Math.max(1, width)) * span(view)) : zoom(view, Math.exp(event.deltaY * 0.0015), anchor), now));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [box]);
}
