/** Pictures that are held for playback, by time. Pure. */

import type { JpegSample } from "./fragments";

/** 192 MiB: half a minute of a camera at 50 Mbit/s. What was watched goes first. */
export const TRACK_BYTES_MAX = 192 * 1024 * 1024;
/** Of what was watched, this many seconds stay in any case. */
const KEPT_BEHIND_S = 2;
/** Pictures that are no further apart are one stretch. */
const TOUCH_S = 0.02;

export interface Stretch {
  start: number;
  end: number;
}

export class JpegTrack {
  /** In order of time, none overlapping another. */
  #samples: JpegSample[] = [];
  #bytes = 0;

  get byteCount(): number {
    return this.#bytes;
  }

  /** Adds a picture in place of what was there at its time. `false`: there is no room. */
  add(sample: JpegSample, position: number): boolean {
    if (this.#bytes + sample.data.byteLength > TRACK_BYTES_MAX) this.remove(0, position - KEPT_BEHIND_S);
    if (this.#bytes + sample.data.byteLength > TRACK_BYTES_MAX) return false;
    const at = this.#after(sample.start);
    const before = this.#samples[at - 1];
    // The same piece may come twice.
    const from = before !== undefined && before.start >= sample.start - 0.0005 ? at - 1 : at;
    let to = from;
    while ((this.#samples[to]?.start ?? Number.POSITIVE_INFINITY) < sample.end - 0.0005) to += 1;
    for (const old of this.#samples.splice(from, to - from, sample)) this.#bytes -= old.data.byteLength;
    this.#bytes += sample.data.byteLength;
    return true;
  }

  /** Drops what begins in this stretch. */
  remove(start: number, end: number): void {
    const kept = this.#samples.filter((sample) => sample.start < start || sample.start >= end);
    this.#samples = kept;
    this.#bytes = kept.reduce((sum, sample) => sum + sample.data.byteLength, 0);
  }

  /** The picture to show at this time; the last one before a hole stays for it. */
  at(time: number): JpegSample | null {
    const sample = this.#samples[this.#after(time) - 1];
    return sample !== undefined && time < sample.end + TOUCH_S ? sample : null;
  }

  stretches(): Stretch[] {
    const out: Stretch[] = [];
    for (const { start, end } of this.#samples) {
      const last = out.at(-1);
      if (last !== undefined && start - last.end <= TOUCH_S) last.end = Math.max(last.end, end);
      else out.push({ start, end });
    }
    return out;
  }

  /** Index of the first picture that begins after `time`. */
  #after(time: number): number {
    let low = 0;
    let high = this.#samples.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#samples[middle]?.start ?? Number.POSITIVE_INFINITY) <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
