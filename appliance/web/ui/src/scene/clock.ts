/** The one clock of a scene: a moment, and how fast it moves, backwards too. Every picture is shown by it. Pure: it is told what time it is. */

export class SceneClock {
  #at: number;
  #rate = 0;
  #since = 0;
  #perf: () => number;

  /** `perf` counts milliseconds and never jumps, as `performance.now` does. */
  constructor(at: number, perf: () => number) {
    this.#at = at;
    this.#perf = perf;
  }

  /** The moment, milliseconds UTC. */
  get now(): number {
    return this.#at + (this.#perf() - this.#since) * this.#rate;
  }

  /** Times real time; 0 while it stands, below 0 backwards. */
  get rate(): number {
    return this.#rate;
  }

  /** Goes on from where it is at another speed. */
  run(rate: number): void {
    if (rate === this.#rate) return;
    this.#at = this.now;
    this.#since = this.#perf();
    this.#rate = rate;
  }

  /** Another moment, at the same speed. */
  set(at: number): void {
    this.#at = at;
    this.#since = this.#perf();
  }
}
