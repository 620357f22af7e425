/** Fragments that wait until the browser has taken the one before. Bounded: a browser that cannot follow starts again at the live edge. */

/** 8 MiB: 4 s of 16 Mbit/s. A browser that is further behind than that will not recover by waiting. */
export const QUEUE_BYTES_MAX = 8 * 1024 * 1024;

export class FragmentQueue {
  #waiting: ArrayBuffer[] = [];
  #bytes = 0;

  get byteCount(): number {
    return this.#bytes;
  }

  /** Adds one fragment. `false`: it would not fit, everything was dropped, and the stream must be started again. */
  push(fragment: ArrayBuffer): boolean {
    if (this.#bytes + fragment.byteLength > QUEUE_BYTES_MAX) {
      this.clear();
      return false;
    }
    this.#waiting.push(fragment);
    this.#bytes += fragment.byteLength;
    return true;
  }

  /** Takes everything that waits as one buffer, so that a burst costs the browser one append; `null` when nothing waits. */
  takeAll(): ArrayBuffer | null {
    const [first] = this.#waiting;
    if (first === undefined) return null;
    if (this.#waiting.length === 1) {
      this.clear();
      return first;
    }
    const joined = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const fragment of this.#waiting) {
      joined.set(new Uint8Array(fragment), offset);
      offset += fragment.byteLength;
    }
    this.clear();
    return joined.buffer;
  }

  clear(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }
}
