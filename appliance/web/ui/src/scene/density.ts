/** How much happened where on a line of time: what motion events and counts by the hour come to, pixel by pixel. Pure. */

import type { CountList, WatchEvent } from "../api/types";
import { type View, xOf } from "../timeline/scale";

/** So much began, from then to then. */
export interface Amount {
  start: number;
  end: number;
  count: number;
}

/** The amounts of one camera out of counts by hour or day, all kinds together. */
export function amountsOf({ starts_utc_ms, series }: CountList, camera: number, end: number): Amount[] {
  const own = series.filter((each) => each.camera === camera);
  return starts_utc_ms
    .map((start, index) => ({ start, end: starts_utc_ms[index + 1] ?? end, count: own.reduce((sum, each) => sum + (each.counts[index] ?? 0), 0) }))
    .filter((each) => each.count > 0);
}

/** Each event as an amount of one, over all of its length. */
export function amountsIn(events: readonly WatchEvent[]): Amount[] {
  return events.map((event) => ({ start: event.start_utc_ms, end: event.end_utc_ms ?? event.start_utc_ms + 1, count: 1 }));
}

/** For each of `columns` pixels how much happened there, 0 to 1. The most stands for 1; the scale is a root, so that one event beside hundreds is still seen. */
export function density(amounts: readonly Amount[], view: View, columns: number): Float32Array {
  const sums = new Float32Array(Math.max(0, columns));
  for (const { start, end, count } of amounts) {
    if (end <= view.start || start >= view.end) continue;
    const first = Math.max(0, Math.floor(xOf(view, columns, start)));
    const last = Math.min(columns - 1, Math.max(first, Math.ceil(xOf(view, columns, end)) - 1));
    for (let column = first; column <= last; column += 1) sums[column] = (sums[column] ?? 0) + count;
  }
  let most = 0;
  for (const sum of sums) most = Math.max(most, sum);
  if (most > 0) for (let column = 0; column < sums.length; column += 1) sums[column] = Math.sqrt((sums[column] ?? 0) / most);
  return sums;
}
