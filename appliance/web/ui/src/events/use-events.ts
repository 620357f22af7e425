/** The list of events as it is asked for, page by page, and with the new ones. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, api, type EventAsk, type WatchEvent } from "../api";
import { asApiError, nowMs } from "../lib/session";
import { added, askOf, type Filter, intervalOf, longWords } from "./filter";
import { type FeedState, useFeed } from "./use-feed";

/** Rows of one page. */
const PAGE_ROWS = 50;
/** A page that found nothing in what it looked at leads on by itself so often; then somebody is asked. */
const EMPTY_PAGES_MAX = 10;
/** New rows that wait to be shown. */
const WAITING_MAX = 200;

export interface EventRows {
  rows: readonly WatchEvent[];
  /** New ones that came while something was being read. */
  waiting: readonly WatchEvent[];
  busy: boolean;
  problem: ApiError | null;
  /** There may be older ones. */
  hasMore: boolean;
  feed: FeedState;
  more: () => void;
  reload: () => void;
  show: () => void;
}

const merged = (list: readonly WatchEvent[], events: readonly WatchEvent[]): readonly WatchEvent[] => events.reduce(added, list);

/** `isRead`: somebody reads in the list, so nothing in it may move. */
export function useEvents(filter: Filter, isRead: () => boolean): EventRows {
  const [rows, setRows] = useState<readonly WatchEvent[]>([]);
  const [waiting, setWaiting] = useState<readonly WatchEvent[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [busy, setBusy] = useState(true);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [turn, setTurn] = useState(0);
  const asked = useRef<EventAsk | null>(null);
  const reading = useRef(isRead);
  reading.current = isRead;
  const stop = useRef(new AbortController());
  const key = JSON.stringify(filter);

  const load = useCallback(async (from: string | null, signal: AbortSignal) => {
    const ask = asked.current;
    if (ask === null) return;
    setBusy(true);
    setProblem(null);
    try {
      let next = from;
      for (let page = 0; page < EMPTY_PAGES_MAX; page += 1) {
        const answer = await api.findEvents(ask, next, PAGE_ROWS, signal);
        if (signal.aborted) return;
        next = answer.next_cursor;
        setRows((old) => merged(old, answer.events));
        setCursor(next);
        if (next === null || answer.events.length > 0) break;
      }
    } catch (error) {
      if (!signal.aborted) setProblem(asApiError(error));
    } finally {
      if (!signal.aborted) setBusy(false);
    }
  }, []);

  useEffect(() => {
    stop.current = new AbortController();
    const interval = intervalOf(filter, nowMs());
    asked.current = typeof interval === "string" ? null : askOf(filter, interval);
    setRows([]);
    setWaiting([]);
    setCursor(null);
    setProblem(null);
    setBusy(false);
    void load(null, stop.current.signal);
    return () => stop.current.abort();
  }, [key, turn]);

  const reload = useCallback(() => setTurn((old) => old + 1), []);
  const take = (event: WatchEvent) => {
    if (reading.current()) setWaiting((old) => added(old, event).slice(0, WAITING_MAX));
    else setRows((old) => added(old, event));
  };
  const feed = useFeed(filter.span === "exact" || longWords(filter).length > 0 ? null : filter, take, reload);
  const show = () => {
    setRows((old) => merged(old, waiting));
    setWaiting([]);
  };
  const more = () => void load(cursor, stop.current.signal);
  return { rows, waiting, busy, problem, hasMore: cursor !== null, feed, more, reload, show };
}
