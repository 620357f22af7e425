/** When which part of a file was recorded: from the runs of the manifest, and the places of their first samples in the file's own time. */

import type { ClockState, RunEntry } from "./manifest";
import { endOf, isWithheld } from "./manifest";
import { nanos } from "./bytes";
import type { Code, Report } from "./report";
import { type Gap, type Inspection, JUMP_NS_MAX } from "./verify";

/** Times of which a run begins or ends nearer than this to the next are one stretch for the eye, in milliseconds. */
const JOIN_MS = Number(JUMP_NS_MAX) / 1e6;

/** A run in both times. */
export interface Point {
  /** UTC in milliseconds since 1970, with fractions. */
  fromMs: number;
  toMs: number;
  /** In the file's time. */
  seconds: number;
  clock: ClockState;
  /** From one picture to the next. */
  pictureMs: number;
  /** The checks found it, or what is said of it, to be other than what was recorded. */
  isAltered: boolean;
}

/** Footage without a break. */
export interface Span {
  fromMs: number;
  toMs: number;
  points: Point[];
}

/** A time without footage; `reason` is `null` where the log gives none. */
export interface Hole {
  fromMs: number;
  toMs: number;
  reason: string | null;
}

/** A stream in one file. */
export interface Line {
  stream: number;
  camera: string;
  file: string;
  spans: Span[];
  holes: Hole[];
  /** False when the browser shows another stream of the same file. */
  isShown: boolean;
}

export const msOf = (ns: bigint): number => Number(ns / 1_000_000n) + Number(ns % 1_000_000n) / 1e6;

function pointOf(run: RunEntry, seconds: number, isAltered: boolean): Point {
  const [start, end] = [nanos(run.first_utc_ns) ?? 0n, endOf(run)];
  return { fromMs: msOf(start), toMs: msOf(end), seconds, clock: run.clock, pictureMs: run.samples > 0 ? run.length / 90 / run.samples : 0, isAltered };
}

/**
 * Finds places for runs whose first sample no table lists: one that begins before the first key picture, or in a file whose tables are broken. They are taken to lie as far
 * before the next run, or behind the one before, as they were recorded.
 */
function place(points: Point[]): void {
  const from = (known: Point | undefined, point: Point): number => (known === undefined ? Number.NaN : known.seconds + (point.fromMs - known.fromMs) / 1000);
  const isOpen = ({ seconds }: Point): boolean => !Number.isFinite(seconds);
  [...points].reverse().forEach((point, at, reversed) => {
    if (isOpen(point)) point.seconds = from(reversed[at - 1], point);
  });
  points.forEach((point, at) => {
    if (isOpen(point)) point.seconds = at === 0 ? 0 : from(points[at - 1], point);
  });
}

function spansOf(points: readonly Point[]): Span[] {
  const spans: Span[] = [];
  for (const point of points) {
    const last = spans.at(-1);
    const goesOn = last !== undefined && point.fromMs >= (last.points.at(-1)?.fromMs ?? 0) && point.fromMs - last.toMs <= JOIN_MS;
    if (goesOn) {
      last.points.push(point);
      last.toMs = Math.max(last.toMs, point.toMs);
    } else {
      spans.push({ fromMs: point.fromMs, toMs: point.toMs, points: [point] });
    }
  }
  return spans.sort((a, b) => a.fromMs - b.fromMs);
}

/** The gaps of the log, and times between spans of which they do not tell. */
function holesOf(spans: readonly Span[], gaps: readonly Gap[]): Hole[] {
  const told: Hole[] = gaps.map((gap) => ({ fromMs: msOf(gap.start), toMs: msOf(gap.end), reason: gap.reason }));
  told.sort((a, b) => a.fromMs - b.fromMs);
  const untold: Hole[] = [];
  let next = 0;
  // How far footage and gaps tell of the time, up to here.
  let reached = spans[0]?.toMs ?? 0;
  for (const span of spans.slice(1)) {
    for (let gap = told[next]; gap !== undefined && gap.fromMs < span.fromMs; next += 1, gap = told[next]) {
      if (gap.toMs > reached && gap.fromMs - reached > JOIN_MS) untold.push({ fromMs: reached, toMs: gap.fromMs, reason: null });
      reached = Math.max(reached, gap.toMs);
    }
    if (span.fromMs - reached > JOIN_MS) untold.push({ fromMs: reached, toMs: span.fromMs, reason: null });
    reached = Math.max(reached, span.toMs);
  }
  return [...told, ...untold].sort((a, b) => a.fromMs - b.fromMs);
}

/** What is wrong with runs, as `stream/leaf/run`, and with all runs of a segment, as `stream/leaf`. */
export function alteredIn({ findings }: Pick<Report, "findings">): Set<string> {
  const codes: Code[] = ["run-altered", "segment-altered", "segment-leaf"];
  return new Set(findings.filter(({ code }) => codes.includes(code)).map(({ subject }) => subject));
}

/** Each stream of each master, in the order of the manifest. `altered`: what [`alteredIn`] says. */
export function linesOf({ manifest, masters, gaps }: Pick<Inspection, "manifest" | "masters" | "gaps">, altered: ReadonlySet<string>): Line[] {
  const lines: (Line & { track: number | null })[] = [];
  for (const stream of manifest.streams) {
    const files = new Map<string, { points: Point[]; track: number | null }>();
    const runs = stream.segments.flatMap(({ leaf, runs }) => runs.map((run, index) => ({ run, segment: `${stream.stream}/${leaf}`, index })));
    for (const { run, segment, index } of runs) {
      if (isWithheld(run)) continue;
      const isAltered = altered.has(segment) || altered.has(`${segment}/${index}`);
      const own = files.get(run.file) ?? { points: [], track: null };
      files.set(run.file, own);
      const begin = masters.get(run.file)?.places.get(run.ranges[0]?.[0] ?? -1);
      own.track ??= begin?.track ?? null;
      own.points.push(pointOf(run, begin?.seconds ?? Number.NaN, isAltered));
    }
    for (const [file, { points, track }] of files) {
      const spans = spansOf(points);
      const { stream: number, camera } = stream;
      place(points);
      lines.push({ stream: number, camera, file, spans, holes: holesOf(spans, gaps.get(number) ?? []), isShown: false, track });
    }
  }
  for (const file of new Set(lines.map((line) => line.file))) {
    const own = lines.filter((line) => line.file === file);
    // A browser shows the first video track of a file.
    const first = masters.get(file)?.tracks.find((track) => track.handler === "vide")?.id;
    const shown = own.find((line) => line.track === first) ?? own[0];
    if (shown !== undefined) shown.isShown = true;
  }
  return lines.map(({ track: _, ...line }) => line);
}

function lastAt<T>(items: readonly T[], time: number, from: (item: T) => number): T | undefined {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (from(items[middle] as T) <= time) low = middle + 1;
    else high = middle;
  }
  return items[low - 1];
}

export interface Moment {
  point: Point;
  /** In the file's time. */
  seconds: number;
}

/** The place in the file that was recorded at `ms`; `null` when nothing was. */
export function at(spans: readonly Span[], ms: number): Moment | null {
  const span = lastAt(spans, ms, (one) => one.fromMs);
  if (span === undefined || ms >= span.toMs) return null;
  const point = lastAt(span.points, ms, (one) => one.fromMs);
  if (point === undefined) return null;
  // In a break that is too short to be a gap the last picture stays.
  return { point, seconds: point.seconds + (Math.min(ms, point.toMs) - point.fromMs) / 1000 };
}
