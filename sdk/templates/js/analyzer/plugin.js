// Counts how often the brightness of the picture changes at once.
// @ts-check
/// <reference path="./watchbook.d.ts" />

/** @type {{ step: number }} */
let settings;
/** @type {number | null} */
let before = null;
let changes = 0;

/** @type {import("watchbook:plugin/about").About} */
export const about = {
  describe: () => ({ id: "{{id}}", version: "0.1.0", api: "0.1" }),
};

/** @type {import("watchbook:plugin/analyzer").Analyzer} */
export const analyzer = {
  start({ settingsJson, saved }) {
    settings = JSON.parse(settingsJson);
    if (saved) changes = Number(String.fromCharCode(...saved));
  },

  // JavaScript is slow with pixels: let the host make the picture small.
  onFrame(frame) {
    const small = frame.lumaArea({ x: 0, y: 0, w: 65535, h: 65535 }, 32, 18);
    let sum = 0;
    for (const grey of small) sum += grey;
    const now = Math.floor(sum / small.length);
    const was = before;
    before = now;
    if (was === null || Math.abs(now - was) < settings.step) return [];
    changes += 1;
    const note = `from ${was} to ${now}, change ${changes}`;
    const startUtcNs = frame.info().utcNs;
    return [{ kind: "brightness", score: 1, startUtcNs, endUtcNs: null, zone: null, detections: [], note }];
  },

  stop: () => Uint8Array.from(String(changes), (digit) => digit.charCodeAt(0)),
};
