import { expect, it } from "vitest";
import type { WatchEvent } from "../api/types";
import { setLocale } from "../i18n";
import { matches } from "./search";

const EVENT = {
  id: "1",
  camera: 1,
  kind: "motion",
  score: 0.5,
  start_utc_ms: Date.UTC(2026, 0, 15, 12),
  end_utc_ms: null,
  zone: "Gate",
  note: "large object",
} as WatchEvent;

it("needs every word, anywhere, in any case", () => {
  expect(matches(EVENT, "")).toBe(true);
  expect(matches(EVENT, "GATE motion")).toBe(true);
  expect(matches(EVENT, "gate person")).toBe(false);
  expect(matches(EVENT, "2026-01")).toBe(true);
});

it("finds an event by its kind in the reader's language", () => {
  Object.assign(globalThis, { localStorage: { setItem: () => undefined }, document: { documentElement: {} } });
  setLocale("km");
  expect(matches(EVENT, "ចលនា")).toBe(true);
  setLocale("en");
  expect(matches(EVENT, "ចលនា")).toBe(false);
});
