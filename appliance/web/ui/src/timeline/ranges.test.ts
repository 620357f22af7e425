import { describe, expect, it } from "vitest";
import type { RecordedGap, RecordedSpan } from "../api/types";
import { coalesce, contentOf, gapAt, joinErased, nearestFootage, ordered, remember, REMEMBERED_MAX, spanAfter, spanAt, spanBefore, without } from "./ranges";

const span = (start: number, end: number, bytes = 0): RecordedSpan => ({
  start_utc_ms: start,
  end_utc_ms: end,
  byte_count: bytes,
  recording: "1",
  codec_string: "avc1.64001F",
  width: 1920,
  height: 1080,
});
const gap = (start: number, end: number): RecordedGap => ({ start_utc_ms: start, end_utc_ms: end, reason: "camera_gone" });

const SPANS = [span(1_000, 5_000, 4_000), span(8_000, 20_000, 24_000)];
const GAPS = [gap(5_000, 8_000)];
const hole = (start: number, end: number) => ({ start_utc_ms: start, end_utc_ms: end, kind: "checksum" as const });
const hour = (start: number, end: number, erased = 99_000) => ({ start_utc_ms: start, end_utc_ms: end, erased_utc_ms: erased });
const ALL = { spans: SPANS, gaps: GAPS, damaged: [hole(10_500, 11_500)], erased: [hour(-2_000, -1_000), hour(-1_000, 500)] };

describe("ranges", () => {
  it("orders the two ends of a drag", () => {
    expect(ordered(9, 3)).toEqual({ start: 3, end: 9 });
  });

  it("takes a span's start in and its end out", () => {
    expect(spanAt(SPANS, 1_000)).toBe(SPANS[0]);
    expect(spanAt(SPANS, 5_000)).toBeNull();
    expect(gapAt(GAPS, 5_000)).toBe(GAPS[0]);
    expect(spanAfter(SPANS, 5_000)).toBe(SPANS[1]);
    expect(spanBefore(SPANS, 7_000)).toBe(SPANS[0]);
  });

  it("finds the nearest footage: here, else after, else before, else none", () => {
    expect(nearestFootage(SPANS, 2_000)).toBe(2_000);
    expect(nearestFootage(SPANS, 6_000)).toBe(8_000);
    expect(nearestFootage(SPANS, 99_000)).toBe(19_000);
    expect(nearestFootage([], 1)).toBeNull();
  });

  it("adds up what a range holds, span by span at its own rate", () => {
    const content = contentOf(ALL, { start: 3_000, end: 11_000 });
    expect(content.footage).toBe(2_000 + 3_000);
    expect(content.size).toBeCloseTo(2_000 + 6_000, 6);
    expect(content.gaps).toEqual(GAPS);
    expect(content.damaged).toEqual(ALL.damaged);
    expect(content.erased).toEqual([]);
    expect(contentOf(ALL, { start: -5_000, end: 2_000 }).erased).toEqual([hour(-2_000, 500)]);
    expect(contentOf(ALL, { start: 8_000, end: 9_000 }).gaps).toEqual([]);
  });

  it("remembers footage outside the new window, and believes the new answer inside", () => {
    const ends = (spans: RecordedSpan[]) => spans.map((each) => [each.start_utc_ms, each.end_utc_ms]);
    const window = { start: 10_000, end: 30_000 };
    expect(ends(remember(SPANS, [], window))).toEqual([
      [1_000, 5_000],
      [8_000, 10_000],
    ]);
    expect(ends(remember(SPANS, [span(10_000, 25_000)], window))).toEqual([
      [1_000, 5_000],
      [8_000, 10_000],
      [10_000, 25_000],
    ]);
    expect(ends(remember([span(0, 100_000)], [span(10_000, 12_000)], window))).toEqual([
      [0, 10_000],
      [10_000, 12_000],
      [30_000, 100_000],
    ]);
    expect(ends(remember([span(1_000, 20_000)], [span(7_500, 12_000)], window))).toEqual([
      [1_000, 7_500],
      [7_500, 12_000],
    ]);
    expect(remember(SPANS, [], window).map((each) => each.byte_count)).toEqual([4_000, 4_000]);
  });

  it("cuts what is damaged out of the spans", () => {
    const ends = (spans: RecordedSpan[]) => spans.map((each) => [each.start_utc_ms, each.end_utc_ms]);
    expect(ends(without(SPANS, [hole(2_000, 3_000), hole(4_500, 9_000)]))).toEqual([
      [1_000, 2_000],
      [3_000, 4_500],
      [9_000, 20_000],
    ]);
    expect(ends(without(SPANS, [hole(0, 30_000)]))).toEqual([]);
    expect(without(SPANS, [])).toEqual(SPANS);
  });

  it("joins erased hours that follow each other, and no others", () => {
    expect(joinErased([hour(20, 30, 5), hour(0, 10, 1), hour(10, 20, 9), hour(40, 50, 6)])).toEqual([hour(0, 30, 9), hour(40, 50, 6)]);
  });

  it("does not remember without bound", () => {
    let known: RecordedSpan[] = [];
    for (let at = 0; at < 3 * REMEMBERED_MAX; at += 1) known = remember(known, [span(at * 10, at * 10 + 5)], { start: at * 10, end: at * 10 + 10 });
    expect(known.length).toBeLessThanOrEqual(REMEMBERED_MAX + 1);
    expect(known.at(-1)?.start_utc_ms).toBe((3 * REMEMBERED_MAX - 1) * 10);
  });

  it("joins what is closer than a pixel, in any order, and nothing else", () => {
    expect(coalesce([span(10, 20), span(0, 5), span(21, 30), span(12, 14)], 2)).toEqual([
      { start: 0, end: 5 },
      { start: 10, end: 30 },
    ]);
  });
});
