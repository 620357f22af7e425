import { describe, expect, it } from "vitest";
import type { WatchEvent } from "../api";
import { added, around, askOf, EVERYTHING, followed, intervalOf, longWords, wordsOf } from "./filter";

const NOW = 1_764_252_000_000;
const event = (id: string, start: number, end: number | null = null) => ({ id, start_utc_ms: start, end_utc_ms: end, zone: id === "b" ? "gate" : null }) as WatchEvent;

describe("the filter", () => {
  it("asks for the last hours and days, and for an exact time as far as it is one", () => {
    expect(intervalOf(EVERYTHING, NOW)).toEqual({ from: NOW - 86_400_000, to: NOW + 60_000 });
    const exact = { ...EVERYTHING, span: "exact" as const };
    expect(intervalOf(exact, NOW)).toBe("missing");
    expect(intervalOf({ ...exact, from: 5, to: 5 }, NOW)).toBe("backwards");
    expect(intervalOf({ ...exact, from: 0, to: 32 * 86_400_000 + 1 }, NOW)).toBe("long");
    expect(intervalOf({ ...exact, from: 5, to: 6 }, NOW)).toEqual({ from: 5, to: 6 });
  });

  it("asks with no word that has more bytes than the recorder takes, and says which it is", () => {
    // 21 and 22 Khmer letters are 63 and 66 bytes.
    expect(longWords({ ...EVERYTHING, kind: "x".repeat(64), zone: "ក".repeat(21), plugin: "ក".repeat(42) })).toEqual([]);
    const long = { ...EVERYTHING, kind: "x".repeat(64), zone: "ក".repeat(30), plugin: "ក".repeat(43) };
    expect(longWords(long)).toEqual(["zone", "plugin"]);
    expect(intervalOf(long, NOW)).toBe("word");
    expect(intervalOf({ ...EVERYTHING, zone: "ក".repeat(22) }, NOW)).toBe("word");
  });

  it("asks with cameras in order, and without spaces around words", () => {
    const range = { from: 1, to: 2 };
    expect(askOf({ ...EVERYTHING, cameras: [4, 1], kind: " motion ", zone: "  " }, range)).toEqual({ ...range, cameras: [1, 4], kind: "motion", zone: "", plugin: "" });
  });

  it("follows the same interval within an hour", () => {
    const hour = 3_600_000;
    const begun = Math.floor(NOW / hour) * hour;
    expect(followed(begun)).toEqual({ from: begun, to: begun + 2 * hour });
    expect(followed(begun + hour - 1)).toEqual(followed(begun));
  });
});

describe("the list", () => {
  it("takes each event once, where it belongs", () => {
    const list = [event("c", 30), event("a", 10)];
    expect(added(list, event("b", 20)).map((each) => each.id)).toEqual(["c", "b", "a"]);
    expect(added(list, event("d", 30)).map((each) => each.id)).toEqual(["d", "c", "a"]);
    expect(added(list, event("e", 1)).map((each) => each.id)).toEqual(["c", "a", "e"]);
    expect(added(list, event("a", 10)).map((each) => each.id)).toEqual(["c", "a"]);
    expect(added([], event("a", 10)).map((each) => each.id)).toEqual(["a"]);
  });

  it("suggests the words that are in it, and marks the time around an event", () => {
    expect(wordsOf([event("a", 1), event("b", 2), event("b", 3)], (each) => each.zone)).toEqual(["gate"]);
    expect(around(event("a", 100), 30)).toEqual({ start: 70, end: 130 });
    expect(around(event("a", 100, 200), 30)).toEqual({ start: 70, end: 230 });
  });
});
