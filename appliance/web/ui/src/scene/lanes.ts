/** Draws the timeline of a scene on a canvas: a ruler, then a lane for each camera with how much happened, events, footage, gaps, damage and holds. */

import { coalesce, isLost, type Range } from "../timeline/ranges";
import { type Palette, tickText } from "../timeline/draw";
import { HOUR, labelStep, localOffset, span, ticks, type View, xOf } from "../timeline/scale";
import type { Lane } from "./data";
import { density } from "./density";

export const RULER_HEIGHT = 28;
/** Height of a lane, and of one where there are many. */
export const LANE_HEIGHT = 34;
export const LANE_HEIGHT_MANY = 20;
/** More cameras than are played together make lanes low. */
const MANY_FROM = 10;

export function laneHeight(count: number): number {
  return count >= MANY_FROM ? LANE_HEIGHT_MANY : LANE_HEIGHT;
}

export function heightOf(count: number): number {
  return RULER_HEIGHT + Math.max(1, count) * laneHeight(count);
}

export interface LanesScene {
  view: View;
  /** In the order in which they are drawn; `null` where nothing is known yet. */
  lanes: readonly (Lane | null)[];
  now: number;
}

interface Pen {
  context: CanvasRenderingContext2D;
  width: number;
  palette: Palette;
  /** A gap's hatching. */
  hatch: CanvasPattern | string;
}

export function drawLanes(context: CanvasRenderingContext2D, width: number, scene: LanesScene, palette: Palette): void {
  const height = heightOf(scene.lanes.length);
  context.clearRect(0, 0, width, height);
  drawRuler(context, width, scene.view, palette, height);
  const pen = { context, width, palette, hatch: hatching(context, palette) };
  scene.lanes.forEach((lane, index) => drawLane(pen, scene, lane, RULER_HEIGHT + index * laneHeight(scene.lanes.length), laneHeight(scene.lanes.length)));
}

function drawRuler(context: CanvasRenderingContext2D, width: number, view: View, palette: Palette, height: number): void {
  const step = labelStep(view, width, span(view) < HOUR ? 100 : 74);
  context.font = `12px ${palette.font}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.lineWidth = 1;
  for (const tick of ticks(view, step, localOffset)) {
    const x = Math.round(xOf(view, width, tick.ms)) + 0.5;
    context.strokeStyle = palette.line;
    context.beginPath();
    context.moveTo(x, tick.day ? 2 : 18);
    context.lineTo(x, height);
    context.stroke();
    context.fillStyle = tick.day ? palette.text : palette.muted;
    context.fillText(tickText(tick.ms, step, tick.day), x + 4, 11);
  }
}

/** Stripes on what is not there, so that colour is not all that tells. */
function hatching(context: CanvasRenderingContext2D, palette: Palette): CanvasPattern | string {
  const tile = context.canvas.ownerDocument.createElement("canvas");
  [tile.width, tile.height] = [6, 6];
  const pen = tile.getContext("2d");
  if (pen === null) return palette.gap;
  pen.fillStyle = palette.lane;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = palette.gap;
  pen.lineWidth = 2;
  for (const from of [-6, 0, 6]) {
    pen.beginPath();
    pen.moveTo(from, 6);
    pen.lineTo(from + 6, 0);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat") ?? palette.gap;
}

function bar({ context, width }: Pen, view: View, range: Range, [top, height, least]: [top: number, height: number, least: number]): void {
  const left = Math.max(-2, xOf(view, width, range.start));
  const right = Math.min(width + 2, xOf(view, width, range.end));
  if (right < 0 || left > width) return;
  context.fillRect(left, top, Math.max(least, right - left), height);
}

function drawLane(pen: Pen, { view, now }: LanesScene, lane: Lane | null, top: number, height: number): void {
  const { context, palette, width } = pen;
  const pixel = span(view) / Math.max(1, width);
  const upper = Math.round(height * 0.45);
  const line = { top: top + upper, height: Math.round(height * 0.33) };
  context.fillStyle = palette.lane;
  bar(pen, view, { start: view.start, end: Math.min(view.end, now) }, [line.top, line.height, 0]);
  if (lane === null) return;
  const { spans, gaps, damaged, impaired, held } = lane.recordings;
  context.fillStyle = palette.footage;
  for (const range of coalesce(spans, pixel / 2)) bar(pen, view, range, [line.top, line.height, 1]);
  context.fillStyle = pen.hatch;
  // A gap of a second in a month must still be seen: two pixels at least.
  for (const range of coalesce(gaps, pixel)) bar(pen, view, { start: range.start, end: Math.min(range.end, now) }, [line.top, line.height, 2]);
  context.fillStyle = palette.impaired;
  for (const range of coalesce(impaired, pixel * 2)) bar(pen, view, range, [line.top + line.height - 3, 3, 3]);
  context.fillStyle = palette.damaged;
  for (const range of coalesce(damaged.filter(isLost), pixel * 2)) bar(pen, view, range, [line.top - 2, line.height + 4, 3]);
  context.fillStyle = palette.held;
  for (const range of coalesce(held, 0)) bar(pen, view, range, [line.top + line.height + 1, 3, 2]);
  drawDensity(pen, view, lane, top + 1, upper - 2);
  drawEvents(pen, view, lane, top + 1, upper - 2);
}

function drawDensity({ context, width, palette }: Pen, view: View, lane: Lane, top: number, height: number): void {
  const amounts = density(lane.amounts, view, Math.round(width));
  context.fillStyle = palette.event;
  context.globalAlpha = 0.55;
  // Neighbours of one height are one bar: an hour is some pixels wide.
  for (let x = 0, wide = 1; x < amounts.length; x += wide) {
    const share = amounts[x] ?? 0;
    for (wide = 1; x + wide < amounts.length && amounts[x + wide] === share; ) wide += 1;
    if (share === 0) continue;
    const tall = Math.max(1, share * height);
    context.fillRect(x, top + height - tall, wide, tall);
  }
  context.globalAlpha = 1;
}

/** Events that are not motion stand out: something was recognised, or a camera said something. */
function drawEvents({ context, width, palette }: Pen, view: View, lane: Lane, top: number, height: number): void {
  context.fillStyle = palette.text;
  for (const event of lane.events) {
    if (event.kind === "motion") continue;
    const x = Math.round(xOf(view, width, event.start_utc_ms));
    if (x >= 0 && x <= width) context.fillRect(x - 1, top, 2, height);
  }
}

/** What lies over the lanes and moves: where the pictures are, the pointer, the marked range, bookmarks. */
export interface Marks {
  view: View;
  moment: number | null;
  hover: number | null;
  selection: Range | null;
  bookmarks: readonly number[];
  now: number;
}

export function drawMarks(context: CanvasRenderingContext2D, width: number, height: number, { view, ...marks }: Marks, palette: Palette): void {
  context.clearRect(0, 0, width, height);
  const line = (ms: number, colour: string, dash: number[], thick: number) => {
    const x = Math.round(xOf(view, width, ms)) + 0.5;
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x, RULER_HEIGHT - 8);
    context.lineTo(x, height);
    context.stroke();
    context.setLineDash([]);
    return x;
  };
  if (marks.selection !== null) {
    const [left, right] = [xOf(view, width, marks.selection.start), xOf(view, width, marks.selection.end)];
    context.fillStyle = palette.select;
    context.globalAlpha = 0.18;
    context.fillRect(left, 0, right - left, height);
    context.globalAlpha = 1;
    for (const x of [left, right]) context.fillRect(Math.round(x) - 1, 0, 2, height);
  }
  line(marks.now, palette.muted, [2, 3], 1);
  if (marks.hover !== null) line(marks.hover, palette.muted, [1, 2], 1);
  context.fillStyle = palette.held;
  for (const ms of marks.bookmarks) {
    const x = Math.round(xOf(view, width, ms));
    context.beginPath();
    context.moveTo(x - 4, RULER_HEIGHT - 12);
    context.lineTo(x + 4, RULER_HEIGHT - 12);
    context.lineTo(x + 4, RULER_HEIGHT);
    context.lineTo(x, RULER_HEIGHT - 4);
    context.lineTo(x - 4, RULER_HEIGHT);
    context.fill();
  }
  if (marks.moment === null) return;
  const x = line(marks.moment, palette.head, [], 2);
  context.fillStyle = palette.head;
  context.beginPath();
  context.moveTo(x - 6, RULER_HEIGHT - 10);
  context.lineTo(x + 6, RULER_HEIGHT - 10);
  context.lineTo(x, RULER_HEIGHT);
  context.fill();
}
