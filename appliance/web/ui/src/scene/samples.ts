/** When each picture of a camera is shown and which of them are key frames, read from the heads of the recorder's fragmented MP4 as it arrives
 * (ISO/IEC 14496-12 §8.8): for steps by single pictures, and for key frames alone. Pictures themselves are left to the browser. */

const TIMESCALE = 90_000;
/** A `moof` of 1024 samples is 17 kB. */
const MOOF_BYTES_MAX = 1024 * 1024;
/** `sample_is_non_sync_sample`. */
const NOT_KEY = 0x10000;
/** Pictures that are remembered of one camera: five minutes at 60 a second. */
export const SAMPLES_MAX = 18_000;

/** One picture; seconds on the track's clock. */
export interface Sample {
  start: number;
  end: number;
  key: boolean;
}

/** Reads heads of fragments out of pieces of any size. */
export class HeadReader {
  #held: Uint8Array = new Uint8Array(0);
  #skip = 0;

  /** Takes the next bytes; the pictures that they tell of. Throws when this is not what the recorder writes. */
  push(bytes: Uint8Array): Sample[] {
    const out: Sample[] = [];
    let rest = bytes;
    for (;;) {
      const step = Math.min(this.#skip, rest.byteLength);
      this.#skip -= step;
      rest = rest.subarray(step);
      if (this.#held.byteLength > 0) rest = joined(this.#held, rest);
      this.#held = new Uint8Array(0);
      if (rest.byteLength < 8) {
        this.#held = rest.slice();
        return out;
      }
      const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
      const size = view.getUint32(0);
      if (size < 8) throw new Error(`a box of ${size} bytes`);
      if (kindAt(view, 4) !== "moof") {
        this.#skip = size;
        continue;
      }
      if (size > MOOF_BYTES_MAX) throw new Error(`a fragment's head of ${size} bytes`);
      if (rest.byteLength < size) {
        this.#held = rest.slice();
        return out;
      }
      out.push(...samplesIn(rest.subarray(8, size)));
      rest = rest.subarray(size);
    }
  }

  /** What was cut off is forgotten; the next bytes begin a file. */
  reset(): void {
    this.#held = new Uint8Array(0);
    this.#skip = 0;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.byteLength + second.byteLength);
  all.set(first);
  all.set(second, first.byteLength);
  return all;
}

function kindAt(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function boxIn(bytes: Uint8Array, kind: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.byteLength; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > bytes.byteLength) throw new Error("a box leaves the one around it");
    if (kindAt(view, at + 4) === kind) return bytes.subarray(at + 8, at + size);
    at += size;
  }
  throw new Error(`a fragment without ${kind}`);
}

/** `tfdt` version 1, then `trun` with duration, size and flags of each sample, and its composition offset when it says so. */
function samplesIn(moof: Uint8Array): Sample[] {
  const traf = boxIn(moof, "traf");
  const tfdt = boxIn(traf, "tfdt");
  const trun = boxIn(traf, "trun");
  const view = new DataView(trun.buffer, trun.byteOffset, trun.byteLength);
  let ticks = Number(new DataView(tfdt.buffer, tfdt.byteOffset, tfdt.byteLength).getBigUint64(4));
  const hasOffsets = (view.getUint32(0) & 0x800) !== 0;
  const out: Sample[] = [];
  for (let index = 0; index < view.getUint32(4); index += 1) {
    const at = 12 + index * (hasOffsets ? 16 : 12);
    const duration = view.getUint32(at);
    const shown = ticks + (hasOffsets ? view.getInt32(at + 12) : 0);
    out.push({ start: shown / TIMESCALE, end: (shown + duration) / TIMESCALE, key: (view.getUint32(at + 8) & NOT_KEY) === 0 });
    ticks += duration;
  }
  return out;
}

/** What is known of the pictures around a moment, in order. */
export class SampleTable {
  #list: Sample[] = [];

  /** Adds what a piece told. A picture that is known already is known once. `around`: what lies furthest from there is forgotten when there are too many. */
  add(samples: readonly Sample[], around: number): void {
    if (samples.length === 0) return;
    const all = [...this.#list, ...samples].sort((a, b) => a.start - b.start);
    this.#list = all.filter((each, index) => index === 0 || each.start !== all[index - 1]?.start);
    const over = this.#list.length - SAMPLES_MAX;
    if (over <= 0) return;
    const before = this.#index(around);
    const front = Math.min(over, Math.max(0, before - SAMPLES_MAX / 2));
    this.#list = this.#list.slice(front, front + SAMPLES_MAX);
  }

  clear(): void {
    this.#list = [];
  }

  /** Place of the last picture that begins at or before `at`; -1 for none. */
  #index(at: number): number {
    let [low, high] = [0, this.#list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#list[middle]?.start ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The picture on the screen at `at`: the one that began last, unless it ended more than `slack` seconds ago. */
  at(at: number, slack: number): Sample | null {
    const found = this.#list[this.#index(at)];
    return found === undefined || at > found.end + slack ? null : found;
  }

  /** The key frame at or before `at`. */
  keyAt(at: number): Sample | null {
    for (let index = this.#index(at); index >= 0; index -= 1) {
      const each = this.#list[index];
      if (each?.key === true) return each;
    }
    return null;
  }

  /** The picture after the one that is shown at `at`, or before it. */
  beside(at: number, direction: 1 | -1): Sample | null {
    return this.#list[this.#index(at) + direction] ?? null;
  }
}
