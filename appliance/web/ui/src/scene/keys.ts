/** What each key does in a scene. Pure. Keys count while the focus is inside the scene, and never while something is typed. */

import type { Key } from "../timeline/keys";
import { keyStep, pan, span, type View, zoom } from "../timeline/scale";

/** Speeds, slowest first. */
export const RATES = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16] as const;

export type SceneAct =
  | { kind: "toggle" }
  | { kind: "reverse" }
  | { kind: "picture"; direction: 1 | -1 }
  | { kind: "seek"; to: number }
  | { kind: "view"; view: View }
  | { kind: "rate"; direction: 1 | -1 }
  | { kind: "mark"; end: "in" | "out" }
  | { kind: "lead"; index: number }
  | { kind: "bookmark" }
  | { kind: "hold" }
  | { kind: "export" }
  | { kind: "help" }
  | { kind: "clear" };

/** Rows of the help: keys as they stand on a keyboard, and the word for what they do. */
export const KEY_ROWS = [
  { keys: ["Space", "K"], what: "scene.key.play" },
  { keys: ["J"], what: "scene.key.reverse" },
  { keys: [",", "."], what: "scene.key.picture" },
  { keys: ["←", "→"], what: "scene.key.step" },
  { keys: ["Shift ←", "Shift →"], what: "scene.key.step10" },
  { keys: ["Home", "End"], what: "scene.key.ends" },
  { keys: ["[", "]"], what: "scene.key.rate" },
  { keys: ["+", "−", "↑", "↓"], what: "scene.key.zoom" },
  { keys: ["Page Up", "Page Down"], what: "scene.key.pan" },
  { keys: ["1 … 9"], what: "scene.key.lead" },
  { keys: ["I", "O"], what: "scene.key.mark" },
  { keys: ["Esc"], what: "scene.key.clear" },
  { keys: ["B"], what: "scene.key.bookmark" },
  { keys: ["H"], what: "scene.key.hold" },
  { keys: ["E"], what: "scene.key.export" },
  { keys: ["?"], what: "scene.key.help" },
] as const;

const PLAIN: Record<string, SceneAct> = {
  " ": { kind: "toggle" },
  k: { kind: "toggle" },
  j: { kind: "reverse" },
  ",": { kind: "picture", direction: -1 },
  ".": { kind: "picture", direction: 1 },
  "[": { kind: "rate", direction: -1 },
  "]": { kind: "rate", direction: 1 },
  i: { kind: "mark", end: "in" },
  o: { kind: "mark", end: "out" },
  b: { kind: "bookmark" },
  h: { kind: "hold" },
  e: { kind: "export" },
  "?": { kind: "help" },
  escape: { kind: "clear" },
};

/** The act of a key press, or `null` for keys that are not the scene's. */
export function sceneAct(pressed: Key, view: View, moment: number): SceneAct | null {
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey) return null;
  const plain = PLAIN[pressed.key.toLowerCase()];
  if (plain !== undefined) return plain;
  if (/^[1-9]$/.test(pressed.key)) return { kind: "lead", index: Number(pressed.key) - 1 };
  const step = keyStep(view) * (pressed.shiftKey ? 10 : 1);
  switch (pressed.key) {
    case "ArrowLeft":
      return { kind: "seek", to: moment - step };
    case "ArrowRight":
      return { kind: "seek", to: moment + step };
    case "Home":
      return { kind: "seek", to: view.start };
    case "End":
      return { kind: "seek", to: view.end };
    case "PageUp":
      return { kind: "view", view: pan(view, -span(view) * 0.8) };
    case "PageDown":
      return { kind: "view", view: pan(view, span(view) * 0.8) };
    case "+":
    case "=":
    case "ArrowUp":
      return { kind: "view", view: zoom(view, 0.5, moment) };
    case "-":
    case "ArrowDown":
      return { kind: "view", view: zoom(view, 2, moment) };
    default:
      return null;
  }
}

/** The next speed in that direction; the last one stays. */
export function nextRate(rate: number, direction: 1 | -1): number {
  const index = RATES.findIndex((each) => each === Math.abs(rate));
  return RATES[Math.min(RATES.length - 1, Math.max(0, index + direction))] ?? 1;
}

/** A speed as people write it. */
export function rateText(rate: number): string {
  return `${rate === 0.125 ? "⅛" : rate === 0.25 ? "¼" : rate === 0.5 ? "½" : rate}×`;
}

/** A speed that was reached, as it came out. */
export function reachedText(rate: number): string {
  return `${rate < 1 ? rate.toFixed(rate < 0.1 ? 2 : 1) : rate.toFixed(1)}×`;
}
