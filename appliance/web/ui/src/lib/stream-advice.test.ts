import { expect, it } from "vitest";
import { streamAdvice } from "./stream-advice";

it("says what to change at a camera, and nothing about a good one", () => {
  const good = { status: "live", key_interval_ms: 2000, media_utc_offset_ms: -300, drift_ppm: 40 } as const;
  expect(streamAdvice(good)).toEqual([]);
  expect(streamAdvice({ ...good, key_interval_ms: 10_000 })).toEqual(["advice.key_interval"]);
  expect(streamAdvice({ ...good, media_utc_offset_ms: -3_600_000, drift_ppm: -900 })).toEqual(["advice.offset", "advice.drift"]);
  expect(streamAdvice({ status: "live", key_interval_ms: null, media_utc_offset_ms: null, drift_ppm: null })).toEqual([]);
  expect(streamAdvice({ ...good, status: "lost", key_interval_ms: 10_000 })).toEqual([]);
});
