/** The files of a bundle, read in pieces. */

import { Growing, hexDigest, WHOLE_BYTES_MAX } from "./hash";

/** Bytes that are read ahead. */
const WINDOW_BYTES = 4 << 20;
/** Bytes that are hashed before the page gets its turn: 20 ms of a slow computer. */
const PIECE_BYTES = 1 << 20;

export interface Bundle {
  /** Names of everything that lies in it. */
  names(): string[];
  /** Length of a file; `null` when there is none of that name. */
  size(name: string): number | null;
  /** `length` bytes from `at` on; throws when there are fewer or they cannot be read. */
  read(name: string, at: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Lets the page draw and answer; a timer would cost four milliseconds each time. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Files that a person chose. */
export class ChosenFiles implements Bundle {
  readonly #files = new Map<string, File>();
  /** Names of folders, which a bundle does not have. */
  readonly #folders = new Set<string>();

  /** A path is that of the browser: with the folder that was chosen in front, or the name alone. */
  constructor(chosen: Iterable<{ path: string; file: File | null }>) {
    for (const { path, file } of chosen) {
      const parts = path.split("/");
      // What lies in the folder itself has two parts at most, the folder's and its own.
      const own = parts.length > 1 ? parts.slice(1) : parts;
      const [name, ...deeper] = own;
      if (name === undefined || name === "") continue;
      if (deeper.length > 0 || file === null) this.#folders.add(name);
      else this.#files.set(name, file);
    }
  }

  names(): string[] {
    return [...new Set([...this.#files.keys(), ...this.#folders])];
  }

  size(name: string): number | null {
    return this.#files.get(name)?.size ?? null;
  }

  file(name: string): File | null {
    return this.#files.get(name) ?? null;
  }

  async read(name: string, at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const file = this.#files.get(name);
    if (file === undefined) throw new Error("it is not a file");
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(await file.slice(at, at + length).arrayBuffer());
    } catch {
      throw new Error(`${name} could not be read at ${at}; choose the files again`);
    }
    if (bytes.length !== length) throw new Error(`reading ${name} at ${at}: ${length - bytes.length} bytes are missing`);
    return bytes;
  }
}

/** Reads stretches of one bundle, most of which lie one behind the other, with few calls. */
export class Reader {
  #name = "";
  #from = 0;
  #window = new Uint8Array(0);
  readonly #told: (bytes: number) => void;
  readonly bundle: Bundle;

  /** `told` learns of bytes that were hashed. */
  constructor(bundle: Bundle, told: (bytes: number) => void) {
    this.bundle = bundle;
    this.#told = told;
  }

  /** A stretch of a file; with it what lies behind is read ahead. */
  async piece(name: string, at: number, length: number): Promise<Uint8Array> {
    const isThere = name === this.#name && at >= this.#from && at + length <= this.#from + this.#window.length;
    if (!isThere) {
      const size = this.bundle.size(name) ?? 0;
      const ahead = Math.max(length, Math.min(WINDOW_BYTES, size - at));
      this.#window = await this.bundle.read(name, at, ahead);
      this.#name = name;
      this.#from = at;
    }
    return this.#window.subarray(at - this.#from, at - this.#from + length);
  }

  /** All of a file that has at most `most` bytes. */
  async whole(name: string, most: number): Promise<Uint8Array> {
    const size = this.bundle.size(name);
    if (size === null) throw new Error("it is not there");
    if (size > most) throw new Error(`it has ${size} bytes; at most ${most} are read`);
    return this.bundle.read(name, 0, size);
  }

  /** Hash of `first` and then of these stretches of a file, in hexadecimal. */
  async hash(name: string, first: Uint8Array, ranges: readonly [number, number][]): Promise<string> {
    const total = ranges.reduce((sum, [, length]) => sum + length, first.length);
    if (total > WHOLE_BYTES_MAX) {
      const growing = new Growing();
      growing.add(first);
      for (const [from, length] of ranges) await this.#grow([growing], name, from, length);
      return growing.hex();
    }
    const parts = [first];
    // A part lies in a window that the next one replaces, so that all parts together hold no more than they and two windows.
    for await (const part of this.#parts(name, ranges)) parts.push(part);
    return hexDigest(parts);
  }

  /** Hashes of a whole file: as it is, and with zeros in one place. */
  async hashWithZeros(name: string, size: number, zeros: { at: number; length: number }): Promise<{ own: string; zeroed: string }> {
    const nothing = new Uint8Array(zeros.length);
    const end = zeros.at + zeros.length;
    if (size <= WHOLE_BYTES_MAX) {
      const bytes = await this.bundle.read(name, 0, size);
      this.#told(size);
      const own = await hexDigest([bytes]);
      bytes.set(nothing, zeros.at);
      return { own, zeroed: await hexDigest([bytes]) };
    }
    const own = new Growing();
    await this.#grow([own], name, 0, zeros.at);
    const zeroed = own.copy();
    zeroed.add(nothing);
    await this.#grow([own], name, zeros.at, zeros.length);
    await this.#grow([own, zeroed], name, end, size - end);
    return { own: own.hex(), zeroed: zeroed.hex() };
  }

  /** Hashes a long stretch; the next piece is read while one is hashed. */
  async #grow(all: readonly Growing[], name: string, from: number, length: number): Promise<void> {
    const read = (at: number): Promise<Uint8Array> => this.bundle.read(name, at, Math.min(WINDOW_BYTES, from + length - at));
    let next = read(from);
    for (let at = from; at < from + length; at += WINDOW_BYTES) {
      const bytes = await next;
      if (at + WINDOW_BYTES < from + length) {
        next = read(at + WINDOW_BYTES);
        // It is waited for in the next turn; until then its failure is not unheard.
        next.catch(() => undefined);
      }
      for (let part = 0; part < bytes.length; part += PIECE_BYTES) {
        for (const growing of all) growing.add(bytes.subarray(part, part + PIECE_BYTES));
        this.#told(Math.min(PIECE_BYTES, bytes.length - part));
        await turn();
      }
    }
  }

  async *#parts(name: string, ranges: readonly [number, number][]): AsyncGenerator<Uint8Array> {
    for (const [from, length] of ranges) {
      for (let at = from; at < from + length; at += PIECE_BYTES) {
        const part = await this.piece(name, at, Math.min(PIECE_BYTES, from + length - at));
        this.#told(part.length);
        yield part;
      }
    }
  }
}
