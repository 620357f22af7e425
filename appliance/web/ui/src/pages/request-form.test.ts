import { describe, expect, it } from "vitest";
import { caseFromQuery, requestOf } from "./case-form";
import { emptyRequest, erasedAt, requestInput, requestProblem, timeLeft } from "./request-form";

const NOW = 1_796_083_200_000;
const DAY = 86_400_000;

describe("a request", () => {
  const good = { ...emptyRequest(NOW), reference: "SR ៤/26", place: "At the gate" };

  it("names the paper file and never a person", () => {
    expect(requestProblem(good, NOW)).toBeNull();
    for (const reference of ["", "Sok Dara", "  "]) expect(requestProblem({ ...good, reference }, NOW)).toBe("request.bad.reference");
    expect(Object.keys(requestInput(good)).sort()).toEqual(["cameras", "from_utc_ms", "place", "received_utc_ms", "reference", "to_utc_ms"]);
  });

  it("is about at most 31 days, and was received within a year", () => {
    expect(requestProblem({ ...good, from: NOW - 32 * DAY }, NOW)).toBe("request.bad.long");
    expect(requestProblem({ ...good, from: NOW, to: NOW }, NOW)).toBe("request.bad.order");
    expect(requestProblem({ ...good, received: NOW + DAY }, NOW)).toBe("request.bad.received");
    expect(requestProblem({ ...good, received: NOW - 367 * DAY }, NOW)).toBe("request.bad.received");
    expect(requestProblem({ ...good, place: " " }, NOW)).toBe("request.bad.place");
  });

  it("counts down to its deadline and up from it", () => {
    expect(timeLeft(NOW + 6 * DAY, NOW)).toEqual({ kind: "left", ms: 6 * DAY });
    expect(timeLeft(NOW + DAY, NOW)).toEqual({ kind: "near", ms: DAY });
    expect(timeLeft(NOW - 1, NOW)).toEqual({ kind: "late", ms: 1 });
  });

  it("tells when the first camera erases what it is about", () => {
    const days = (camera: number) => (camera === 1 ? 7 : camera === 2 ? 30 : null);
    expect(erasedAt(NOW, [1, 2, 9], days)).toBe(NOW + 7 * DAY);
    expect(erasedAt(NOW, [9], days)).toBeNull();
    expect(erasedAt(NOW, [], days)).toBeNull();
  });

  it("fills in the case that is opened for it", () => {
    const query = new URLSearchParams(`request=4294967295&cameras=1,4&from=${NOW - DAY}&to=${NOW}`);
    expect(caseFromQuery(query, NOW)).toMatchObject({ case: "request 4294967295", purpose: "subject_request", cameras: [1, 4], from: NOW - DAY, to: NOW, people: [] });
    for (const text of ["request=0", "request=x", "request=<b>", ""]) expect(requestOf(new URLSearchParams(text))).toBeNull();
    expect(caseFromQuery(new URLSearchParams("cameras=1"), NOW).case).toBe("");
  });
});
