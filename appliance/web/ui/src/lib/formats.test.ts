import { afterEach, describe, expect, it, vi } from "vitest";
import { codecShown, couldNotPlay, TRANSCODED_CODEC, wayFor } from "./formats";

/** A browser that plays what begins like one of these. */
function browser(...begins: string[]): string[] {
  const asked: string[] = [];
  vi.stubGlobal("MediaSource", {
    isTypeSupported: (mime: string) => {
      asked.push(mime);
      return begins.some((each) => mime.startsWith(`video/mp4; codecs="${each}`));
    },
  });
  return asked;
}

describe("a recorded format", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("is played by the browser where that can, asked about the exact format", () => {
    const asked = browser("avc1", "hvc1.1");
    expect(wayFor("hvc1.1.6.L93.B0")).toBe("browser");
    expect(wayFor('video/mp4; codecs="hvc1.1.6.L93.B0"')).toBe("browser");
    expect(asked).toEqual(['video/mp4; codecs="hvc1.1.6.L93.B0"', 'video/mp4; codecs="hvc1.1.6.L93.B0"']);
    expect(codecShown("hvc1.1.6.L93.B0")).toBe("hvc1.1.6.L93.B0");
  });

  it("is transcoded else, and JPEG never", () => {
    browser("avc1");
    expect([wayFor("hvc1.1.6.L93.B0"), wayFor("mp4v.6C"), wayFor("avc1.64001F")]).toEqual(["transcoded", "jpeg", "browser"]);
    expect(codecShown("hvc1.1.6.L93.B0")).toBe(TRANSCODED_CODEC);
  });

  it("is transcoded once the browser has failed at it", () => {
    browser("avc1", "hvc1");
    couldNotPlay('video/mp4; codecs="hvc1.2.4.L153.B0"');
    expect([wayFor("hvc1.2.4.L153.B0"), wayFor("hvc1.1.6.L93.B0")]).toEqual(["transcoded", "browser"]);
  });

  it("is nobody's in a browser that plays no H.264 either", () => {
    browser();
    couldNotPlay("hvc1.1.6.L93.B0");
    expect([wayFor("hvc1.1.6.L93.B0"), wayFor("")]).toEqual(["none", "none"]);
    vi.unstubAllGlobals();
    expect(wayFor("avc1.64001F")).toBe("none");
  });
});
