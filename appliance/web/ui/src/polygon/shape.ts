/** Outlines on a picture, in fractions of its width and height. Pure. */

import type { Point } from "../api/types";

/** What the recorder takes at most for one outline; more points make no better zone. */
export const POINTS_MAX = 32;
export const SHAPES_MAX = 16;

const clamp = (value: number) => Math.min(1, Math.max(0, value));
/** Ten-thousandths of the picture: finer than a pixel of any camera's analysis picture. */
const round = (value: number) => Math.round(clamp(value) * 10_000) / 10_000;

export function point(x: number, y: number): Point {
  return { x: round(x), y: round(y) };
}

export function moved(outline: readonly Point[], index: number, to: Point): Point[] {
  return outline.map((each, at) => (at === index ? point(to.x, to.y) : each));
}

/** The first shape of somebody without a mouse: the middle of the picture, to be moved point by point. */
export function middle(): Point[] {
  return [point(0.3, 0.3), point(0.7, 0.3), point(0.7, 0.7), point(0.3, 0.7)];
}

export function closeTo(a: Point, b: Point, reach: number): boolean {
  return Math.hypot(a.x - b.x, a.y - b.y) <= reach;
}

export function pathOf(outline: readonly Point[]): string {
  return outline.map((each) => `${each.x * 1000},${each.y * 1000}`).join(" ");
}

/** Doubled area: zero for a line, which covers nothing. */
export function area2(outline: readonly Point[]): number {
  let sum = 0;
  outline.forEach((a, index) => {
    const b = outline[(index + 1) % outline.length] ?? a;
    sum += a.x * b.y - b.x * a.y;
  });
  return Math.abs(sum);
}

export function usable(outline: readonly Point[]): boolean {
  return outline.length >= 3 && outline.length <= POINTS_MAX && area2(outline) > 1e-4;
}
