/** Plays recorded footage: pieces of `playback.mp4` go into the media source of a `<video>`, or, when they are JPEG, onto a canvas. Either one's time is the wall clock. */

import { ApiError, playbackUrl, type RecordedSpan } from "../api";
import { send } from "../api/client";
import { isJpeg } from "../jpeg/fragments";
import { type Buffered, JpegScreen, type Surface } from "../jpeg/screen";
import { bufferOf, codecShown, couldNotPlay, wayFor } from "../lib/formats";
import { asApiError } from "../lib/session";
import { nearestFootage, type Range, remember } from "../timeline/ranges";
import { baseFor, bufferedUntil, fitsBase, landing, overHole, type Interval, plan, surplus, TAIL_MS } from "./plan";
import { pour } from "./pour";

export interface PlaybackReport {
  /** The moment on the screen, milliseconds UTC. */
  position: (utcMs: number) => void;
  /** Playing, fetching, at the end of what is recorded, or standing. */
  phase: (phase: Phase) => void;
  /** A stretch without footage was jumped over. */
  jumped: (from: number, to: number) => void;
  problem: (problem: ApiError | null) => void;
  unsupported: (mime: string | null) => void;
}

export type Phase = "idle" | "loading" | "playing" | "paused" | "ended";

const STEP_EVERY_MS = 100;
/** While the finger scrubs, each picture on its way may take this long before a newer wish replaces it: some pictures are better than none. */
const SHOW_FIRST_MS = 400;
/** After a failed piece: long enough not to hammer a recorder in trouble, short enough not to need a button. */
const RETRY_MS = 2_000;

export class PlaybackPlayer {
  #element: HTMLVideoElement;
  #canvas: HTMLCanvasElement;
  /** What shows the pictures now: the element, or a screen of JPEG. */
  #video: Surface;
  #jpeg: JpegScreen | null = null;
  #camera: number;
  #case: string;
  #report: PlaybackReport;
  #spans: readonly RecordedSpan[] = [];
  #media: MediaSource | null = null;
  #mediaUrl: string | null = null;
  #buffer: Buffered | null = null;
  #mime = "";
  #base = 0;
  /** A wish that waits for the one before it. */
  #next: number | null = null;
  /** The wish whose footage is being fetched. */
  #wanted: number | null = null;
  #begun = 0;
  #fetchedUntil: number | null = null;
  #fetch: AbortController | null = null;
  #notBefore = 0;
  #playing = false;
  #rate = 1;
  #phase: Phase = "idle";
  #closed = false;
  #timer: ReturnType<typeof setInterval>;

  constructor(video: HTMLVideoElement, canvas: HTMLCanvasElement, [camera, number]: [camera: number, number: string], report: PlaybackReport) {
    this.#element = video;
    this.#canvas = canvas;
    this.#video = video;
    this.#camera = camera;
    this.#case = number;
    this.#report = report;
    video.muted = true;
    this.#timer = setInterval(() => this.#step(), STEP_EVERY_MS);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#fetch?.abort();
    this.#dropMedia();
    this.#element.removeAttribute("src");
    this.#element.load();
  }

  /** There is something that takes pieces. */
  get #open(): boolean {
    return this.#jpeg !== null || this.#media?.readyState === "open";
  }

  /** All that is recorded inside `window`; may be told again at any time. */
  setSpans(spans: readonly RecordedSpan[], window: Range): void {
    this.#spans = remember(this.#spans, spans, window);
  }

  get position(): number | null {
    const wish = this.#next ?? this.#wanted;
    if (wish !== null) return wish;
    return this.#media === null && this.#jpeg === null ? null : this.#base + this.#video.currentTime * 1_000;
  }

  /** Shows `utcMs`, or the nearest footage after it. Only the latest wish counts; one on its way gets [`SHOW_FIRST_MS`] to show its picture. */
  seek(utcMs: number): void {
    this.#next = utcMs;
    this.#notBefore = 0;
    this.#report.position(utcMs);
    this.#step();
  }

  #begin(utcMs: number): void {
    this.#next = null;
    const to = nearestFootage(this.#spans, utcMs);
    if (to === null) return;
    if (to !== utcMs) this.#report.jumped(utcMs, to);
    this.#begun = performance.now();
    this.#report.problem(null);
    const buffered = this.#buffered();
    if (this.#buffer !== null && buffered.some((each) => each.start <= to && to < each.end)) {
      this.#wanted = null;
      this.#video.currentTime = (to - this.#base) / 1_000;
      if (this.#fetchedUntil !== null && !within(this.#fetchedUntil, to, buffered)) this.#stopFetch();
    } else {
      this.#stopFetch();
      this.#wanted = to;
    }
  }

  play(): void {
    this.#playing = true;
    this.#step();
  }

  pause(): void {
    this.#playing = false;
    this.#video.pause();
    this.#step();
  }

  get playing(): boolean {
    return this.#playing;
  }

  setRate(rate: number): void {
    this.#rate = rate;
    this.#video.playbackRate = rate;
    this.#video.defaultPlaybackRate = rate;
  }

  #buffered(): Interval[] {
    const ranges = this.#buffer?.buffered;
    const out: Interval[] = [];
    for (let index = 0; ranges !== undefined && index < ranges.length; index += 1) {
      out.push({ start: this.#base + ranges.start(index) * 1_000, end: this.#base + ranges.end(index) * 1_000 });
    }
    return out;
  }

  #stopFetch(): void {
    this.#fetch?.abort();
    this.#fetch = null;
    this.#fetchedUntil = null;
  }

  #setPhase(phase: Phase): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#report.phase(phase);
  }

  /** The player's heart: one look at where it stands, one act. */
  #step(): void {
    if (this.#closed) return;
    this.#settle();
    const busy = this.#wanted !== null || this.#video.seeking;
    if (this.#next !== null && (!busy || performance.now() - this.#begun > SHOW_FIRST_MS)) this.#begin(this.#next);
    const position = this.position;
    if (position === null || this.#next !== null) return;
    if (this.#wanted === null && this.#video.readyState >= HTMLMediaElement.HAVE_METADATA) this.#report.position(position);
    if (this.#playing && this.#video.paused && this.#wanted === null) void this.#video.play().catch(() => undefined);
    const buffered = this.#buffered();
    this.#leaveHole(buffered, position);
    this.#evict(buffered, position);
    const ended = this.#fetch === null && performance.now() >= this.#notBefore && this.#act(position, buffered);
    this.#tellPhase(ended);
  }

  /** Once the wished-for moment is buffered, go there. */
  #settle(): void {
    const wanted = this.#wanted;
    if (wanted === null) return;
    const there = landing(this.#buffered(), wanted, this.#fetchedUntil);
    if (there === null) return;
    this.#wanted = null;
    this.#video.currentTime = (there - this.#base) / 1_000;
    this.#video.playbackRate = this.#rate;
  }

  #leaveHole(buffered: readonly Interval[], position: number): void {
    if (this.#wanted !== null || this.#video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) return;
    const to = overHole(buffered, position, this.#fetchedUntil);
    if (to === null) return;
    this.#video.currentTime = (to + 1 - this.#base) / 1_000;
  }

  #evict(buffered: readonly Interval[], position: number): void {
    const buffer = this.#buffer;
    if (buffer === null || buffer.updating || !this.#open) return;
    const [drop] = surplus(buffered, position);
    if (drop === undefined) return;
    // What is dropped ahead must be fetched again when it is reached.
    if (drop.start > position) this.#stopFetch();
    buffer.remove(Math.max(0, (drop.start - this.#base) / 1_000), (drop.end - this.#base) / 1_000);
  }

  /** Does what the plan says. `true`: nothing is recorded from here on. */
  #act(position: number, buffered: readonly Interval[]): boolean {
    const stalled = this.#playing && this.#wanted === null && this.#video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
    const next = plan({ spans: this.#spans, position, buffered, rate: this.#rate, stalled, fetchedUntil: this.#fetchedUntil });
    if (next.kind === "jump") {
      // Who only looks at the last picture before a gap stays there; who plays goes on after it.
      if (!this.#playing && this.#wanted === null) return false;
      this.#report.jumped(position, next.to);
      if (bufferedUntil(buffered, next.to) <= next.to) this.#stopFetch();
      this.#wanted = next.to;
    } else if (next.kind === "fetch") {
      // JPEG and other formats have a screen each, and what one holds is shown to its end before the other begins.
      const turns = this.#buffer !== null && isJpeg(next.codec) !== (this.#jpeg !== null);
      if (turns && this.#wanted === null && bufferedUntil(buffered, position) - position > TAIL_MS) return false;
      void this.#load(next.from, next.to, next.codec);
    }
    return next.kind === "end";
  }

  #tellPhase(ended: boolean): void {
    if (ended) this.#setPhase("ended");
    else if (this.#wanted !== null) this.#setPhase("loading");
    else if (!this.#playing) this.#setPhase("paused");
    else if (this.#video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) this.#setPhase("playing");
    else this.#setPhase("loading");
  }

  /** Fetches one piece and appends it as it arrives. */
  async #load(from: number, to: number, codec: string): Promise<void> {
    const fetching = new AbortController();
    this.#fetch = fetching;
    try {
      const buffer = await this.#openSource(codec, from);
      if (buffer === null || fetching.signal.aborted) return;
      const response = await send(playbackUrl(this.#camera, this.#case, { from, to, codec }, this.#base), { signal: fetching.signal });
      await pour(response.body, fetching.signal, async (bytes) => {
        await append(buffer, bytes);
        this.#settle();
      });
      if (fetching.signal.aborted) return;
      const end = Number(response.headers.get("Watchbook-End-Utc-Ms"));
      // A piece that brings nothing new must not be asked for for ever: step over its last second.
      this.#fetchedUntil = Number.isFinite(end) && end > from ? Math.min(end, to) : Math.min(to, from + 1_000);
      this.#report.problem(null);
    } catch (error) {
      if (fetching.signal.aborted) return;
      // What is left of the piece is not wanted, and half a box of it may be in the parser.
      fetching.abort();
      this.#notBefore = performance.now() + RETRY_MS;
      if (error instanceof DOMException && error.name === "QuotaExceededError") return;
      this.#report.problem(asApiError(error));
      if (this.#video.error !== null) {
        couldNotPlay(codec);
        this.#dropMedia();
      }
    } finally {
      if (fetching.signal.aborted) await this.#resetParser();
      if (this.#fetch === fetching) this.#fetch = null;
    }
  }

  /** A piece that was cut off leaves half a box in the parser. */
  async #resetParser(): Promise<void> {
    const buffer = this.#buffer;
    if (buffer !== null && this.#open) {
      try {
        buffer.abort();
      } catch {
        // A removal is under way; the parser is reset by the next piece's own abort.
      }
    }
  }

  /** The source buffer for `codec`, on a media source whose clock holds `position`. `null`: this browser cannot show it. */
  async #openSource(codec: string, position: number): Promise<Buffered | null> {
    if (isJpeg(codec)) return this.#openJpeg(codec, position);
    const mime = `video/mp4; codecs="${codecShown(codec)}"`;
    if (wayFor(codec) === "none") {
      this.#report.unsupported(mime);
      this.#notBefore = Number.POSITIVE_INFINITY;
      return null;
    }
    this.#report.unsupported(null);
    const open = this.#media?.readyState === "open" ? this.#media.sourceBuffers[0] : undefined;
    if (open !== undefined && fitsBase(this.#base, position)) {
      await idle(open);
      if (mime !== this.#mime) open.changeType(mime);
      this.#mime = mime;
      return open;
    }
    const media = new MediaSource();
    this.#beginAnew(position);
    this.#media = media;
    this.#mediaUrl = URL.createObjectURL(media);
    this.#element.src = this.#mediaUrl;
    await new Promise((resolve) => media.addEventListener("sourceopen", resolve, { once: true }));
    if (media !== this.#media) return null;
    this.#buffer = bufferOf(media, mime);
    this.#mime = mime;
    return this.#buffer;
  }

  /** The same for JPEG, which no media source takes. */
  #openJpeg(codec: string, position: number): Buffered | null {
    this.#report.unsupported(null);
    if (this.#jpeg === null || !fitsBase(this.#base, position)) {
      this.#beginAnew(position);
      const screen = new JpegScreen(this.#canvas);
      screen.playbackRate = this.#rate;
      this.#element.pause();
      this.#element.hidden = true;
      this.#canvas.hidden = false;
      [this.#jpeg, this.#video, this.#buffer] = [screen, screen, screen];
    }
    this.#jpeg?.abort();
    this.#mime = codec;
    return this.#jpeg;
  }

  /** Forgets what is buffered and takes another time 0; the moment on the screen is wished for again. */
  #beginAnew(position: number): void {
    const stay = this.position;
    this.#dropMedia();
    this.#base = baseFor(position);
    this.#wanted = stay;
  }

  #dropMedia(): void {
    if (this.#jpeg !== null) {
      this.#jpeg.close();
      this.#jpeg = null;
      this.#video = this.#element;
      this.#element.hidden = false;
      this.#canvas.hidden = true;
    }
    if (this.#mediaUrl !== null) URL.revokeObjectURL(this.#mediaUrl);
    this.#mediaUrl = null;
    this.#media = null;
    this.#buffer = null;
    this.#fetchedUntil = null;
  }
}

function within(fetchedUntil: number, to: number, buffered: readonly Interval[]): boolean {
  return buffered.some((each) => each.start <= to && to < each.end && fetchedUntil >= each.start && fetchedUntil <= each.end + 500);
}

/** Once nothing is on its way into the buffer. */
export function idle(buffer: Buffered): Promise<void> {
  return buffer.updating ? new Promise((resolve) => buffer.addEventListener("updateend", () => resolve(), { once: true })) : Promise.resolve();
}

/** Appends and waits until the browser has parsed it. */
export async function append(buffer: Buffered, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await idle(buffer);
  await new Promise<void>((resolve, reject) => {
    const done = () => {
      buffer.removeEventListener("updateend", done);
      buffer.removeEventListener("error", failed);
      resolve();
    };
    const failed = () => {
      buffer.removeEventListener("updateend", done);
      buffer.removeEventListener("error", failed);
      reject(new Error("the browser could not read this piece of footage"));
    };
    buffer.addEventListener("updateend", done);
    buffer.addEventListener("error", failed);
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      buffer.removeEventListener("updateend", done);
      buffer.removeEventListener("error", failed);
      reject(error instanceof Error ? error : new Error(String(error)));
    }
  });
}
