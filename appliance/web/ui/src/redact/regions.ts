/** Regions of a redacted copy: rectangles in fractions of the picture that may move from moment to moment. Pure. */

import type { RedactionInput } from "../api/types";

/** What the recorder takes at most. */
export const REGIONS_MAX = 32;
export const KEYS_MAX = 64;
export const MINUTES_MAX = 15;
/** Smallest side of a rectangle. */
const SIDE_MIN = 0.01;
/** One step of a key, and of the rounding of what was drawn. */
export const STEP = 0.01;
const ROUND = 10_000;
/** Moments nearer than this are one: a reader who corrects a rectangle means the same picture. In milliseconds. */
const SAME_MS = 20;

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
export interface Key extends Box {
  /** Milliseconds UTC. */
  at: number;
}
export interface Region {
  /** By time, one at least. */
  keys: Key[];
  /** False: one rectangle for all of the time. */
  moves: boolean;
  from: number | null;
  to: number | null;
}

const within = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));
const round = (value: number) => Math.round(value * ROUND) / ROUND;

/** A rectangle between two corners, inside of the picture and no smaller than can be seen. */
export function box(x1: number, y1: number, x2: number, y2: number): Box {
  const left = round(within(Math.min(x1, x2), 0, 1 - SIDE_MIN));
  const top = round(within(Math.min(y1, y2), 0, 1 - SIDE_MIN));
  return { left, top, right: round(within(Math.max(x1, x2), left + SIDE_MIN, 1)), bottom: round(within(Math.max(y1, y2), top + SIDE_MIN, 1)) };
}

/** Moved as far as the picture goes, with its size. */
export function movedBy(from: Box, dx: number, dy: number): Box {
  const x = within(dx, -from.left, 1 - from.right);
  const y = within(dy, -from.top, 1 - from.bottom);
  return { left: round(from.left + x), top: round(from.top + y), right: round(from.right + x), bottom: round(from.bottom + y) };
}

/** Its lower right corner moved. */
export function resizedBy(from: Box, dx: number, dy: number): Box {
  const right = round(within(from.right + dx, from.left + SIDE_MIN, 1));
  return { ...from, right, bottom: round(within(from.bottom + dy, from.top + SIDE_MIN, 1)) };
}

export function fresh(at: number, of: Box): Region {
  return { keys: [{ at: Math.round(at), ...of }], moves: false, from: null, to: null };
}

/** True when it counts at this moment. */
export const counts = (region: Region, at: number) => (region.from === null || at >= region.from) && (region.to === null || at < region.to);

/** Where it is at a moment: in straight lines from key to key, as the recorder takes it. */
export function boxAt({ keys }: Region, at: number): Box {
  const [first] = keys;
  if (first === undefined) return box(0, 0, 1, 1);
  const after = keys.findIndex((key) => key.at > at);
  if (after === 0) return first;
  const before = keys.at(after === -1 ? -1 : after - 1) ?? first;
  const next = after === -1 ? undefined : keys[after];
  if (next === undefined) return before;
  const part = (at - before.at) / (next.at - before.at);
  const side = (name: keyof Box) => before[name] + (next[name] - before[name]) * part;
  return { left: side("left"), top: side("top"), right: side("right"), bottom: side("bottom") };
}

/** With the rectangle at this moment: one that moves gets a key there, unless it has all that it may have. */
export function withBox(region: Region, at: number, to: Box): Region {
  const moment = Math.round(at);
  if (!region.moves) return { ...region, keys: [{ at: region.keys[0]?.at ?? moment, ...to }] };
  const near = region.keys.find((key) => Math.abs(key.at - moment) < SAME_MS);
  if (near === undefined && region.keys.length >= KEYS_MAX) return region;
  const others = region.keys.filter((key) => key !== near);
  return { ...region, keys: [...others, { at: near?.at ?? moment, ...to }].sort((a, b) => a.at - b.at) };
}

/** Moves from now on, or stays where it is now. */
export function moving(region: Region, at: number, moves: boolean): Region {
  const here = boxAt(region, at);
  return { ...region, moves, keys: [{ at: Math.round(at), ...here }] };
}

/** Counts from this moment on, or from the beginning; an end before it goes. */
export function since(region: Region, from: number | null): Region {
  const start = from === null ? null : Math.round(from);
  return { ...region, from: start, to: start !== null && region.to !== null && region.to <= start ? null : region.to };
}

/** Counts until this moment, or to the end; a beginning behind it goes. */
export function until(region: Region, to: number | null): Region {
  const end = to === null ? null : Math.round(to);
  return { ...region, to: end, from: end !== null && region.from !== null && region.from >= end ? null : region.from };
}

export function inputOf({ keys, from, to }: Region): RedactionInput["regions"][number] {
  const key = ({ at, left, top, right, bottom }: Key) => ({ at_utc_ms: at, left, top, right, bottom });
  return { polygon: [], keys: keys.map(key), from_utc_ms: from, to_utc_ms: to };
}
