import { describe, expect, it } from "vitest";
import { bars, interval, ticks, top } from "./bars";

const HOUR = 3_600_000;

describe("counts", () => {
  it("begin at local midnight and end with this hour", () => {
    const now = new Date(2026, 10, 26, 14, 30).getTime();
    expect(interval("day", now)).toEqual({ from: new Date(2026, 10, 26).getTime(), to: new Date(2026, 10, 26, 15).getTime() });
    expect(interval("week", now).from).toBe(new Date(2026, 10, 20).getTime());
    expect(interval("month", now).to - interval("month", now).from).toBeLessThanOrEqual(32 * 24 * HOUR);
    const midnight = new Date(2026, 10, 26).getTime();
    expect(interval("day", midnight)).toEqual({ from: midnight, to: midnight + HOUR });
  });

  it("have a scale that ends on a round number", () => {
    expect([[], [0], [1], [3], [7], [10], [11], [499], [501]].map(top)).toEqual([1, 1, 1, 5, 10, 10, 20, 500, 1000]);
  });

  it("become bars that fill the chart from edge to edge", () => {
    const drawn = bars([0, HOUR, 2 * HOUR, 3 * HOUR], [0, 2, 5, 1], HOUR);
    expect(drawn.map((bar) => bar.height)).toEqual([0, 0.4, 1, 0.2]);
    expect(drawn.map((bar) => bar.partial)).toEqual([true, false, false, false]);
    const last = drawn.at(-1);
    expect((last?.x ?? 0) + (last?.width ?? 0)).toBeCloseTo(1);
  });

  it("are labelled by hour for one day and by day for more, and never too densely", () => {
    const from = new Date(2026, 10, 26).getTime();
    const starts = (count: number) => Array.from({ length: count }, (_, place) => from + place * HOUR);
    expect(ticks(starts(24), 8)).toEqual([0, 3, 6, 9, 12, 15, 18, 21]);
    expect(ticks(starts(48), 8)).toEqual([0, 24]);
    expect(ticks(starts(24 * 31), 8).length).toBeLessThanOrEqual(8);
    expect(ticks([], 8)).toEqual([]);
  });
});
