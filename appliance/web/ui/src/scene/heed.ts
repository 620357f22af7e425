/** How the clock of a scene heeds its pictures: it slows down for those that are late, and stands for those that are fetched, for a bounded time each. Pure: it is told what
 * time it is. Times are milliseconds. */

import type { Standing } from "./screen";

/** Later than this, of the footage, and the clock slows down. */
export const LATE_MS = 40;
/** So late, and it all but stands: two pictures at 25 a second. */
export const STOP_MS = 80;
/** What every picture is late by is its way to the screen, not drift: up to so much. */
export const SCREEN_MS = 40;
/** Up to this speed the limits are those of footage; above it a screen shows too few pictures to keep them, and they grow with the speed. */
export const STRICT_RATE_MAX = 2;
/** The slowest share of the asked speed. It is not 0: then the pictures that are late would stand, too. */
export const SHARE_MIN = 0.05;
/** Shares are told in such steps: a player takes a new speed with a little trouble each time. */
const SHARE_STEP = 0.05;
/** One camera makes the others wait, or go slowly, for so long in all; then they go on, and it is said of it. Time in which it is well counts back. */
export const WAIT_MAX_MS = 8_000;
/** A longer time between two looks is none in which pictures were shown: a hidden tab looks once a second. */
const LOOK_MAX_MS = 250;

/** One camera as the scene sees it. */
export interface Seen {
  camera: number;
  standing: Standing;
  /** How long its picture should be gone already; `null` where that is not known. */
  late: number | null;
}

export interface Verdict {
  /** The clock stands: a camera is fetched. */
  holds: boolean;
  /** Some camera is fetched, whether or not it is waited for. */
  waits: boolean;
  /** Of the asked speed. */
  share: number;
}

export class Heed {
  #spent = new Map<number, number>();
  #left = new Set<number>();
  #last: number | null = null;

  /** Another moment, or another set of cameras: every one of them has its time again. */
  forget(): void {
    this.#spent.clear();
    this.#left.clear();
    this.#last = null;
  }

  /** Cameras that are not waited for any more. */
  get left(): ReadonlySet<number> {
    return this.#left;
  }

  /** `rate` is the asked speed. Call at every look at the pictures, `perf` counts milliseconds. */
  look(seen: readonly Seen[], rate: number, perf: number): Verdict {
    const passed = this.#last === null ? 0 : Math.min(LOOK_MAX_MS, Math.max(0, perf - this.#last));
    this.#last = perf;
    const grown = Math.max(1, Math.abs(rate) / STRICT_RATE_MAX);
    const shown = seen.filter((each) => each.standing === "shown");
    const common = Math.min(SCREEN_MS * grown, Math.max(0, Math.min(...shown.map((each) => each.late ?? 0))));
    const lateOf = (each: Seen) => (each.standing === "shown" && each.late !== null ? (each.late - common) / grown : 0);
    for (const each of seen) this.#count(each.camera, each.standing === "loading" || lateOf(each) > LATE_MS, passed);
    const heeded = seen.filter((each) => !this.#left.has(each.camera));
    const waits = seen.some((each) => each.standing === "loading");
    // Where nothing is shown there is nobody who could go on.
    const holds = heeded.some((each) => each.standing === "loading") || (waits && shown.length === 0);
    return { holds, waits, share: shareFor(Math.max(0, ...heeded.map(lateOf))) };
  }

  #count(camera: number, isTrouble: boolean, passed: number): void {
    const spent = Math.min(WAIT_MAX_MS, Math.max(0, (this.#spent.get(camera) ?? 0) + (isTrouble ? passed : -passed)));
    this.#spent.set(camera, spent);
    if (spent >= WAIT_MAX_MS) this.#left.add(camera);
    if (spent === 0) this.#left.delete(camera);
  }
}

/** The share of the asked speed at which a picture that is `late` does not get later than it may. */
export function shareFor(late: number): number {
  if (late <= LATE_MS) return 1;
  const share = (STOP_MS - late) / (STOP_MS - LATE_MS);
  return Math.max(SHARE_MIN, Math.round(share / SHARE_STEP) * SHARE_STEP);
}

/** How far the moment `target` is from a picture that is on the screen: after its end above 0, before its beginning below. */
export function lateness(target: number, picture: { start: number; end: number }): number {
  if (target > picture.end) return target - picture.end;
  return Math.min(0, target - picture.start);
}

/** The speed reached is the mean over about so long. */
const REACHED_OVER_MS = 1_500;
/** Below this share of the asked speed it is said. */
const SLOW_SHARE = 0.9;

/** The speed that is reached, for people to read. */
export class Reached {
  #share = 1;
  #last: number | null = null;

  /** `share` of the asked speed until now. Returns the mean where it is worth a word, else `null`. */
  look(share: number, perf: number): number | null {
    const passed = this.#last === null ? 0 : Math.min(LOOK_MAX_MS, Math.max(0, perf - this.#last));
    this.#last = perf;
    this.#share += (share - this.#share) * Math.min(1, passed / REACHED_OVER_MS);
    return this.#share < SLOW_SHARE ? this.#share : null;
  }

  forget(): void {
    this.#share = 1;
    this.#last = null;
  }
}
