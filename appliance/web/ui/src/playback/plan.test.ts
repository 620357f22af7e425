import { describe, expect, it } from "vitest";
import type { RecordedSpan } from "../api/types";
import { TRACK_BYTES_MAX } from "../jpeg/track";
import { AHEAD_MAX_MS, baseFor, bufferedUntil, CHUNK_MS, FIRST_CHUNK_MS, fitsBase, JPEG_BYTES, JPEG_LEAST_MS, landing, overHole, plan, type Situation, surplus } from "./plan";

const span = (start: number, end: number): RecordedSpan => ({
  start_utc_ms: start,
  end_utc_ms: end,
  byte_count: 0,
  recording: "1",
  codec_string: "avc1.64001F",
  width: 1,
  height: 1,
});
const T = 1_700_000_000_000;
const SPANS = [span(T, T + 60_000), span(T + 90_000, T + 300_000)];
const at = (part: Partial<Situation>) => plan({ spans: SPANS, position: T, buffered: [], rate: 1, stalled: false, fetchedUntil: null, ...part });

describe("plan", () => {
  it("fetches a short piece first, longer ones after, never beyond the span", () => {
    expect(at({})).toMatchObject({ kind: "fetch", from: T + 1, to: T + FIRST_CHUNK_MS });
    expect(at({ buffered: [{ start: T - 800, end: T + 10_000 }], fetchedUntil: T + 10_000 })).toMatchObject({ from: T + 10_000, to: T + 10_000 + CHUNK_MS });
    expect(at({ position: T + 55_000 })).toMatchObject({ from: T + 55_000, to: T + 60_000 });
  });

  it("rests when enough is ahead, and needs more at a higher speed", () => {
    const buffered = [{ start: T, end: T + 20_000 }];
    expect(at({ buffered, fetchedUntil: T + 20_000 }).kind).toBe("rest");
    expect(at({ buffered, fetchedUntil: T + 20_000, rate: 4 }).kind).toBe("fetch");
  });

  it("jumps a gap only once the footage before it is shown", () => {
    const before = { buffered: [{ start: T + 40_000, end: T + 60_000 }], fetchedUntil: T + 60_000 };
    expect(at({ ...before, position: T + 58_000 })).toMatchObject({ kind: "fetch", from: T + 90_001 });
    expect(at({ ...before, position: T + 60_000 })).toEqual({ kind: "jump", to: T + 90_000 });
    expect(at({ ...before, position: T + 59_600 }).kind).toBe("fetch");
    expect(at({ ...before, position: T + 59_600, stalled: true })).toEqual({ kind: "jump", to: T + 90_000 });
    expect(at({ position: T + 70_000 })).toEqual({ kind: "jump", to: T + 90_000 });
  });

  it("ends after the last footage, and goes on when more is recorded", () => {
    expect(at({ position: T + 300_000 })).toEqual({ kind: "end" });
    const grown = [...SPANS.slice(0, 1), span(T + 90_000, T + 302_000)];
    expect(at({ position: T + 300_000, spans: grown })).toMatchObject({ kind: "fetch", from: T + 300_000, to: T + 302_000 });
  });

  it("asks for no more JPEG than the screen has room for", () => {
    // 10 MB a second, 25 pictures of 400 kB: 192 MiB are 20 s.
    const bytesPerMs = 10_000;
    const jpeg = [{ ...span(T, T + 300_000), codec_string: "mp4v.6C", byte_count: 300_000 * bytesPerMs }];
    for (const rate of [1, 8]) {
      let until = T;
      for (let position = T; position < T + 280_000; position += 500) {
        const next = at({ spans: jpeg, position, rate, buffered: [{ start: T, end: until }], fetchedUntil: until === T ? null : until });
        if (next.kind !== "fetch") continue;
        until = next.to;
        expect((until - position) * bytesPerMs).toBeLessThanOrEqual(2 * JPEG_BYTES);
      }
      expect(until).toBeGreaterThan(T + 280_000);
    }
    expect(3 * JPEG_BYTES).toBeLessThanOrEqual(TRACK_BYTES_MAX);
    const huge = [{ ...jpeg[0], ...span(T, T + 60_000), codec_string: "mp4v.6C", byte_count: 1e12 }];
    expect(at({ spans: huge })).toMatchObject({ kind: "fetch", to: T + JPEG_LEAST_MS });
    expect(at({ spans: [{ ...span(T, T + 60_000), byte_count: 1e12 }] })).toMatchObject({ to: T + FIRST_CHUNK_MS });
  });

  it("does not ask again for a piece that brought nothing", () => {
    const plans = at({ position: T + 1_000, fetchedUntil: T + 2_000 });
    expect(plans).toMatchObject({ kind: "fetch", from: T + 2_000 });
  });

  it("lands on the first picture behind damaged footage once the piece is there", () => {
    const buffered = [
      { start: T - 3_000, end: T },
      { start: T + 4_000, end: T + 10_000 },
    ];
    expect(landing(buffered, T + 500, null)).toBeNull();
    expect(landing(buffered, T + 500, T + 10_000)).toBe(T + 4_001);
    expect(landing(buffered, T + 3_000, null)).toBe(T + 4_001);
    expect(landing(buffered, T - 1_000, null)).toBe(T - 1_000);
    expect(landing(buffered, T + 11_000, T + 12_000)).toBeNull();
  });

  it("always comes to the end of the footage, piece by piece", () => {
    let position = T;
    let until: number | null = null;
    let pieces = 0;
    const buffered = [{ start: T, end: T }];
    for (let turn = 0; turn < 1_000; turn += 1) {
      // A browser stops a little before the end of what it has.
      const stalled = bufferedUntil(buffered, position) - position < 200;
      const next = plan({ spans: SPANS, position, buffered, rate: 1, stalled, fetchedUntil: until });
      if (next.kind === "end") break;
      if (next.kind === "jump") {
        expect(next.to).toBeGreaterThan(position);
        position = next.to;
        until = null;
      } else if (next.kind === "fetch") {
        expect(next.to).toBeGreaterThan(next.from);
        buffered.push({ start: next.from, end: next.to });
        until = next.to;
        pieces += 1;
      } else {
        position = Math.min(position + 5_000, Math.max(position, bufferedUntil(buffered, position) - 150));
      }
    }
    expect(position).toBeGreaterThan(T + 299_000);
    expect(pieces).toBeLessThan(20);
  });
});

describe("buffer", () => {
  it("counts frame timing as joined and gaps as not", () => {
    const buffered = [
      { start: T, end: T + 1_000 },
      { start: T + 1_040, end: T + 2_000 },
      { start: T + 9_000, end: T + 9_500 },
    ];
    expect(bufferedUntil(buffered, T)).toBe(T + 2_000);
    expect(bufferedUntil(buffered, T + 5_000)).toBe(T + 5_000);
  });

  it("keeps a bounded stretch around the position", () => {
    const drops = surplus([{ start: T - 600_000, end: T + 600_000 }], T);
    expect(drops.map((drop) => [drop.start - T, drop.end - T])).toEqual([
      [-600_000, -20_000],
      [AHEAD_MAX_MS, 600_000],
    ]);
    expect(surplus([{ start: T - 10_000, end: T + 10_000 }], T)).toEqual([]);
  });

  it("steps over a hole only when footage follows it", () => {
    const buffered = [
      { start: T, end: T + 1_000 },
      { start: T + 1_200, end: T + 2_000 },
    ];
    expect(overHole(buffered, T + 400, T + 2_000)).toBeNull();
    expect(overHole(buffered, T + 800, T + 2_000)).toBe(T + 1_200);
    expect(overHole(buffered, T + 2_000, T + 2_000)).toBeNull();
  });

  it("does not take what was buffered long ago for the rest of the piece that is on its way", () => {
    const buffered = [
      { start: T, end: T + 1_000 },
      { start: T + 2_000, end: T + 3_000 },
    ];
    expect(overHole(buffered, T + 900, T + 1_000)).toBeNull();
    expect(overHole(buffered, T + 900, null)).toBeNull();
  });

  it("chooses a time 0 that footage days later can share and that is never negative", () => {
    const base = baseFor(T);
    expect(base % 86_400_000).toBe(0);
    expect(fitsBase(base, T)).toBe(true);
    expect(fitsBase(base, T - 2 * 86_400_000)).toBe(false);
    expect(fitsBase(base, T + 20 * 86_400_000)).toBe(false);
  });
});
