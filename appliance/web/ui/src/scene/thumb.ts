/** Small pictures of recorded footage, in a list or under the pointer: one camera at one moment, looked at inside the case like everything that is played. */

import { useEffect, useState } from "preact/hooks";
import { type ApiError, thumbnailUrl } from "../api";
import { send } from "../api/client";
import { asApiError, session } from "../lib/session";
import { thumbTurns } from "./turns";

/** Pictures that are remembered: 58 kB each. */
const KEPT_MAX = 120;
/** The pointer rests so long before a picture is asked for: each look is one that the log may keep. */
const REST_MS = 90;
export const THUMB_WIDTH = 160;
export const THUMB_HEIGHT = 90;

export interface ThumbAsk {
  camera: number;
  /** Number of the case. */
  case: string;
  at: number;
}

export interface Thumb {
  /** Once it is there. */
  picture: ImageBitmap | null;
  /** Why there is none. */
  problem: ApiError | null;
}

const NONE: Thumb = { picture: null, problem: null };

const kept = new Map<string, ImageBitmap>();

/** What is remembered is remembered for whoever is signed in. */
function keyOf({ camera, case: number, at }: ThumbAsk): string {
  return `${session.value?.account.id ?? 0} ${number} ${camera} ${Math.round(at)}`;
}

function keep(key: string, picture: ImageBitmap): void {
  kept.set(key, picture);
  const [oldest] = kept.keys();
  // It is not closed: a list may be drawing it still.
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
}

/** The picture for `ask`; asked for when the pointer has come to rest, and given up when it leaves. */
export function useThumb(ask: ThumbAsk | null): Thumb {
  const key = ask === null ? "" : keyOf(ask);
  const [shown, setShown] = useState<{ key: string; thumb: Thumb } | null>(null);
  useEffect(() => {
    const known = kept.get(key);
    if (ask === null || known !== undefined) {
      setShown(known === undefined ? null : { key, thumb: { picture: known, problem: null } });
      return;
    }
    const stop = new AbortController();
    const tell = (thumb: Thumb) => {
      if (!stop.signal.aborted) setShown({ key, thumb });
    };
    const timer = setTimeout(() => {
      read(ask, stop.signal).then(
        (picture) => {
          keep(key, picture);
          tell({ picture, problem: null });
        },
        (error: unknown) => tell({ picture: null, problem: asApiError(error) }),
      );
    }, REST_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key]);
  return shown?.key === key ? shown.thumb : NONE;
}

async function read(ask: ThumbAsk, signal: AbortSignal): Promise<ImageBitmap> {
  const give = await thumbTurns.take(signal);
  try {
    const answer = await send(thumbnailUrl(ask.camera, ask.case, ask.at, THUMB_WIDTH), { signal });
    return await createImageBitmap(await answer.blob(), { resizeWidth: THUMB_WIDTH, resizeHeight: THUMB_HEIGHT });
  } finally {
    give();
  }
}
