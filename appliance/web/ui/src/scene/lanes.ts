/** Draws the timeline of a scene on a canvas: a ruler, then a lane for each camera with how much happened, events, footage, gaps, damage and holds. */

import { isLost, type Range } from "../timeline/ranges";
import { type Palette, tickText } from "../timeline/draw";
import { HOUR, labelStep, localOffset, span, ticks, type View, xOf } from "../timeline/scale";
import type { Lane } from "./data";
import { density } from "./density";
import { type Axis, type Colour, colourOf, mark, markJoined, runs, Sheet } from "./sheet";

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

/** What the lanes are painted with. */
export interface Inks {
  line: Colour;
  lane: Colour;
  footage: Colour;
  gap: Colour;
  impaired: Colour;
  damaged: Colour;
  held: Colour;
  density: Colour;
  event: Colour;
}

/** What happened is seen through. */
const DENSITY_OPACITY = 0.55;

function inksOf(context: CanvasRenderingContext2D, palette: Palette): Inks {
  const ink = (colour: string, opacity = 1) => {
    context.fillStyle = colour;
    return colourOf(String(context.fillStyle), opacity);
  };
  return {
    line: ink(palette.line),
    lane: ink(palette.lane),
    footage: ink(palette.footage),
    gap: ink(palette.gap),
    impaired: ink(palette.impaired),
    damaged: ink(palette.damaged),
    held: ink(palette.held),
    density: ink(palette.event, DENSITY_OPACITY),
    event: ink(palette.text),
  };
}

/** Draws on a canvas that is `width` wide in CSS pixels; it is cleared before. */
export function drawLanes(context: CanvasRenderingContext2D, width: number, scene: LanesScene, palette: Palette): void {
  const { canvas } = context;
  const sheet = new Sheet(canvas.width, canvas.height);
  const lines = ruler(scene.view, width);
  paintLanes(sheet, canvas.width / width, { ...scene, lines: lines.map(({ x, day }) => ({ x, top: day ? 2 : 18 })) }, inksOf(context, palette));
  context.putImageData(new ImageData(new Uint8ClampedArray(sheet.pixels.buffer), sheet.width, sheet.height), 0, 0);
  context.font = `12px ${palette.font}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const { x, day, text } of lines) {
    context.fillStyle = day ? palette.text : palette.muted;
    context.fillText(text, x + 4, 11);
  }
}

/** The ruler's lines, in CSS pixels, and what stands beside them. */
function ruler(view: View, width: number): { x: number; day: boolean; text: string }[] {
  const step = labelStep(view, width, span(view) < HOUR ? 100 : 74);
  return ticks(view, step, localOffset).map(({ ms, day }) => ({ x: Math.round(xOf(view, width, ms)), day, text: tickText(ms, step, day) }));
}

export interface Painted extends LanesScene {
  /** Lines of the ruler, down through all lanes, in CSS pixels. */
  lines: readonly { x: number; top: number }[];
}

/** Everything but words. `ratio`: pixels of the screen in one CSS pixel. */
export function paintLanes(sheet: Sheet, ratio: number, { view, lanes, now, lines }: Painted, inks: Inks): void {
  const px = (css: number) => Math.round(css * ratio);
  for (const { x, top } of lines) sheet.fill(px(x), px(x) + Math.max(1, px(1)), px(top), sheet.height, inks.line);
  const height = laneHeight(lanes.length);
  const brush = { sheet, px, inks, axis: { ...view, columns: sheet.width }, now };
  lanes.forEach((lane, index) => paintLane(brush, lane, RULER_HEIGHT + index * height, height));
}

interface Brush {
  sheet: Sheet;
  px: (css: number) => number;
  inks: Inks;
  axis: Axis;
  now: number;
}

function paintLane(brush: Brush, lane: Lane | null, top: number, height: number): void {
  const { sheet, px, inks, axis, now } = brush;
  const upper = Math.round(height * 0.45);
  const line = { top: px(top + upper), bottom: px(top + upper + Math.round(height * 0.33)) };
  const fresh = () => new Uint8Array(axis.columns);
  const passed = mark(fresh(), axis, [{ start_utc_ms: axis.start, end_utc_ms: now }], 0);
  if (lane === null) {
    runs(passed, (left, right) => sheet.fill(left, right, line.top, line.bottom, inks.lane));
    return;
  }
  const { spans, gaps, damaged, impaired, held } = lane.recordings;
  const recorded = markJoined(fresh(), axis, spans);
  // A gap of a second in a month must still be seen: two pixels at least.
  const missing = mark(fresh(), axis, gaps, px(2), now);
  paintLine(brush, line, { passed, recorded, missing });
  const over = (list: typeof impaired | typeof held | typeof damaged, [from, to, least]: [number, number, number], colour: Colour) => {
    if (list.length > 0) runs(mark(fresh(), axis, list, px(least)), (left, right) => sheet.fill(left, right, from, to, colour));
  };
  over(impaired, [line.bottom - px(3), line.bottom, 3], inks.impaired);
  over(damaged.filter(isLost), [line.top - px(2), line.bottom + px(2), 3], inks.damaged);
  over(held, [line.bottom + px(1), line.bottom + px(4), 2], inks.held);
  paintDensity(brush, lane, px(top + 1), px(top + upper - 1));
  // Events that are not motion stand out: something was recognised, or a camera said something.
  for (const event of lane.events) {
    if (event.kind === "motion") continue;
    const x = Math.round(xOf(axis, axis.columns, event.start_utc_ms));
    sheet.fill(x - px(1), x + px(1), px(top + 1), px(top + upper - 1), inks.event);
  }
}

/** Stripes on what is not there, so that colour is not all that tells: so many pixels from one to the next. */
const HATCH_PX = 6;
const HATCH_WIDE_PX = 2.5;

function paintLine({ sheet, px, inks }: Brush, line: { top: number; bottom: number }, { passed, recorded, missing }: Record<"passed" | "recorded" | "missing", Uint8Array>): void {
  const [step, wide] = [Math.max(2, px(HATCH_PX)), Math.max(1, px(HATCH_WIDE_PX))];
  const whole = new Uint32Array(passed.length);
  for (let x = 0; x < whole.length; x += 1) whole[x] = recorded[x] === 1 ? inks.footage : passed[x] === 1 ? inks.lane : 0;
  const hasGaps = missing.includes(1);
  // Where nothing is known yet, the ruler's lines are seen.
  const known = new Uint8Array(passed.length);
  for (let x = 0; x < known.length; x += 1) known[x] = whole[x] === 0 ? 0 : 1;
  for (let row = line.top; row < line.bottom; row += 1) {
    const at = row * sheet.width;
    runs(known, (left, right) => sheet.pixels.set(whole.subarray(left, right), at + left));
    if (!hasGaps) continue;
    runs(missing, (left, right) => {
      for (let x = left; x < right; x += 1) sheet.pixels[at + x] = (x + row) % step < wide ? inks.gap : inks.lane;
    });
  }
}

function paintDensity({ sheet, inks, axis }: Brush, lane: Lane, top: number, bottom: number): void {
  const height = bottom - top;
  if (lane.amounts.length === 0) return;
  const tall = density(lane.amounts, axis, axis.columns);
  for (let x = 0; x < tall.length; x += 1) if (tall[x] !== 0) tall[x] = Math.max(1, Math.round((tall[x] ?? 0) * height));
  for (let row = 0; row < height; row += 1) {
    const at = (top + height - 1 - row) * sheet.width;
    for (let x = 0; x < tall.length; x += 1) if ((tall[x] ?? 0) > row) sheet.pixels[at + x] = inks.density;
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
