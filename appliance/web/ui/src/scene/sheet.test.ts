import { describe, expect, it, vi } from "vitest";
import type { Lane } from "./data";
import { colourOf, mark, markJoined, runs, Sheet } from "./sheet";

vi.stubGlobal("location", { hash: "" });
const { drawLanes, heightOf, LANE_HEIGHT, paintLanes, RULER_HEIGHT } = await import("./lanes");

const DAY = 86_400_000;
const NOW = 1_764_000_000_000;
const at = (start: number, end: number) => ({ start_utc_ms: start, end_utc_ms: end });
const axis = { start: 0, end: 100, columns: 10 };

describe("columns", () => {
  it("are marked where an interval lies, the least width at least, and never beyond what is known", () => {
    expect([...mark(new Uint8Array(10), axis, [at(10, 30), at(55, 56)], 1)]).toEqual([0, 1, 1, 0, 0, 0, 1, 0, 0, 0]);
    expect([...mark(new Uint8Array(10), axis, [at(50, 51)], 2)]).toEqual([0, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
    expect([...mark(new Uint8Array(10), axis, [at(-50, 5_000)], 1, 20)]).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect([...mark(new Uint8Array(10), axis, [at(-50, 0), at(100, 200)], 5)]).toEqual(Array(10).fill(0));
  });

  it("are joined over holes that nobody sees, and told in runs", () => {
    const columns = Uint8Array.from([1, 0, 1, 0, 0, 1, 0]);
    // Holes of 4 and of 11 where a column is 10 wide.
    expect([...markJoined(new Uint8Array(10), axis, [at(0, 13), at(17, 40), at(51, 60)])]).toEqual([1, 1, 1, 1, 0, 1, 0, 0, 0, 0]);
    expect([...markJoined(new Uint8Array(10), axis, [at(0, 15), at(19, 30)])]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    const told: number[][] = [];
    runs(columns, (left, right) => told.push([left, right]));
    expect(told).toEqual([[0, 1], [2, 3], [5, 6]]);
    runs(new Uint8Array(3), () => expect.unreachable());
    runs(Uint8Array.from([0, 1]), (left, right) => expect([left, right]).toEqual([1, 2]));
  });

  it("have colours as the bytes of a picture have them", () => {
    const bytes = [...new Uint8Array(Uint32Array.of(colourOf("#102030"), colourOf("#102030", 0.5)).buffer)];
    expect(bytes).toEqual([0x10, 0x20, 0x30, 255, 0x10, 0x20, 0x30, 128]);
  });

  it("are filled inside the sheet alone", () => {
    const sheet = new Sheet(3, 2);
    sheet.fill(-5, 2, 1, 9, 7);
    sheet.fill(2, 1, 0, 1, 8);
    expect([...sheet.pixels]).toEqual([0, 0, 0, 7, 7, 0]);
  });
});

const inks = { line: 1, lane: 2, footage: 3, gap: 4, impaired: 5, damaged: 6, held: 7, density: 8, event: 9 };
const lane = (recordings: object, more: object = {}) => ({ camera: 1, recordings: { spans: [], gaps: [], damaged: [], impaired: [], held: [], ...recordings }, events: [], amounts: [], ...more }) as unknown as Lane;

describe("a lane", () => {
  const view = { start: 0, end: 100 };
  const painted = (one: Lane | null, ratio = 1, now = 80) => {
    const sheet = new Sheet(100 * ratio, heightOf(1) * ratio);
    paintLanes(sheet, ratio, { view, lanes: [one], now, lines: [{ x: 90, top: 18 }] }, inks);
    return (x: number, y: number) => sheet.pixels[Math.round(y * ratio) * sheet.width + x * ratio];
  };
  const line = RULER_HEIGHT + Math.round(LANE_HEIGHT * 0.45) + 3;

  it("shows footage, gaps in stripes, holds under them, and nothing beyond now but the ruler", () => {
    for (const ratio of [1, 2]) {
      const pixel = painted(lane({ spans: [at(0, 30), at(40, 80)], gaps: [at(30, 40)], held: [at(10, 20)] }), ratio);
      expect([pixel(5, line), pixel(60, line), pixel(85, line), pixel(90, line)]).toEqual([3, 3, 0, 1]);
      expect(new Set(Array.from({ length: 8 }, (_, index) => pixel(31 + index, line)))).toEqual(new Set([2, 4]));
      const under = RULER_HEIGHT + Math.round(LANE_HEIGHT * 0.45) + Math.round(LANE_HEIGHT * 0.33) + 2;
      expect([pixel(15, under), pixel(25, under)]).toEqual([7, 0]);
    }
  });

  it("shows a gap of a moment, damage over footage, and a lane of which nothing is known", () => {
    const pixel = painted(lane({ spans: [at(0, 80)], gaps: [at(50, 50.001)], damaged: [{ ...at(20, 21), kind: "digest" }] }));
    expect([pixel(50, line), pixel(51, line)].filter((colour) => colour !== 3).length).toBeGreaterThan(0);
    expect([pixel(21, line), pixel(40, line)]).toEqual([6, 3]);
    expect([painted(null)(40, line), painted(null)(85, line)]).toEqual([2, 0]);
  });

  it("shows how much happened as high as it was, and single events but motion", () => {
    const amounts = [{ start: 0, end: 10, count: 100 }, { start: 10, end: 20, count: 1 }];
    const pixel = painted(lane({}, { amounts, events: [{ kind: "line", start_utc_ms: 60 }, { kind: "motion", start_utc_ms: 70 }] }));
    const [top, bottom] = [RULER_HEIGHT + 2, RULER_HEIGHT + Math.round(LANE_HEIGHT * 0.45) - 2];
    expect([pixel(5, top), pixel(5, bottom), pixel(15, top), pixel(15, bottom), pixel(25, bottom)]).toEqual([8, 8, 0, 8, 0]);
    expect([pixel(60, top), pixel(70, top)]).toEqual([9, 0]);
  });
});

describe("a month of 64 cameras", () => {
  it("is one picture and some words to the canvas, whatever is on it", () => {
    const [start, calls] = [NOW - 30 * DAY, new Map<string, number>()];
    const every = (count: number, long: number) => Array.from({ length: count }, (_, index) => at(start + (index * 30 * DAY) / count, start + (index * 30 * DAY) / count + long));
    const amounts = Array.from({ length: 720 }, (_, hour) => ({ start: start + hour * 3_600_000, end: start + (hour + 1) * 3_600_000, count: (hour * 7) % 40 }));
    const lanes = Array.from({ length: 64 }, () => lane({ spans: every(240, 10_000_000), gaps: every(120, 60_000), held: every(10, 3_600_000) }, { amounts }));
    vi.stubGlobal("ImageData", class {});
    const canvas = { width: 1_200, height: heightOf(64) };
    const counting = (target: Record<string, unknown>, name: string) => target[name] ?? (() => calls.set(name, (calls.get(name) ?? 0) + 1));
    const context = new Proxy({ canvas, fillStyle: "" } as Record<string, unknown>, { get: (target, name) => counting(target, String(name)) });
    const colours = { text: "#000000", muted: "#000000", line: "#000000", lane: "#000000", footage: "#000000", gap: "#000000", damaged: "#000000", impaired: "#000000", held: "#000000", event: "#000000", select: "#000000", head: "#000000", font: "sans" };
    drawLanes(context as unknown as CanvasRenderingContext2D, 1_200, { view: { start, end: NOW }, lanes, now: NOW }, colours);
    expect(calls.get("putImageData")).toBe(1);
    expect([...calls.values()].reduce((a, b) => a + b, 0)).toBeLessThan(40);
  });
});
