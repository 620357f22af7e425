/** What a `<video>` with a media source is for other formats, for Motion JPEG: takes pieces of MP4, keeps time, draws on a canvas. It has just those members of
 * `HTMLVideoElement` and `SourceBuffer` that the playback player uses, with their meaning. */

import { FragmentReader } from "./fragments";
import { Painter } from "./painter";
import { JpegTrack } from "./track";

/** What the player asks of a picture on the screen. */
export type Surface = Pick<HTMLVideoElement, "currentTime" | "readyState" | "seeking" | "paused" | "playbackRate" | "play" | "pause"> & {
  defaultPlaybackRate: number;
  readonly error: unknown;
};

/** What the player asks of what is buffered. */
export interface Buffered {
  readonly buffered: { readonly length: number; start(index: number): number; end(index: number): number };
  readonly updating: boolean;
  appendBuffer(bytes: Uint8Array<ArrayBuffer>): void;
  remove(start: number, end: number): void;
  abort(): void;
  addEventListener(type: string, listener: () => void, options?: AddEventListenerOptions): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** Less than this ahead, and a player waits for more. */
const AHEAD_S = 0.05;
/** A longer time between two frames of the browser is none in which pictures were shown: a hidden tab has no frames. */
const TICK_MS_MAX = 250;

export class JpegScreen extends EventTarget implements Surface, Buffered {
  readonly error = null;
  readonly updating = false;
  playbackRate = 1;
  defaultPlaybackRate = 1;
  #track = new JpegTrack();
  #reader = new FragmentReader();
  #painter: Painter;
  #time = 0;
  #paused = true;
  /** Start of the picture that was last given to the painter. */
  #shown: number | null = null;
  #lastTick = 0;
  #frame = 0;

  constructor(canvas: HTMLCanvasElement) {
    super();
    this.#painter = new Painter(canvas, () => undefined);
  }

  get currentTime(): number {
    return this.#time;
  }

  set currentTime(time: number) {
    this.#time = time;
    this.#draw();
  }

  get paused(): boolean {
    return this.#paused;
  }

  get seeking(): boolean {
    return this.#paused && this.#painter.busy;
  }

  get readyState(): number {
    if (this.#track.at(this.#time) === null) return HTMLMediaElement.HAVE_METADATA;
    const ahead = this.#track.at(this.#time + AHEAD_S * this.playbackRate) !== null;
    return ahead ? HTMLMediaElement.HAVE_FUTURE_DATA : HTMLMediaElement.HAVE_CURRENT_DATA;
  }

  get buffered(): Buffered["buffered"] {
    const stretches = this.#track.stretches();
    return {
      length: stretches.length,
      start: (index) => stretches[index]?.start ?? 0,
      end: (index) => stretches[index]?.end ?? 0,
    };
  }

  play(): Promise<void> {
    if (this.#paused) {
      this.#paused = false;
      this.#lastTick = performance.now();
      this.#frame = requestAnimationFrame((now) => this.#tick(now));
    }
    return Promise.resolve();
  }

  pause(): void {
    this.#paused = true;
    cancelAnimationFrame(this.#frame);
  }

  appendBuffer(bytes: Uint8Array<ArrayBuffer>): void {
    for (const sample of this.#reader.push(bytes)) {
      if (!this.#track.add(sample, this.#time)) throw new DOMException("no room for more pictures", "QuotaExceededError");
    }
    queueMicrotask(() => this.dispatchEvent(new Event("updateend")));
    this.#draw();
  }

  remove(start: number, end: number): void {
    this.#track.remove(start, end);
  }

  abort(): void {
    this.#reader.reset();
  }

  close(): void {
    this.pause();
    this.#painter.close();
  }

  #tick(now: number): void {
    if (this.#paused) return;
    const passed = (Math.min(now - this.#lastTick, TICK_MS_MAX) / 1_000) * this.playbackRate;
    this.#lastTick = now;
    // Time stands still where no picture is.
    if (passed > 0 && this.#track.at(this.#time + passed) !== null) this.#time += passed;
    this.#draw();
    this.#frame = requestAnimationFrame((next) => this.#tick(next));
  }

  #draw(): void {
    const sample = this.#track.at(this.#time);
    if (sample === null || sample.start === this.#shown) return;
    this.#shown = sample.start;
    this.#painter.draw(sample.data);
  }
}
