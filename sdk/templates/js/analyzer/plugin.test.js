// Runs without WebAssembly: node --test
import assert from "node:assert/strict";
import { test } from "node:test";
import { analyzer } from "./plugin.js";

const frame = (grey, seq) => ({
  info: () => ({ camera: "camera", seq, utcNs: 1764000000000000000 + seq * 1e9, width: 320, height: 180, masked: false, skipped: 0 }),
  lumaArea: (part, width, height) => new Uint8Array(width * height).fill(grey),
});

test("each step of brightness is one mark", () => {
  analyzer.start({ camera: "camera", zones: [], settingsJson: '{"step": 30}', saved: Uint8Array.from("4", (c) => c.charCodeAt(0)) });
  const marks = [40, 50, 90, 90, 20].flatMap((grey, seq) => analyzer.onFrame(frame(grey, seq)));
  assert.deepEqual(marks.map((mark) => mark.note), ["from 50 to 90, change 5", "from 90 to 20, change 6"]);
  assert.equal(String.fromCharCode(...analyzer.stop()), "6");
});
