import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LivePlayer } from "./player";

/** A connection whose other end is the test. */
class Wire {
  static all: Wire[] = [];
  onmessage: ((message: { data: string | ArrayBuffer }) => void) | null = null;
  onclose: (() => void) | null = null;
  constructor() {
    Wire.all.push(this);
  }
  close(): void {}
}

function box(kind: string, ...parts: Uint8Array[]): Uint8Array {
  const size = 8 + parts.reduce((sum, part) => sum + part.byteLength, 0);
  return Uint8Array.from([...u32(size), ...new TextEncoder().encode(kind), ...parts.flatMap((part) => [...part])]);
}

function u32(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff)));
}

/** One picture, ISO/IEC 14496-12 §8.8. */
function fragment(): ArrayBuffer {
  const trun = box("trun", u32(0x01000701, 1, 0, 9_000, 5, 0));
  const moof = box("moof", box("traf", box("tfdt", u32(0x01000000, 0, 0)), trun));
  return Uint8Array.from([...moof, ...box("mdat", new Uint8Array(5))]).buffer;
}

/** Only what the player asks of an element. */
function elements() {
  const attributes: string[] = [];
  const video = { error: null as unknown, hidden: false, paused: true, removeAttribute: (name: string) => attributes.push(name), load: () => undefined };
  const canvas = { width: 0, height: 0, hidden: true, getContext: () => ({ drawImage: () => undefined }) };
  return { video, canvas, attributes };
}

describe("a live stream that the browser does not play", () => {
  beforeEach(() => {
    Wire.all = [];
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", Wire);
    vi.stubGlobal("MediaSource", { isTypeSupported: (mime: string) => mime.includes("avc1") });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("is asked for transcoded at once, and tells why it is refused until it comes", async () => {
    const { video, canvas } = elements();
    const urls: boolean[] = [];
    const said: unknown[] = [];
    const report = {
      state: () => undefined,
      flowing: () => undefined,
      unsupported: (mime: string | null) => said.push(mime),
      transcoded: (now: boolean) => said.push(now),
      refused: (why: string | null) => said.push(why),
    };
    const url = (transcoded: boolean) => {
      urls.push(transcoded);
      return "ws://here/";
    };
    const player = new LivePlayer(video as unknown as HTMLVideoElement, canvas as unknown as HTMLCanvasElement, url, report);
    Wire.all[0]?.onmessage?.({ data: JSON.stringify({ type: "format", mime: 'video/mp4; codecs="hvc1.1.6.L93.B0"', width: 1, height: 1, transcoded: false }) });
    expect(urls).toEqual([false, true]);
    expect(said).not.toContain('video/mp4; codecs="hvc1.1.6.L93.B0"');
    said.length = 0;
    Wire.all[1]?.onmessage?.({ data: JSON.stringify({ type: "refused", why: "transcode-full", detail: "" }) });
    Wire.all[1]?.onclose?.();
    expect(said).toEqual(["transcode-full"]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(urls).toEqual([false, true, true]);
    player.close();
  });
});

describe("a live stream of JPEG", () => {
  beforeEach(() => {
    Wire.all = [];
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", Wire);
    vi.stubGlobal("createImageBitmap", async () => ({ width: 1, height: 1, close: () => undefined }));
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  function start() {
    const { video, canvas, attributes } = elements();
    const flowing: boolean[] = [];
    const report = { state: () => undefined, flowing: (each: boolean) => flowing.push(each), unsupported: () => undefined, transcoded: () => undefined, refused: () => undefined };
    const player = new LivePlayer(video as unknown as HTMLVideoElement, canvas as unknown as HTMLCanvasElement, () => "ws://here/", report);
    return { player, video, attributes, flowing };
  }

  async function show(wire: Wire | undefined) {
    wire?.onmessage?.({ data: JSON.stringify({ type: "format", mime: 'video/mp4; codecs="mp4v.6C"', width: 1, height: 1 }) });
    wire?.onmessage?.({ data: fragment() });
    await vi.advanceTimersByTimeAsync(400);
  }

  it("does not flow when its connection is gone, and waits longer each time", async () => {
    const { player, flowing } = start();
    await show(Wire.all[0]);
    expect(flowing).toEqual([true]);
    for (let attempt = 0; attempt < 4; attempt += 1) {
      Wire.all.at(-1)?.onclose?.();
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect(flowing).toEqual([true, false]);
    // The fifth wait is 4 s at least (backoff.ts: doubled from half a second, spread), the first was below one.
    const count = Wire.all.length;
    Wire.all.at(-1)?.onclose?.();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(Wire.all.length).toBe(count);
    player.close();
  });

  it("does not flow before the new connection has drawn a picture", async () => {
    const { player, flowing } = start();
    await show(Wire.all[0]);
    Wire.all[0]?.onmessage?.({ data: fragment() });
    Wire.all[0]?.onclose?.();
    await vi.advanceTimersByTimeAsync(2_000);
    expect([Wire.all.length, ...flowing]).toEqual([2, true, false]);
    await show(Wire.all[1]);
    expect(flowing).toEqual([true, false, true]);
    player.close();
  });

  it("is not disturbed by an element that it does not use", async () => {
    const { player, video, attributes, flowing } = start();
    video.error = { code: 3 };
    Wire.all[0]?.onmessage?.({ data: JSON.stringify({ type: "format", mime: 'video/mp4; codecs="mp4v.6C"', width: 1, height: 1 }) });
    await show(Wire.all[0]);
    expect([Wire.all.length, ...flowing]).toEqual([1, true]);
    expect(attributes).toContain("src");
    player.close();
  });
});
