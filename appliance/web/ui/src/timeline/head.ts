/** The player and what it reports, in signals, so that ten reports a second do not redraw the page. */

import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { inside } from "../lib/case";
import { type Phase, PlaybackPlayer } from "../playback/player";
import type { TimelineData } from "./data";
import { isLost, type Range, without } from "./ranges";

/** How long the note about a jump stays on the picture. */
const NOTE_MS = 6_000;

/** What the page reads from and asks of the player. */
export interface Head {
  video: RefObject<HTMLVideoElement>;
  /** Where JPEG is drawn instead. */
  canvas: RefObject<HTMLCanvasElement>;
  /** The moment on the screen, milliseconds UTC. */
  position: Signal<number | null>;
  phase: Signal<Phase>;
  playing: Signal<boolean>;
  rate: Signal<number>;
  /** The last stretch without footage that was jumped over. */
  jumped: Signal<{ from: number; to: number } | null>;
  unsupported: Signal<string | null>;
  problem: ApiError | null;
  seek: (utcMs: number) => void;
  play: () => void;
  pause: () => void;
  setRate: (rate: number) => void;
}

/** What is played: a camera, inside the hours of a case. Without hours nothing is. */
export interface Played {
  camera: number;
  /** Number of the case. */
  case: string;
  window: Range | null;
}

/** One player for a camera in a case; it stands while the page shows the live picture. */
export function useHead({ camera, case: number, window }: Played, live: boolean, data: TimelineData): Head {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const player = useRef<PlaybackPlayer | null>(null);
  const position = useSignal<number | null>(null);
  const phase = useSignal<Phase>("idle");
  const playing = useSignal(false);
  const rate = useSignal(1);
  const jumped = useSignal<{ from: number; to: number } | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const unsupported = useSignal<string | null>(null);

  useEffect(() => {
    if (video.current === null || canvas.current === null) return;
    const made = new PlaybackPlayer(video.current, canvas.current, [camera, number], {
      position: (ms) => (position.value = ms),
      phase: (next) => (phase.value = next),
      jumped: (from, to) => {
        const note = { from, to };
        jumped.value = note;
        setTimeout(() => {
          if (jumped.peek() === note) jumped.value = null;
        }, NOTE_MS);
      },
      problem: setProblem,
      unsupported: (mime) => (unsupported.value = mime),
    });
    player.current = made;
    return () => {
      made.close();
      playing.value = false;
      phase.value = "idle";
    };
  }, [camera, number, window?.start, window?.end]);
  useEffect(() => {
    if (data.window !== null && data.recordings !== null) player.current?.setSpans(inside(without(data.recordings.spans, data.recordings.damaged.filter(isLost)), window), data.window);
  }, [data.recordings, number, window?.start, window?.end]);
  useEffect(() => {
    if (!live) return;
    player.current?.pause();
    playing.value = false;
  }, [live]);

  return {
    video,
    canvas,
    position,
    phase,
    playing,
    rate,
    jumped,
    problem,
    unsupported,
    seek: (ms) => {
      jumped.value = null;
      player.current?.seek(ms);
    },
    play: () => {
      playing.value = true;
      player.current?.play();
    },
    pause: () => {
      playing.value = false;
      player.current?.pause();
    },
    setRate: (next) => {
      rate.value = next;
      player.current?.setRate(next);
    },
  };
}
