/** The case in which this browser plays footage: chosen once, remembered until another one is. */

import { signal } from "@preact/signals";
import type { Case, RecordedSpan } from "../api/types";
import type { Range } from "../timeline/ranges";

const STORED = "watchbook.case";

/** Its number; empty when none is chosen. */
export const chosenCase = signal(typeof sessionStorage === "undefined" ? "" : (sessionStorage.getItem(STORED) ?? ""));

export function chooseCase(number: string): void {
  sessionStorage.setItem(STORED, number);
  chosenCase.value = number;
}

/** The cases that `account` may work in now. */
export function workable(cases: readonly Case[], account: number, now: number): Case[] {
  return cases.filter((each) => each.open && each.expires_utc_ms > now && each.investigators.some((person) => person.account === account));
}

/** What `camera` may be played of in `found`. */
export function windowOf(found: Case | null, camera: number): Range | null {
  return found === null || !found.cameras.includes(camera) ? null : { start: found.from_utc_ms, end: found.to_utc_ms };
}

/** The parts of `spans` that lie in `window`; none without one. */
export function inside(spans: readonly RecordedSpan[], window: Range | null): RecordedSpan[] {
  if (window === null) return [];
  return spans
    .filter((span) => span.end_utc_ms > window.start && span.start_utc_ms < window.end)
    .map((span) => ({ ...span, start_utc_ms: Math.max(span.start_utc_ms, window.start), end_utc_ms: Math.min(span.end_utc_ms, window.end) }));
}
