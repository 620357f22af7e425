/** Which footage to fetch next, what to drop, and when to jump: pure decisions of the playback player. Times are milliseconds UTC. */

import type { RecordedSpan } from "../api/types";
import { spanAfter, spanAt } from "../timeline/ranges";

/** The first piece after a jump is short, so that the picture is there soon and a wrong jump costs little. */
export const FIRST_CHUNK_MS = 10_000;
/** Later pieces are longer: fewer requests and fewer lines in the log of who looked. */
export const CHUNK_MS = 20_000;
/** Fetch when less than this is ahead, times the speed. */
export const AHEAD_MS = 12_000;
/** Watched footage kept for short steps back. */
export const BEHIND_MS = 20_000;
/** Footage ahead that is kept at most: at 16 Mbit/s 60 s are 120 MB, just below the browser's bound of about 150 MB. */
export const AHEAD_MAX_MS = 60_000;
/** Holes below this inside the buffer are frame timing, not gaps. */
export const HOLE_MS = 250;

export interface Interval {
  start: number;
  end: number;
}

export type Plan =
  | { kind: "fetch"; from: number; to: number; codec: string }
  /** Enough is buffered, or the footage ends here for now. */
  | { kind: "rest" }
  /** Nothing recorded here: go on at `to`. */
  | { kind: "jump"; to: number }
  /** After the last footage. */
  | { kind: "end" };

/** End of what is buffered without a hole from `position` on; `position` itself when nothing is. */
export function bufferedUntil(buffered: readonly Interval[], position: number): number {
  let until = position;
  for (const each of buffered) {
    if (each.start - HOLE_MS <= until && each.end > until) until = each.end;
  }
  return until;
}

export interface Situation {
  spans: readonly RecordedSpan[];
  position: number;
  buffered: readonly Interval[];
  /** Playback speed, 1 = real time. */
  rate: number;
  /** Where the last finished request ended, so that a piece that brought less than asked is not asked for again; `null` after a jump. */
  fetchedUntil: number | null;
}

/** What to do next. */
export function plan({ spans, position, buffered, rate, fetchedUntil }: Situation): Plan {
  const until = Math.max(bufferedUntil(buffered, position), fetchedUntil ?? position);
  const wanted = Math.min(AHEAD_MAX_MS / 2, AHEAD_MS * Math.max(1, rate));
  const here = spanAt(spans, until);
  if (here === null) {
    const next = spanAfter(spans, until - 1);
    if (until - position > HOLE_MS) {
      // Still something to show. Fetch across a gap early only when it is about to be reached.
      if (next !== null && until - position < wanted) return piece(next, next.start_utc_ms, fetchedUntil);
      return { kind: "rest" };
    }
    if (next === null) return { kind: "end" };
    return { kind: "jump", to: next.start_utc_ms };
  }
  if (until - position >= wanted) return { kind: "rest" };
  return piece(here, until, fetchedUntil);
}

function piece(span: RecordedSpan, from: number, fetchedUntil: number | null): Plan {
  const length = fetchedUntil === null ? FIRST_CHUNK_MS : CHUNK_MS;
  return { kind: "fetch", from, to: Math.min(span.end_utc_ms, from + length), codec: span.codec_string };
}

/** What to drop: everything but a stretch around the position. */
export function surplus(buffered: readonly Interval[], position: number): Interval[] {
  const out: Interval[] = [];
  const first = buffered[0];
  const last = buffered.at(-1);
  if (first !== undefined && first.start < position - 2 * BEHIND_MS) out.push({ start: first.start, end: position - BEHIND_MS });
  if (last !== undefined && last.end > position + AHEAD_MAX_MS * 1.5) out.push({ start: position + AHEAD_MAX_MS, end: last.end });
  return out;
}

/** Where to go on when the player stands still at `position`: over a hole in the buffer, if buffered footage follows. */
export function overHole(buffered: readonly Interval[], position: number): number | null {
  if (buffered.some((each) => each.start <= position && position < each.end - 20)) return null;
  const next = buffered.find((each) => each.start > position || (each.start <= position && position < each.end));
  return next === undefined || next.start <= position ? null : next.start;
}

/** Media time 0 for footage around `position`: midnight UTC of the day before, so that seconds stay small, never negative, and one source serves days. */
export function baseFor(position: number): number {
  const day = 86_400_000;
  return (Math.floor(position / day) - 1) * day;
}

/** Whether footage at `position` can share a media source whose time 0 is `base`. */
export function fitsBase(base: number, position: number): boolean {
  const day = 86_400_000;
  return position - base >= day / 2 && position - base < 14 * day;
}
