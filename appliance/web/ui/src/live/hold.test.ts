import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PtzInput } from "../api/types";
import { AGAIN_MS, directionOf, Hold, TIMEOUT_MS } from "./hold";

const unexpected = (error: unknown) => expect.fail(String(error));
const right = { pan: 1, tilt: 0, zoom: 0 };

describe("a camera in somebody's hand", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("moves while it is held and stops when it is let go", async () => {
    const sent: PtzInput[] = [];
    const hold = new Hold(async (input) => void sent.push(input), unexpected);
    hold.begin(right, 0.5);
    hold.begin(right, 0.5);
    await vi.advanceTimersByTimeAsync(2 * AGAIN_MS);
    hold.end();
    hold.end();
    await vi.advanceTimersByTimeAsync(5 * AGAIN_MS);
    expect(sent.map((input) => input.act)).toEqual(["move", "move", "move", "stop"]);
    expect(sent[0]).toEqual({ act: "move", pan: 0.5, tilt: 0, zoom: 0, timeout_ms: TIMEOUT_MS });
    expect(TIMEOUT_MS).toBeGreaterThan(2 * AGAIN_MS);
  });

  it("never lets a stop be overtaken, and sends no more than is answered", async () => {
    const sent: string[] = [];
    let answer = () => {};
    const slow = (input: PtzInput) => {
      sent.push(input.act);
      return new Promise<void>((resolve) => (answer = resolve));
    };
    const hold = new Hold(slow, unexpected);
    hold.begin(right, 1);
    await vi.advanceTimersByTimeAsync(10 * AGAIN_MS);
    hold.end();
    await vi.advanceTimersByTimeAsync(AGAIN_MS);
    expect(sent).toEqual(["move"]);
    answer();
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toEqual(["move", "stop"]);
  });

  it("gives up when it fails, and says so once", async () => {
    const failed = vi.fn();
    const send = vi.fn(() => Promise.reject(new Error("gone")));
    const hold = new Hold(send, failed);
    hold.begin(right, 1);
    await vi.advanceTimersByTimeAsync(10 * AGAIN_MS);
    hold.end();
    await vi.advanceTimersByTimeAsync(AGAIN_MS);
    expect(send).toHaveBeenCalledTimes(1);
    expect(failed).toHaveBeenCalledTimes(1);
  });

  it("knows arrows, plus and minus", () => {
    expect(directionOf("ArrowUp")).toEqual({ pan: 0, tilt: 1, zoom: 0 });
    expect(directionOf("-")?.zoom).toBe(-1);
    expect(directionOf("a")).toBeNull();
  });
});
