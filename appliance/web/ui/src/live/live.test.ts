import { describe, expect, it } from "vitest";
import { retryDelayMs } from "./backoff";
import { CATCH_UP_RATE, droppable, KEEP_BEHIND_S, nextStep, TARGET_S } from "./edge";
import { parseMessage } from "./message";
import { FragmentQueue, QUEUE_BYTES_MAX } from "./queue";

describe("live edge", () => {
  const buffered = [{ start: 100, end: 110 }];

  it("waits for footage, goes to the edge, and stays there", () => {
    expect(nextStep(0, [], 1)).toEqual({ kind: "wait" });
    expect(nextStep(0, buffered, 1)).toEqual({ kind: "seek", to: 110 - TARGET_S });
    expect(nextStep(109.8, buffered, 1)).toEqual({ kind: "stay", rate: 1 });
  });

  it("runs faster when behind until it is back, and jumps when far behind", () => {
    expect(nextStep(109.4, buffered, 1)).toEqual({ kind: "stay", rate: CATCH_UP_RATE });
    expect(nextStep(109.7, buffered, CATCH_UP_RATE)).toEqual({ kind: "stay", rate: CATCH_UP_RATE });
    expect(nextStep(109.8, buffered, CATCH_UP_RATE)).toEqual({ kind: "stay", rate: 1 });
    expect(nextStep(101, buffered, 1).kind).toBe("seek");
    // What the recorder gives at first reaches back to the last key frame, as much as 2 s: nobody is left that far behind.
    expect(nextStep(108.2, buffered, 1)).toEqual({ kind: "seek", to: 110 - TARGET_S });
  });

  it("does not jump again and again in a browser that is too busy to follow", () => {
    expect(nextStep(108.5, buffered, 1, 60).kind).toBe("seek");
    expect(nextStep(108.5, buffered, 1, 2)).toEqual({ kind: "stay", rate: CATCH_UP_RATE });
    expect(nextStep(107, buffered, 1, 2).kind).toBe("seek");
  });

  it("follows the newest interval after a hole", () => {
    const broken = [...buffered, { start: 200, end: 200.1 }];
    expect(nextStep(109.9, broken, 1)).toEqual({ kind: "seek", to: 200 });
  });

  it("comes back within a second of the edge from any lag, and then stops speeding", () => {
    for (let lag = 0; lag < 2.5; lag += 0.1) {
      let position = 110 - lag;
      let edge = 110;
      let rate = 1;
      for (let turn = 0; turn < 300; turn += 1) {
        const step = nextStep(position, [{ start: 100, end: edge }], rate);
        if (step.kind === "seek") position = step.to;
        if (step.kind === "stay") rate = step.rate;
        position += 0.2 * rate;
        edge += 0.2;
      }
      expect(edge - position).toBeLessThan(0.36);
      expect(rate).toBe(1);
    }
  });

  it("drops what was watched, in steps", () => {
    expect(droppable(110, buffered)).toBeNull();
    expect(droppable(100 + KEEP_BEHIND_S + 6, [{ start: 100, end: 130 }])).toEqual({ start: 0, end: 106 });
  });
});

describe("fragment queue", () => {
  it("joins what waits, in order", () => {
    const queue = new FragmentQueue();
    for (const byte of [1, 2, 3]) expect(queue.push(Uint8Array.of(byte).buffer)).toBe(true);
    expect([...new Uint8Array(queue.takeAll() ?? new ArrayBuffer(0))]).toEqual([1, 2, 3]);
    expect(queue.takeAll()).toBeNull();
    expect(queue.byteCount).toBe(0);
  });

  it("never holds more than its bound", () => {
    const queue = new FragmentQueue();
    expect(queue.push(new ArrayBuffer(QUEUE_BYTES_MAX))).toBe(true);
    expect(queue.push(new ArrayBuffer(1))).toBe(false);
    expect(queue.byteCount).toBe(0);
  });
});

describe("connection", () => {
  it("waits longer each time, up to eight seconds, spread", () => {
    expect([0, 1, 2, 10, 1000].map((attempt) => retryDelayMs(attempt, () => 0.5))).toEqual([500, 1000, 2000, 8000, 8000]);
    expect(retryDelayMs(3, () => 0)).toBeLessThan(retryDelayMs(3, () => 1));
  });

  it("reads formats and states and ignores the rest", () => {
    expect(parseMessage('{"type":"format","mime":"video/mp4; codecs=\\"avc1\\"","width":640,"height":360}')).toMatchObject({ type: "format", width: 640 });
    expect(parseMessage('{"type":"state","status":"lost","since_utc_ms":5}')).toMatchObject({ type: "state", status: "lost", since_utc_ms: 5 });
    for (const text of ["", "null", "[]", "{", '{"type":"format"}', '{"type":"new-thing"}']) expect(parseMessage(text)).toEqual({ type: "other" });
  });
});
