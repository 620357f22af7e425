import { afterEach, describe, expect, it, vi } from "vitest";
import { FragmentReader, isJpeg, type JpegSample } from "./fragments";
import { JpegScreen } from "./screen";
import { JpegTrack, TRACK_BYTES_MAX } from "./track";

/** A box by ISO/IEC 14496-12 §4.2: size, kind, contents. */
function box(kind: string, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = 8 + parts.reduce((sum, part) => sum + part.byteLength, 0);
  return bytes(u32(size), new TextEncoder().encode(kind), ...parts);
}

function bytes(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

function u32(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => view.setUint32(4 * index, value));
  return new Uint8Array(view.buffer);
}

/** A fragment by §8.8: `tfdt` version 1, `trun` version 1 with data offset, durations, sizes and flags. */
function fragment(ticks: number, samples: readonly { duration: number; data: Uint8Array }[]): Uint8Array<ArrayBuffer> {
  const rows = samples.flatMap(({ duration, data }) => [duration, data.byteLength, 0x02000000]);
  const trun = box("trun", u32(0x01000701, samples.length, 0, ...rows));
  const tfdt = box("tfdt", u32(0x01000000, 0, ticks));
  const moof = box("moof", box("mfhd", u32(0, 1)), box("traf", box("tfhd", u32(0x020000, 1)), tfdt, trun));
  return bytes(box("prft", u32(0, 0)), moof, box("mdat", ...samples.map(({ data }) => data)));
}

const picture = (value: number, length = 5) => new Uint8Array(length).fill(value);

describe("fragments of JPEG", () => {
  const file = bytes(
    box("ftyp", u32(1)),
    box("moov", box("trak", u32(1, 2, 3))),
    fragment(90_000, [
      { duration: 9_000, data: picture(1) },
      { duration: 18_000, data: picture(2, 300) },
    ]),
    fragment(180_000, [{ duration: 9_000, data: picture(3) }]),
  );

  it("are read with their times, in pieces of any size", () => {
    for (const step of [1, 3, 64, file.byteLength]) {
      const reader = new FragmentReader();
      const found: JpegSample[] = [];
      for (let at = 0; at < file.byteLength; at += step) found.push(...reader.push(file.slice(at, at + step)));
      expect(found.map(({ start, end, data }) => [start, end, data.byteLength, data[0]])).toEqual([
        [1, 1.1, 5, 1],
        [1.1, 1.3, 300, 2],
        [2, 2.1, 5, 3],
      ]);
    }
  });

  it("begin anew after a piece was cut off", () => {
    const reader = new FragmentReader();
    reader.push(file.slice(0, 200));
    reader.reset();
    expect(reader.push(file)).toHaveLength(3);
  });

  it("that are none are refused", () => {
    expect(() => new FragmentReader().push(bytes(u32(3), picture(0x41, 4)))).toThrow();
    expect(() => new FragmentReader().push(box("moof", box("traf", box("tfhd", u32(0, 1)))))).toThrow();
  });

  it("are known by their codec string", () => {
    expect([isJpeg("mp4v.6C"), isJpeg('video/mp4; codecs="mp4v.6C"'), isJpeg("avc1.64001F"), isJpeg("mp4v.20.9")]).toEqual([true, true, false, false]);
  });
});

describe("a track of pictures", () => {
  const sample = (start: number, value = 0, length = 10): JpegSample => ({ start, end: start + 0.1, data: picture(value, length) });

  it("shows the picture of each moment and none in a hole", () => {
    const track = new JpegTrack();
    for (const start of [0, 0.1, 0.2, 1, 1.1]) expect(track.add(sample(start, start * 10), 0)).toBe(true);
    expect([0.05, 0.1, 0.29, 0.5, 1.15].map((time) => track.at(time)?.start ?? null)).toEqual([0, 0.1, 0.2, null, 1.1]);
    const stretches = track.stretches();
    expect(stretches.map((each) => [each.start, Math.round(each.end * 10) / 10])).toEqual([
      [0, 0.3],
      [1, 1.2],
    ]);
  });

  it("takes a piece twice without growing, and drops what it is told to", () => {
    const track = new JpegTrack();
    for (let round = 0; round < 2; round += 1) for (let index = 0; index < 10; index += 1) track.add(sample(index / 10), 0);
    expect(track.byteCount).toBe(100);
    track.remove(0, 0.45);
    expect([track.byteCount, track.at(0.4), track.at(0.5)?.start]).toEqual([50, null, 0.5]);
  });

  it("is bounded: what was watched goes, what is to come is refused", () => {
    const track = new JpegTrack();
    const large = TRACK_BYTES_MAX / 4;
    for (const start of [0, 0.1, 0.2, 0.3]) expect(track.add(sample(start, 0, large), 0)).toBe(true);
    expect(track.add(sample(0.4, 0, large), 0)).toBe(false);
    expect(track.add(sample(5, 0, large), 2.15)).toBe(true);
    expect(track.at(0.05)).toBeNull();
    expect(track.byteCount).toBeLessThanOrEqual(TRACK_BYTES_MAX);
  });
});

describe("a screen", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("goes on where it was after a tab was hidden", async () => {
    let frame: FrameRequestCallback = () => undefined;
    vi.stubGlobal("requestAnimationFrame", (next: FrameRequestCallback) => {
      frame = next;
      return 1;
    });
    vi.stubGlobal("cancelAnimationFrame", () => undefined);
    const screen = new JpegScreen({} as HTMLCanvasElement);
    screen.appendBuffer(fragment(0, Array.from({ length: 300 }, (_, index) => ({ duration: 9_000, data: picture(index) }))));
    await screen.play();
    const begun = performance.now();
    for (let at = 0; at <= 100; at += 20) frame(begun + at);
    expect(screen.currentTime).toBeGreaterThan(0.05);
    const hidden = screen.currentTime;
    frame(begun + 20_100);
    expect(screen.currentTime - hidden).toBeLessThan(0.3);
    frame(begun + 20_120);
    expect(screen.currentTime).toBeGreaterThan(hidden);
    screen.close();
  });
});
