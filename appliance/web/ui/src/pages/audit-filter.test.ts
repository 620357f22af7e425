import { describe, expect, it } from "vitest";
import { numberTyped, searchWith } from "./audit-filter";

describe("what is looked for in the log", () => {
  it("asks for nothing that was taken out", () => {
    const narrow = searchWith({ kind: "people" }, { camera: 7, action: "live" });
    expect(narrow).toEqual({ kind: "people", camera: 7, action: "live" });
    expect(Object.keys(searchWith(narrow, { camera: undefined }))).toEqual(["kind", "action"]);
  });

  it("takes whole numbers alone", () => {
    expect(["7", " 12 ", "", "-1", "1.5", "x", "1e3", "9999999999"].map(numberTyped)).toEqual([7, 12, undefined, undefined, undefined, undefined, undefined, undefined]);
  });
});
