/** The recorder sends a session four files at once and refuses a fifth: whoever wants one waits here for its turn, in order. */

export class Turns {
  #free: number;
  #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with how to give the turn back; rejects when `signal` says that it is not wanted any more. */
  take(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const gone = () => {
        this.#waiting = this.#waiting.filter((each) => each !== begin);
        reject(new DOMException("not wanted any more", "AbortError"));
      };
      const begin = () => {
        signal.removeEventListener("abort", gone);
        let given = false;
        resolve(() => {
          if (given) return;
          given = true;
          this.#next();
        });
      };
      if (signal.aborted) gone();
      else if (this.#free > 0) {
        this.#free -= 1;
        begin();
      } else {
        signal.addEventListener("abort", gone, { once: true });
        this.#waiting.push(begin);
      }
    });
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** For what is played. */
export const playedTurns = new Turns(3);
/** For small pictures, in lists and under the pointer: the recorder makes two at once for a session. */
export const thumbTurns = new Turns(2);
