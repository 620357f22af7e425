/** Where a live picture should play: pure decisions over what is buffered. Times are seconds of media time. */

/** What the player should do now. */
export type EdgeStep =
  | { kind: "stay"; rate: number }
  /** Too far behind, or outside what is buffered: go to `to`. */
  | { kind: "seek"; to: number }
  | { kind: "wait" };

/** Distance to the newest frame that is aimed at: about three frames at 15 frames/s, enough for an uneven network. */
export const TARGET_S = 0.2;
/** Behind this much the picture runs faster, until it is back at the target: with what camera, network and recorder take, a picture is to be seen within half a second. */
export const CATCH_UP_S = 0.35;
/** Behind this much, playing faster takes too long: jump. Happens at the beginning, with what the recorder has since the last key frame, and after a stalled network or a hidden tab. */
export const JUMP_S = 1;
/** Right after a jump only this much leads to another one: a browser that is too busy to decode what lies before the edge would do nothing but jump. */
export const JUMP_AGAIN_S = 2.5;
/** So long after a jump is right after it. */
const AFTER_JUMP_S = 5;
/** A rate that the eye does not notice and that wins 0.1 s each second. */
export const CATCH_UP_RATE = 1.1;
/** Watched media that stays buffered: 10 s of 16 Mbit/s is 20 MB, far below the browser's own bound of about 150 MB. */
export const KEEP_BEHIND_S = 10;

export interface Interval {
  start: number;
  end: number;
}

/** Decides from the position, the newest buffered interval, the rate in force and how long ago the last jump was. */
export function nextStep(position: number, buffered: readonly Interval[], rate: number, sinceJumpS = Number.POSITIVE_INFINITY): EdgeStep {
  const newest = buffered.at(-1);
  if (newest === undefined || newest.end - newest.start <= 0) return { kind: "wait" };
  const edge = newest.end;
  const target = Math.max(newest.start, edge - TARGET_S);
  if (position < newest.start || position > edge + 0.05 || edge - position > (sinceJumpS < AFTER_JUMP_S ? JUMP_AGAIN_S : JUMP_S)) return { kind: "seek", to: target };
  const lag = edge - position;
  if (lag > CATCH_UP_S) return { kind: "stay", rate: CATCH_UP_RATE };
  if (lag > TARGET_S * 1.25 && rate > 1) return { kind: "stay", rate };
  return { kind: "stay", rate: 1 };
}

/** What may be dropped from the buffer now, or `null`. Drops in steps of at least 5 s, as each removal costs the browser work. */
export function droppable(position: number, buffered: readonly Interval[]): Interval | null {
  const oldest = buffered[0];
  if (oldest === undefined) return null;
  const end = position - KEEP_BEHIND_S;
  return end - oldest.start >= 5 ? { start: 0, end } : null;
}

/** Reads a media element's `TimeRanges`. */
export function intervals(ranges: TimeRanges): Interval[] {
  const out: Interval[] = [];
  for (let index = 0; index < ranges.length; index += 1) out.push({ start: ranges.start(index), end: ranges.end(index) });
  return out;
}
