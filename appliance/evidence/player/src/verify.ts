/**
 * Holds a bundle against the log, the witnesses and what the reader knows: the checks of FORMAT.md, in the order of `appliance/evidence/src/bundle/verify.rs`. Nothing
 * ends early: everything that is wrong is told.
 */

import { hashOfLine, nanos, unbase64, unhex, utf8 } from "./bytes";
import { type Bundle, Reader } from "./bundle";
import { hexDigest } from "./hash";
import {
  CHECKPOINT, endOf, type FileEntry, hashOfLeaf, hashOfRun, isWithheld, JSON_BYTES_MAX, type LeafEntry, type LogRecord, MANIFEST, type Manifest,
  parseManifest, parseProofs, parseRecord, PROOFS, type Proofs, type RunEntry, type SegmentEntry, type StreamEntry,
} from "./manifest";
import { apart, covers, lookThrough, type Master, type Stretch } from "./master";
import { type Hash, isConsistent, isIncluded, rootOf } from "./merkle";
import { Checkpoint, type Key, NOTE_BYTES_MAX, parseKeyChange, Refused, type Signed } from "./note";
import { type Code, Report } from "./report";
import { checkSeal, type SealState } from "./seal";

const SECOND_NS = 1_000_000_000n;
/** By how much the end of a run and the beginning of the next may differ without a gap. */
export const JUMP_NS_MAX = SECOND_NS;
const WITNESS_BEHIND_S_MAX = 60n;
/** Hashes of a consistency proof. */
const PROOF_LINES_MAX = 63;
/** A number of witnesses is below this. */
const QUORUM_END = 2 ** 32;

/** What the reader believes beforehand. */
export interface Trust {
  logKeys: readonly Key[];
  witnesses: readonly Key[];
  /** How many of them must have cosigned. */
  quorum: number;
  /** A checkpoint of the same log that came another way. */
  known: Checkpoint | null;
  /** The proof between that and the bundle's. */
  consistency: readonly Hash[] | null;
}

/** A time without footage of which the log tells. */
export interface Gap {
  start: bigint;
  end: bigint;
  reason: string;
}

/** What a bundle is, before anybody's keys are held against it. */
export interface Inspection {
  manifest: Manifest;
  /** SHA-256 of `manifest.json`. */
  manifestHash: string;
  proofs: Proofs;
  checkpoint: Checkpoint;
  report: Report;
  /** The latest time that anything in the bundle states. */
  latest: bigint | null;
  masters: Map<string, Master>;
  gaps: Map<number, Gap[]>;
  /** Of masters that have one. No finding comes of a seal: the log says more, and of the file's every byte. */
  seals: Map<string, SealState>;
}

export interface Progress {
  done: number;
  total: number;
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const abs = (value: bigint): bigint => (value < 0n ? -value : value);
const min = (one: bigint, other: bigint): bigint => (one < other ? one : other);
const max = (one: bigint | null, other: bigint): bigint => (one === null || other > one ? other : one);

/** What the reader gave as text. Throws [`Refused`] where `watchbook-verify` says that it was called wrongly. */
export function trustOf(given: { logKeys: readonly Key[]; witnesses: readonly Key[]; quorum: string; known: string; consistency: string }, origin: string | null): Trust {
  const { logKeys, witnesses } = given;
  const quorum = given.quorum.trim() === "" ? Number(witnesses.length > 0) : Number(given.quorum.trim());
  const isNumber = /^(?:[0-9]{1,10})?$/.test(given.quorum.trim()) && quorum < QUORUM_END;
  if (!isNumber) throw new Refused("the number of witnesses is none");
  let known: Checkpoint | null = null;
  if (given.known.trim() !== "") {
    known = new Checkpoint(utf8(given.known));
    if (known.byLog(logKeys).length === 0) throw new Refused("none of the known keys has signed the checkpoint from elsewhere");
    if (origin !== null && origin !== known.origin) throw new Refused(`the checkpoint from elsewhere is one of another log, ${known.origin}`);
  }
  let consistency: Hash[] | null = null;
  if (given.consistency.trim() !== "") {
    consistency = given.consistency.trim().split("\n").map((line) => {
      const hash = hashOfLine(line.trim());
      if (hash === null) throw new Refused("a line of the consistency proof is not base64 of a hash");
      return hash;
    });
    if (consistency.length > PROOF_LINES_MAX) throw new Refused(`the consistency proof has more than ${PROOF_LINES_MAX} lines`);
  }
  return { logKeys, witnesses, quorum, known, consistency };
}

async function parsed<T>(name: string, report: Report, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    report.fail("unreadable", name, sentence(error));
    return null;
  }
}

/** Checks what is in the bundle; a report alone when one of its own three files is unreadable. */
export async function inspect(bundle: Bundle, told: (progress: Progress) => void): Promise<Inspection | Report> {
  const progress = { done: 0, total: 0 };
  const reader = new Reader(bundle, (bytes) => {
    progress.done += bytes;
    told(progress);
  });
  const report = new Report();
  let hash = "";
  const manifest = await parsed(MANIFEST, report, async () => {
    const bytes = await reader.whole(MANIFEST, JSON_BYTES_MAX);
    hash = await hexDigest([bytes]);
    return parseManifest(bytes);
  });
  const proofs = await parsed(PROOFS, report, async () => parseProofs(await reader.whole(PROOFS, JSON_BYTES_MAX)));
  const checkpoint = await parsed(CHECKPOINT, report, async () => new Checkpoint(await reader.whole(CHECKPOINT, NOTE_BYTES_MAX)));
  report.isRedacted = manifest?.redaction !== undefined;
  if (manifest === null || proofs === null || checkpoint === null) return report;
  progress.total = bytesToHash(bundle, manifest);
  const check = new Check(reader, manifest, proofs, report);
  await check.look();
  await check.files();
  await check.streams();
  check.export(hash);
  check.leaves(checkpoint);
  const { latest, masters, gaps, seals } = check;
  return { manifest, manifestHash: hash, proofs, checkpoint, report, latest, masters, gaps, seals };
}

/** Each file once, and each run of a master once more. */
function bytesToHash(bundle: Bundle, manifest: Manifest): number {
  let total = 0;
  for (const file of manifest.files) if (bundle.size(file.name) === file.bytes) total += file.bytes;
  for (const run of runsOf(manifest)) for (const [, length] of run.ranges) total += length;
  return total;
}

export function* runsOf(manifest: Manifest): Generator<RunEntry> {
  for (const stream of manifest.streams) {
    for (const segment of stream.segments) for (const run of segment.runs) if (!isWithheld(run)) yield run;
  }
}

class Check {
  latest: bigint | null = null;
  readonly masters = new Map<string, Master>();
  readonly gaps = new Map<number, Gap[]>();
  readonly seals = new Map<string, SealState>();
  /** Why a master could not be looked through. */
  readonly #refusals = new Map<string, string>();
  readonly #leaves: Map<number, LeafEntry>;
  /** Where the runs of each master lie; `null` when two lie over each other. */
  readonly #places = new Map<string, Stretch[] | null>();

  constructor(
    readonly reader: Reader,
    readonly manifest: Manifest,
    readonly proofs: Proofs,
    readonly report: Report,
  ) {
    this.#leaves = new Map(proofs.leaves.map((leaf) => [leaf.index, leaf]));
    const ranges = new Map<string, [number, number][]>();
    for (const file of manifest.files) if (file.kind === "master") ranges.set(file.name, []);
    for (const run of runsOf(manifest)) for (const range of run.ranges) ranges.get(run.file)?.push(range);
    for (const [name, own] of ranges) this.#places.set(name, apart(own));
  }

  /** Looks through the boxes of the masters; what is wrong with them is told with their coverage. */
  async look(): Promise<void> {
    for (const [name, places] of this.#places) {
      const size = this.reader.bundle.size(name);
      if (size === null || places === null) continue;
      try {
        this.masters.set(name, await lookThrough(size, places, (at, length) => this.reader.piece(name, at, length)));
      } catch (error) {
        this.#refusals.set(name, sentence(error));
      }
    }
  }

  async files(): Promise<void> {
    for (const file of this.manifest.files) await this.#file(file);
    const known = new Set([...this.manifest.files.map((file) => file.name), MANIFEST, PROOFS, CHECKPOINT]);
    for (const name of this.reader.bundle.names().sort()) {
      if (!known.has(name)) this.report.fail("file-unlisted", name, "the manifest does not name it");
    }
  }

  async #file({ name, bytes, sha256 }: FileEntry): Promise<void> {
    const size = this.reader.bundle.size(name);
    if (size === null) return this.report.fail("file-missing", name, "it is not there");
    const isRight = size === bytes && (await this.#digest(name, size).catch(() => "")) === sha256;
    if (isRight) this.report.pass("file", name, `${size} bytes as the manifest has them`);
    else this.report.fail("file-altered", name, "it is not the file that the manifest names");
  }

  /** Hash of a file; on the way its seal is checked, if it has one. */
  async #digest(name: string, size: number): Promise<string> {
    const seal = this.masters.get(name)?.seal ?? null;
    if (seal === null) return this.reader.hash(name, new Uint8Array(0), [[0, size]]);
    const { own, zeroed } = await this.reader.hashWithZeros(name, size, { at: seal.at, length: seal.signature.length });
    this.seals.set(name, checkSeal(seal, unhex(zeroed, 32) ?? new Uint8Array(32)));
    return own;
  }

  #record(leaf: number): LogRecord | null {
    const entry = this.#leaves.get(leaf);
    return entry === undefined ? null : parseRecord(entry.body);
  }

  async streams(): Promise<void> {
    let first: bigint | null = null;
    let last: bigint | null = null;
    for (const stream of this.manifest.streams) {
      for (const run of await this.#stream(stream)) {
        const start = nanos(run.first_utc_ns) ?? 0n;
        first = first === null ? start : min(first, start);
        last = max(last, endOf(run));
      }
    }
    if (last !== null) this.latest = max(this.latest, last);
    if (this.manifest.redaction !== undefined && first !== null && last !== null) {
      // A redacted copy has no picture from outside of what was asked for.
      const { requested } = this.manifest;
      const inside = (at: bigint): bigint => max(min(at, nanos(requested.end_ns) ?? at), nanos(requested.start_ns) ?? at);
      [first, last] = [inside(first), inside(last)];
    }
    const { start_ns, end_ns } = this.manifest.delivered;
    const [start, end] = [nanos(start_ns), nanos(end_ns)];
    if (first === null ? start === end : first === start && last === end) this.report.pass("delivered", "interval", `${start_ns} to ${end_ns}`);
    else {
      const covered = first === null ? "nothing" : `${first} to ${last}`;
      this.report.fail("delivered-wrong", "interval", `the runs cover ${covered}, the manifest states ${start_ns} to ${end_ns}`);
    }
    for (const [name, places] of [...this.#places].sort(([a], [b]) => (a < b ? -1 : 1))) this.#covered(name, places);
  }

  async #stream(stream: StreamEntry): Promise<RunEntry[]> {
    const number = stream.stream;
    const { segments } = stream;
    if (!segments.every((segment, at) => at === 0 || (segments[at - 1] as SegmentEntry).leaf < segment.leaf)) {
      this.report.fail("segment-order", number, "its segments are not in the order of the log");
    }
    const runs: RunEntry[] = [];
    for (const [at, segment] of segments.entries()) {
      const subject = `${number}/${segment.leaf}`;
      if (!isOnePiece(segment, at === 0, at + 1 === segments.length)) {
        this.report.fail("runs-withheld", subject, "runs between those that are handed out are held back");
      }
      for (const run of await this.#segment(number, segment, subject)) runs.push(run);
    }
    const gaps = this.#gapsOf(stream);
    this.gaps.set(number, gaps);
    runs.forEach((next, at) => {
      const one = runs[at - 1];
      if (one === undefined) return;
      const [end, start] = [endOf(one), nanos(next.first_utc_ns) ?? 0n];
      if (!isExplained(end, start, gaps)) {
        this.report.fail("gap-unexplained", `${number}/${end}`, `from ${end} to ${start} no gap in the log says why`);
      }
    });
    this.#complete(number, runs, gaps);
    return runs;
  }

  /** All of the time that was asked for is in runs or told of by gaps. */
  #complete(stream: number, runs: readonly RunEntry[], gaps: readonly Gap[]): void {
    const { requested } = this.manifest;
    let reached = nanos(requested.start_ns) ?? 0n;
    const end = nanos(requested.end_ns) ?? 0n;
    const told: (readonly [bigint, bigint])[] = gaps.map((gap) => [gap.start, gap.end] as const);
    for (const run of runs) told.push([nanos(run.first_utc_ns) ?? 0n, endOf(run)]);
    told.sort((a, b) => (a[0] === b[0] ? Number(a[1] > b[1]) - Number(a[1] < b[1]) : a[0] < b[0] ? -1 : 1));
    told.push([end, end]);
    for (const [from, to] of told) {
      if (min(from, end) - reached > JUMP_NS_MAX) {
        this.report.fail("incomplete", stream, `from ${reached} to ${min(from, end)} was asked for; neither runs nor gaps tell of it`);
        return;
      }
      reached = max(reached, to);
    }
    this.report.pass("complete", stream, "runs and gaps tell of all of the time that was asked for");
  }

  async #segment(stream: number, segment: SegmentEntry, subject: string): Promise<RunEntry[]> {
    const record = this.#record(segment.leaf);
    if (record?.kind !== "segment") {
      this.report.fail("segment-leaf", subject, "its leaf is missing or is not a segment's");
      return [];
    }
    if (record.stream !== stream) {
      this.report.fail("segment-leaf", subject, `its leaf is one of stream ${record.stream}`);
      return [];
    }
    const [hashes, runs]: [Hash[], RunEntry[]] = [[], []];
    for (const [at, run] of segment.runs.entries()) {
      if (isWithheld(run)) {
        hashes.push(unhex(run.withheld, 32) ?? new Uint8Array(32));
        continue;
      }
      hashes.push(hashOfRun(run, stream, record.recording));
      runs.push(run);
      if (this.manifest.redaction === undefined) await this.#run(run, `${subject}/${at}`);
      else this.report.pass("source", `${subject}/${at}`, "stated as the log has it; not handed out");
    }
    const root = unhex(record.root, 32);
    const own = rootOf(hashes);
    if (record.runs === hashes.length && root !== null && own.every((byte, at) => byte === root[at])) {
      this.report.pass("segment", subject, `${record.runs} runs as the log has them`);
    } else {
      this.report.fail("segment-altered", subject, "what is said of its runs is not what the log has");
    }
    return runs;
  }

  async #run(run: RunEntry, subject: string): Promise<void> {
    const places = this.#places.get(run.file);
    const size = this.reader.bundle.size(run.file);
    const wrong = (detail: string): void => this.report.fail("run-altered", subject, detail);
    if (places === undefined) return wrong("the manifest has no master of that name");
    if (size === null) return wrong("its file is not there");
    // Reading runs that lie over each other could go on without end.
    if (places === null) return;
    if (run.ranges.some(([at, length]) => at + length > size)) return wrong("its samples lie behind the end of its file");
    try {
      const digest = await this.reader.hash(run.file, unbase64(run.table) ?? new Uint8Array(0), run.ranges);
      if (digest === run.sha256) this.report.pass("run", subject, `${run.samples} samples as recorded`);
      else wrong("its samples are not what was recorded");
    } catch (error) {
      wrong(sentence(error));
    }
  }

  #covered(name: string, places: Stretch[] | null): void {
    const size = this.reader.bundle.size(name);
    if (size === null) return;
    const wrong = (detail: string): void => this.report.fail("coverage", name, detail);
    if (places === null) return wrong("runs lie over each other in it; none of them was read");
    const master = this.masters.get(name);
    if (master === undefined) return wrong(this.#refusals.get(name) ?? "it was not looked through");
    if (covers(places, master.media)) this.report.pass("coverage", name, "its media data and every sample it shows belong to runs");
    else wrong("it has media data that belongs to no run, or a run lies outside of it");
  }

  #gapsOf(stream: StreamEntry): Gap[] {
    const gaps: Gap[] = [];
    for (const leaf of stream.gaps) {
      const record = this.#record(leaf);
      const subject = `${stream.stream}/${leaf}`;
      const isOwn = record?.kind === "gap" && record.stream === stream.stream;
      const [start, end] = isOwn ? [nanos(record.start_ns), nanos(record.end_ns)] : [null, null];
      if (isOwn && start !== null && end !== null) {
        this.report.pass("gap", subject, `${start} to ${end}: ${record.reason}`);
        gaps.push({ start, end, reason: record.reason });
      } else {
        this.report.fail("gap-leaf", subject, "its leaf is missing or is not a gap of this stream");
      }
    }
    return gaps;
  }

  export(hash: string): void {
    const number = this.proofs.export;
    const record = this.#record(number);
    if (record?.kind !== "export") {
      return this.report.fail("export-missing", number, "the log's entry of this export is missing or is none of an export");
    }
    if (record.manifest !== hash) this.report.fail("manifest-altered", MANIFEST, "it is not the manifest that was released");
    const used = this.manifest.streams.flatMap((stream) => [...stream.gaps, ...stream.segments.map((segment) => segment.leaf)]);
    if (used.some((leaf) => leaf >= number)) {
      this.report.fail("export-early", number, "it was recorded before footage or gaps that it contains");
    } else {
      this.report.pass("export", number, `asked for by account ${record.account}, released by account ${record.approver}`);
    }
  }

  leaves({ root }: Checkpoint): void {
    for (const entry of this.proofs.leaves) {
      this.latest = max(this.latest, nanos(entry.utc_ns) ?? 0n);
      const path = entry.path.map((line) => hashOfLine(line) ?? new Uint8Array(32));
      if (isIncluded(hashOfLeaf(entry), BigInt(entry.index), root, path)) this.report.pass("proof", entry.index, `in the tree of ${root.size} entries`);
      else this.report.fail("proof-wrong", entry.index, `it is not in the tree of ${root.size} entries at this place`);
    }
  }
}

/** True when the runs handed out of a segment are one piece, and what is held back lies at the ends of what is handed out of the stream. */
function isOnePiece(segment: SegmentEntry, isFirst: boolean, isLast: boolean): boolean {
  const out = segment.runs.map((run) => !isWithheld(run));
  const [from, to] = [out.indexOf(true), out.lastIndexOf(true)];
  return from >= 0 && out.slice(from, to + 1).every(Boolean) && (from === 0 || isFirst) && (to + 1 === out.length || isLast);
}

/** True when time goes on from `end` to `next`, at once or over gaps that lie one behind the other. */
export function isExplained(end: bigint, next: bigint, gaps: readonly Gap[]): boolean {
  const near = (a: bigint, b: bigint): boolean => abs(a - b) <= JUMP_NS_MAX;
  if (near(end, next)) return true;
  return near(gaps.reduce((at, gap) => (near(at, gap.start) ? gap.end : at), end), next);
}

/** Holds what was inspected against the reader's keys. Without a key of a log its signature is not looked at: the verdict is then never `verified`. */
export function judge(inspection: Inspection, trust: Trust): Report {
  const report = inspection.report.copy();
  const { manifest, checkpoint } = inspection;
  if (checkpoint.origin !== manifest.origin) {
    report.fail("checkpoint-origin", CHECKPOINT, `it is one of ${checkpoint.origin}, the manifest is of ${manifest.origin}`);
  }
  const keys = followed(inspection, trust.logKeys, report);
  if (trust.logKeys.length > 0) {
    const signed = trying(report, "checkpoint-forged", () => checkpoint.byLog(keys));
    for (const { key } of signed ?? []) report.pass("checkpoint", key.name, "signed by the log");
    if (signed?.length === 0) report.fail("checkpoint-unsigned", CHECKPOINT, "none of the keys given has signed it");
  }
  witnesses(inspection, trust, report);
  known(checkpoint, trust, report);
  return report;
}

function trying(report: Report, code: Code, read: () => Signed[]): Signed[] | null {
  try {
    return read();
  } catch (error) {
    report.fail(code, CHECKPOINT, sentence(error));
    return null;
  }
}

/** The keys that were given; where the log says that it changed from one of them, the one that came counts in its stead. */
function followed({ manifest, proofs }: Inspection, given: readonly Key[], report: Report): Key[] {
  let keys = [...given];
  for (const entry of proofs.leaves) {
    const record = parseRecord(entry.body);
    if (record?.kind !== "log_key") continue;
    try {
      const change = parseKeyChange(utf8(record.note));
      if (change.origin !== manifest.origin) throw new Refused(`it is one of the log ${change.origin}`);
      if (keys.some((key) => key.line === change.old.line)) {
        report.pass("key-change", entry.index, `to ${change.next.line}`);
        keys = keys.filter((key) => key.line !== change.old.line && key.line !== change.next.line);
        keys.push(change.next);
      }
    } catch (error) {
      report.fail("key-change", entry.index, sentence(error));
    }
  }
  return keys;
}

function witnesses({ checkpoint, latest }: Inspection, trust: Trust, report: Report): void {
  const found = trying(report, "witness-forged", () => checkpoint.byWitness(trust.witnesses)) ?? [];
  const good = new Set<string>();
  // Rounded down, before 1970 too.
  const latestS = latest === null ? null : latest >= 0n ? latest / SECOND_NS : -((-latest + SECOND_NS - 1n) / SECOND_NS);
  for (const { key, atS } of found) {
    if (latestS !== null && (atS ?? 0n) + WITNESS_BEHIND_S_MAX < latestS) {
      report.fail("witness-early", key.name, `it says that it saw at ${atS} s what was written later`);
    } else {
      good.add(key.line);
      report.pass("witness", key.name, `cosigned at ${atS} s since 1970`);
    }
  }
  if (good.size < trust.quorum) report.fail("witness-missing", CHECKPOINT, `${good.size} of the witnesses have cosigned, ${trust.quorum} must have`);
}

function known(checkpoint: Checkpoint, trust: Trust, report: Report): void {
  if (trust.known === null) return;
  const [here, there] = [checkpoint.root, trust.known.root];
  const [old, next] = there.size <= here.size ? [there, here] : [here, there];
  const wrong = (code: Code, detail: string): void => report.fail(code, CHECKPOINT, detail);
  if (old.size === next.size) {
    if (!old.hash.every((byte, at) => byte === next.hash[at])) return wrong("fork", "a checkpoint of the same size has another root");
  } else if (trust.consistency === null) {
    if (there.size > here.size) return wrong("older", "a larger tree is known; give the consistency proof from here to there");
    return wrong("unconnected", "a smaller tree is known; give the consistency proof from there to here");
  } else if (!isConsistent(old, next, trust.consistency)) {
    return wrong("fork", "the consistency proof does not connect it with the known checkpoint");
  }
  report.pass("known", CHECKPOINT, `of one log with the known tree of ${there.size} entries`);
}
