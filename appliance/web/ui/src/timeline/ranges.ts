/** Sums over recorded spans and gaps: what a range holds, where footage goes on, what a file will weigh. Pure. */

import { isJpeg } from "../jpeg/fragments";
import { wayFor } from "../lib/formats";
import type { DamagedInterval, Erasure, RecordedGap, RecordedSpan } from "../api/types";

export interface Range {
  start: number;
  end: number;
}

interface Interval {
  start_utc_ms: number;
  end_utc_ms: number;
}

const startsFirst = (a: Interval, b: Interval) => a.start_utc_ms - b.start_utc_ms;

/** The two ends in order. */
export function ordered(a: number, b: number): Range {
  return a <= b ? { start: a, end: b } : { start: b, end: a };
}

export function overlap(interval: Interval, range: Range): number {
  return Math.max(0, Math.min(interval.end_utc_ms, range.end) - Math.max(interval.start_utc_ms, range.start));
}

/** The span that holds `ms`. */
export function spanAt(spans: readonly RecordedSpan[], ms: number): RecordedSpan | null {
  return spans.find((span) => span.start_utc_ms <= ms && ms < span.end_utc_ms) ?? null;
}

/** Whether what this browser shows of `ms` is made of the recorded pictures, not they themselves. */
export function isTranscoded(spans: readonly RecordedSpan[], ms: number | null): boolean {
  const span = ms === null ? null : spanAt(spans, ms);
  return span !== null && wayFor(span.codec_string) === "transcoded";
}

/** The first span that starts after `ms`. */
export function spanAfter(spans: readonly RecordedSpan[], ms: number): RecordedSpan | null {
  return spans.filter((span) => span.start_utc_ms > ms).sort(startsFirst)[0] ?? null;
}

/** The last span that ends at or before `ms`. */
export function spanBefore(spans: readonly RecordedSpan[], ms: number): RecordedSpan | null {
  return spans.filter((span) => span.end_utc_ms <= ms).sort((a, b) => b.end_utc_ms - a.end_utc_ms)[0] ?? null;
}

export function gapAt(gaps: readonly RecordedGap[], ms: number): RecordedGap | null {
  return gaps.find((gap) => gap.start_utc_ms <= ms && ms < gap.end_utc_ms) ?? null;
}

/** Where playback really starts when `ms` is asked for: there, or at the next footage, or shortly before the end of the last. `null`: nothing recorded. */
export function nearestFootage(spans: readonly RecordedSpan[], ms: number): number | null {
  if (spanAt(spans, ms) !== null) return ms;
  const after = spanAfter(spans, ms);
  if (after !== null) return after.start_utc_ms;
  const before = spanBefore(spans, ms);
  return before === null ? null : Math.max(before.start_utc_ms, before.end_utc_ms - 1_000);
}

/** What covers `ms`, of any list of intervals. */
export function intervalAt<T extends Interval>(list: readonly T[], ms: number): T | null {
  return list.find((each) => each.start_utc_ms <= ms && ms < each.end_utc_ms) ?? null;
}

/** Whether damaged footage cannot be shown at all. */
export function isLost(run: DamagedInterval): boolean {
  return run.kind !== "description";
}

/** The parts of `spans` that can be shown: without what is damaged. */
export function without(spans: readonly RecordedSpan[], damaged: readonly Interval[]): RecordedSpan[] {
  let parts = [...spans];
  for (const hole of damaged) {
    parts = parts.flatMap((span) => {
      if (overlap(span, { start: hole.start_utc_ms, end: hole.end_utc_ms }) === 0) return [span];
      const before = { ...span, end_utc_ms: hole.start_utc_ms };
      const after = { ...span, start_utc_ms: hole.end_utc_ms };
      return [before, after].filter((part) => part.end_utc_ms > part.start_utc_ms);
    });
  }
  return parts;
}

/** Erased hours one behind the other as one stretch, with the moment when its last hour was erased. */
export function joinErased(hours: readonly Erasure[]): Erasure[] {
  const out: Erasure[] = [];
  for (const hour of [...hours].sort(startsFirst)) {
    const last = out.at(-1);
    if (last !== undefined && hour.start_utc_ms <= last.end_utc_ms) {
      last.end_utc_ms = Math.max(last.end_utc_ms, hour.end_utc_ms);
      last.erased_utc_ms = Math.max(last.erased_utc_ms, hour.erased_utc_ms);
    } else out.push({ ...hour });
  }
  return out;
}

/** What a file of `range` would hold. */
export interface Content {
  /** Milliseconds of footage inside. */
  footage: number;
  /** Its size, taking each span's mean rate. */
  size: number;
  gaps: RecordedGap[];
  damaged: DamagedInterval[];
  erased: Erasure[];
  /** Some of it is Motion JPEG, which browsers do not play from a file. */
  jpeg: boolean;
}

/** Everything that the recorder says of the time around a range. */
export interface Recorded {
  spans: readonly RecordedSpan[];
  gaps: readonly RecordedGap[];
  damaged: readonly DamagedInterval[];
  erased: readonly Erasure[];
}

export function contentOf({ spans, gaps, damaged, erased }: Recorded, range: Range): Content {
  let footage = 0;
  let size = 0;
  let jpeg = false;
  for (const each of spans) {
    const inside = overlap(each, range);
    if (inside === 0) continue;
    footage += inside;
    jpeg ||= isJpeg(each.codec_string);
    size += each.byte_count * (inside / (each.end_utc_ms - each.start_utc_ms));
  }
  const inside = <T extends Interval>(list: readonly T[]) => list.filter((each) => overlap(each, range) > 0).sort(startsFirst);
  return { footage, size, gaps: inside(gaps), damaged: inside(damaged), erased: joinErased(inside(erased)), jpeg };
}

/** Spans that are remembered beyond the window that was asked for last. */
export const REMEMBERED_MAX = 500;

/** What is known after `fresh` arrived, which is all there is inside `window`: the older knowledge stays for the time around it, so that footage goes on
 * playing while another part of time is looked at. */
export function remember(old: readonly RecordedSpan[], fresh: readonly RecordedSpan[], window: Range): RecordedSpan[] {
  // A fresh span may reach over the window's edge; there it replaces what was known.
  const first = Math.min(window.start, ...fresh.map((each) => each.start_utc_ms));
  const last = Math.max(window.end, ...fresh.map((each) => each.end_utc_ms));
  const kept: RecordedSpan[] = [];
  for (const each of old) {
    if (each.start_utc_ms < first) kept.push(part(each, each.start_utc_ms, Math.min(each.end_utc_ms, first)));
    if (each.end_utc_ms > last) kept.push(part(each, Math.max(each.start_utc_ms, last), each.end_utc_ms));
  }
  return [...kept.slice(-REMEMBERED_MAX), ...fresh].sort(startsFirst);
}

/** A part of a span, with its share of the bytes. */
function part(span: RecordedSpan, start_utc_ms: number, end_utc_ms: number): RecordedSpan {
  const share = (end_utc_ms - start_utc_ms) / Math.max(1, span.end_utc_ms - span.start_utc_ms);
  return { ...span, start_utc_ms, end_utc_ms, byte_count: Math.round(span.byte_count * share) };
}

/** Intervals joined where fewer than `closeness` milliseconds lie between them: what is one pixel on the screen is drawn once. */
export function coalesce(intervals: readonly Interval[], closeness: number): Range[] {
  const out: Range[] = [];
  for (const each of [...intervals].sort(startsFirst)) {
    const last = out.at(-1);
    if (last !== undefined && each.start_utc_ms - last.end <= closeness) last.end = Math.max(last.end, each.end_utc_ms);
    else out.push({ start: each.start_utc_ms, end: each.end_utc_ms });
  }
  return out;
}
