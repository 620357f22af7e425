import { describe, expect, it } from "vitest";
import { askFor, clampToNow, DAY, HOUR, keyStep, labelStep, MINUTE, pan, reveal, SECOND, span, SPAN_MAX, SPAN_MIN, ticks, timeAt, viewAround, xOf, zoom } from "./scale";

const NOON = Date.UTC(2026, 0, 15, 12);

describe("view", () => {
  it("maps a moment to a pixel and back", () => {
    const view = viewAround(NOON, HOUR);
    for (const x of [0, 1, 333, 999, 1000]) expect(xOf(view, 1000, timeAt(view, 1000, x))).toBeCloseTo(x, 6);
  });

  it("zooms about the anchor, which stays where it is", () => {
    const view = viewAround(NOON, HOUR);
    const anchor = view.start + 10 * MINUTE;
    const closer = zoom(view, 0.5, anchor);
    expect(span(closer)).toBe(HOUR / 2);
    expect(xOf(closer, 600, anchor)).toBeCloseTo(xOf(view, 600, anchor), 6);
  });

  it("stops at the closest and the widest view", () => {
    const view = viewAround(NOON, HOUR);
    expect(span(zoom(view, 1e-9, NOON))).toBe(SPAN_MIN);
    expect(span(zoom(view, 1e9, NOON))).toBe(SPAN_MAX);
    expect(span(viewAround(NOON, 1))).toBe(SPAN_MIN);
  });

  it("lets at most a tenth of itself lie in the future", () => {
    const view = clampToNow(pan(viewAround(NOON, HOUR), DAY), NOON);
    expect(view.end).toBeCloseTo(NOON + HOUR / 10, 3);
    expect(span(view)).toBe(HOUR);
    const past = viewAround(NOON - DAY, HOUR);
    expect(clampToNow(past, NOON)).toBe(past);
  });

  it("moves only when the moment is outside", () => {
    const view = viewAround(NOON, HOUR);
    expect(reveal(view, NOON)).toBe(view);
    for (const outside of [view.start - 1, view.end + DAY, view.start - 40 * DAY]) {
      const moved = reveal(view, outside);
      expect(moved.start).toBeLessThan(outside);
      expect(moved.end).toBeGreaterThan(outside);
      expect(span(moved)).toBeCloseTo(HOUR, 6);
    }
  });
});

describe("asking", () => {
  it("covers the view with at most 32 days, at every zoom", () => {
    for (let length = SPAN_MIN; length <= SPAN_MAX; length *= 1.3) {
      const view = viewAround(NOON, length);
      const asked = askFor(view);
      expect(asked.start).toBeLessThanOrEqual(view.start);
      expect(asked.end).toBeGreaterThanOrEqual(view.end);
      expect(span(asked)).toBeLessThanOrEqual(32 * DAY);
      expect(Number.isInteger(asked.start) && Number.isInteger(asked.end)).toBe(true);
    }
  });

  it("stays the same while a view of an hour follows the clock for minutes", () => {
    const asked = new Set<number>();
    for (let minute = 0; minute < 30; minute += 1) asked.add(askFor(pan(viewAround(NOON, HOUR), minute * MINUTE)).start);
    expect(asked.size).toBeLessThanOrEqual(2);
  });
});

describe("ruler", () => {
  it("keeps labels apart at every zoom", () => {
    for (let length = SPAN_MIN; length <= SPAN_MAX; length *= 1.7) {
      const view = viewAround(NOON, length);
      const step = labelStep(view, 800, 74);
      expect((step / span(view)) * 800).toBeGreaterThanOrEqual(Math.min(74, ((7 * DAY) / span(view)) * 800));
    }
  });

  it("puts lines on local midnight in a zone that is not whole hours away", () => {
    const offset = () => 5.5 * HOUR + 15 * MINUTE;
    const lines = ticks(viewAround(NOON, 2 * DAY), 6 * HOUR, offset);
    expect(lines.length).toBe(8);
    expect(lines.every((line) => (line.ms + offset()) % (6 * HOUR) === 0)).toBe(true);
    expect(lines.filter((line) => line.day).length).toBe(2);
  });

  it("goes on with whole hours after the clocks change inside the view", () => {
    const change = NOON;
    const offset = (ms: number) => (ms < change ? HOUR : 2 * HOUR);
    const lines = ticks({ start: NOON - 12 * HOUR, end: NOON + 12 * HOUR }, 3 * HOUR, offset);
    expect(lines.every((line) => (line.ms + offset(line.ms)) % (3 * HOUR) === 0)).toBe(true);
    expect(lines.map((line) => line.ms)).toEqual([...new Set(lines.map((line) => line.ms))].sort((a, b) => a - b));
  });

  it("moves the arrow keys by a hundredth of the view at most", () => {
    expect(keyStep(viewAround(NOON, HOUR))).toBe(30 * SECOND);
    expect(keyStep(viewAround(NOON, MINUTE))).toBe(500);
    expect(keyStep(viewAround(NOON, SPAN_MIN))).toBe(100);
  });
});
