/** The verifier as a module, and what goes in and comes out. The worker runs it on files of the browser, a test on files of a disk: `appliance/evidence/wasm` is the other side. */

/** What a person gives beside the files: what the options of `watchbook-verify` take, as text. */
export interface Given {
  log: string;
  witness: string;
  quorum: number | null;
  known: string | null;
  consistency: string | null;
}

/** A file's name and length; no length for a folder. */
export interface Listed {
  name: string;
  bytes: number | null;
}

export interface Question extends Given {
  files: readonly Listed[];
  /** The one file is a ZIP. */
  archive: boolean;
}

export interface Finding {
  code: string;
  exit: number;
  subject: string;
  detail: string;
}

/** What `watchbook-verify` says, and what the page shows of the bundle. */
export interface Answer {
  exit: number;
  /** Every line that the program prints. */
  text: string;
  verdict: string;
  verified: boolean;
  redacted: boolean;
  findings: Finding[];
  /** How many of each kind are right. */
  passed: Record<string, number>;
  /** Nothing was checked, because what was given cannot be used. */
  refused: string | null;
  case: string | null;
  cameras: string[];
  origin: string | null;
  delivered: [string, string] | null;
}

/** Whoever has the files. */
export interface Source {
  /** Fills `to` with what lies in file number `file` from `at` on; false when there is less. */
  read(file: number, at: number, to: Uint8Array): boolean;
  /** So many bytes are going to be read in all. */
  expect(bytes: number): void;
}

interface Exports {
  memory: WebAssembly.Memory;
  room(length: number): number;
  verify(): number;
  text(): number;
}

/** Asks a fresh copy of the module; its memory is gone when the answer is there. Throws when it has not enough memory. */
export function ask(module: WebAssembly.Module, question: Question, source: Source): Answer {
  const files = {
    read: (file: number, at: bigint, to: number, length: number): number => {
      // A view anew each time: when the module's memory grows, older views have no bytes.
      const place = new Uint8Array(running.memory.buffer, to >>> 0, length >>> 0);
      return source.read(file >>> 0, Number(at), place) ? 1 : 0;
    },
    expect: (bytes: bigint): void => source.expect(Number(BigInt.asUintN(64, bytes))),
  };
  const running = new WebAssembly.Instance(module, { files }).exports as unknown as Exports;
  const asked = new TextEncoder().encode(JSON.stringify(question));
  const room = running.room(asked.length) >>> 0;
  new Uint8Array(running.memory.buffer, room, asked.length).set(asked);
  const length = running.verify() >>> 0;
  const told = new Uint8Array(running.memory.buffer, running.text() >>> 0, length);
  return JSON.parse(new TextDecoder().decode(told)) as Answer;
}
