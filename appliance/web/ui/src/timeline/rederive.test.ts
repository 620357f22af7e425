import { describe, expect, it } from "vitest";
import type { RederivationResult } from "../api/types";
import { en } from "../i18n/en";
import { differenceText, heading, nextStep, tone } from "./rederive-words";

const result = (change: Partial<RederivationResult>): RederivationResult => ({
  outcome: "same",
  refusal: null,
  sentence: null,
  differences: [],
  plugin: "org.watchbook.motion",
  version: "0.1.0",
  component_sha256: "0123456789abcdef0123",
  settings_sha256: "fedcba",
  frames: 100,
  frames_known: 100,
  frames_lost: 0,
  frames_dropped_then: 0,
  from_its_start: true,
  from_utc_ms: 0,
  to_utc_ms: 1,
  warm_up_ms: 1000,
  role: "sub_video",
  keys_only: false,
  masked: false,
  gaps: [],
  damaged: [],
  done_utc_ms: 2,
  took_ms: 3,
  ...change,
});

describe("what came out of deriving an event again", () => {
  it("has its own sentence and next step for each outcome", () => {
    const outcomes = ["same", "near", "absent"] as const;
    const refusals = ["component", "settings", "footage", "plugin", "model", "recorder"] as const;
    const all = [...outcomes.map((outcome) => result({ outcome })), ...refusals.map((refusal) => result({ outcome: "refused", refusal }))];
    expect(new Set(all.map(heading)).size).toBe(all.length);
    expect(new Set(all.map(nextStep)).size).toBe(all.length);
    expect(tone("same")).toBe("good");
  });

  it("names the version and the digest that are wanted", () => {
    const text = heading(result({ outcome: "refused", refusal: "component" }));
    expect(text).toContain("0.1.0");
    expect(text).toContain("0123456789abcdef");
  });

  it("shows times to the millisecond and leaves long values out", () => {
    const text = differenceText({ field: "end", stored: "1764000000040", derived: null });
    expect(text).toContain(".040");
    expect(text).toContain(en["rederive.none"]);
    expect(differenceText({ field: "note", stored: null, derived: null })).toBe(en["rederive.differs.bare"].replace("{field}", en["rederive.field.note"]));
  });
});
