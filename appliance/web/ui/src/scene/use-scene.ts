/** A scene and what it reports, in signals, so that 25 reports a second do not redraw the page. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Range } from "../timeline/ranges";
import { Scene } from "./scene";
import type { Standing } from "./screen";

export interface SceneHead {
  scene: Scene;
  moment: Signal<number | null>;
  playing: Signal<boolean>;
  /** Below 0: backwards. */
  rate: Signal<number>;
  waiting: Signal<boolean>;
  spread: Signal<number | null>;
  /** The speed reached where it is less than was asked. */
  slower: Signal<number | null>;
  /** Cameras that the others do not wait for any more. */
  left: Signal<ReadonlySet<number>>;
  standing: Signal<ReadonlyMap<number, Standing>>;
  /** The last stretch that no camera has, which was jumped over. */
  jumped: Signal<{ from: number; to: number } | null>;
  seek: (utcMs: number) => void;
  toggle: () => void;
  reverse: () => void;
  setRate: (rate: number) => void;
}

/** How long the note about a jump stays. */
const NOTE_MS = 6_000;
/** The spread is told so often: a figure that flickers cannot be read. */
const SPREAD_EVERY_MS = 500;

export function useScene(window: Range | null): SceneHead {
  const moment = useSignal<number | null>(null);
  const playing = useSignal(false);
  const rate = useSignal(1);
  const waiting = useSignal(false);
  const spread = useSignal<number | null>(null);
  const slower = useSignal<number | null>(null);
  const left = useSignal<ReadonlySet<number>>(new Set());
  const standing = useSignal<ReadonlyMap<number, Standing>>(new Map());
  const jumped = useSignal<{ from: number; to: number } | null>(null);
  const told = useRef(0);

  const scene = useMemo(
    () =>
      new Scene({
        moment: (ms) => (moment.value = ms),
        standing: (camera, now) => {
          if (standing.peek().get(camera) !== now) standing.value = new Map(standing.peek()).set(camera, now);
        },
        waiting: (now) => (waiting.value = now),
        spread: (ms) => {
          if (ms !== null && performance.now() - told.current < SPREAD_EVERY_MS) return;
          told.current = performance.now();
          spread.value = ms;
        },
        slower: (rate) => (slower.value = rate === null ? null : steadied(rate, slower.peek())),
        left: (cameras) => {
          if (cameras.size !== left.peek().size || [...cameras].some((camera) => !left.peek().has(camera))) left.value = new Set(cameras);
        },
        jumped: (from, to) => {
          const note = { from, to };
          jumped.value = note;
          setTimeout(() => {
            if (jumped.peek() === note) jumped.value = null;
          }, NOTE_MS);
        },
        playing: (now) => (playing.value = now),
      }),
    [],
  );
  useEffect(() => () => scene.close(), [scene]);
  useEffect(() => scene.setWindow(window), [scene, window?.start, window?.end]);

  const play = (next: number) => {
    rate.value = next;
    scene.play(next);
  };
  return {
    scene,
    moment,
    playing,
    rate,
    waiting,
    spread,
    slower,
    left,
    standing,
    jumped,
    seek: (ms) => scene.seek(ms),
    toggle: () => (playing.peek() && rate.peek() > 0 ? scene.pause() : play(Math.abs(rate.peek()))),
    reverse: () => (playing.peek() && rate.peek() < 0 ? scene.pause() : play(-Math.abs(rate.peek()))),
    setRate: (next) => {
      const signed = rate.peek() < 0 && playing.peek() ? -next : next;
      rate.value = signed;
      if (playing.peek()) scene.play(signed);
    },
  };
}

/** The same figure while it changes little. */
function steadied(rate: number, told: number | null): number {
  return told !== null && Math.abs(rate - told) < told * 0.08 ? told : rate;
}
