import { describe, expect, it } from "vitest";
import { type CaseForm, caseProblem, emergencyInput, emptyCase } from "./case-form";

const NOW = 1_795_478_400_000;
const DAY = 86_400_000;
const good: CaseForm = { ...emptyCase(NOW), case: "1/26", cameras: [1], people: [3] };

describe("the form of a case", () => {
  it("says the first thing that is missing", () => {
    expect(caseProblem(good, NOW)).toBeNull();
    expect(caseProblem({ ...good, case: " " }, NOW)).toBe("case.bad.case");
    expect(caseProblem({ ...good, cameras: [] }, NOW)).toBe("case.bad.cameras");
    expect(caseProblem({ ...good, people: [] }, NOW)).toBe("case.bad.people");
    expect(caseProblem({ ...good, to: good.from }, NOW)).toBe("case.bad.order");
    expect(caseProblem({ ...good, from: good.to - 31 * DAY - 1 }, NOW)).toBe("case.bad.long");
    expect(caseProblem({ ...good, expires: NOW }, NOW)).toBe("case.bad.expires");
    expect(caseProblem({ ...good, expires: NOW + 93 * DAY }, NOW)).toBe("case.bad.expires");
    expect(caseProblem({ ...good, to: NOW + 8 * DAY }, NOW)).toBe("case.bad.expires");
  });

  it("asks for an emergency that the recorder takes", () => {
    for (const hours of [1, 6, 24]) {
      const { from_utc_ms, to_utc_ms, expires_utc_ms } = emergencyInput("E", "violence", [1], hours, NOW + 0.5);
      expect(expires_utc_ms - NOW).toBeLessThanOrEqual(30 * 60_000);
      expect(to_utc_ms).toBeLessThanOrEqual(expires_utc_ms);
      expect(to_utc_ms - from_utc_ms).toBeLessThanOrEqual(DAY);
      expect(from_utc_ms).toBeLessThanOrEqual(NOW - Math.min(hours, 23) * 3_600_000 + 1);
    }
  });
});
