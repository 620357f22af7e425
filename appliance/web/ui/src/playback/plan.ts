/** Which footage to fetch next, what to drop, and when to jump: pure decisions of the playback player. Times are milliseconds UTC. */

import type { RecordedSpan } from "../api/types";
import { isJpeg } from "../jpeg/fragments";
import { wayFor } from "../lib/formats";
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
/** For JPEG, whose pictures the page holds itself: a piece is fetched when less than this is ahead, and is about this large at most. The screen has room for
 * three times as much. */
export const JPEG_BYTES = 64 * 1024 * 1024;
/** However large the pictures are: this much is ahead, and a piece is so long. */
export const JPEG_LEAST_MS = 1_000;
/** What is transcoded is asked for in pieces of this length: each takes a few seconds of the recorder's processor, and cameras and people take turns. */
export const TRANSCODED_MS = 6_000;
/** Holes below this inside the buffer are frame timing, not gaps. */
export const HOLE_MS = 250;
/** A browser stops this long before the end of what it has, more so at higher speeds. */
export const TAIL_MS = 500;
/** The first picture of a piece may come so much later than was asked. */
export const LANDING_MS = 1_500;
/** A longer hole inside a span would be a gap, and gaps are the plan's. */
export const HOLE_SKIPPED_MAX_MS = 3_000;

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
  /** The browser shows no new picture, for want of footage. */
  stalled: boolean;
  /** Where the last finished request ended, so that a piece that brought less than asked is not asked for again; `null` after a jump. */
  fetchedUntil: number | null;
}

/** What to do next. */
export function plan({ spans, position, buffered, rate, stalled, fetchedUntil }: Situation): Plan {
  const contiguous = bufferedUntil(buffered, position);
  const after = spanAt(spans, contiguous);
  const over = after === null || after.end_utc_ms - contiguous <= HOLE_MS;
  if (over && contiguous - position <= (stalled ? TAIL_MS : HOLE_MS)) {
    const next = spanAfter(spans, Math.max(position, contiguous - 1));
    return next === null ? { kind: "end" } : { kind: "jump", to: next.start_utc_ms };
  }
  const until = Math.max(contiguous, fetchedUntil ?? contiguous);
  const here = spanAt(spans, until);
  const wanted = Math.min(AHEAD_MAX_MS / 2, AHEAD_MS * Math.max(1, rate), here === null ? AHEAD_MAX_MS : roomMs(here));
  if (until - position >= wanted) return { kind: "rest" };
  if (here !== null) return piece(here, until, fetchedUntil);
  // Beyond a gap that will be reached soon, unless that is buffered already.
  const next = spanAfter(spans, until - 1);
  if (next === null || contiguous - position >= wanted) return { kind: "rest" };
  return bufferedUntil(buffered, next.start_utc_ms) > next.start_utc_ms ? { kind: "rest" } : piece(next, next.start_utc_ms, fetchedUntil);
}

function piece(span: RecordedSpan, from: number, fetchedUntil: number | null): Plan {
  const length = Math.min(fetchedUntil === null ? FIRST_CHUNK_MS : CHUNK_MS, roomMs(span));
  // A span's start is rounded down to the millisecond, where the span before it may not have ended yet; one more is surely inside.
  const inside = Math.max(from, span.start_utc_ms + 1);
  return { kind: "fetch", from: inside, to: Math.min(span.end_utc_ms, from + length), codec: span.codec_string };
}

/** How much of a span's footage [`JPEG_BYTES`] hold; without bound where the browser holds it. What is transcoded comes in short pieces: others wait for theirs. */
function roomMs(span: RecordedSpan): number {
  if (wayFor(span.codec_string) === "transcoded") return TRANSCODED_MS;
  if (!isJpeg(span.codec_string) || span.byte_count <= 0) return Number.POSITIVE_INFINITY;
  return Math.max(JPEG_LEAST_MS, (JPEG_BYTES / span.byte_count) * (span.end_utc_ms - span.start_utc_ms));
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

/** Where to show a picture that was wished for at `wanted`: there, or at the first one after it. That is usually the key frame at hand; behind damaged
 * footage it may be a whole group of pictures later, which is known once the piece is fetched. `null`: not yet. */
export function landing(buffered: readonly Interval[], wanted: number, fetchedUntil: number | null): number | null {
  const near = buffered.find((each) => each.start <= wanted + LANDING_MS && wanted < each.end);
  const far = fetchedUntil === null ? undefined : buffered.find((each) => each.start > wanted && each.start < fetchedUntil);
  const there = near ?? far;
  return there === undefined ? null : Math.max(wanted, there.start + 1);
}

/** Where to go on when the player stands still at a hole of a few frames inside footage that was fetched already; `null` when that is not why it stands. */
export function overHole(buffered: readonly Interval[], position: number, fetchedUntil: number | null): number | null {
  if (buffered.some((each) => each.start <= position && position < each.end - TAIL_MS)) return null;
  const next = buffered.find((each) => each.start > position);
  if (next === undefined || fetchedUntil === null || fetchedUntil < next.start) return null;
  return next.start - position <= HOLE_SKIPPED_MAX_MS ? next.start : null;
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
