import { describe, expect, it } from "vitest";
import { arranged, FIT_MAX, neighbour, pageOf, readOrder, swapped } from "./layout";

const cameras = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe("the places of the wall", () => {
  it("keeps what was placed, drops what is gone and appends what is new", () => {
    expect(arranged([3, 9, 1, 3], [1, 2, 3, 4])).toEqual([3, 1, 2, 4]);
    expect(swapped([3, 1, 2, 4], 3, 4)).toEqual([4, 1, 2, 3]);
  });

  it("turns over when there are more cameras than tiles, and loses none", () => {
    const shown = [0, 1, 2].flatMap((page) => pageOf("four", cameras(10), page).tiles);
    expect(shown).toEqual(cameras(10));
    expect(pageOf("four", cameras(10), 0)).toMatchObject({ pages: 3, columns: 2, rows: 2, large: false });
    // A page that is no more, such as after cameras were removed.
    expect(pageOf("four", cameras(3), 2)).toMatchObject({ page: 0, pages: 1, tiles: [1, 2, 3] });
    expect(pageOf("sixteen", cameras(16), 0)).toMatchObject({ pages: 1, columns: 4, rows: 4 });
  });

  it("keeps the large tile while the small ones turn over", () => {
    expect(pageOf("focus", cameras(10), 0).tiles).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(pageOf("focus", cameras(10), 1).tiles).toEqual([1, 9, 10]);
    expect(pageOf("focus", [], 0)).toMatchObject({ tiles: [], pages: 1 });
  });

  it("fits all cameras into one page as long as a person can tell them apart", () => {
    expect(pageOf("fit", cameras(5), 0)).toMatchObject({ columns: 3, rows: 2, pages: 1 });
    expect(pageOf("fit", cameras(1), 0)).toMatchObject({ columns: 1, rows: 1 });
    expect(pageOf("fit", cameras(64), 0)).toMatchObject({ columns: 6, rows: 6, pages: 2 });
    expect(pageOf("fit", cameras(64), 0).tiles).toHaveLength(FIT_MAX);
  });

  it("knows the tile beside and below, and that there is none beyond the edge of the page", () => {
    expect(neighbour([5, 6, 7, 8], 2, 5, "ArrowRight")).toBe(6);
    expect(neighbour([5, 6, 7, 8], 2, 5, "ArrowDown")).toBe(7);
    expect(neighbour([5, 6, 7, 8], 2, 5, "ArrowUp")).toBeNull();
    expect(neighbour([5, 6, 7, 8], 2, 5, "Enter")).toBeNull();
  });

  it("takes no nonsense from the browser's memory", () => {
    expect(readOrder("[4,2]")).toEqual([4, 2]);
    for (const stored of [null, "", "{", "7", '{"a":1}', '["x",-1,1.5]']) expect(readOrder(stored)).toEqual([]);
  });
});
