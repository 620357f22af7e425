/** Keeps what is recorded, and what happened, for the part of time that is shown and some on either side. */

import { useEffect, useState } from "preact/hooks";
import { api, type ApiError, type Recordings, type WatchEvent } from "../api";
import { useFresh } from "./fresh";
import type { View } from "./scale";

export interface TimelineData {
  /** The interval that the rest is about; `null` before the first answer. */
  window: View | null;
  recordings: Recordings | null;
  events: WatchEvent[];
  /** More events exist than are held here. */
  eventsCut: boolean;
  problem: ApiError | null;
  reload: () => void;
}

/** While the shown part reaches to now: footage is committed each half second, the eye does not need it that often. */
const FRESH_EVERY_MS = 2_500;
/** A list that a person reads and a canvas that a browser draws; more are said to be left out. */
const EVENTS_MAX = 2_000;
/** The most the recorder gives at once. */
const EVENTS_PAGE = 500;
type Held = Omit<TimelineData, "reload">;
const EMPTY: Held = { window: null, recordings: null, events: [], eventsCut: false, problem: null };

export function useTimelineData(camera: number, view: View): TimelineData {
  const [held, setHeld] = useState<Held>(EMPTY);
  useEffect(() => setHeld(EMPTY), [camera]);
  const reload = useFresh(view, {
    everyMs: FRESH_EVERY_MS,
    key: String(camera),
    fetch: (asked, signal) => fetchAll(camera, asked, signal),
    put: setHeld,
    failed: (problem) => setHeld((old) => ({ ...old, problem })),
  });
  return { ...held, reload };
}

async function fetchAll(camera: number, { start, end }: View, signal: AbortSignal): Promise<Held> {
  const asked = { from: start, to: end };
  const recordings = await api.recordings(camera, asked, "main_video", signal);
  const events: WatchEvent[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.events(asked, camera, cursor, EVENTS_PAGE, signal);
    events.push(...page.events);
    cursor = page.next_cursor;
  } while (cursor !== null && events.length < EVENTS_MAX);
  events.sort((a, b) => a.start_utc_ms - b.start_utc_ms);
  return { window: { start, end }, recordings, events, eventsCut: cursor !== null, problem: null };
}
