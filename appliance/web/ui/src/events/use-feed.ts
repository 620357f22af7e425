/** New events as they come, as long as the page is looked at. */

import { useEffect, useRef, useState } from "preact/hooks";
import { eventFeedUrl, type WatchEvent } from "../api";
import { nowMs } from "../lib/session";
import { askOf, type Filter, followed } from "./filter";

/** How long to wait before connecting again, when the browser has given up. */
const AGAIN_MS = 10_000;

export type FeedState = "off" | "connecting" | "live" | "lost";

/** `filter` is `null` where nothing is followed. `lookAgain` is called when some may have been missed. */
export function useFeed(filter: Filter | null, take: (event: WatchEvent) => void, lookAgain: () => void): FeedState {
  const [state, setState] = useState<FeedState>("off");
  const [turn, setTurn] = useState(0);
  const [visible, setVisible] = useState(() => document.visibilityState === "visible");
  const away = useRef(false);
  useEffect(() => {
    const look = () => setVisible(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  const ask = filter === null ? null : askOf(filter, { from: 0, to: 0 });
  const key = JSON.stringify(ask);
  useEffect(() => {
    if (ask === null || !visible) {
      setState("off");
      away.current = ask !== null;
      return;
    }
    // Nobody looked, or the recorder was away: what came meanwhile is in the list alone.
    if (away.current) lookAgain();
    away.current = false;
    setState("connecting");
    const source = new EventSource(eventFeedUrl({ ...ask, ...followed(nowMs()) }));
    let again: ReturnType<typeof setTimeout> | undefined;
    const reconnect = (afterMs: number) => {
      source.close();
      setState("lost");
      away.current = true;
      again = setTimeout(() => setTurn((old) => old + 1), afterMs);
    };
    source.addEventListener("ready", () => setState("live"));
    source.addEventListener("event", (message: MessageEvent<string>) => take(JSON.parse(message.data) as WatchEvent));
    source.addEventListener("behind", lookAgain);
    source.addEventListener("over", (message: MessageEvent<string>) => {
      const { why } = JSON.parse(message.data) as { why: string };
      reconnect(why === "interval" ? 0 : AGAIN_MS);
    });
    source.onerror = () => {
      // The browser connects again by itself, unless it was refused.
      if (source.readyState === EventSource.CLOSED) reconnect(AGAIN_MS);
      else setState("connecting");
    };
    return () => {
      source.close();
      clearTimeout(again);
    };
  }, [key, visible, turn]);
  return state;
}
