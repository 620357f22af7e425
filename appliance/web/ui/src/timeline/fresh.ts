/** Keeps what the recorder says of the part of time that is shown, and some on either side, as long as that can still change. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { asApiError, nowMs } from "../lib/session";
import { askFor, type View } from "./scale";

/** A view that moves under the finger is asked for once it rests this long. */
const REST_MS = 120;

export interface Asking<T> {
  /** While the shown part reaches to now. */
  everyMs: number;
  /** Whatever else the answer depends on. */
  key: string;
  fetch: (asked: View, signal: AbortSignal) => Promise<T>;
  put: (answer: T) => void;
  failed: (problem: ApiError) => void;
}

/** Gives what asks again at once. */
export function useFresh<T>(view: View, asking: Asking<T>): () => void {
  const [turn, setTurn] = useState(0);
  const { start, end } = askFor(view);
  const { everyMs, key } = asking;
  const latest = useRef(asking);
  latest.current = asking;
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const round = async () => {
      try {
        const answer = await latest.current.fetch({ start, end }, stop.signal);
        if (!stop.signal.aborted) latest.current.put(answer);
      } catch (error) {
        if (!stop.signal.aborted) latest.current.failed(asApiError(error));
      }
      if (!stop.signal.aborted) timer = setTimeout(again, everyMs);
    };
    const again = () => {
      if (document.hidden || end < nowMs() - everyMs) timer = setTimeout(again, everyMs);
      else void round();
    };
    timer = setTimeout(() => void round(), REST_MS);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, start, end, everyMs, turn]);
  return () => setTurn((old) => old + 1);
}
