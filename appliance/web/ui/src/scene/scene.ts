/** Plays a scene: up to nine cameras, one clock. Who has not fetched its pictures yet is waited for, so that what is seen together happened together. */

import type { RecordedSpan } from "../api/types";
import type { Range } from "../timeline/ranges";
import { SceneClock } from "./clock";
import { keysOnly, overGap } from "./follow";
import { Heed, Reached } from "./heed";
import type { SceneScreen, Standing } from "./screen";

/** Cameras that are played together. */
export const CAMERAS_MAX = 9;
/** The clock is compared with the pictures so often. */
const STEP_EVERY_MS = 40;
/** A step by one picture where no camera tells when the next one is. */
const PICTURE_MS = 40;
const NOBODY: ReadonlySet<number> = new Set();

/** What the page is told. */
export interface SceneReport {
  moment: (utcMs: number) => void;
  standing: (camera: number, standing: Standing) => void;
  /** Stands because some camera is being fetched. */
  waiting: (waiting: boolean) => void;
  /** Largest distance in time between two pictures on the screen, milliseconds; `null` while they stand. */
  spread: (ms: number | null) => void;
  /** The speed reached where it is less than was asked, because the pictures come no faster; else `null`. */
  slower: (rate: number | null) => void;
  /** Cameras that the others do not wait for any more; nobody while they stand. */
  left: (cameras: ReadonlySet<number>) => void;
  jumped: (from: number, to: number) => void;
  playing: (playing: boolean) => void;
}

export class Scene {
  #clock = new SceneClock(0, () => performance.now());
  #screens = new Map<number, SceneScreen>();
  #report: SceneReport;
  #playing = false;
  #rate = 1;
  #window: Range | null = null;
  #heed = new Heed();
  #reached = new Reached();
  #timer: ReturnType<typeof setInterval>;
  #known = false;

  constructor(report: SceneReport) {
    this.#report = report;
    this.#timer = setInterval(() => this.#step(), STEP_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const screen of this.#screens.values()) screen.close();
    this.#screens.clear();
  }

  add(screen: SceneScreen): void {
    this.#screens.set(screen.camera, screen);
    this.#heed.forget();
  }

  remove(camera: number): void {
    this.#screens.get(camera)?.close();
    this.#screens.delete(camera);
  }

  screen(camera: number): SceneScreen | null {
    return this.#screens.get(camera) ?? null;
  }

  /** What may be played at all. */
  setWindow(window: Range | null): void {
    this.#window = window;
  }

  get moment(): number {
    return this.#clock.now;
  }

  seek(utcMs: number): void {
    this.#known = true;
    this.#heed.forget();
    this.#clock.set(this.#inside(utcMs));
    this.#step();
  }

  play(rate: number): void {
    if (rate !== this.#rate || !this.#playing) this.#reached.forget();
    this.#rate = rate;
    this.#playing = true;
    this.#report.playing(true);
    this.#step();
  }

  pause(): void {
    this.#playing = false;
    this.#clock.run(0);
    this.#report.playing(false);
    this.#step();
  }

  get playing(): boolean {
    return this.#playing;
  }

  /** One picture of `lead` on or back. */
  stepPicture(lead: number, direction: 1 | -1): void {
    if (this.#playing) this.pause();
    const now = this.#clock.now;
    this.seek(this.#screens.get(lead)?.beside(now, direction) ?? now + direction * PICTURE_MS);
  }

  #inside(utcMs: number): number {
    const window = this.#window;
    return window === null ? utcMs : Math.min(window.end - 1, Math.max(window.start, utcMs));
  }

  #step(): void {
    if (!this.#known) return;
    const now = this.#inside(this.#clock.now);
    this.#report.moment(now);
    const moving = this.#clock.rate;
    const standings = new Map<number, Standing>();
    for (const [camera, screen] of this.#screens) {
      const standing = screen.follow(now, moving, this.#playing ? this.#rate : 0);
      standings.set(camera, standing);
      this.#report.standing(camera, standing);
    }
    if (!this.#playing) {
      this.#report.waiting(false);
      this.#report.spread(null);
      this.#report.slower(null);
      this.#report.left(NOBODY);
      return;
    }
    if (this.#atEnd(now) || this.#leaveGap(now, standings)) return;
    this.#holdOrGo(standings);
    this.#report.spread(this.#clock.rate > 0 ? this.#spread(standings) : null);
  }

  #atEnd(now: number): boolean {
    const window = this.#window;
    const over = window !== null && (this.#rate < 0 ? now <= window.start : now >= window.end - 1);
    if (over) this.pause();
    return over;
  }

  /** Where no camera has a picture there is nothing to wait for. */
  #leaveGap(now: number, standings: ReadonlyMap<number, Standing>): boolean {
    if (standings.size === 0 || ![...standings.values()].every((each) => each === "empty")) return false;
    const spans: RecordedSpan[] = [...this.#screens.values()].flatMap((screen) => [...screen.spans]);
    const to = overGap(spans, now, this.#rate);
    if (to === null || (this.#rate < 0 ? to >= now : to <= now)) {
      this.pause();
      return true;
    }
    this.#report.jumped(now, to);
    this.#clock.set(this.#rate < 0 ? to - PICTURE_MS : to + 1);
    return true;
  }

  /** Stands, slows down or goes, as the pictures can. */
  #holdOrGo(standings: ReadonlyMap<number, Standing>): void {
    const perf = performance.now();
    // A browser draws nothing in a hidden tab, so nothing there can be late.
    const seen = [...this.#screens].map(([camera, screen]) => ({ camera, standing: standings.get(camera) ?? "empty", late: document.hidden || keysOnly(this.#rate) ? null : screen.late }));
    const { holds, waits, share } = this.#heed.look(seen, this.#rate, perf);
    this.#clock.run(holds ? 0 : this.#rate * share);
    this.#report.waiting(waits && holds);
    this.#report.left(this.#heed.left);
    const slower = holds ? null : this.#reached.look(share, perf);
    if (!holds) this.#report.slower(slower === null ? null : slower * this.#rate);
  }

  #spread(standings: ReadonlyMap<number, Standing>): number | null {
    const late = [...this.#screens].filter(([camera]) => standings.get(camera) === "shown").map(([, screen]) => screen.late ?? 0);
    return late.length === 0 ? null : Math.max(...late) - Math.min(...late);
  }
}
