import { describe, expect, it } from "vitest";
import type { StationSettingRow, StationSettings } from "../api/types";
import { changed, earlier, typed, wrong } from "./station-form";

const row = (setting: StationSettingRow["setting"], part: Partial<StationSettingRow> = {}): StationSettingRow => ({
  setting,
  kind: "line",
  value: "Station 7",
  default: "Station",
  set_here: true,
  least: 0,
  most: 512,
  ...part,
});
const name = row("name");
const contact = row("contact", { value: "Room 3", default: "Room 3", set_here: false });
const address = row("address", { kind: "address", value: "http://a:8080", default: "", set_here: true });
const days = row("request_answer_days", { kind: "days", value: "28", default: "28", set_here: false, least: 1, most: 92 });
const all: StationSettings = { version: 3, settings: [name, contact, address, days], policy_answer_days: 30, unreadable: false };

describe("the settings of the station", () => {
  it("show what was typed, what holds, or what the file says", () => {
    expect(typed(name, {})).toBe("Station 7");
    expect(typed(name, { name: "Station 8" })).toBe("Station 8");
    expect(typed(name, { name: null })).toBe("Station");
  });

  it("change where something else is meant", () => {
    const words = (draft: Parameters<typeof changed>[1]) => changed(all, draft).map(({ setting }) => setting);
    expect(words({})).toEqual([]);
    expect(words({ name: " Station 7 ", address: "http://a:8080/" })).toEqual([]);
    expect(words({ name: "Station 8", contact: "" })).toEqual(["name", "contact"]);
    expect(words({ name: null, contact: null })).toEqual(["name"]);
    // Set here to what the file says, so that it stays when the file changes.
    expect(words({ contact: " Room 3 ", request_answer_days: "28" })).toEqual(["contact", "request_answer_days"]);
  });

  it("say what does not fit before it is sent", () => {
    for (const text of ["", "0", "93", "2.5", "-1", "many"]) expect(wrong(days, { request_answer_days: text }), text).toBe("days");
    for (const text of ["1", " 92 "]) expect(wrong(days, { request_answer_days: text }), text).toBeNull();
    expect(wrong(name, { name: "ក".repeat(171) })).toBe("long");
    expect(wrong(name, { name: "ក".repeat(170) })).toBeNull();
    for (const text of ["javascript:alert(1)", "http://", "http://a b", "https://a/#b"]) expect(wrong(address, { address: text }), text).toBe("address");
    for (const text of ["", "https://a/"]) expect(wrong(address, { address: text }), text).toBeNull();
  });

  it("bring an earlier value back where it is another one", () => {
    const changes = [
      { setting: "name", before: "Station 6", after: "Station 7", from_file: false },
      { setting: "contact", before: "Room 3", after: "Room 4", from_file: false },
      { setting: "of_a_later_version", before: "1", after: "2", from_file: false },
    ];
    expect(earlier(all, { entry: 9, at_utc_ms: 0, account: 1, account_name: "dara", reason: "x", changes })).toEqual({ name: "Station 6" });
    expect(earlier(all, { entry: 9, at_utc_ms: 0, account: 1, account_name: "dara", reason: "x", changes: changes.slice(1) })).toEqual({});
  });
});
