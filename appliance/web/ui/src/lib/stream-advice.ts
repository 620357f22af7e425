/** What could be better about a stream that is recorded. Pure. */

import type { StreamState } from "../api/types";

/** Between two key frames: a picture in the timeline is decoded from the key frame before it. */
const KEY_INTERVAL_MS_MAX = 4000;
/** The camera's clock shows in its picture; footage has the recorder's. */
const OFFSET_MS_MAX = 5000;
/** Crystals are good to 100 ppm. */
const DRIFT_PPM_MAX = 200;

export type Advice = "advice.key_interval" | "advice.offset" | "advice.drift";

export function streamAdvice(state: Pick<StreamState, "status" | "key_interval_ms" | "media_utc_offset_ms" | "drift_ppm">): Advice[] {
  if (state.status !== "live") return [];
  const advice: [Advice, number | null, number][] = [
    ["advice.key_interval", state.key_interval_ms, KEY_INTERVAL_MS_MAX],
    ["advice.offset", state.media_utc_offset_ms, OFFSET_MS_MAX],
    ["advice.drift", state.drift_ppm, DRIFT_PPM_MAX],
  ];
  return advice.filter(([, value, most]) => value !== null && Math.abs(value) > most).map(([key]) => key);
}
