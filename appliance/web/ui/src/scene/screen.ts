/** One camera of a scene: shows what it saw at the moment of the scene's clock, and fetches what will be needed. It never jumps by itself. */

import { type ApiError, playbackUrl, type RecordedSpan } from "../api";
import { send } from "../api/client";
import { couldNotPlay } from "../lib/formats";
import { asApiError } from "../lib/session";
import { HOLE_MS, type Interval, TAIL_MS } from "../playback/plan";
import { append } from "../playback/player";
import { pour } from "../playback/pour";
import { type Range, remember, spanAt } from "../timeline/ranges";
import { keptAround, keysOnly, nextPiece, pace, type Piece, withStretch, within } from "./follow";
import { lateness } from "./heed";
import { HeadReader, SampleTable } from "./samples";
import { Source } from "./source";
import { playedTurns } from "./turns";

/** How a camera stands to the clock: it shows the moment, fetches it, has nothing of it, or cannot show it. The others wait for one that fetches. */
export type Standing = "shown" | "loading" | "empty" | "unsupported" | "failed";

/** After a failed piece: long enough not to hammer a recorder in trouble. */
const RETRY_MS = 2_000;
/** A picture stays so long on the screen after its end, for cameras that skip some. */
const SLACK_S = 0.25;
/** Just inside a picture, so that no rounding shows the one before. */
const INSIDE_S = 0.001;
/** A player that is nearer than this to where the clock stands meanwhile is left there: to seek is to decode from the key frame on. */
const LEFT_MS = 100;

export class SceneScreen {
  readonly camera: number;
  #case: string;
  #source: Source;
  #spans: readonly RecordedSpan[] = [];
  #samples = new SampleTable();
  #have: Interval[] = [];
  #fetch: { stop: AbortController; piece: Piece } | null = null;
  #notBefore = 0;
  #unsupported: string | null = null;
  #problem: ApiError | null = null;
  #closed = false;
  #target = 0;
  #rate = 0;
  /** Milliseconds that this camera's pictures are late: its clock is set forward by as much. */
  correction = 0;

  constructor(video: HTMLVideoElement, canvas: HTMLCanvasElement, camera: number, number: string) {
    this.#source = new Source(video, canvas);
    this.camera = camera;
    this.#case = number;
  }

  close(): void {
    this.#closed = true;
    this.#fetch?.stop.abort();
    this.#source.end();
  }

  /** All that may be played inside `window`; may be told again at any time. */
  setSpans(spans: readonly RecordedSpan[], window: Range): void {
    this.#spans = remember(this.#spans, spans, window);
  }

  get spans(): readonly RecordedSpan[] {
    return this.#spans;
  }

  get problem(): ApiError | null {
    return this.#problem;
  }

  /** The format that this browser cannot show. */
  get unsupported(): string | null {
    return this.#unsupported;
  }

  /** How far the picture is behind the clock, milliseconds; `null` where there is none. */
  get behind(): number | null {
    return this.#source.buffer === null ? null : this.#target - this.#source.position;
  }

  /** How long the picture on the screen should be gone already (not be there yet, below 0), milliseconds of footage; `null` where there is none. */
  get late(): number | null {
    const { shown, base } = this.#source;
    const picture = shown === null ? null : this.#samples.at(shown + INSIDE_S, SLACK_S);
    if (picture === null) return this.behind;
    return lateness(this.#target, { start: base + picture.start * 1_000, end: base + picture.end * 1_000 });
  }

  /** The moment at which the picture beside the one at `at` begins, on the scene's clock; `null` while it is not known. */
  beside(at: number, direction: 1 | -1): number | null {
    const found = this.#samples.beside((at + this.correction - this.#source.base) / 1_000, direction);
    return found === null ? null : this.#source.base + (found.start + INSIDE_S) * 1_000 - this.correction;
  }

  /** Shows `at`, or goes on playing at `rate`; 0 stands. `wish` is the speed at which it will go on once every camera is ready. Call again and again. */
  follow(at: number, rate: number, wish: number): Standing {
    this.#target = at + this.correction;
    this.#rate = wish;
    this.#feed();
    const span = spanAt(this.#spans, this.#target);
    if (span === null) {
      this.#source.surface.pause();
      return "empty";
    }
    if (this.#unsupported === span.codec_string) return "unsupported";
    const seconds = (this.#target - this.#source.base) / 1_000;
    const sample = this.#samples.at(seconds, SLACK_S);
    const covered = this.#have.some((each) => each.start <= this.#target && this.#target < each.end);
    if (sample === null) {
      this.#source.surface.pause();
      if (this.#problem !== null) return "failed";
      // It was fetched and holds no picture here: such footage is damaged.
      return covered ? "empty" : "loading";
    }
    if (keysOnly(wish)) {
      const key = this.#samples.keyAt(seconds) ?? sample;
      this.#stand(key.start + INSIDE_S);
      // Key frames come as fast as they come: nobody waits for one.
      return "shown";
    }
    if (rate !== 0) return this.#play(rate, wish, span.end_utc_ms);
    if (wish !== 0 && Math.abs(this.behind ?? LEFT_MS) < LEFT_MS) {
      this.#source.surface.pause();
      return this.#able(wish, span.end_utc_ms) ? "shown" : "loading";
    }
    this.#stand(Math.min(Math.max(seconds, sample.start + INSIDE_S), Math.max(sample.start, sample.end - INSIDE_S)));
    return this.#able(wish, span.end_utc_ms) ? "shown" : "loading";
  }

  /** Goes to the moment, without playing on. */
  #stand(seconds: number): void {
    const { surface } = this.#source;
    if (!surface.paused) surface.pause();
    if (!surface.seeking && Math.abs(surface.currentTime - seconds) > 0.000_5) surface.currentTime = seconds;
  }

  /** The picture is there, and so are those after it, for whoever wants to play on. Near the end of what is recorded none come after it. */
  #able(rate: number, end: number): boolean {
    const { surface } = this.#source;
    const last = rate === 0 || end - this.#target < TAIL_MS * Math.max(1, rate);
    return !surface.seeking && surface.readyState >= (last ? HTMLMediaElement.HAVE_CURRENT_DATA : HTMLMediaElement.HAVE_FUTURE_DATA);
  }

  #play(rate: number, asked: number, end: number): Standing {
    const { surface } = this.#source;
    const step = pace(this.#target - this.#source.position, rate, asked);
    if (step.kind === "jump") {
      if (!surface.seeking) this.#source.position = this.#target;
      return "loading";
    }
    if (surface.playbackRate !== step.rate) surface.playbackRate = step.rate;
    if (!this.#able(rate, end)) return "loading";
    if (surface.paused) void surface.play().catch(() => undefined);
    return "shown";
  }

  /** One look at what is needed, one act. */
  #feed(): void {
    if (this.#closed) return;
    this.#trim();
    const needed = nextPiece({ spans: this.#spans, have: this.#have, target: this.#target, rate: this.#rate });
    if (this.#fetch !== null) {
      const { piece, stop } = this.#fetch;
      // What is on its way is of no use for a moment far from it.
      const near = piece.from - 30_000 < this.#target && this.#target < piece.to + 30_000;
      const first = needed !== null && needed.from <= this.#target && this.#target < needed.to;
      const brings = piece.from <= this.#target + 1 && this.#target < piece.to;
      if (near && !(first && !brings)) return;
      stop.abort();
      this.#fetch = null;
    }
    if (needed === null || performance.now() < this.#notBefore || needed.codec === this.#unsupported) return;
    const stop = new AbortController();
    this.#fetch = { stop, piece: needed };
    void this.#load(needed, stop);
  }

  /** Drops what is far from the moment, and forgets what the browser dropped by itself. */
  #trim(): void {
    const { buffer } = this.#source;
    if (buffer === null || buffer.updating || this.#fetch !== null) return;
    const kept = keptAround(this.#target, this.#rate);
    const buffered = this.#source.buffered();
    const [first, last] = [buffered[0], buffered.at(-1)];
    this.#have = within(this.#have, kept);
    if (first !== undefined && first.start < kept.start - HOLE_MS) this.#remove(first.start, Math.min(kept.start, last?.end ?? kept.start));
    else if (last !== undefined && last.end > kept.end + HOLE_MS) this.#remove(Math.max(kept.end, first?.start ?? kept.end), last.end);
    else this.#have = this.#have.filter((each) => buffered.some((held) => held.start < each.end + HOLE_MS && held.end > each.start - HOLE_MS));
  }

  #remove(start: number, end: number): void {
    const { base, buffer } = this.#source;
    buffer?.remove(Math.max(0, (start - base) / 1_000), Math.max(0.001, (end - base) / 1_000));
  }

  async #load(piece: Piece, stop: AbortController): Promise<void> {
    const { signal } = stop;
    let give = () => {};
    try {
      give = await playedTurns.take(signal);
      const opened = await this.#source.open(piece.codec, piece.from);
      if (signal.aborted) return;
      if (opened === null) {
        this.#unsupported = piece.codec;
        return;
      }
      if (opened.anew) {
        this.#have = [];
        this.#samples.clear();
      }
      await this.#fetchPiece(piece, opened.buffer, signal);
      this.#problem = null;
    } catch (error) {
      if (signal.aborted) return;
      stop.abort();
      this.#notBefore = performance.now() + RETRY_MS;
      if (!(error instanceof DOMException && error.name === "QuotaExceededError")) this.#problem = asApiError(error);
      if (this.#source.failed) {
        couldNotPlay(piece.codec);
        this.#source.close();
      }
    } finally {
      give();
      if (this.#fetch?.stop === stop) this.#fetch = null;
    }
  }

  async #fetchPiece(piece: Piece, buffer: Parameters<typeof append>[0], signal: AbortSignal): Promise<void> {
    const { base } = this.#source;
    const response = await send(playbackUrl(this.camera, this.#case, piece, base), { signal });
    const heads = new HeadReader();
    await pour(response.body, signal, async (bytes) => {
      const told = heads.push(bytes);
      await append(buffer, bytes);
      this.#samples.add(told, (this.#target - base) / 1_000);
    });
    if (signal.aborted) return;
    const [start, end] = ["Start", "End"].map((name) => Number(response.headers.get(`Watchbook-${name}-Utc-Ms`)));
    // A piece that brings nothing new must not be asked for for ever: its last second counts as fetched.
    const until = end !== undefined && end > piece.from ? Math.min(end, piece.to) : Math.min(piece.to, piece.from + 1_000);
    const since = start !== undefined && start > 0 ? Math.min(start, piece.from) : piece.from;
    this.#have = withStretch(this.#have, { start: since, end: until });
  }
}
