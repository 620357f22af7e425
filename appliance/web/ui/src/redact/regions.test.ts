import { describe, expect, it } from "vitest";
import { POINTS_MAX } from "../polygon/shape";
import { around, box, boxAt, counts, fresh, inputOf, isOutline, KEYS_MAX, movedBy, moving, outlineBy, outlined, resizedBy, since, split, unsplit, until, withBox } from "./regions";

const small = box(0.1, 0.2, 0.3, 0.4);

describe("a rectangle", () => {
  it("stays inside of the picture and can be seen, whichever corner was drawn first", () => {
    expect(box(0.3, 0.4, 0.1, 0.2)).toEqual(small);
    expect(box(-1, 0.5, 2, 0.5)).toEqual({ left: 0, top: 0.5, right: 1, bottom: 0.51 });
    expect(box(1, 1, 1, 1)).toEqual({ left: 0.99, top: 0.99, right: 1, bottom: 1 });
  });

  it("keeps its size when it is moved to the edge", () => {
    expect(movedBy(small, 0.1, 0)).toEqual({ left: 0.2, top: 0.2, right: 0.4, bottom: 0.4 });
    expect(movedBy(small, 5, -5)).toEqual({ left: 0.8, top: 0, right: 1, bottom: 0.2 });
  });

  it("never becomes empty", () => {
    expect(resizedBy(small, -5, 5)).toEqual({ left: 0.1, top: 0.2, right: 0.11, bottom: 1 });
  });
});

describe("a region", () => {
  it("that stays has one place, whenever it is changed", () => {
    const region = withBox(fresh(1000, small), 5000, box(0, 0, 1, 1));
    expect(region.keys).toEqual([{ at: 1000, left: 0, top: 0, right: 1, bottom: 1 }]);
    expect(boxAt(region, 9000)).toMatchObject({ right: 1 });
  });

  it("that moves goes in straight lines and stays at both ends", () => {
    const start = moving(fresh(1000, small), 1000, true);
    const region = withBox(start, 3000, movedBy(small, 0.2, 0.4));
    expect(region.keys.map((key) => key.at)).toEqual([1000, 3000]);
    expect(boxAt(region, 0).left).toBe(0.1);
    expect(boxAt(region, 2000).left).toBeCloseTo(0.2);
    expect(boxAt(region, 2000).top).toBeCloseTo(0.4);
    expect(boxAt(region, 9000).left).toBe(0.3);
    // The same picture again is a correction.
    expect(withBox(region, 3010, small).keys).toHaveLength(2);
    expect(withBox(region, 2000, small).keys.map((key) => key.at)).toEqual([1000, 2000, 3000]);
  });

  it("has no more places than the recorder takes", () => {
    let region = moving(fresh(0, small), 0, true);
    for (let at = 0; at < 100; at += 1) region = withBox(region, at * 1000, small);
    expect(region.keys).toHaveLength(KEYS_MAX);
  });

  it("counts between its beginning and its end, which never cross", () => {
    const region = until(since(fresh(0, small), 1000), 2000);
    expect([999, 1000, 1999, 2000].map((at) => counts(region, at))).toEqual([false, true, true, false]);
    expect(since(region, 2500)).toMatchObject({ from: 2500, to: null });
    expect(until(region, 500)).toMatchObject({ from: null, to: 500 });
    expect(inputOf(region)).toEqual({ polygon: [], keys: [{ at_utc_ms: 0, ...small }], from_utc_ms: 1000, to_utc_ms: 2000 });
  });
});

describe("an outline", () => {
  const triangle = [
    { x: 0.1, y: 0.1 },
    { x: 0.5, y: 0.1 },
    { x: 0.3, y: 0.4 },
  ];

  it("goes to the recorder as a polygon and has no places", () => {
    const region = since(outlined(triangle), 1000);
    expect(inputOf(region)).toEqual({ polygon: triangle, keys: [], from_utc_ms: 1000, to_utc_ms: null });
    expect(isOutline(region)).toBe(true);
    expect(withBox(region, 5, small)).toBe(region);
    expect(moving(region, 5, true)).toBe(region);
    expect(isOutline(fresh(0, small))).toBe(false);
    expect(inputOf(outlined()).polygon).toHaveLength(4);
  });

  it("keeps its form when it is moved to the edge", () => {
    expect(around(triangle)).toEqual({ left: 0.1, top: 0.1, right: 0.5, bottom: 0.4 });
    expect(outlineBy(triangle, -5, 5)).toEqual([
      { x: 0, y: 0.7 },
      { x: 0.4, y: 0.7 },
      { x: 0.2, y: 1 },
    ]);
  });

  it("has three corners at least, and no more than the editor can have", () => {
    const four = split(triangle, 2);
    expect(four[3]).toEqual({ x: 0.2, y: 0.25 });
    expect(unsplit(four, 3)).toEqual(triangle);
    expect(unsplit(triangle, 0)).toEqual(triangle);
    let many = triangle;
    for (let round = 0; round < 100; round += 1) many = split(many, 0);
    expect(many).toHaveLength(POINTS_MAX);
  });
});
