/** Keeps what is recorded, and what happened, for the part of time that is shown and as much on either side. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api, type ApiError, type Recordings, type WatchEvent } from "../api";
import { asApiError, nowMs } from "../lib/session";
import type { Range } from "./ranges";
import { span, type View } from "./scale";

export interface TimelineData {
  recordings: Recordings | null;
  events: WatchEvent[];
  /** More events exist than are held here. */
  eventsCut: boolean;
  problem: ApiError | null;
}

/** While the shown part reaches to now: footage is committed each half second, the eye does not need it that often. */
const FRESH_EVERY_MS = 2_500;
/** A list that a person reads and a canvas that a browser draws; more are said to be left out. */
const EVENTS_MAX = 2_000;
const EVENTS_PAGE = 500;

const EMPTY: TimelineData = { recordings: null, events: [], eventsCut: false, problem: null };

export function useTimelineData(camera: number, view: View): TimelineData & { reload: () => void } {
  const [data, setData] = useState<TimelineData>(EMPTY);
  const [turn, setTurn] = useState(0);
  const held = useRef<Range | null>(null);
  const wantedView = useRef(view);
  wantedView.current = view;

  useEffect(() => {
    held.current = null;
    setData(EMPTY);
  }, [camera]);

  // A new window is needed when the view leaves what is held, or has become so close that the held one is mostly waste.
  const inside = held.current !== null && held.current.start <= view.start && Math.min(view.end, nowMs()) <= held.current.end;
  const need = inside ? "" : `${Math.round(view.start)}-${Math.round(view.end)}`;

  useEffect(() => {
    const stop = new AbortController();
    const load = () => {
      const shown = wantedView.current;
      const length = span(shown);
      const range = { start: shown.start - length, end: shown.end + length };
      fetchAll(camera, range, stop.signal).then(
        (answer) => {
          if (stop.signal.aborted) return;
          held.current = { start: range.start, end: Math.min(range.end, nowMs()) + (range.end > nowMs() ? length : 0) };
          setData(answer);
        },
        (error: unknown) => {
          if (!stop.signal.aborted) setData((old) => ({ ...old, problem: asApiError(error) }));
        },
      );
    };
    const first = setTimeout(load, need === "" ? 0 : 120);
    const again = setInterval(() => {
      if (!document.hidden && wantedView.current.end >= nowMs() - FRESH_EVERY_MS) load();
    }, FRESH_EVERY_MS);
    return () => {
      stop.abort();
      clearTimeout(first);
      clearInterval(again);
    };
  }, [camera, need, turn]);

  return { ...data, reload: () => setTurn((old) => old + 1) };
}

async function fetchAll(camera: number, range: Range, signal: AbortSignal): Promise<TimelineData> {
  const window = { from: range.start, to: range.end };
  const recordings = await api.recordings(camera, window, "main_video", signal);
  const events: WatchEvent[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.events(window, camera, cursor, EVENTS_PAGE, signal);
    events.push(...page.events);
    cursor = page.next_cursor;
  } while (cursor !== null && events.length < EVENTS_MAX);
  events.sort((a, b) => a.start_utc_ms - b.start_utc_ms);
  return { recordings, events, eventsCut: cursor !== null, problem: null };
}
