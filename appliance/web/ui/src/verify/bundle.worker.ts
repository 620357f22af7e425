/** Checks one bundle away from the page. The recorder serves this file with a policy of its own: it may compile the module, which came in the message, and ask nothing of
 * anybody, so that no byte of the files can leave. */

import { ask, type Answer, type Given } from "./engine";

/** Bytes of a file that are read at a time. */
const WINDOW_BYTES = 4 << 20;
/** Between two words of how far it is. */
const TOLD_MS = 100;

export interface Order {
  module: ArrayBuffer;
  given: Given;
  files: readonly { name: string; file: File | null }[];
  archive: boolean;
}

export type Word = { kind: "progress"; done: number; total: number } | { kind: "answer"; answer: Answer } | { kind: "failed"; why: "memory" | "blocked"; detail: string };

/** What a worker has of the browser beside the page's own names. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

const say = (word: Word): void => postMessage(word);

/** Reads stretches most of which lie one behind the other with few calls. */
class Files {
  #reader = new FileReaderSync();
  #window = new Uint8Array(0);
  #file = -1;
  #from = 0;
  #done = 0;
  #total = 0;
  #toldAt = 0;
  readonly #files: Order["files"];

  constructor(files: Order["files"]) {
    this.#files = files;
  }

  expect(bytes: number): void {
    this.#total = bytes;
    this.#done = 0;
  }

  read(file: number, at: number, to: Uint8Array): boolean {
    const isThere = file === this.#file && at >= this.#from && at + to.length <= this.#from + this.#window.length;
    if (!isThere && !this.#load(file, at, to.length)) return false;
    to.set(this.#window.subarray(at - this.#from, at - this.#from + to.length));
    this.#done += to.length;
    const now = performance.now();
    if (this.#total > 0 && now - this.#toldAt > TOLD_MS) {
      this.#toldAt = now;
      say({ kind: "progress", done: this.#done, total: this.#total });
    }
    return true;
  }

  #load(number: number, at: number, length: number): boolean {
    const file = this.#files[number]?.file ?? null;
    if (file === null) return false;
    try {
      this.#window = new Uint8Array(this.#reader.readAsArrayBuffer(file.slice(at, at + Math.max(length, WINDOW_BYTES))));
    } catch {
      // It was changed or removed after it was chosen.
      this.#window = new Uint8Array(0);
    }
    this.#file = number;
    this.#from = at;
    return this.#window.length >= length;
  }
}

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  const { module, given, files, archive } = data;
  let compiled: WebAssembly.Module;
  try {
    compiled = new WebAssembly.Module(module);
  } catch (error) {
    return say({ kind: "failed", why: "blocked", detail: String(error) });
  }
  try {
    const listed = files.map(({ name, file }) => ({ name, bytes: file === null ? null : file.size }));
    say({ kind: "answer", answer: ask(compiled, { ...given, files: listed, archive }, new Files(files)) });
  } catch (error) {
    say({ kind: "failed", why: "memory", detail: String(error) });
  }
});
