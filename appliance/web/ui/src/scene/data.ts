/** What is recorded, and what happened, of every camera on the timeline, for the part of time that is shown. */

import { useState } from "preact/hooks";
import { api, type ApiError, type Recordings, type WatchEvent } from "../api";
import { useFresh } from "../timeline/fresh";
import type { Range } from "../timeline/ranges";
import { DAY, span, type View } from "../timeline/scale";
import { type Amount, amountsIn, amountsOf } from "./density";

/** One camera. */
export interface Lane {
  camera: number;
  recordings: Recordings;
  /** Drawn one by one; empty where so much time is shown that only amounts are. */
  events: WatchEvent[];
  amounts: Amount[];
}

export interface Lanes {
  /** The interval that the rest is about; `null` before the first answer. */
  window: View | null;
  lanes: ReadonlyMap<number, Lane>;
  problem: ApiError | null;
  reload: () => void;
}

/** From here on the recorder counts by the hour. */
const COUNTED_FROM_MS = 2 * DAY;
/** Questions that are on their way at once. */
const ASKED_AT_ONCE = 4;
/** While the shown part reaches to now. */
const FRESH_EVERY_MS = 3_000;
/** Events of one camera: what a lane draws one by one. The rest of them are not drawn; nobody could tell them apart. */
const EVENTS_MAX = 1_000;
const EVENTS_PAGE = 500;

type Held = Omit<Lanes, "reload">;

export function useLanes(cameras: readonly number[], view: View): Lanes {
  const [held, setHeld] = useState<Held>({ window: null, lanes: new Map(), problem: null });
  const counted = span(view) > COUNTED_FROM_MS;
  const reload = useFresh(view, {
    everyMs: FRESH_EVERY_MS,
    key: `${cameras.join(",")} ${counted}`,
    fetch: async (asked, signal) => ({ window: asked, lanes: await fetchAll(cameras, asked, counted, signal), problem: null }),
    put: setHeld,
    failed: (problem) => setHeld((old) => ({ ...old, problem })),
  });
  return { ...held, reload };
}

async function fetchAll(cameras: readonly number[], view: View, counted: boolean, signal: AbortSignal): Promise<Map<number, Lane>> {
  const range = { from: view.start, to: view.end };
  const counts = counted ? await api.counts({ ...range, camera: null, bucket: "hour" }) : null;
  const left = [...cameras];
  const found = new Map<number, Lane>();
  const worker = async () => {
    for (let camera = left.shift(); camera !== undefined && !signal.aborted; camera = left.shift()) {
      const recordings = await api.recordings(camera, range, "main_video", signal);
      const events = counts === null ? await eventsOf(camera, range, signal) : [];
      found.set(camera, { camera, recordings, events, amounts: counts === null ? amountsIn(events) : amountsOf(counts, camera, view.end) });
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, worker));
  return found;
}

async function eventsOf(camera: number, range: { from: number; to: number }, signal: AbortSignal): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.events(range, camera, cursor, EVENTS_PAGE, signal);
    events.push(...page.events);
    cursor = page.next_cursor;
  } while (cursor !== null && events.length < EVENTS_MAX);
  return events.sort((a, b) => a.start_utc_ms - b.start_utc_ms);
}

/** From the oldest to the newest footage of any camera; `null` when nothing is recorded. */
export function extentOf(lanes: ReadonlyMap<number, Lane>): Range | null {
  const firsts = [...lanes.values()].flatMap(({ recordings }) => (recordings.first_utc_ms === null ? [] : [recordings.first_utc_ms]));
  const lasts = [...lanes.values()].flatMap(({ recordings }) => (recordings.last_utc_ms === null ? [] : [recordings.last_utc_ms]));
  return firsts.length === 0 || lasts.length === 0 ? null : { start: Math.min(...firsts), end: Math.max(...lasts) };
}
