/** Draws the timeline on a canvas: ruler, footage, gaps, events, selection, and where the picture is. */

import type { DamagedInterval, Erasure, HeldInterval, ImpairedInterval, RecordedGap, RecordedSpan, WatchEvent } from "../api/types";
import { clockText, dayText } from "../lib/time";
import { coalesce, type Range } from "./ranges";
import { DAY, HOUR, labelStep, localOffset, MINUTE, SECOND, span, ticks, type View, xOf } from "./scale";

/** Everything that is on the timeline. */
export interface Scene {
  view: View;
  spans: readonly RecordedSpan[];
  gaps: readonly RecordedGap[];
  damaged: readonly DamagedInterval[];
  impaired: readonly ImpairedInterval[];
  held: readonly HeldInterval[];
  erased: readonly Erasure[];
  /** Start of the oldest footage. */
  first: number | null;
  events: readonly WatchEvent[];
  /** Event that is marked in the list. */
  chosen: string | null;
  selection: Range | null;
  position: number | null;
  now: number;
  hover: number | null;
}

/** Colours, read from the style sheet so that light and dark follow the system. */
export interface Palette {
  text: string;
  muted: string;
  line: string;
  lane: string;
  footage: string;
  gap: string;
  damaged: string;
  impaired: string;
  held: string;
  event: string;
  select: string;
  head: string;
  font: string;
}

/** Lanes from the top, in CSS pixels. The ruler lane is where a range is dragged. */
export const RULER = { top: 0, height: 30 };
export const EVENTS = { top: 36, height: 16 };
export const FOOTAGE = { top: 58, height: 34 };
/** Under the footage: what is kept for a case. */
export const HELD = { top: 95, height: 5 };
export const HEIGHT = 104;

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    muted: colour("muted"),
    line: colour("line"),
    lane: colour("lane"),
    footage: colour("footage"),
    gap: colour("gap"),
    damaged: colour("bad"),
    impaired: colour("impaired"),
    held: colour("held"),
    event: colour("event"),
    select: colour("select"),
    head: colour("head"),
    font: style.fontFamily,
  };
}

export function draw(context: CanvasRenderingContext2D, width: number, scene: Scene, palette: Palette): void {
  context.clearRect(0, 0, width, HEIGHT);
  drawRuler(context, width, scene, palette);
  drawFootage(context, width, scene, palette);
  drawErased(context, width, scene, palette);
  drawImpaired(context, width, scene, palette);
  drawDamaged(context, width, scene, palette);
  drawHeld(context, width, scene, palette);
  drawEvents(context, width, scene, palette);
  drawSelection(context, width, scene, palette);
  drawHeads(context, width, scene, palette);
}

/** Text of a ruler line: the day at midnight, seconds only when lines are closer than a minute. */
export function tickText(ms: number, step: number, day: boolean): string {
  if (day || step >= DAY) return dayText(ms);
  if (step < SECOND) return clockText(ms, "millisecond");
  return clockText(ms, step < MINUTE ? "second" : "minute");
}

function drawRuler(context: CanvasRenderingContext2D, width: number, { view }: Scene, palette: Palette): void {
  const step = labelStep(view, width, span(view) < HOUR ? 100 : 74);
  context.font = `12px ${palette.font}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const tick of ticks(view, step, localOffset)) {
    const x = Math.round(xOf(view, width, tick.ms)) + 0.5;
    context.strokeStyle = palette.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, tick.day ? 4 : 20);
    context.lineTo(x, HEIGHT);
    context.stroke();
    context.fillStyle = tick.day ? palette.text : palette.muted;
    context.fillText(tickText(tick.ms, step, tick.day), x + 5, RULER.top + 13);
  }
}

function bar(context: CanvasRenderingContext2D, width: number, view: View, range: Range, lane: { top: number; height: number }): void {
  const left = Math.max(-2, xOf(view, width, range.start));
  const right = Math.min(width + 2, xOf(view, width, range.end));
  if (right < 0 || left > width) return;
  context.fillRect(left, lane.top, Math.max(1, right - left), lane.height);
}

function drawFootage(context: CanvasRenderingContext2D, width: number, { view, spans, gaps, now }: Scene, palette: Palette): void {
  context.fillStyle = palette.lane;
  bar(context, width, view, { start: view.start, end: Math.min(view.end, now) }, FOOTAGE);
  const pixel = span(view) / Math.max(1, width);
  context.fillStyle = palette.footage;
  for (const range of coalesce(spans, pixel / 2)) bar(context, width, view, range, FOOTAGE);
  for (const gap of gaps) {
    const range = { start: gap.start_utc_ms, end: Math.min(gap.end_utc_ms, now) };
    const left = xOf(view, width, range.start);
    const right = xOf(view, width, range.end);
    if (right < 0 || left > width) continue;
    context.fillStyle = palette.lane;
    bar(context, width, view, range, FOOTAGE);
    // A gap of a second in a month must still be seen: at least two pixels wide.
    hatch(context, Math.max(0, left), Math.min(width, Math.max(right, left + 2)), palette.gap);
  }
}

/** Erased time is empty with a dotted line through it: something was there, and was made unreadable. */
function drawErased(context: CanvasRenderingContext2D, width: number, { view, erased }: Scene, palette: Palette): void {
  const middle = Math.round(FOOTAGE.top + FOOTAGE.height / 2) + 0.5;
  context.save();
  context.strokeStyle = palette.muted;
  context.lineWidth = 2;
  context.setLineDash([2, 4]);
  for (const range of coalesce(erased, 1_000)) {
    const left = Math.max(0, xOf(view, width, range.start));
    const right = Math.min(width, xOf(view, width, range.end));
    if (right <= left) continue;
    context.beginPath();
    context.moveTo(left, middle);
    context.lineTo(right, middle);
    context.stroke();
  }
  context.restore();
}

/** Where the picture may be wrong the footage has teeth along its lower edge, at least three pixels wide: it is there and can be played. */
function drawImpaired(context: CanvasRenderingContext2D, width: number, { view, impaired }: Scene, palette: Palette): void {
  const bottom = FOOTAGE.top + FOOTAGE.height;
  context.save();
  context.fillStyle = palette.impaired;
  for (const range of coalesce(impaired, (span(view) / Math.max(1, width)) * 2)) {
    const left = Math.max(-8, xOf(view, width, range.start));
    const right = Math.min(width + 8, Math.max(left + 3, xOf(view, width, range.end)));
    if (right < 0 || left > width) continue;
    context.fillRect(left, bottom - 3, right - left, 3);
    for (let x = left; x < right; x += 6) context.fillRect(x, bottom - 10, Math.min(3, right - x), 7);
  }
  context.restore();
}

/** Damaged footage is crossed out over its whole height, at least four pixels wide. */
function drawDamaged(context: CanvasRenderingContext2D, width: number, { view, damaged }: Scene, palette: Palette): void {
  const { top, height } = FOOTAGE;
  context.save();
  context.strokeStyle = palette.damaged;
  context.fillStyle = palette.damaged;
  context.lineWidth = 1.5;
  for (const range of coalesce(damaged, (span(view) / Math.max(1, width)) * 4)) {
    const left = xOf(view, width, range.start);
    const right = Math.max(left + 4, xOf(view, width, range.end));
    if (right < 0 || left > width) continue;
    context.globalAlpha = 0.75;
    context.fillRect(left, top, right - left, height);
    context.globalAlpha = 1;
    context.fillRect(left - 1, top - 3, right - left + 2, 3);
    context.fillRect(left - 1, top + height, right - left + 2, 3);
  }
  context.restore();
}

function drawHeld(context: CanvasRenderingContext2D, width: number, { view, held }: Scene, palette: Palette): void {
  context.fillStyle = palette.held;
  for (const range of coalesce(held, 0)) {
    const left = Math.max(-2, xOf(view, width, range.start));
    const right = Math.min(width + 2, xOf(view, width, range.end));
    if (right >= 0 && left <= width) context.fillRect(left, HELD.top, Math.max(2, right - left), HELD.height);
  }
}

function hatch(context: CanvasRenderingContext2D, left: number, right: number, colour: string): void {
  const { top, height } = FOOTAGE;
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, height);
  context.clip();
  context.fillStyle = colour;
  context.globalAlpha = 0.22;
  context.fillRect(left, top, right - left, height);
  context.globalAlpha = 1;
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let x = left - height - (left % 7); x < right; x += 7) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  if (right - left < 8) {
    context.moveTo(left + 1, top);
    context.lineTo(left + 1, top + height);
  }
  context.stroke();
  context.restore();
}

function drawEvents(context: CanvasRenderingContext2D, width: number, { view, events, chosen, now }: Scene, palette: Palette): void {
  const { top, height } = EVENTS;
  for (const event of events) {
    const left = xOf(view, width, event.start_utc_ms);
    const right = Math.max(left + 3, xOf(view, width, event.end_utc_ms ?? Math.min(now, event.start_utc_ms)));
    if (right < 0 || left > width) continue;
    const marked = event.id === chosen;
    context.fillStyle = palette.event;
    context.globalAlpha = marked ? 1 : 0.55 + 0.45 * Math.min(1, Math.max(0, event.score));
    context.fillRect(left, top + (marked ? 0 : 3), right - left, height - (marked ? 0 : 6));
  }
  context.globalAlpha = 1;
}

function drawSelection(context: CanvasRenderingContext2D, width: number, { view, selection }: Scene, palette: Palette): void {
  if (selection === null) return;
  const left = xOf(view, width, selection.start);
  const right = xOf(view, width, selection.end);
  context.fillStyle = palette.select;
  context.globalAlpha = 0.18;
  context.fillRect(left, RULER.top, right - left, HEIGHT);
  context.globalAlpha = 1;
  for (const x of [left, right]) {
    context.fillRect(Math.round(x) - 1, RULER.top, 2, HEIGHT);
    context.fillRect(Math.round(x) - 4, RULER.top + RULER.height - 8, 8, 8);
  }
}

function drawHeads(context: CanvasRenderingContext2D, width: number, { view, position, hover, now }: Scene, palette: Palette): void {
  const line = (ms: number, colour: string, dash: number[]) => {
    const x = Math.round(xOf(view, width, ms)) + 0.5;
    context.strokeStyle = colour;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x, RULER.height - 4);
    context.lineTo(x, HEIGHT);
    context.stroke();
    context.setLineDash([]);
    return x;
  };
  context.lineWidth = 1;
  line(now, palette.muted, [2, 3]);
  if (hover !== null) line(hover, palette.muted, [1, 2]);
  if (position === null) return;
  context.lineWidth = 2;
  const x = line(position, palette.head, []);
  context.fillStyle = palette.head;
  context.beginPath();
  context.moveTo(x - 6, RULER.height - 6);
  context.lineTo(x + 6, RULER.height - 6);
  context.lineTo(x, RULER.height + 4);
  context.fill();
}
