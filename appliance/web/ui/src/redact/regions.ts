/** Regions of a redacted copy in fractions of the picture: rectangles that may move from moment to moment, and outlines that stay. Pure. */

import type { Point, RedactionInput } from "../api/types";
import { middle, moved, point, POINTS_MAX } from "../polygon/shape";

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
  /** By time, one at least; none when it has an outline. */
  keys: Key[];
  /** Corners of an outline, which stays where it is; none when it is a rectangle. */
  outline: Point[];
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
  return { keys: [{ at: Math.round(at), ...of }], outline: [], moves: false, from: null, to: null };
}

/** A region with this outline; the middle of the picture for somebody who draws with keys. */
export function outlined(outline: readonly Point[] = middle()): Region {
  return { keys: [], outline: [...outline], moves: false, from: null, to: null };
}

export const isOutline = (region: Region) => region.outline.length > 0;

/** The outline moved as far as the picture goes, with its form. */
export function outlineBy(outline: readonly Point[], dx: number, dy: number): Point[] {
  const { left, top, right, bottom } = around(outline);
  const x = within(dx, -left, 1 - right);
  const y = within(dy, -top, 1 - bottom);
  return outline.map((each) => point(each.x + x, each.y + y));
}

/** The smallest rectangle around an outline. */
export function around(outline: readonly Point[]): Box {
  const xs = outline.map((each) => each.x);
  const ys = outline.map((each) => each.y);
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

/** One more corner, in the middle of the side behind `index`; the same when it has as many as it may have. */
export function split(outline: readonly Point[], index: number): Point[] {
  const here = outline[index];
  const next = outline[(index + 1) % outline.length];
  if (here === undefined || next === undefined || outline.length >= POINTS_MAX) return [...outline];
  return [...outline.slice(0, index + 1), point((here.x + next.x) / 2, (here.y + next.y) / 2), ...outline.slice(index + 1)];
}

/** Without the corner; the same when a triangle is left. */
export const unsplit = (outline: readonly Point[], index: number): Point[] => (outline.length <= 3 ? [...outline] : outline.filter((_, place) => place !== index));

/** One corner moved. */
export const cornerTo = (outline: readonly Point[], index: number, to: Point): Point[] => moved(outline, index, to);

/** True when it counts at this moment. */
export const counts = (region: Region, at: number) => (region.from === null || at >= region.from) && (region.to === null || at < region.to);

/** Where it is at a moment: in straight lines from key to key, as the recorder takes it; of an outline what it needs of the picture. */
export function boxAt({ keys, outline }: Region, at: number): Box {
  const [first] = keys;
  if (first === undefined) return outline.length > 0 ? around(outline) : box(0, 0, 1, 1);
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
  if (isOutline(region)) return region;
  const moment = Math.round(at);
  if (!region.moves) return { ...region, keys: [{ at: region.keys[0]?.at ?? moment, ...to }] };
  const near = region.keys.find((key) => Math.abs(key.at - moment) < SAME_MS);
  if (near === undefined && region.keys.length >= KEYS_MAX) return region;
  const others = region.keys.filter((key) => key !== near);
  return { ...region, keys: [...others, { at: near?.at ?? moment, ...to }].sort((a, b) => a.at - b.at) };
}

/** Moves from now on, or stays where it is now. */
export function moving(region: Region, at: number, moves: boolean): Region {
  if (isOutline(region)) return region;
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

export function inputOf({ keys, outline, from, to }: Region): RedactionInput["regions"][number] {
  const key = ({ at, left, top, right, bottom }: Key) => ({ at_utc_ms: at, left, top, right, bottom });
  return { polygon: outline.map(({ x, y }) => ({ x, y })), keys: keys.map(key), from_utc_ms: from, to_utc_ms: to };
}
