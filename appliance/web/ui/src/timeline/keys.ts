/** What each key does on the timeline. Pure. */

import { keyStep, pan, span, type View, zoom } from "./scale";

export type KeyAct =
  | { kind: "seek"; to: number }
  | { kind: "view"; view: View }
  | { kind: "mark"; end: "in" | "out" }
  | { kind: "toggle" }
  | { kind: "clear" };

export interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

/** The act of a key press, or `null` for keys that are not the timeline's. */
export function keyAct(pressed: Key, view: View, position: number): KeyAct | null {
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey) return null;
  const step = keyStep(view) * (pressed.shiftKey ? 10 : 1);
  switch (pressed.key) {
    case "ArrowLeft":
      return { kind: "seek", to: position - step };
    case "ArrowRight":
      return { kind: "seek", to: position + step };
    case "PageUp":
      return { kind: "view", view: pan(view, -span(view) * 0.8) };
    case "PageDown":
      return { kind: "view", view: pan(view, span(view) * 0.8) };
    case "Home":
      return { kind: "seek", to: view.start };
    case "End":
      return { kind: "seek", to: view.end };
    case "+":
    case "=":
    case "ArrowUp":
      return { kind: "view", view: zoom(view, 0.5, position) };
    case "-":
    case "ArrowDown":
      return { kind: "view", view: zoom(view, 2, position) };
    case "i":
    case "I":
      return { kind: "mark", end: "in" };
    case "o":
    case "O":
      return { kind: "mark", end: "out" };
    case " ":
      return { kind: "toggle" };
    case "Escape":
      return { kind: "clear" };
    default:
      return null;
  }
}
