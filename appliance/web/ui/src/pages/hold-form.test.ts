import { describe, expect, it } from "vitest";
import { AHEAD_MAX_MS, holdFromQuery, holdInput, holdProblem, RANGE_MAX_MS } from "./hold-form";

const NOW = Date.UTC(2026, 10, 26, 12);
const DAY = 86_400_000;

describe("hold form", () => {
  it("takes cameras and interval from the timeline's address", () => {
    const form = holdFromQuery(new URLSearchParams(`cameras=4,1,4,x,0&from=${NOW - 5_000}&to=${NOW}`), NOW);
    expect(form).toEqual({ case: "", cameras: [4, 1], from: NOW - 5_000, to: NOW, note: "" });
  });

  it("begins with the last hour when the address says nothing, or nonsense", () => {
    for (const text of ["", `from=${NOW}&to=${NOW - 1}`, "from=soon&to=now"]) {
      expect(holdFromQuery(new URLSearchParams(text), NOW)).toMatchObject({ cameras: [], from: NOW - 3_600_000, to: NOW });
    }
  });

  it("says what keeps it from being placed, one thing at a time", () => {
    const good = { case: "7/26", cameras: [1], from: NOW - DAY, to: NOW, note: "" };
    expect(holdProblem(good, NOW)).toBeNull();
    expect(holdProblem({ ...good, case: "  " }, NOW)).toBe("holds.bad.case");
    expect(holdProblem({ ...good, cameras: [] }, NOW)).toBe("holds.bad.cameras");
    expect(holdProblem({ ...good, to: good.from }, NOW)).toBe("holds.bad.order");
    expect(holdProblem({ ...good, from: NOW - RANGE_MAX_MS - 1 }, NOW)).toBe("holds.bad.long");
    expect(holdProblem({ ...good, to: NOW + AHEAD_MAX_MS + 1 }, NOW)).toBe("holds.bad.ahead");
  });

  it("sends whole milliseconds that hold all that was marked", () => {
    const input = holdInput({ case: " 7/26 ", cameras: [1], from: 10.6, to: 20.2, note: " van " });
    expect(input).toEqual({ case: "7/26", cameras: [1], from_utc_ms: 10, to_utc_ms: 21, note: "van" });
  });
});
