import { describe, expect, it } from "vitest";
import type { RecordedSpan } from "../api/types";
import { SceneClock } from "./clock";
import { camerasOf, flipped, momentOf } from "./choose";
import { bounded, readingAt } from "./clocks";
import { amountsOf, density } from "./density";
import { AHEAD_MAX_MS, FIRST_MS, IN_STEP_MS, JUMP_MS, keysOnly, nextPiece, overGap, pace, PIECE_MS, withStretch, within } from "./follow";
import { KEY_ROWS, nextRate, RATES, sceneAct } from "./keys";
import { HeadReader, SAMPLES_MAX, SampleTable } from "./samples";
import { Turns } from "./turns";

const T = 1_700_000_000_000;
const span = (start: number, end: number): RecordedSpan => ({ start_utc_ms: T + start, end_utc_ms: T + end, byte_count: 0, recording: "1", codec_string: "avc1.64001F", width: 1, height: 1 });

describe("the clock", () => {
  it("runs, stands, turns round and is set without losing time", () => {
    let perf = 50;
    const clock = new SceneClock(T, () => perf);
    expect(clock.now).toBe(T);
    clock.run(2);
    perf += 100;
    expect(clock.now).toBe(T + 200);
    clock.run(-0.5);
    perf += 100;
    expect(clock.now).toBe(T + 150);
    clock.run(0);
    perf += 1_000;
    expect([clock.now, clock.rate]).toEqual([T + 150, 0]);
    clock.set(T);
    clock.run(1);
    perf += 7;
    expect(clock.now).toBe(T + 7);
  });
});

describe("the pace", () => {
  it("is the clock's while in step, a little more or less when off, and a jump when far off", () => {
    expect(pace(IN_STEP_MS, 1)).toEqual({ kind: "rate", rate: 1 });
    for (const rate of [0.125, 1, 4]) {
      const [late, early] = [pace(60, rate), pace(-60, rate)];
      if (late.kind !== "rate" || early.kind !== "rate") throw new Error("60 ms are caught up with");
      expect(late.rate).toBeGreaterThan(rate);
      expect(early.rate).toBeLessThan(rate);
      expect(late.rate).toBeLessThanOrEqual(rate * 1.25);
      expect(early.rate).toBeGreaterThanOrEqual(rate * 0.75);
    }
    expect(pace(JUMP_MS + 1, 1).kind).toBe("jump");
    expect(pace(-JUMP_MS - 1, 0.5).kind).toBe("jump");
    expect(pace(JUMP_MS + 1, 4).kind).toBe("rate");
  });

  it("shows every picture up to four times, key frames above and backwards", () => {
    expect(RATES.filter((rate) => keysOnly(rate))).toEqual([8, 16]);
    expect(keysOnly(-0.125)).toBe(true);
  });
});

describe("what is fetched", () => {
  const spans = [span(0, 60_000), span(80_000, 300_000)];
  const need = (part: Partial<Parameters<typeof nextPiece>[0]>) => nextPiece({ spans, have: [], target: T + 10_000, rate: 0, ...part });

  it("is the moment itself first, and short", () => {
    expect(need({})).toMatchObject({ from: T + 10_000, to: T + 10_000 + FIRST_MS });
    expect(need({ rate: -1 })).toMatchObject({ from: T + 10_000 - FIRST_MS, to: T + 10_200 });
  });

  it("then what comes in the direction of play, never beyond what is recorded", () => {
    const have = [{ start: T + 8_000, end: T + 14_000 }];
    expect(need({ have, rate: 1 })).toMatchObject({ from: T + 14_000, to: T + 14_000 + PIECE_MS });
    expect(need({ have, rate: -1 })).toMatchObject({ from: T + 1, to: T + 8_000 });
    expect(need({ have: [{ start: T, end: T + 59_000 }], target: T + 55_000, rate: 1 })).toMatchObject({ from: T + 59_000, to: T + 60_000 });
  });

  it("rests when enough is there, needs more when faster, and never more than the bound", () => {
    const have = [{ start: T, end: T + 17_000 }];
    expect(need({ have, rate: 1 })).toBeNull();
    expect(need({ have, rate: 4 })).not.toBeNull();
    expect(need({ have: [{ start: T, end: T + 10_000 + AHEAD_MAX_MS }], rate: 16 })).toBeNull();
  });

  it("goes on behind a gap that is reached soon, in both directions", () => {
    const before = { have: [{ start: T + 50_000, end: T + 60_000 }], target: T + 58_000 };
    expect(need({ ...before, rate: 1 })).toBeNull();
    expect(need({ ...before, rate: 8 })).toMatchObject({ from: T + 80_001 });
    expect(need({ target: T + 78_000, rate: 1 })).toMatchObject({ from: T + 80_001 });
    expect(need({ have: [{ start: T + 80_000, end: T + 90_000 }], target: T + 82_000, rate: -8 })).toMatchObject({ to: T + 60_000 });
    expect(need({ target: T + 400_000, rate: 1 })).toBeNull();
  });

  it("is remembered as stretches", () => {
    const have = withStretch([{ start: 0, end: 5 }, { start: 20, end: 30 }], { start: 5, end: 12 });
    expect(have).toEqual([{ start: 0, end: 12 }, { start: 20, end: 30 }]);
    expect(within(have, { start: 10, end: 25 })).toEqual([{ start: 10, end: 12 }, { start: 20, end: 25 }]);
  });

  it("ends where no camera has anything", () => {
    expect(overGap(spans, T + 70_000, 1)).toBe(T + 80_000);
    expect(overGap(spans, T + 70_000, -2)).toBe(T + 60_000);
    expect(overGap(spans, T + 300_000, 1)).toBeNull();
  });
});

/** A `moof` as ISO/IEC 14496-12 has it: `traf` with `tfdt` version 1 and `trun` with duration, size, flags and offset of each sample. */
function moof(ticks: number, samples: { duration: number; key: boolean; offset: number }[]): Uint8Array {
  const box = (kind: string, body: number[]) => [...u32(body.length + 8), ...[...kind].map((letter) => letter.charCodeAt(0)), ...body];
  const u32 = (value: number) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  const trun = [...u32(0x01000f01), ...u32(samples.length), ...u32(0)];
  for (const each of samples) trun.push(...u32(each.duration), ...u32(1_000), ...u32(each.key ? 0x2000000 : 0x1010000), ...u32(each.offset));
  const traf = box("traf", [...box("tfhd", u32(0)), ...box("tfdt", [...u32(0x01000000), ...u32(0), ...u32(ticks)]), ...box("trun", trun)]);
  return new Uint8Array([...box("ftyp", [1, 2, 3]), ...box("moof", [...box("mfhd", [0, 0, 0, 0]), ...traf]), ...box("mdat", Array.from({ length: 50 }, () => 0x6d))]);
}

describe("pictures", () => {
  const bytes = moof(90_000, [
    { duration: 3_600, key: true, offset: 3_600 },
    { duration: 3_600, key: false, offset: 7_200 },
    { duration: 3_600, key: false, offset: 0 },
  ]);
  const shown = [1.04, 1.12, 1.08];

  it("are read from heads in pieces of any size", () => {
    for (const size of [1, 3, 7, 64, bytes.byteLength]) {
      const reader = new HeadReader();
      const found = [];
      for (let at = 0; at < bytes.byteLength; at += size) found.push(...reader.push(bytes.subarray(at, at + size)));
      found.push(...reader.push(bytes));
      expect(found.map((each) => each.start)).toEqual([...shown, ...shown]);
      expect(found.map((each) => each.key)).toEqual([true, false, false, true, false, false]);
    }
    expect(() => new HeadReader().push(new Uint8Array([0, 0, 0, 4, 1, 1, 1, 1]))).toThrow("a box of 4 bytes");
  });

  it("are found by the moment, one beside the other, and by key frame", () => {
    const table = new SampleTable();
    table.add(new HeadReader().push(bytes), 1);
    table.add(new HeadReader().push(bytes), 1);
    expect(table.at(1.09, 0.25)?.start).toBe(1.08);
    expect(table.beside(1.09, 1)?.start).toBe(1.12);
    expect(table.beside(1.09, -1)?.start).toBe(1.04);
    expect(table.beside(1.05, -1)).toBeNull();
    expect(table.keyAt(1.13)?.start).toBe(1.04);
    expect([table.at(1, 0.25), table.at(2, 0.25)]).toEqual([null, null]);
  });

  it("are forgotten far from the moment when there are too many", () => {
    const table = new SampleTable();
    const many = Array.from({ length: SAMPLES_MAX + 500 }, (_, index) => ({ start: index, end: index + 1, key: true }));
    table.add(many, SAMPLES_MAX);
    expect([table.at(SAMPLES_MAX, 0)?.start, table.at(10, 0)]).toEqual([SAMPLES_MAX, null]);
  });
});

describe("turns", () => {
  it("are given in order, given back once, and not to whoever left", async () => {
    const turns = new Turns(1);
    const never = new AbortController().signal;
    const first = await turns.take(never);
    const left = new AbortController();
    const order: string[] = [];
    const gone = turns.take(left.signal).catch((error: unknown) => order.push((error as Error).name));
    const last = turns.take(never).then((give) => {
      order.push("last");
      give();
    });
    left.abort();
    await gone;
    first();
    first();
    await last;
    expect(order).toEqual(["AbortError", "last"]);
    const [a] = [await turns.take(never)];
    let second = false;
    void turns.take(never).then(() => (second = true));
    await Promise.resolve();
    expect(second).toBe(false);
    a();
  });
});

describe("how much happened", () => {
  const view = { start: T, end: T + 1_000 };

  it("is 1 where most happened, and one event is still seen", () => {
    const found = density([{ start: T, end: T + 100, count: 100 }, { start: T + 500, end: T + 501, count: 1 }, { start: T - 50, end: T - 1, count: 9 }], view, 10);
    expect([...found].map((each) => Math.round(each * 100))).toEqual([100, 0, 0, 0, 0, 10, 0, 0, 0, 0]);
    expect([...density([], view, 3)]).toEqual([0, 0, 0]);
  });

  it("comes from counts of all kinds of one camera", () => {
    const list = {
      bucket: "hour" as const,
      starts_utc_ms: [T, T + 10, T + 20],
      whole_from_utc_ms: null,
      series: [
        { camera: 1, kind: "motion", counts: [1, 0, 2], total: 3 },
        { camera: 1, kind: "vehicle", counts: [4, 0, 0], total: 4 },
        { camera: 2, kind: "motion", counts: [9, 9, 9], total: 27 },
      ],
    };
    expect(amountsOf(list, 1, T + 30)).toEqual([{ start: T, end: T + 10, count: 5 }, { start: T + 20, end: T + 30, count: 2 }]);
  });
});

describe("keys", () => {
  const view = { start: T, end: T + 100_000 };
  const press = (key: string, shiftKey = false) => sceneAct({ key, shiftKey, ctrlKey: false, altKey: false, metaKey: false }, view, T + 50_000);

  it("do what the help says, each", () => {
    const typed = { Space: " ", "←": "ArrowLeft", "→": "ArrowRight", "Shift ←": "ArrowLeft", "Shift →": "ArrowRight", "↑": "ArrowUp", "↓": "ArrowDown", "−": "-", "Page Up": "PageUp", "Page Down": "PageDown", "1 … 9": "9", Esc: "Escape" };
    for (const key of KEY_ROWS.flatMap((row) => row.keys)) expect(press((typed as Record<string, string>)[key] ?? key), key).not.toBeNull();
    expect(press("ArrowRight")).toEqual({ kind: "seek", to: T + 51_000 });
    expect(press("ArrowLeft", true)).toEqual({ kind: "seek", to: T + 40_000 });
    expect(press(",")).toEqual({ kind: "picture", direction: -1 });
    expect(press("3")).toEqual({ kind: "lead", index: 2 });
    expect([press("x"), press("Tab"), press("0")]).toEqual([null, null, null]);
  });

  it("leave the browser's own alone", () => {
    expect(sceneAct({ key: "b", shiftKey: false, ctrlKey: true, altKey: false, metaKey: false }, view, T)).toBeNull();
  });

  it("step through speeds to the last", () => {
    expect([nextRate(1, 1), nextRate(-1, -1), nextRate(16, 1), nextRate(0.125, -1)]).toEqual([2, 0.5, 16, 0.125]);
  });
});

describe("an address", () => {
  it("names cameras once, nine at most, and a moment", () => {
    const query = new URLSearchParams("cameras=3,1,3,0,x,4,5,6,7,8,9,10,11&at=1700000000000");
    expect(camerasOf(query)).toEqual([3, 1, 4, 5, 6, 7, 8, 9, 10]);
    expect(momentOf(query)).toBe(T);
    expect([camerasOf(new URLSearchParams("")), momentOf(new URLSearchParams("at=now"))]).toEqual([[], null]);
  });

  it("takes cameras in and out, but not a tenth", () => {
    expect(flipped([1, 2], 2)).toEqual([1]);
    expect(flipped([1], 2)).toEqual([1, 2]);
    expect(flipped([1, 2, 3, 4, 5, 6, 7, 8, 9], 10)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("clocks", () => {
  const reading = (at_utc_ms: number, offset_ms: number) => ({ at_utc_ms, offset_ms, drift_ppm: null, step: false });

  it("hold from one reading to the next", () => {
    const list = [reading(T + 20, 3), reading(T + 10, 2), reading(T, 1)];
    expect([T + 25, T + 10, T + 5, T - 5].map((at) => readingAt(list, at)?.offset_ms)).toEqual([3, 2, 1, 1]);
    expect(readingAt([], T)).toBeNull();
  });

  it("are put right within bounds", () => {
    expect([bounded(120.4), bounded(-99_999), bounded(Number.NaN)]).toEqual([120, -5_000, 0]);
  });
});
