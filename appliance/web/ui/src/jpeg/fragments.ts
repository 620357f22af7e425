/** Reads the recorder's fragmented MP4 of one Motion JPEG track (ISO/IEC 14496-12 §8.8), in pieces of any size: browsers show JPEG, but no media source of theirs
 * takes it. Knows the boxes that the recorder writes and steps over all others. */

/** Units a second of the recorder's tracks. */
const TIMESCALE = 90_000;
/** A `moof` of 1024 samples is 17 kB. */
const MOOF_BYTES_MAX = 1024 * 1024;
/** A picture is at most 4 MiB; the recorder takes no larger one. */
const SAMPLE_BYTES_MAX = 4 * 1024 * 1024;

/** One picture with the time it is shown, in seconds on the track's clock. */
export interface JpegSample {
  start: number;
  end: number;
  data: Uint8Array<ArrayBuffer>;
}

interface Described {
  start: number;
  end: number;
  size: number;
}

export class FragmentReader {
  #held: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Bytes of a box that is stepped over. */
  #skip = 0;
  /** Pictures of the fragment at hand that are still to come. */
  #coming: Described[] = [];
  /** The bytes at hand are those of pictures. */
  #inData = false;

  /** Takes the next bytes; the pictures that are whole with them. Throws when this is not what the recorder writes. */
  push(bytes: Uint8Array<ArrayBuffer>): JpegSample[] {
    this.#held = this.#held.byteLength === 0 ? bytes : joined(this.#held, bytes);
    const samples: JpegSample[] = [];
    for (;;) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, this.#held.byteLength);
        this.#skip -= step;
        this.#drop(step);
        if (this.#skip > 0) return samples;
      }
      const next = this.#inData ? this.#coming[0] : undefined;
      if (next !== undefined) {
        if (this.#held.byteLength < next.size) return samples;
        samples.push({ start: next.start, end: next.end, data: this.#held.slice(0, next.size) });
        this.#drop(next.size);
        this.#coming.shift();
      } else {
        this.#inData = false;
        if (!this.#box()) return samples;
      }
    }
  }

  /** What was cut off is forgotten; the next bytes begin a file. */
  reset(): void {
    this.#held = new Uint8Array(0);
    this.#skip = 0;
    this.#coming = [];
    this.#inData = false;
  }

  /** Reads the head of a box. `false`: more bytes are needed. */
  #box(): boolean {
    if (this.#held.byteLength < 8) return false;
    const view = viewOf(this.#held);
    const size = view.getUint32(0);
    const kind = kindAt(view, 4);
    if (size < 8) throw new Error(`a box of ${size} bytes`);
    if (kind === "moof") {
      if (size > MOOF_BYTES_MAX) throw new Error(`a fragment's head of ${size} bytes`);
      if (this.#held.byteLength < size) return false;
      this.#coming = describedIn(this.#held.subarray(8, size));
      this.#drop(size);
    } else if (kind === "mdat" && this.#coming.length > 0) {
      this.#drop(8);
      this.#inData = true;
    } else {
      this.#skip = size;
    }
    return true;
  }

  #drop(count: number): void {
    this.#held = this.#held.subarray(count);
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.byteLength + second.byteLength);
  all.set(first);
  all.set(second, first.byteLength);
  return all;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function kindAt(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

/** Boxes one behind the other, as kind and contents. */
function boxesIn(bytes: Uint8Array): { kind: string; body: Uint8Array }[] {
  const view = viewOf(bytes);
  const out = [];
  for (let at = 0; at + 8 <= bytes.byteLength; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > bytes.byteLength) throw new Error("a box leaves the one around it");
    out.push({ kind: kindAt(view, at + 4), body: bytes.subarray(at + 8, at + size) });
    at += size;
  }
  return out;
}

/** The samples that a `moof` tells: decode time of the first (`tfdt` version 1), then each one's duration and size (`trun` with flags 0x701, or 0xF01). */
function describedIn(moof: Uint8Array): Described[] {
  const inside = boxesIn(moof).filter((box) => box.kind === "traf").flatMap((box) => boxesIn(box.body));
  const tfdt = inside.find((box) => box.kind === "tfdt");
  const trun = inside.find((box) => box.kind === "trun");
  if (tfdt === undefined || trun === undefined) throw new Error("a fragment without samples");
  let ticks = Number(viewOf(tfdt.body).getBigUint64(4));
  const view = viewOf(trun.body);
  const hasOffsets = (view.getUint32(0) & 0x800) !== 0;
  const count = view.getUint32(4);
  const step = hasOffsets ? 16 : 12;
  const out: Described[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = 12 + index * step;
    const duration = view.getUint32(at);
    const size = view.getUint32(at + 4);
    if (size > SAMPLE_BYTES_MAX) throw new Error(`a picture of ${size} bytes`);
    out.push({ start: ticks / TIMESCALE, end: (ticks + duration) / TIMESCALE, size });
    ticks += duration;
  }
  return out;
}

/** Whether a media type or codec string is Motion JPEG as the recorder names it (RFC 6381: object type 6C). */
export function isJpeg(codec: string): boolean {
  return /\bmp4v\.6c\b/i.test(codec);
}
