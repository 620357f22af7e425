/**
 * What a master can show (FORMAT.md, *Masters*): its boxes are a few known ones, it points nowhere outside itself, and every sample that a player would take lies in a
 * run. On the way it notes when in the file's own time each run begins, which the checks do not need and the player does.
 */

import { Refused } from "./note";
import { type Seal, sealOf } from "./seal";

const BOXES_MAX = 1 << 20;
const HEADER_BYTES = 16;
/** Bytes of one `moov`, `moof` or `meta`. */
const TABLES_BYTES_MAX = 256 << 20;
const SAMPLES_MAX = 1 << 24;

/** Which boxes may lie in which, each once. */
const ONCE: Record<string, string> = {
  moov: "mvhd mvex meta",
  trak: "tkhd edts mdia tref meta",
  edts: "elst",
  mdia: "mdhd hdlr minf",
  minf: "vmhd smhd nmhd sthd dinf stbl",
  dinf: "dref",
  stbl: "stsd stts ctts stss sdtp stsc stsz stco co64",
  mvex: "mehd",
  moof: "mfhd",
  traf: "tfhd tfdt sdtp",
  meta: "hdlr suep cstb ipro",
};
/** Which may lie there any number of times. */
const OFTEN: Record<string, string> = { moov: "trak", mvex: "trex", moof: "traf", traf: "trun" };

/** From, and to before. */
export type Stretch = readonly [number, number];

/** Stretches of `ranges` (offset, length) in order; `null` when two overlap. */
export function apart(ranges: Iterable<readonly [number, number]>): Stretch[] | null {
  const stretches = Array.from(ranges, ([at, length]): Stretch => [at, at + length]);
  stretches.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return stretches.every((one, at) => at === 0 || (stretches[at - 1] as Stretch)[1] <= one[0]) ? stretches : null;
}

function joined(stretches: readonly Stretch[]): [number, number][] {
  const whole: [number, number][] = [];
  for (const [from, to] of stretches) {
    const last = whole.at(-1);
    if (last?.[1] === from) last[1] = to;
    else whole.push([from, to]);
  }
  return whole;
}

/** True when `ranges` cover `media` exactly once and nothing else; both are in order and apart. */
export function covers(ranges: readonly Stretch[], media: readonly Stretch[]): boolean {
  const [one, other] = [joined(ranges), joined(media)];
  return one.length === other.length && one.every(([from, to], at) => from === other[at]?.[0] && to === other[at]?.[1]);
}

function need(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Refused(why);
}

/** Big-endian fields of a box, one behind the other. */
class Fields {
  readonly #view: DataView;
  at = 0;
  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #step(size: number): number {
    need(this.at + size <= this.bytes.length, "a box in it is too short");
    this.at += size;
    return this.at - size;
  }

  u32(): number {
    return this.#view.getUint32(this.#step(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#step(4));
  }

  /** Above 2^53 the nearest number that there is; no file is as long. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#step(8)));
  }

  flags(): number {
    return this.u32() & 0xff_ffff;
  }

  name(): string {
    const at = this.#step(4);
    return String.fromCharCode(...this.bytes.subarray(at, at + 4));
  }

  take(size: number): Uint8Array {
    const at = this.#step(size);
    return this.bytes.subarray(at, at + size);
  }

  end(): void {
    need(this.at === this.bytes.length, "a box in it is too long");
  }
}

type Box = readonly [name: string, body: Uint8Array];

function inside(parent: string, body: Uint8Array): Box[] {
  const once = (ONCE[parent] ?? "").split(" ");
  const found: Box[] = [];
  const seen = new Set<string>();
  const rest = new Fields(body);
  while (rest.at < body.length) {
    const [length, name] = [rest.u32(), rest.name()];
    need(length >= 8 && length - 8 <= body.length - rest.at, `the box ${name} in it is broken`);
    const isAllowed = OFTEN[parent] === name || (once.includes(name) && !seen.has(name));
    need(isAllowed, `a box ${name} may not lie in ${parent}, or not twice`);
    seen.add(name);
    found.push([name, rest.take(length - 8)]);
  }
  return found;
}

function find(boxes: readonly Box[], name: string): Uint8Array | undefined {
  return boxes.find(([own]) => own === name)?.[1];
}

function only(boxes: readonly Box[], name: string): Uint8Array {
  const body = find(boxes, name);
  need(body !== undefined, `a box ${name} is missing`);
  return body;
}

/** A `meta` box may have the statements of an ONVIF export, and no items. */
function checkMeta(body: Uint8Array): Box[] {
  const fields = new Fields(body);
  fields.flags();
  return inside("meta", body.subarray(fields.at));
}

/** Each data reference says that the samples are in the file itself. */
function checkReferences(body: Uint8Array): void {
  const fields = new Fields(body);
  fields.flags();
  for (let left = fields.u32(); left > 0; left -= 1) {
    const own = fields.take(12);
    need([0, 0, 0, 12, 0x75, 0x72, 0x6c, 0x20, 0, 0, 0, 1].every((byte, at) => own[at] === byte), "it takes samples from another file");
  }
  fields.end();
}

function chunksOf(stbl: readonly Box[]): number[] {
  const [short, long] = [find(stbl, "stco"), find(stbl, "co64")];
  const body = short ?? long;
  need(body !== undefined && (short === undefined || long === undefined), "it has no or two tables of chunks");
  const fields = new Fields(body);
  fields.flags();
  const count = fields.u32();
  const chunks: number[] = [];
  for (let at = 0; at < count; at += 1) chunks.push(short === undefined ? fields.u64() : fields.u32());
  fields.end();
  return chunks;
}

/** What the tables say of a track's time. Nothing of it is checked: it is the exporter's statement, and only the player uses it. */
export interface Track {
  id: number;
  /** `vide`, `soun`, … */
  handler: string;
  /** Ticks a second; 0 when it does not say. */
  timescale: number;
  /** Ticks before what is shown first. */
  skipped: number;
}

/** Where a run begins in the time of its file. */
export interface Place {
  track: number;
  /** In seconds from the beginning of what is shown. */
  seconds: number;
}

/** What was found in a master. */
export interface Master {
  /** Contents of its `mdat` boxes. */
  media: Stretch[];
  tracks: Track[];
  /** Of each run by the offset of its first byte. */
  places: Map<number, Place>;
  /** Nothing of it is checked here. */
  seal: Seal | null;
}

/** Reads a number that need not be there. */
function lenient<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function trackOf(trak: readonly Box[], mdia: readonly Box[]): Track {
  // Fields behind the times, whose width goes with the version (ISO/IEC 14496-12 §8.3.2, §8.4.2).
  const behindTimes = (body: Uint8Array | undefined): number =>
    lenient(() => {
      const fields = new Fields(body ?? new Uint8Array(0));
      fields.take(fields.u32() >>> 24 === 1 ? 16 : 8);
      return fields.u32();
    }, 0);
  const handler = lenient(() => {
    const fields = new Fields(only(mdia, "hdlr"));
    fields.take(8);
    return fields.name();
  }, "");
  const skipped = lenient(() => {
    const fields = new Fields(only(inside("edts", only(trak, "edts")), "elst"));
    const isLong = fields.u32() >>> 24 === 1;
    fields.u32();
    if (isLong) fields.u64();
    else fields.u32();
    return Math.max(0, isLong ? fields.u64() : fields.i32());
  }, 0);
  return { id: behindTimes(find(trak, "tkhd")), handler, timescale: behindTimes(find(mdia, "mdhd")), skipped };
}

/** Durations of samples (`stts`), one behind the other; 0 when the table ends. */
function* durations(stts: Uint8Array | undefined): Generator<number, 0> {
  if (stts === undefined) return 0;
  const fields = new Fields(stts);
  const entries = lenient(() => (fields.flags(), fields.u32()), 0);
  for (let entry = 0; entry < entries; entry += 1) {
    const [count, ticks] = lenient(() => [fields.u32(), fields.u32()] as const, [0, 0] as const);
    for (let at = 0; at < count; at += 1) yield ticks;
  }
  return 0;
}

interface Defaults {
  size: number;
  ticks: number;
}

/** A file that is looked through. */
class Walk {
  readonly media: Stretch[] = [];
  readonly tracks: Track[] = [];
  readonly places = new Map<number, Place>();
  readonly #defaults = new Map<number, Defaults>();
  /** Where the next fragment of a track begins when it does not say. */
  readonly #reached = new Map<number, number>();
  #left = SAMPLES_MAX;

  constructor(readonly runs: readonly Stretch[]) {}

  #count(samples: number): void {
    this.#left -= samples;
    need(this.#left >= 0, `it has more than ${SAMPLES_MAX} samples`);
  }

  /** Where a sample ends that lies within one range of a run; when it begins a run, that is noted. */
  #sample(at: number, length: number, track: Track | undefined, ticks: number): number {
    if (length === 0) return at;
    let [low, high] = [0, this.runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.runs[middle] as Stretch)[0] <= at) low = middle + 1;
      else high = middle;
    }
    const run = this.runs[low - 1];
    need(run !== undefined && at + length <= run[1], `it shows a sample at ${at} that lies in no run`);
    if (run[0] === at && track !== undefined && track.timescale > 0) {
      this.places.set(at, { track: track.id, seconds: (ticks - track.skipped) / track.timescale });
    }
    return at + length;
  }

  moov(body: Uint8Array): void {
    for (const [name, content] of inside("moov", body)) {
      if (name === "trak") this.#track(content);
      else if (name === "meta") checkMeta(content);
      else if (name === "mvex") {
        for (const [inner, trex] of inside("mvex", content)) if (inner === "trex") this.#default(trex);
      }
    }
  }

  #default(trex: Uint8Array): void {
    const fields = new Fields(trex);
    fields.u32();
    const track = fields.u32();
    fields.u32();
    const [ticks, size] = [fields.u32(), fields.u32()];
    fields.u32();
    fields.end();
    need(!this.#defaults.has(track), `it has two defaults for track ${track}`);
    this.#defaults.set(track, { size, ticks });
  }

  #track(body: Uint8Array): void {
    const trak = inside("trak", body);
    const [meta, edts] = [find(trak, "meta"), find(trak, "edts")];
    if (meta !== undefined) checkMeta(meta);
    if (edts !== undefined) inside("edts", edts);
    const mdia = inside("mdia", only(trak, "mdia"));
    const minf = inside("minf", only(mdia, "minf"));
    checkReferences(only(inside("dinf", only(minf, "dinf")), "dref"));
    const track = trackOf(trak, mdia);
    this.tracks.push(track);
    this.#table(inside("stbl", only(minf, "stbl")), track);
  }

  #table(stbl: readonly Box[], track: Track): void {
    const sizes = new Fields(only(stbl, "stsz"));
    sizes.flags();
    const [uniform, count] = [sizes.u32(), sizes.u32()];
    this.#count(count);
    const chunks = chunksOf(stbl);
    const plan = new Fields(only(stbl, "stsc"));
    plan.flags();
    const entries = plan.u32();
    const entry = (): readonly [number, number] => {
      const [first, samples] = [plan.u32(), plan.u32()];
      plan.u32();
      return [first, samples];
    };
    let [taken, left, perChunk, ticks] = [0, count, 0, 0];
    let next = entries === 0 ? null : entry();
    const times = durations(find(stbl, "stts"));
    chunks.forEach((chunk, index) => {
      if (next !== null && next[0] === index + 1) {
        const first = next[0];
        perChunk = next[1];
        taken += 1;
        next = taken === entries ? null : entry();
        need(next === null || next[0] > first, "its chunks are not in order");
      }
      need(perChunk <= left, "its chunks have more samples than it has");
      left -= perChunk;
      let at = chunk;
      for (let sample = 0; sample < perChunk; sample += 1) {
        at = this.#sample(at, uniform === 0 ? sizes.u32() : uniform, track, ticks);
        ticks += times.next().value;
      }
    });
    need(left === 0 && next === null, "its tables of samples do not fit each other");
    plan.end();
    sizes.end();
  }

  moof(start: number, body: Uint8Array): void {
    for (const [name, content] of inside("moof", body)) if (name === "traf") this.#fragment(start, inside("traf", content));
  }

  #fragment(start: number, traf: readonly Box[]): void {
    const head = new Fields(only(traf, "tfhd"));
    const [flags, id] = [head.flags(), head.u32()];
    need((flags & ~0x01_003a) === 0x02_0000, "a fragment in it does not count from its own beginning");
    const defaults = this.#defaults.get(id);
    need(defaults !== undefined, `a fragment is of no track, ${id}`);
    let { size, ticks } = defaults;
    for (const flag of [0x02, 0x08, 0x10, 0x20]) {
      if ((flags & flag) === 0) continue;
      const value = head.u32();
      if (flag === 0x10) size = value;
      if (flag === 0x08) ticks = value;
    }
    head.end();
    const said = lenient(() => {
      const time = new Fields(only(traf, "tfdt"));
      return time.u32() >>> 24 === 1 ? time.u64() : time.u32();
    }, null);
    if (said !== null) this.#reached.set(id, said);
    const track = this.tracks.find((own) => own.id === id);
    for (const [name, trun] of traf) if (name === "trun") this.#run(start, { size, ticks }, new Fields(trun), { id, track });
  }

  #run(start: number, defaults: Defaults, fields: Fields, { id, track }: { id: number; track: Track | undefined }): void {
    const [flags, count] = [fields.flags(), fields.u32()];
    need((flags & ~0xf04) === 0x01, "a fragment in it does not say where its samples lie");
    this.#count(count);
    let at = start + fields.i32();
    need(at >= 0, "a fragment's samples lie before the file");
    if ((flags & 0x04) !== 0) fields.u32();
    let reached = this.#reached.get(id) ?? 0;
    for (let sample = 0; sample < count; sample += 1) {
      let { size, ticks } = defaults;
      for (const flag of [0x100, 0x200, 0x400, 0x800]) {
        if ((flags & flag) === 0) continue;
        const value = fields.u32();
        if (flag === 0x100) ticks = value;
        if (flag === 0x200) size = value;
      }
      at = this.#sample(at, size, track, reached);
      reached += ticks;
    }
    this.#reached.set(id, reached);
    fields.end();
  }
}

/** Name of the box at `at`, length of its header and of all of it. */
function head(at: number, left: number, bytes: Uint8Array): readonly [string, number, number] {
  const broken = `the box at ${at} is broken`;
  need(bytes.length >= 8, broken);
  const fields = new Fields(bytes);
  const [short, name] = [fields.u32(), fields.name()];
  need(short !== 1 || bytes.length === HEADER_BYTES, broken);
  const header = short === 1 ? 16 : 8;
  const length = short === 0 ? left : short === 1 ? fields.u64() : short;
  need(length >= header && length <= left, broken);
  return [name, header, length];
}

/**
 * Looks through a file of `size` bytes whose runs lie in `runs`, in order and apart. `read` gives bytes from an offset on: heads of boxes and whole boxes up to 256 MiB.
 * Throws [`Refused`] for what is no sequence of boxes, a box that may not be there, or a sample in no run.
 */
export async function lookThrough(size: number, runs: readonly Stretch[], read: (at: number, length: number) => Promise<Uint8Array>): Promise<Master> {
  const walk = new Walk(runs);
  const seen = new Set<string>();
  let seal: Seal | null = null;
  let [at, boxes] = [0, 0];
  while (at < size) {
    boxes += 1;
    need(boxes <= BOXES_MAX, `it has more than ${BOXES_MAX} boxes`);
    const [name, header, length] = head(at, size - at, await read(at, Math.min(size - at, HEADER_BYTES)));
    const isFirst = !seen.has(name);
    seen.add(name);
    need((name === "ftyp") === (at === 0), at === 0 ? "it does not begin with a box ftyp" : `a box ${name} may not lie at ${at}`);
    if (name === "mdat") {
      if (length > header) walk.media.push([at + header, at + length]);
    } else if (name === "moof" || ((name === "moov" || name === "meta") && isFirst)) {
      need(length <= TABLES_BYTES_MAX, `the box ${name} at ${at} has more than ${TABLES_BYTES_MAX} bytes`);
      const body = await read(at + header, length - header);
      if (name === "moof") walk.moof(at, body);
      else if (name === "moov") walk.moov(body);
      else {
        const ipro = find(checkMeta(body), "ipro");
        seal = ipro === undefined ? null : sealOf(ipro, body, at + header);
      }
    } else {
      need(name === "ftyp" || name === "styp" || name === "prft", `a box ${name} may not lie at ${at}`);
    }
    at += length;
  }
  return { media: walk.media, tracks: walk.tracks, places: walk.places, seal };
}
