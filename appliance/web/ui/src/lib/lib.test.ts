import { describe, expect, it, vi } from "vitest";
import type { Role, Session } from "../api/types";

vi.stubGlobal("location", { hash: "" });
const { parseRoute } = await import("./router");
const { mayOpen, mixesDuties } = await import("./roles");
const { durationText, fromInput, sizeText, toInput, utcText } = await import("./time");

const signedIn = (...roles: Role[]): Session => ({ account: { id: 1, name: "a", roles, cameras: null, second_factor: false, passkeys: 0, approver_key: null }, one_person_station: false });

describe("addresses", () => {
  it("knows its pages, with and without slash and query", () => {
    expect(parseRoute("#/camera/3?at=1700000000000")).toMatchObject({ page: "timeline", id: 3 });
    expect(parseRoute("#/camera/3?at=1700000000000").query.get("at")).toBe("1700000000000");
    expect(parseRoute("#/cameras/new")).toMatchObject({ page: "camera_edit", id: null });
    expect(parseRoute("#cameras/7")).toMatchObject({ page: "camera_edit", id: 7 });
    expect(parseRoute("")).toMatchObject({ page: "wall", id: null });
  });

  it("leads everything else to a page that leads back", () => {
    for (const hash of ["#/nowhere", "#/camera/x", "#/camera/1/2", "#/live/-1", "#/camera/99999999999999"]) expect(parseRoute(hash).page).toBe("unknown");
  });
});

describe("roles", () => {
  it("opens to each role what the recorder opens to it", () => {
    expect(mayOpen(null, "health")).toBe(false);
    expect(mayOpen(signedIn("admin"), "wall")).toBe(false);
    expect(mayOpen(signedIn("admin"), "cameras")).toBe(true);
    expect(mayOpen(signedIn("viewer"), "timeline")).toBe(false);
    expect(mayOpen(signedIn("investigator"), "timeline")).toBe(true);
    expect(mayOpen(signedIn("auditor"), "audit")).toBe(true);
    expect(mayOpen(signedIn("auditor"), "health")).toBe(true);
  });

  it("finds duties that two people must hold", () => {
    expect(mixesDuties(["viewer", "investigator"])).toBe(false);
    expect(mixesDuties(["auditor", "admin"])).toBe(true);
  });
});

describe("times and sizes in words", () => {
  it("uses at most two units", () => {
    expect([0, 999, 1_000, 12_400, 59_960, 60_000, 200_000, 3_600_000, 18_720_000, 183_600_000].map(durationText)).toEqual([
      "0 ms",
      "999 ms",
      "1.0 s",
      "12 s",
      "1 min",
      "1 min",
      "3 min 20 s",
      "1 h",
      "5 h 12 min",
      "2 d 3 h",
    ]);
  });

  it("writes sizes as disks are sold", () => {
    expect([0, 999, 1_000, 1_234_567, 999_600_000, 2e12].map(sizeText)).toEqual(["0 B", "999 B", "1.0 kB", "1.2 MB", "1.0 GB", "2.0 TB"]);
  });

  it("keeps a moment through a date field, to the second", () => {
    const ms = Date.UTC(2026, 10, 24, 4, 15, 6);
    expect(fromInput(toInput(ms))).toBe(ms);
    expect(fromInput("")).toBeNull();
    expect(utcText(ms)).toBe("2026-11-24 04:15:06 UTC");
  });
});
