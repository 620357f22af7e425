/** The bundle's two JSON files, in their one spelling (FORMAT.md, a part of RFC 8785), and the bodies of leaves. */

import { concat, hashOfLine, INTEGER_MAX, isWellFormed, little, nanos, textOf, unbase64, unhex, utf8 } from "./bytes";
import { leafHash, type Hash } from "./merkle";
import { Refused } from "./note";

export const MANIFEST = "manifest.json";
export const PROOFS = "proofs.json";
export const CHECKPOINT = "checkpoint";
/** Bytes of the manifest and of the proofs. */
export const JSON_BYTES_MAX = 268_435_456;
const FILES_MAX = 1000;
const RUNS_MAX = 1 << 20;
const RANGES_MAX = 1 << 22;
const GAPS_MAX = 1 << 16;
const BODY_BYTES_MAX = 16_384;
const PATH_LINES_MAX = 63;
const U32_MAX = 2 ** 32 - 1;
const U64_MAX = 2n ** 64n - 1n;

export type FileKind = "master" | "working" | "other";
export type ClockState = "unknown" | "synchronised" | "free";
const CLOCKS: Record<ClockState, number> = { unknown: 0, synchronised: 1, free: 2 };

export interface Interval {
  end_ns: string;
  start_ns: string;
}
export interface FileEntry {
  bytes: number;
  kind: FileKind;
  name: string;
  sha256: string;
}
export interface RunEntry {
  clock: ClockState;
  file: string;
  first_dts: number;
  first_utc_ns: string;
  length: number;
  ranges: [number, number][];
  samples: number;
  sha256: string;
  table: string;
}
export interface Withheld {
  withheld: string;
}
export interface SegmentEntry {
  leaf: number;
  runs: (RunEntry | Withheld)[];
}
export interface StreamEntry {
  camera: string;
  gaps: number[];
  segments: SegmentEntry[];
  stream: number;
}
export interface Manifest {
  case: string;
  delivered: Interval;
  files: FileEntry[];
  format: string;
  origin: string;
  requested: Interval;
  software: string;
  streams: StreamEntry[];
}
export interface LeafEntry {
  body: string;
  index: number;
  path: string[];
  salt: string;
  utc_ns: string;
}
export interface Proofs {
  export: number;
  format: string;
  leaves: LeafEntry[];
}

export const isWithheld = (run: RunEntry | Withheld): run is Withheld => "withheld" in run;

function need(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Refused(why);
}

/** A value whose fields are these, in this order. */
function fields(value: unknown, names: readonly string[]): Record<string, unknown> {
  need(typeof value === "object" && value !== null && !Array.isArray(value), "it lacks an object");
  const own = Object.keys(value);
  need(own.length === names.length && names.every((name, at) => own[at] === name), `it has not the fields ${names.join(", ")} in this order`);
  return value as Record<string, unknown>;
}

function text(value: unknown): string {
  need(typeof value === "string" && isWellFormed(value), "a string in it is none");
  return value;
}

function integer(value: unknown, most: number, least = 0): number {
  need(typeof value === "number" && Number.isInteger(value) && value >= least && value <= most, "a number in it is none or too large");
  return value;
}

function list(value: unknown, most = Number.POSITIVE_INFINITY): unknown[] {
  need(Array.isArray(value) && value.length <= most, "a list in it is none or too long");
  return value;
}

function ascending<T>(items: readonly T[]): boolean {
  return items.every((item, at) => at === 0 || (items[at - 1] as T) < item);
}

/** Compares the canonical spelling, given piece by piece, with what was read: no second copy of a large file is made. */
class Spelling {
  #at = 0;
  constructor(readonly whole: string) {}

  is(piece: string): void {
    need(this.whole.startsWith(piece, this.#at), "it is not in the canonical form");
    this.#at += piece.length;
  }

  /** A list whose parts are spelled by `each`. */
  list<T>(items: readonly T[], each: (item: T) => void): void {
    this.is("[");
    items.forEach((item, at) => {
      if (at > 0) this.is(",");
      each(item);
    });
    this.is("]");
  }

  end(): void {
    need(this.#at === this.whole.length, "it is not in the canonical form");
  }
}

function parse(bytes: Uint8Array): { whole: string; value: unknown } {
  const whole = textOf(bytes);
  need(whole !== null, "it is not UTF-8");
  try {
    return { whole, value: JSON.parse(whole) };
  } catch {
    throw new Refused("it is not JSON");
  }
}

function checkInterval(value: unknown): void {
  const { end_ns, start_ns } = fields(value, ["end_ns", "start_ns"]);
  const [end, start] = [nanos(end_ns), nanos(start_ns)];
  need(end !== null && start !== null && start <= end, "an interval in it has no times, or ends before it begins");
}

function checkFile(value: unknown): string {
  const { bytes, kind, name, sha256 } = fields(value, ["bytes", "kind", "name", "sha256"]);
  integer(bytes, INTEGER_MAX);
  need(kind === "master" || kind === "working" || kind === "other", "a file in it is of no kind");
  const good = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(text(name)) && ![MANIFEST, PROOFS, CHECKPOINT].includes(text(name));
  need(good && unhex(sha256, 32) !== null, "a file in it has no usable name or hash");
  return text(name);
}

const RUN = ["clock", "file", "first_dts", "first_utc_ns", "length", "ranges", "samples", "sha256", "table"];

/** How many ranges the run has. */
function checkRun(value: unknown): number {
  need(typeof value === "object" && value !== null, "a run in it is none");
  if ("withheld" in value) {
    need(unhex(fields(value, ["withheld"])["withheld"], 32) !== null, "a withheld run has no hash");
    return 0;
  }
  const run = fields(value, RUN);
  need(typeof run["clock"] === "string" && Object.hasOwn(CLOCKS, run["clock"]), "a run has no state of the clock");
  text(run["file"]);
  integer(run["first_dts"], INTEGER_MAX, -INTEGER_MAX);
  integer(run["length"], U32_MAX);
  integer(run["samples"], U32_MAX);
  need(nanos(run["first_utc_ns"]) !== null && unhex(run["sha256"], 32) !== null, "a run has no time or no hash");
  need(unbase64(run["table"]) !== null, "a run's table is not base64");
  const ranges = list(run["ranges"]);
  need(ranges.length > 0, "a run has no ranges");
  for (const range of ranges) {
    const [at, length, more] = list(range);
    integer(at, INTEGER_MAX);
    integer(length, INTEGER_MAX, 1);
    need(more === undefined && (range as unknown[]).length === 2, "a range is none");
  }
  return ranges.length;
}

/** Reads `manifest.json`; throws [`Refused`]. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const { whole, value } = parse(bytes);
  const names = ["case", "delivered", "files", "format", "origin", "requested", "software", "streams"];
  const top = fields(value, names);
  need(top["format"] === "watchbook-bundle/1", "its format is not one that this page knows");
  for (const name of ["case", "origin", "software"]) text(top[name]);
  for (const name of ["delivered", "requested"]) checkInterval(top[name]);
  need(ascending(list(top["files"], FILES_MAX).map(checkFile)), "its files are not in order");
  let [runs, ranges, gaps] = [0, 0, 0];
  const streams = list(top["streams"]).map((item) => {
    const stream = fields(item, ["camera", "gaps", "segments", "stream"]);
    text(stream["camera"]);
    for (const gap of list(stream["gaps"])) integer(gap, INTEGER_MAX);
    gaps += list(stream["gaps"]).length;
    for (const segment of list(stream["segments"])) {
      const own = fields(segment, ["leaf", "runs"]);
      integer(own["leaf"], INTEGER_MAX);
      runs += list(own["runs"]).length;
      for (const run of list(own["runs"])) ranges += checkRun(run);
    }
    return integer(stream["stream"], U32_MAX);
  });
  need(ascending(streams), "its streams are not in order");
  need(runs <= RUNS_MAX && ranges <= RANGES_MAX && gaps <= GAPS_MAX, "it has too many runs, ranges or gaps");
  const manifest = value as Manifest;
  spellManifest(new Spelling(whole), manifest);
  return manifest;
}

function spellManifest(spelling: Spelling, manifest: Manifest): void {
  const json = JSON.stringify;
  spelling.is(`{"case":${json(manifest.case)},"delivered":${json(manifest.delivered)},"files":${json(manifest.files)}`);
  spelling.is(`,"format":${json(manifest.format)},"origin":${json(manifest.origin)},"requested":${json(manifest.requested)}`);
  spelling.is(`,"software":${json(manifest.software)},"streams":`);
  spelling.list(manifest.streams, (stream) => {
    spelling.is(`{"camera":${json(stream.camera)},"gaps":${json(stream.gaps)},"segments":`);
    spelling.list(stream.segments, (segment) => {
      spelling.is(`{"leaf":${segment.leaf},"runs":`);
      spelling.list(segment.runs, (run) => spelling.is(json(run)));
      spelling.is("}");
    });
    spelling.is(`,"stream":${stream.stream}}`);
  });
  spelling.is("}");
  spelling.end();
}

/** Reads `proofs.json`; throws [`Refused`]. */
export function parseProofs(bytes: Uint8Array): Proofs {
  const { whole, value } = parse(bytes);
  const top = fields(value, ["export", "format", "leaves"]);
  need(top["format"] === "watchbook-proofs/1", "its format is not one that this page knows");
  integer(top["export"], INTEGER_MAX);
  const numbers = list(top["leaves"]).map((item) => {
    const leaf = fields(item, ["body", "index", "path", "salt", "utc_ns"]);
    need(utf8(text(leaf["body"])).length <= BODY_BYTES_MAX, "a leaf in it is too long");
    need(unhex(leaf["salt"], 16) !== null && nanos(leaf["utc_ns"]) !== null, "a leaf in it has no salt or no time");
    need(list(leaf["path"], PATH_LINES_MAX).every((line) => hashOfLine(line) !== null), "a path in it is none");
    return integer(leaf["index"], INTEGER_MAX);
  });
  need(ascending(numbers), "its leaves are not in order");
  const proofs = value as Proofs;
  const spelling = new Spelling(whole);
  spelling.is(`{"export":${proofs.export},"format":${JSON.stringify(proofs.format)},"leaves":`);
  spelling.list(proofs.leaves, (leaf) => spelling.is(JSON.stringify(leaf)));
  spelling.is("}");
  spelling.end();
  return proofs;
}

/** Hash of a leaf as it lies in the tree. */
export function hashOfLeaf(entry: LeafEntry): Hash {
  const salt = unhex(entry.salt, 16) ?? new Uint8Array(16);
  return leafHash(concat([Uint8Array.of(1), salt, little(nanos(entry.utc_ns) ?? 0n, 8), utf8(entry.body)]));
}

/** Hash of a run in the tree of its segment: what the manifest states of it, with the recording of the leaf. */
export function hashOfRun(run: RunEntry, stream: number, recording: bigint): Hash {
  return leafHash(
    concat([
      Uint8Array.of(1, CLOCKS[run.clock]),
      little(stream, 4),
      little(recording, 8),
      little(run.first_dts, 8),
      little(run.length, 4),
      little(nanos(run.first_utc_ns) ?? 0n, 8),
      little(run.samples, 4),
      unhex(run.sha256, 32) ?? new Uint8Array(32),
    ]),
  );
}

/** UTC at which a run ends, in nanoseconds, rounded down. */
export const endOf = (run: RunEntry): bigint => (nanos(run.first_utc_ns) ?? 0n) + (BigInt(run.length) * 100_000n) / 9n;

/** What a leaf says, as far as bundles hand it on. */
export type LogRecord =
  | { kind: "segment"; recording: bigint; root: string; runs: number; stream: number }
  | { kind: "gap"; end_ns: string; reason: string; start_ns: string; stream: number }
  | { kind: "export"; account: number; approver: number; manifest: string }
  | { kind: "log_key"; note: string };

const STRING = String.raw`"(?:[^"\\\u0000-\u001f]|\\["\\bfnrt]|\\u00[01][0-9a-f])*"`;
const NUMBER = "(?:0|[1-9][0-9]{0,19})";
const BODIES = {
  segment: { recording: NUMBER, root: STRING, runs: NUMBER, stream: NUMBER },
  gap: { end_ns: STRING, reason: STRING, start_ns: STRING, stream: NUMBER },
  export: { account: NUMBER, approver: NUMBER, manifest: STRING },
  log_key: { note: STRING },
};
const PATTERNS = Object.entries(BODIES).map(([kind, body]) => {
  const parts = Object.entries(body).map(([name, form]) => `"${name}":(?<${name}>${form})`);
  return { kind, body, pattern: new RegExp(`^\\{"kind":"${kind}",${parts.join(",")}\\}$`, "u") };
});

/** What a body says; `null` for other kinds and other spellings. */
export function parseRecord(body: string): LogRecord | null {
  for (const { kind, body: forms, pattern } of PATTERNS) {
    const groups = pattern.exec(body)?.groups;
    if (groups === undefined) continue;
    const record: { [name: string]: unknown } = { kind };
    for (const [name, form] of Object.entries(forms)) {
      const said = groups[name] ?? "";
      if (form === STRING) {
        const value: unknown = JSON.parse(said);
        if (JSON.stringify(value) !== said) return null;
        record[name] = value;
      } else {
        const value = BigInt(said);
        if (value > (name === "recording" ? U64_MAX : BigInt(U32_MAX))) return null;
        record[name] = name === "recording" ? value : Number(value);
      }
    }
    return record as unknown as LogRecord;
  }
  return null;
}
