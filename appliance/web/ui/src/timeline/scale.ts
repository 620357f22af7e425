/** The visible part of time: which moment is at which pixel, zoom, pan, and where the ruler's lines go. Pure. */

export interface View {
  /** First visible moment, milliseconds UTC. */
  start: number;
  /** First moment that is no longer visible. */
  end: number;
}

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Closest: a second on the whole width, where single pictures can be picked. */
export const SPAN_MIN = SECOND;
/** Widest: a month. The recorder lists at most 32 days at once. */
export const SPAN_MAX = 30 * DAY;

export const span = (view: View): number => view.end - view.start;

export function viewAround(centre: number, length: number): View {
  const clamped = Math.min(SPAN_MAX, Math.max(SPAN_MIN, length));
  return { start: centre - clamped / 2, end: centre + clamped / 2 };
}

/** Horizontal place of a moment in a drawing `width` wide; outside it for moments outside the view. */
export function xOf(view: View, width: number, ms: number): number {
  return ((ms - view.start) / span(view)) * width;
}

export function timeAt(view: View, width: number, x: number): number {
  return view.start + (x / Math.max(1, width)) * span(view);
}

/** Zooms by `factor` (below 1: closer), keeping `anchor` where it is. Stops at the closest and widest view. */
export function zoom(view: View, factor: number, anchor: number): View {
  const length = Math.min(SPAN_MAX, Math.max(SPAN_MIN, span(view) * factor));
  const share = Math.min(1, Math.max(0, (anchor - view.start) / span(view)));
  const start = anchor - share * length;
  return { start, end: start + length };
}

export function pan(view: View, ms: number): View {
  return { start: view.start + ms, end: view.end + ms };
}

/** Keeps the view from running into the future: at most a tenth of it may lie after `now`. */
export function clampToNow(view: View, now: number): View {
  const over = view.end - (now + span(view) * 0.1);
  return over > 0 ? pan(view, -over) : view;
}

/** The view moved just so far that `ms` is inside it with a little room; the same view when it is. */
export function reveal(view: View, ms: number): View {
  const room = span(view) * 0.05;
  if (ms < view.start + room) return pan(view, ms - view.start - span(view) * 0.25);
  if (ms > view.end - room) return pan(view, ms - view.end + span(view) * 0.75);
  return view;
}

/** Steps below a second: about three pictures, and a few more. */
const SMALL_STEPS: readonly number[] = [100, 200, 500];

const STEPS: readonly number[] = [
  SECOND,
  2 * SECOND,
  5 * SECOND,
  10 * SECOND,
  15 * SECOND,
  30 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  7 * DAY,
];

/** Smallest step between labelled lines that leaves each label `labelWidth` pixels. */
export function labelStep(view: View, width: number, labelWidth: number): number {
  const least = (span(view) / Math.max(1, width)) * labelWidth;
  return [...SMALL_STEPS, ...STEPS].find((step) => step >= least) ?? 7 * DAY;
}

/** A ruler line; `day`: local midnight. */
export interface Tick {
  ms: number;
  day: boolean;
}

/** Lines at whole local times. `offset(ms)` is what to add to UTC for local time, so that a 6-hour step meets local midnight. */
export function ticks(view: View, step: number, offset: (ms: number) => number): Tick[] {
  const out: Tick[] = [];
  const zone = offset(view.start);
  let at = Math.ceil((view.start + zone) / step) * step - zone;
  while (at < view.end) {
    // A change of the clocks inside the view moves the lines by the difference.
    const local = at + offset(at);
    const off = local % step;
    const line = off === 0 ? at : at - off;
    if (line >= view.start && line < view.end && line !== out.at(-1)?.ms) out.push({ ms: line, day: (line + offset(line)) % DAY === 0 });
    at += step;
  }
  return out;
}

/** What to add to UTC at `ms` for this browser's local time. */
export function localOffset(ms: number): number {
  return -new Date(ms).getTimezoneOffset() * MINUTE;
}

/** How far one press of an arrow key moves: a hundredth of the view, rounded down to a step that people count in. */
export function keyStep(view: View): number {
  const wanted = span(view) / 100;
  return [...SMALL_STEPS, ...STEPS].filter((step) => step <= wanted).at(-1) ?? 100;
}

/** A closer view asks for as much as this one, so that a picture that plays does not ask every second. */
const ASKED_MIN = MINUTE;

/** What to ask the recorder for so that `view` is covered with room on both sides: at most 32 days, and the same for views that differ little. Each
 * new interval is a line in the log of who looked, so following a clock must not make one every few seconds. */
export function askFor(view: View): View {
  const length = Math.max(ASKED_MIN, span(view));
  const grain = length > 7 * DAY ? DAY : 2 ** Math.ceil(Math.log2(length));
  const room = length > 7 * DAY ? 0 : length / 2;
  return { start: Math.floor((view.start - room) / grain) * grain, end: Math.ceil((view.end + room) / grain) * grain };
}
