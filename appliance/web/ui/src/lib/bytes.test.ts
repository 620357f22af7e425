import { describe, expect, it } from "vitest";
import { isTooLong } from "./bytes";

describe("a text that is too long", () => {
  it("is measured in bytes of UTF-8, without the spaces around it", () => {
    expect(isTooLong("x".repeat(64), 64)).toBe(false);
    expect(isTooLong("x".repeat(65), 64)).toBe(true);
    // A Khmer letter has three bytes: 63 and 66.
    expect(isTooLong("ក".repeat(21), 64)).toBe(false);
    expect(isTooLong("ក".repeat(22), 64)).toBe(true);
    expect(isTooLong(` ${"x".repeat(64)} `, 64)).toBe(false);
  });
});
