/** How one camera of a scene follows the scene's clock: how fast to play so that it neither lags nor leads, and what to fetch. Pure. Times are milliseconds. */

import type { RecordedSpan } from "../api/types";
import { type Interval, HOLE_MS } from "../playback/plan";
import { spanAfter, spanAt, spanBefore } from "../timeline/ranges";

/** Nearer than this is in step: a quarter of a picture at 25 a second. */
export const IN_STEP_MS = 10;
/** Further off than this, times the speed, is not caught up with but jumped over. */
export const JUMP_MS = 500;
/** In so long a picture that is off by a little is in step again. */
const CATCH_UP_MS = 400;
/** At most so much faster or slower than was asked: nobody sees it. */
const CATCH_UP_SHARE = 0.25;
/** Slower than this a browser refuses to play; then it stands. */
const PLAYED_MIN = 0.0625;
/** Faster than this, and backwards, key frames alone are shown: nine cameras' every picture is more than a computer decodes. */
export const EVERY_PICTURE_RATE_MAX = 4;

/** The first piece after a jump: soon there. */
export const FIRST_MS = 4_000;
export const PIECE_MS = 10_000;
/** Fetch when less than this is there in the direction of play, times the speed. */
export const AHEAD_MS = 6_000;
/** However fast: nine cameras at 4 Mbit/s make 180 MB of 40 s each. */
export const AHEAD_MAX_MS = 30_000;
/** What is kept behind the moment that is shown. */
export const BEHIND_MS = 10_000;

/** What to do about being `behind` the clock (ahead of it below 0). `rate` is the clock's, which may be slower than `asked`: whoever is behind then may go faster than it. */
export type Pace = { kind: "rate"; rate: number } | { kind: "jump" };

export function pace(behind: number, rate: number, asked = rate): Pace {
  if (Math.abs(behind) > JUMP_MS * Math.max(1, asked)) return { kind: "jump" };
  const share = Math.abs(behind) <= IN_STEP_MS ? 0 : Math.max(-CATCH_UP_SHARE, behind / CATCH_UP_MS / Math.max(1, asked));
  const played = Math.min(asked * (1 + CATCH_UP_SHARE), rate + asked * share);
  return { kind: "rate", rate: played < PLAYED_MIN ? 0 : played };
}

/** Whether only key frames are shown at this speed. */
export function keysOnly(rate: number): boolean {
  return rate < 0 || rate > EVERY_PICTURE_RATE_MAX;
}

/** `have` and one more stretch, joined where they touch. */
export function withStretch(have: readonly Interval[], more: Interval): Interval[] {
  const out: Interval[] = [];
  for (const each of [...have, more].sort((a, b) => a.start - b.start)) {
    const last = out.at(-1);
    if (last !== undefined && each.start <= last.end + 1) last.end = Math.max(last.end, each.end);
    else out.push({ ...each });
  }
  return out;
}

/** What of `have` lies inside `kept`. */
export function within(have: readonly Interval[], kept: Interval): Interval[] {
  return have.map((each) => ({ start: Math.max(each.start, kept.start), end: Math.min(each.end, kept.end) })).filter((each) => each.end > each.start);
}

/** What is kept around `target`; what is dropped is fetched again when it is reached. */
export function keptAround(target: number, rate: number): Interval {
  const [behind, ahead] = [BEHIND_MS + PIECE_MS, AHEAD_MAX_MS + PIECE_MS];
  return rate < 0 ? { start: target - ahead, end: target + behind } : { start: target - behind, end: target + ahead };
}

export interface Piece {
  from: number;
  to: number;
  codec: string;
}

export interface Needs {
  spans: readonly RecordedSpan[];
  /** What was fetched, in order. */
  have: readonly Interval[];
  target: number;
  /** Speed, below 0 backwards; 0 while the scene stands. */
  rate: number;
}

/** What to fetch next, or `null`. */
export function nextPiece({ spans, have, target, rate }: Needs): Piece | null {
  const ahead = Math.min(AHEAD_MAX_MS, AHEAD_MS * Math.max(1, Math.abs(rate)));
  const here = have.find((each) => each.start <= target && target < each.end);
  const span = spanAt(spans, target);
  if (span !== null && here === undefined) {
    if (rate < 0) return { from: Math.max(span.start_utc_ms + 1, target - FIRST_MS), to: Math.min(span.end_utc_ms, target + 200), codec: span.codec_string };
    return { from: Math.max(span.start_utc_ms + 1, target), to: Math.min(span.end_utc_ms, target + FIRST_MS), codec: span.codec_string };
  }
  return rate < 0 ? pieceBefore(spans, have, here?.start ?? target, target - ahead) : pieceAfter(spans, have, here?.end ?? target, target + ahead);
}

function pieceAfter(spans: readonly RecordedSpan[], have: readonly Interval[], until: number, wanted: number): Piece | null {
  if (until >= wanted) return null;
  const here = spanAt(spans, until);
  if (here !== null && here.end_utc_ms - until > HOLE_MS) return { from: Math.max(until, here.start_utc_ms + 1), to: Math.min(here.end_utc_ms, until + PIECE_MS), codec: here.codec_string };
  // Behind a gap that will be reached soon.
  const next = spanAfter(spans, here?.start_utc_ms ?? until);
  if (next === null || next.start_utc_ms >= wanted) return null;
  const known = have.find((each) => each.start <= next.start_utc_ms + HOLE_MS && next.start_utc_ms < each.end);
  return known === undefined
    ? { from: next.start_utc_ms + 1, to: Math.min(next.end_utc_ms, next.start_utc_ms + PIECE_MS), codec: next.codec_string }
    : pieceAfter(spans, have, Math.max(known.end, until + 1), wanted);
}

function pieceBefore(spans: readonly RecordedSpan[], have: readonly Interval[], since: number, wanted: number): Piece | null {
  if (since <= wanted) return null;
  const here = spanAt(spans, since - 1);
  if (here !== null && since - here.start_utc_ms > HOLE_MS) return { from: Math.max(here.start_utc_ms + 1, since - PIECE_MS), to: since, codec: here.codec_string };
  const last = spanBefore(spans, here?.start_utc_ms ?? since);
  if (last === null || last.end_utc_ms <= wanted) return null;
  const known = have.find((each) => each.start < last.end_utc_ms && last.end_utc_ms <= each.end + HOLE_MS);
  return known === undefined
    ? { from: Math.max(last.start_utc_ms + 1, last.end_utc_ms - PIECE_MS), to: last.end_utc_ms, codec: last.codec_string }
    : pieceBefore(spans, have, Math.min(known.start, since - 1), wanted);
}

/** Where a scene goes on when no camera has footage at `now`: the nearest footage in the direction of play; `null` when there is none. */
export function overGap(spans: readonly RecordedSpan[], now: number, rate: number): number | null {
  if (rate < 0) return spanBefore(spans, now)?.end_utc_ms ?? null;
  return spanAfter(spans, now)?.start_utc_ms ?? null;
}
