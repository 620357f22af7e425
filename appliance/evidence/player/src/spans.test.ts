import { describe, expect, it } from "vitest";
import type { Manifest, RunEntry } from "./manifest";
import type { Master } from "./master";
import { alteredIn, at, linesOf } from "./spans";
import { isExplained } from "./verify";

const S = 1_000_000_000n;
const run = (fromS: number, offset: number): RunEntry => ({
  clock: "synchronised", file: "camera-1.mp4", first_dts: 0, first_utc_ns: String(BigInt(fromS) * S), length: 90_000, ranges: [[offset, 10]], samples: 10, sha256: "", table: "",
});

function lines(runs: RunEntry[], gaps: [number, number, string][], places: [number, number][], altered: string[] = []): ReturnType<typeof linesOf> {
  const interval = { start_ns: "0", end_ns: "0" };
  const manifest: Manifest = {
    case: "", delivered: interval, requested: interval, files: [], format: "", origin: "", software: "", streams: [{ camera: "gate", gaps: [], segments: [{ leaf: 1, runs }], stream: 256 }],
  };
  const master: Master = { media: [], tracks: [{ id: 1, handler: "vide", timescale: 1, skipped: 0 }], seal: null, places: new Map(places.map(([offset, seconds]) => [offset, { track: 1, seconds }])) };
  const told = gaps.map(([start, end, reason]) => ({ start: BigInt(start) * S, end: BigInt(end) * S, reason }));
  return linesOf({ manifest, masters: new Map([["camera-1.mp4", master]]), gaps: new Map([[256, told]]) }, new Set(altered));
}

describe("the time line", () => {
  it("leads from the time of day to the time of the file", () => {
    const [line] = lines([run(100, 0), run(101, 10), run(110, 20)], [], [[0, 5], [10, 6], [20, 7]]);
    if (line === undefined) throw new Error("there is one stream");
    expect(line.spans.map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([[100_000, 102_000], [110_000, 111_000]]);
    const seconds = (ms: number): number | undefined => at(line.spans, ms)?.seconds;
    // The file goes on without a break where the day has one.
    expect([99_999, 100_000, 101_500, 102_000, 110_250, 111_000].map(seconds)).toEqual([undefined, 5, 6.5, undefined, 7.25, undefined]);
    expect(line.spans[0]?.points[0]?.pictureMs).toBe(100);
  });

  it("finds the place of a run whose first sample no table lists", () => {
    const seconds = (places: [number, number][]): unknown => lines([run(100, 0), run(101, 10), run(102, 20)], [], places)[0]?.spans[0]?.points.map((point) => point.seconds);
    expect(seconds([[10, 6], [20, 7]])).toEqual([5, 6, 7]);
    expect(seconds([[0, 5]])).toEqual([5, 6, 7]);
    expect(seconds([[0, 5], [20, 17]])).toEqual([5, 16, 17]);
    expect(seconds([])).toEqual([0, 1, 2]);
  });

  it("marks what is not as it was recorded", () => {
    const marks = (altered: string[]): unknown => lines([run(100, 0), run(101, 10)], [], [], altered)[0]?.spans[0]?.points.map(({ isAltered }) => isAltered);
    expect(marks([])).toEqual([false, false]);
    expect(marks(["256/1/1"])).toEqual([false, true]);
    expect(marks(["256/1"])).toEqual([true, true]);
    expect(marks(["257/1", "256/2/0"])).toEqual([false, false]);
    const findings = [{ code: "run-altered", subject: "256/1/1", detail: "" }, { code: "runs-withheld", subject: "256/1", detail: "" }] as const;
    expect([...alteredIn({ findings: [...findings] })]).toEqual(["256/1/1"]);
  });

  it("passes no time over in silence", () => {
    const holes = (gaps: [number, number, string][]): unknown => lines([run(100, 0), run(120, 10)], gaps, [])[0]?.holes.map(({ fromMs, toMs, reason }) => [fromMs / 1000, toMs / 1000, reason]);
    expect(holes([])).toEqual([[101, 120, null]]);
    expect(holes([[101, 120, "restart"]])).toEqual([[101, 120, "restart"]]);
    expect(holes([[101, 110, "disk"], [110, 120, "restart"]])).toEqual([[101, 110, "disk"], [110, 120, "restart"]]);
    expect(holes([[105, 110, "disk"]])).toEqual([[101, 105, null], [105, 110, "disk"], [110, 120, null]]);
  });

  it("has gaps that lead from one run to the next", () => {
    const gap = (start: bigint, end: bigint) => ({ start: start * S, end: end * S, reason: "" });
    expect(isExplained(4n * S, 5n * S, [])).toBe(true);
    expect(isExplained(4n * S, 5n * S + 1n, [])).toBe(false);
    expect(isExplained(4n * S, 2n * S, [])).toBe(false);
    expect(isExplained(4n * S, 20n * S, [gap(4n, 10n), gap(11n, 20n)])).toBe(true);
    expect(isExplained(4n * S, 20n * S, [gap(11n, 20n), gap(4n, 10n)])).toBe(false);
  });
});
