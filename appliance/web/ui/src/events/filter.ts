/** What the list of events is asked for. Pure. */

import type { EventAsk, WatchEvent, Window } from "../api";
import { isTooLong } from "../lib/bytes";
import { DAY, HOUR } from "../timeline/scale";

export const SPANS = ["hour", "day", "week", "month", "exact"] as const;
export type Span = (typeof SPANS)[number];

/** The recorder answers for 32 days at most. */
export const LONGEST_MS = 32 * DAY;
/** Bytes of a word: as many as the recorder takes (`appliance/base/src/limits.rs`). */
export const WORD_BYTES_MAX = 64;
export const PLUGIN_BYTES_MAX = 128;
/** How far the end of a span lies ahead: an event of a clock that runs ahead a little belongs to it. */
const AHEAD_MS = 60_000;

const LENGTHS: Record<Exclude<Span, "exact">, number> = { hour: HOUR, day: DAY, week: 7 * DAY, month: 30 * DAY };

export interface Filter {
  span: Span;
  /** Of `exact`. */
  from: number | null;
  to: number | null;
  /** Empty: all. */
  cameras: readonly number[];
  kind: string;
  zone: string;
  plugin: string;
}

export const EVERYTHING: Filter = { span: "day", from: null, to: null, cameras: [], kind: "", zone: "", plugin: "" };

/** The words of a filter with the bytes that each may have. */
export const WORDS_MAX = { kind: WORD_BYTES_MAX, zone: WORD_BYTES_MAX, plugin: PLUGIN_BYTES_MAX } as const;
export type WordName = keyof typeof WORDS_MAX;

/** The words that the recorder would refuse. */
export function longWords(filter: Filter): WordName[] {
  return (["kind", "zone", "plugin"] as const).filter((name) => isTooLong(filter[name], WORDS_MAX[name]));
}

/** Why an exact time, or a word, cannot be asked for. */
export type Fault = "missing" | "backwards" | "long" | "word";

/** The interval that a filter asks for, or what is wrong with it. */
export function intervalOf(filter: Filter, now: number): Window | Fault {
  if (longWords(filter).length > 0) return "word";
  if (filter.span !== "exact") return { from: now - LENGTHS[filter.span], to: now + AHEAD_MS };
  const { from, to } = filter;
  if (from === null || to === null) return "missing";
  if (to <= from) return "backwards";
  return to - from > LONGEST_MS ? "long" : { from, to };
}

/** The question for an interval. */
export function askOf({ cameras, kind, zone, plugin }: Filter, range: Window): EventAsk {
  return { ...range, cameras: [...cameras].sort((a, b) => a - b), kind: kind.trim(), zone: zone.trim(), plugin: plugin.trim() };
}

/** New events are followed from the hour that has begun on, for so long, so that to connect again asks the same question. */
const FOLLOW_MS = 2 * HOUR;

export function followed(now: number): Window {
  const from = Math.floor(now / HOUR) * HOUR;
  return { from, to: from + FOLLOW_MS };
}

/** `event` among `list`, newest first, each once. */
export function added(list: readonly WatchEvent[], event: WatchEvent): WatchEvent[] {
  if (list.some((each) => each.id === event.id)) return [...list];
  const place = list.findIndex((each) => each.start_utc_ms <= event.start_utc_ms);
  return place < 0 ? [...list, event] : [...list.slice(0, place), event, ...list.slice(place)];
}

/** The words that are in `events`, for suggestions; at most so many. */
export function wordsOf(events: readonly WatchEvent[], of: (event: WatchEvent) => string | null): string[] {
  const words = new Set<string>();
  for (const event of events) {
    const word = of(event);
    if (word !== null && word !== "") words.add(word);
  }
  return [...words].sort().slice(0, 50);
}

/** The time of an event with what came before and after it: what is marked, kept or asked for. */
export function around({ start_utc_ms, end_utc_ms }: WatchEvent, marginMs: number): { start: number; end: number } {
  return { start: start_utc_ms - marginMs, end: (end_utc_ms ?? start_utc_ms) + marginMs };
}
