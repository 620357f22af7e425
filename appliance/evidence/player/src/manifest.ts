/** The bundle's two JSON files, in their one spelling (FORMAT.md, a part of RFC 8785), and the bodies of leaves. */

import { concat, hashOfLine, INTEGER_MAX, little, nanos, textOf, unbase64, unhex, utf8 } from "./bytes";
import { leafHash, type Hash } from "./merkle";
import { ascending, fields, integer, list, need, text } from "./forms";
import { Refused } from "./note";
import { checkRedaction, isWorkingName, type Redaction } from "./redaction";

export const MANIFEST = "manifest.json";
export const PROOFS = "proofs.json";
export const CHECKPOINT = "checkpoint";
/** Bytes of the manifest and of the proofs. */
export const JSON_BYTES_MAX = 268_435_456;
/** Value of `format` in the manifest of a redacted copy. */
export const REDACTED_FORMAT = "watchbook-redacted/1";
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
  /** `redacted`, or not there. */
  copy_class?: string;
  delivered: Interval;
  files: FileEntry[];
  format: string;
  origin: string;
  /** Of a redacted copy. Its runs have no file, no ranges and no table. */
  redaction?: Redaction;
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

/** A run that a redacted copy was made of. */
const SOURCE = ["clock", "first_dts", "first_utc_ns", "length", "samples", "sha256"];

/** How many ranges the run has. */
function checkRun(value: unknown, isRedacted: boolean): number {
  need(typeof value === "object" && value !== null, "a run in it is none");
  if ("withheld" in value) {
    need(unhex(fields(value, ["withheld"])["withheld"], 32) !== null, "a withheld run has no hash");
    return 0;
  }
  const run = fields(value, isRedacted ? SOURCE : RUN);
  need(typeof run["clock"] === "string" && Object.hasOwn(CLOCKS, run["clock"]), "a run has no state of the clock");
  integer(run["first_dts"], INTEGER_MAX, -INTEGER_MAX);
  integer(run["length"], U32_MAX);
  integer(run["samples"], U32_MAX);
  need(nanos(run["first_utc_ns"]) !== null && unhex(run["sha256"], 32) !== null, "a run has no time or no hash");
  if (isRedacted) return 0;
  text(run["file"]);
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
  const isRedacted = typeof value === "object" && value !== null && "format" in value && value.format === REDACTED_FORMAT;
  const names = ["case", "delivered", "files", "format", "origin", "requested", "software", "streams"];
  const top = fields(value, isRedacted ? [...names, "copy_class", "redaction"].sort() : names);
  need(isRedacted || top["format"] === "watchbook-bundle/1", "its format is not one that this page knows");
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
      for (const run of list(own["runs"])) ranges += checkRun(run, isRedacted);
    }
    return integer(stream["stream"], U32_MAX);
  });
  need(ascending(streams), "its streams are not in order");
  need(runs <= RUNS_MAX && ranges <= RANGES_MAX && gaps <= GAPS_MAX, "it has too many runs, ranges or gaps");
  const manifest = value as Manifest;
  if (isRedacted) checkCopy(manifest);
  spellManifest(new Spelling(whole), manifest);
  if (isRedacted) fillRuns(manifest);
  return manifest;
}

/** A redacted copy's bundle has working files of one camera, named so, and no master. */
function checkCopy(manifest: Manifest): void {
  need(manifest.copy_class === "redacted", "it does not say that its copy is a redacted one");
  checkRedaction(manifest.redaction);
  const isGood = ({ kind, name }: FileEntry): boolean => kind !== "master" && isWorkingName(name) === (kind === "working");
  need(manifest.files.every(isGood) && manifest.streams.length <= 1, "a redacted copy has working files of one camera, named so, and no master");
}

/** What the runs of a redacted copy have not is empty. */
function fillRuns(manifest: Manifest): void {
  for (const { segments } of manifest.streams) {
    for (const { runs } of segments) for (const run of runs) if (!isWithheld(run)) Object.assign(run, { file: "", ranges: [], table: "" });
  }
}

function spellManifest(spelling: Spelling, manifest: Manifest): void {
  const json = JSON.stringify;
  spelling.is(`{"case":${json(manifest.case)}`);
  if (manifest.copy_class !== undefined) spelling.is(`,"copy_class":${json(manifest.copy_class)}`);
  spelling.is(`,"delivered":${json(manifest.delivered)},"files":${json(manifest.files)},"format":${json(manifest.format)},"origin":${json(manifest.origin)}`);
  if (manifest.redaction !== undefined) spelling.is(`,"redaction":${json(manifest.redaction)}`);
  spelling.is(`,"requested":${json(manifest.requested)}`);
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
