/** The picture under the pointer: one camera at one moment, read inside the case like everything that is played. */

import { useEffect, useState } from "preact/hooks";
import { playbackUrl } from "../api";
import { send } from "../api/client";
import { FragmentReader, isJpeg } from "../jpeg/fragments";
import { thumbTurns } from "./turns";

/** Pictures that are remembered: 58 kB each. */
const KEPT_MAX = 60;
/** The pointer rests so long before a picture is asked for: each look is one that the log may keep. */
const REST_MS = 90;
export const THUMB_WIDTH = 160;
export const THUMB_HEIGHT = 90;

export interface ThumbAsk {
  camera: number;
  /** Number of the case. */
  case: string;
  at: number;
  codec: string;
}

const kept = new Map<string, ImageBitmap>();

function keyOf({ camera, case: number, at }: ThumbAsk): string {
  return `${number} ${camera} ${Math.round(at)}`;
}

function keep(key: string, picture: ImageBitmap): void {
  kept.set(key, picture);
  const [oldest] = kept.keys();
  if (kept.size <= KEPT_MAX || oldest === undefined) return;
  kept.get(oldest)?.close();
  kept.delete(oldest);
}

/** The picture for `ask`, once it is there; `null` before, and where there is none. */
export function useThumb(ask: ThumbAsk | null): ImageBitmap | null {
  const key = ask === null ? "" : keyOf(ask);
  const [shown, setShown] = useState<{ key: string; picture: ImageBitmap } | null>(null);
  useEffect(() => {
    const known = kept.get(key);
    if (ask === null || known !== undefined) {
      setShown(known === undefined ? null : { key, picture: known });
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      read(ask, stop.signal).then(
        (picture) => {
          if (picture === null) return;
          keep(key, picture);
          if (!stop.signal.aborted) setShown({ key, picture });
        },
        // A picture that does not come is no reason to disturb whoever moves the pointer.
        () => undefined,
      );
    }, REST_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key]);
  return shown?.key === key ? shown.picture : null;
}

async function read(ask: ThumbAsk, signal: AbortSignal): Promise<ImageBitmap | null> {
  const give = await thumbTurns.take(signal);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const at = Math.floor(ask.at);
    // From the key frame before it, whose time is 0, to the picture itself.
    const answer = await send(playbackUrl(ask.camera, ask.case, { from: at, to: at + 1, codec: ask.codec }, null), { signal });
    bytes = new Uint8Array(await answer.arrayBuffer());
  } finally {
    give();
  }
  const small = { resizeWidth: THUMB_WIDTH, resizeHeight: THUMB_HEIGHT };
  if (isJpeg(ask.codec)) {
    const last = new FragmentReader().push(bytes).at(-1);
    return last === undefined ? null : createImageBitmap(new Blob([last.data], { type: "image/jpeg" }), small);
  }
  return lastPicture(bytes, small);
}

async function lastPicture(bytes: Uint8Array<ArrayBuffer>, small: ImageBitmapOptions): Promise<ImageBitmap | null> {
  const url = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  try {
    video.src = url;
    await once(video, "loadeddata");
    if (Number.isFinite(video.duration) && video.duration > 0.1) {
      video.currentTime = video.duration - 0.001;
      await once(video, "seeked");
    }
    return await createImageBitmap(video, small);
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}

function once(video: HTMLVideoElement, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    video.addEventListener(what, () => resolve(), { once: true });
    video.addEventListener("error", () => reject(new Error("the browser cannot show this picture")), { once: true });
  });
}
