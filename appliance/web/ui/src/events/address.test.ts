import { describe, expect, it } from "vitest";
import { addressOf, CAMERAS_MAX, filterOf } from "./address";
import { EVERYTHING, type Filter, WORD_BYTES_MAX } from "./filter";

const read = (hash: string) => filterOf(new URLSearchParams(hash.split("?")[1] ?? ""));
const FROM = 1_764_000_000_000;

describe("the filter in the address", () => {
  it("comes back as it was, whatever its words are", () => {
    const filters: Filter[] = [
      EVERYTHING,
      { ...EVERYTHING, span: "month", cameras: [3, 17], kind: "vehicle", plugin: "org.watchbook.motion" },
      { ...EVERYTHING, span: "exact", from: FROM, to: FROM + 5, zone: 'ច្រក & <b onclick="x">100% #1?</b>+=,' },
      { ...EVERYTHING, span: "exact" },
    ];
    for (const filter of filters) expect(read(addressOf(filter))).toEqual(filter);
  });

  it("is short, and the same for the same question", () => {
    expect(addressOf(EVERYTHING)).toBe("#/events");
    expect(addressOf({ ...EVERYTHING, from: FROM, to: FROM + 1 })).toBe("#/events");
    expect(addressOf({ ...EVERYTHING, cameras: [17, 3], kind: " motion " })).toBe("#/events?cameras=3,17&kind=motion");
  });

  it("keeps a word that its field can hold, also when it has too many bytes to be asked with", () => {
    const filter = { ...EVERYTHING, zone: "ក".repeat(30) };
    expect(read(addressOf(filter))).toEqual(filter);
  });

  it("takes one camera as other pages say it", () => {
    expect(read("#/events?camera=4").cameras).toEqual([4]);
  });

  it("leaves out what no filter can say", () => {
    const hostile = [
      "time=year&from=1&to=2",
      "time=exact&from=-5&to=1e12",
      "time=exact&from=99999999999999999999&to=NaN",
      "cameras=0,-1,1.5,abc,123456789,%00",
      `kind=${"x".repeat(WORD_BYTES_MAX + 1)}`,
      `zone=${encodeURIComponent("ក".repeat(WORD_BYTES_MAX + 1))}`,
      "kind=a%00b&zone=%0d%0a&plugin=%1b",
      "kind=%ff",
      "__proto__=1&constructor=2",
    ];
    for (const query of hostile) expect({ ...read(`#/events?${query}`), span: "day" }, query).toEqual(EVERYTHING);
    expect(read(`#/events?cameras=${Array.from({ length: 5_000 }, (_, index) => index + 1).join(",")}`).cameras.length).toBe(CAMERAS_MAX);
    expect(read("#/events?cameras=3,3,x,2").cameras).toEqual([2, 3]);
    expect(read("#/events?kind=motion&kind=line").kind).toBe("motion");
  });
});
