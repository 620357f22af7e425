import { describe, expect, it } from "vitest";
import type { Case, RecordedSpan } from "../api/types";
import { inside, windowOf, workable } from "./case";

const one = (part: Partial<Case>): Case => ({
  case: "1/26",
  purpose: "theft",
  cameras: [1],
  other_camera_count: 0,
  from_utc_ms: 1_000,
  to_utc_ms: 5_000,
  expires_utc_ms: 9_000,
  opened_by: 2,
  opened_by_name: null,
  opened_utc_ms: 0,
  investigators: [{ account: 3, account_name: null }],
  closed_utc_ms: null,
  open: true,
  emergency: false,
  needs_review: false,
  ...part,
});

const span = (start_utc_ms: number, end_utc_ms: number) => ({ start_utc_ms, end_utc_ms }) as RecordedSpan;

describe("cases", () => {
  it("may be worked in by whom they name while they are open", () => {
    const list = [one({}), one({ open: false }), one({ investigators: [] })];
    expect(workable(list, 3, 8_999)).toEqual([list[0]]);
    expect(workable(list, 3, 9_000)).toEqual([]);
    expect(workable(list, 2, 0)).toEqual([]);
  });

  it("are about their own cameras and hours", () => {
    expect(windowOf(one({}), 1)).toEqual({ start: 1_000, end: 5_000 });
    expect(windowOf(one({}), 2)).toBeNull();
    expect(windowOf(null, 1)).toBeNull();
    const spans = [span(0, 1_000), span(500, 2_000), span(3_000, 4_000), span(4_500, 9_000), span(5_000, 6_000)];
    expect(inside(spans, { start: 1_000, end: 5_000 })).toEqual([span(1_000, 2_000), span(3_000, 4_000), span(4_500, 5_000)]);
    expect(inside(spans, null)).toEqual([]);
  });
});
