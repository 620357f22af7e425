/** Turning a camera while something is held: a move that ends by itself is sent again and again, and a stop when it is let go. Pure but for the timer and what sends. */

import type { PtzInput } from "../api/types";

/** After so long the camera stops by itself: a page that is lost leaves it turning no longer. */
export const TIMEOUT_MS = 2500;
/** A move that is held is sent again this often. */
export const AGAIN_MS = 1000;

export interface Direction {
  pan: number;
  tilt: number;
  zoom: number;
}

/** A direction for a key, or `null`. */
export function directionOf(key: string): Direction | null {
  const directions: Record<string, [number, number, number]> = {
    ArrowLeft: [-1, 0, 0],
    ArrowRight: [1, 0, 0],
    ArrowUp: [0, 1, 0],
    ArrowDown: [0, -1, 0],
    "+": [0, 0, 1],
    "=": [0, 0, 1],
    "-": [0, 0, -1],
  };
  const found = directions[key];
  return found === undefined ? null : { pan: found[0], tilt: found[1], zoom: found[2] };
}

/** One camera in somebody's hand. What is sent is sent one after the other, so that a stop never overtakes its move. */
export class Hold {
  #held: Direction | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #sent: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(
    private readonly send: (input: PtzInput) => Promise<void>,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Something is held: the camera moves. */
  begin(direction: Direction, speed: number): void {
    const next = { pan: direction.pan * speed, tilt: direction.tilt * speed, zoom: direction.zoom * speed };
    if (this.#held !== null && this.#held.pan === next.pan && this.#held.tilt === next.tilt && this.#held.zoom === next.zoom) return;
    this.#held = next;
    clearInterval(this.#timer);
    const move = () => this.#queue({ act: "move", ...next, timeout_ms: TIMEOUT_MS });
    move();
    this.#timer = setInterval(() => {
      // A recorder or camera that is slow is not sent more than it answers.
      if (this.#waiting === 0) move();
    }, AGAIN_MS);
  }

  /** It is let go: the camera stops. */
  end(): void {
    if (this.#held === null) return;
    this.#held = null;
    clearInterval(this.#timer);
    this.#queue({ act: "stop" });
  }

  #queue(input: PtzInput): void {
    this.#waiting += 1;
    this.#sent = this.#sent
      .then(() => (input.act === "move" && this.#held === null ? undefined : this.send(input)))
      .catch((error: unknown) => {
        clearInterval(this.#timer);
        this.#held = null;
        this.failed(error);
      })
      .finally(() => {
        this.#waiting -= 1;
      });
  }
}
