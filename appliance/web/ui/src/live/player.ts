/** Shows a camera's live stream in a `<video>`: WebSocket in, Media Source Extensions out; JPEG, which those do not take, is drawn on a canvas. Reconnects until it
 * is closed. */

import type { StreamState } from "../api/types";
import { FragmentReader, isJpeg } from "../jpeg/fragments";
import { Painter } from "../jpeg/painter";
import { bufferOf, couldNotPlay, wayFor } from "../lib/formats";
import { retryDelayMs } from "./backoff";
import { droppable, intervals, nextStep } from "./edge";
import { parseMessage } from "./message";
import { FragmentQueue } from "./queue";

export interface LiveReport {
  /** What the recorder says of the stream. */
  state: (state: StreamState) => void;
  /** Pictures are coming (`true`), or none has come for a while or the connection is down (`false`). */
  flowing: (flowing: boolean) => void;
  /** This browser cannot show the format; `null` takes that back. */
  unsupported: (mime: string | null) => void;
  /** The pictures are not the recorded ones, but made of them. */
  transcoded: (transcoded: boolean) => void;
  /** The recorder does not transcode; why, in one word. `null` takes that back. */
  refused: (why: string | null) => void;
}

/** Without a fragment for this long the tile says so: two seconds is more than any GOP pause and less than patience. */
const SILENT_MS = 2_500;
/** A camera that is asked for single pictures gives one every 5 s at least. */
const JPEG_SILENT_MS = 6_500;
const STEP_EVERY_MS = 200;
/** A browser that is busy, or has just jumped to the live edge, has no picture for a moment: that is no loss, and a cover that comes and goes is worse than a picture that stands still. */
const PAUSE_MS = 1_500;

export class LivePlayer {
  #video: HTMLVideoElement;
  #canvas: HTMLCanvasElement;
  #jpeg: { reader: FragmentReader; painter: Painter } | null = null;
  /** A JPEG picture of this connection is on the screen. */
  #drawn = false;
  #url: (transcoded: boolean) => string;
  /** What comes is asked for transcoded. */
  #transcode = false;
  #mime = "";
  #report: LiveReport;
  #socket: WebSocket | null = null;
  #media: MediaSource | null = null;
  #mediaUrl: string | null = null;
  #buffer: SourceBuffer | null = null;
  #queue = new FragmentQueue();
  #attempt = 0;
  #lastFragment = 0;
  #lastJump = Number.NEGATIVE_INFINITY;
  /** When a picture of this connection could last be shown. */
  #lastShown = Number.NEGATIVE_INFINITY;
  #flowing = false;
  #closed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setInterval>;

  constructor(video: HTMLVideoElement, canvas: HTMLCanvasElement, url: (transcoded: boolean) => string, report: LiveReport) {
    this.#video = video;
    this.#canvas = canvas;
    this.#url = url;
    this.#report = report;
    video.muted = true;
    this.#timer = setInterval(() => this.#step(), STEP_EVERY_MS);
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    this.#dropSocket();
    this.#dropMedia();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #connect(): void {
    if (this.#closed) return;
    const socket = new WebSocket(this.#url(this.#transcode));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => {
      if (typeof message.data === "string") this.#onText(message.data);
      else this.#onFragment(message.data);
    };
    socket.onclose = () => this.#again(socket);
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = null;
    // What is on the screen is no sign of life of the next connection.
    this.#drawn = false;
    this.#lastFragment = Number.NEGATIVE_INFINITY;
    this.#lastShown = Number.NEGATIVE_INFINITY;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #again(socket: WebSocket | null): void {
    if (socket !== this.#socket || this.#closed) return;
    this.#dropSocket();
    this.#setFlowing(false);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), retryDelayMs(this.#attempt));
    this.#attempt += 1;
  }

  #onText(text: string): void {
    const message = parseMessage(text);
    if (message.type === "state") this.#report.state(message);
    if (message.type === "refused") this.#report.refused(message.why);
    if (message.type === "format") {
      this.#report.refused(null);
      this.#report.transcoded(message.transcoded);
      this.#open(message.mime);
    }
  }

  /** A new media source for every format and connection: timestamps of the old one must not mix with the new. */
  #open(mime: string): void {
    this.#dropMedia();
    if (isJpeg(mime)) {
      this.#report.unsupported(null);
      const socket = this.#socket;
      const painter = new Painter(this.#canvas, () => (this.#drawn = socket !== null && socket === this.#socket));
      this.#jpeg = { reader: new FragmentReader(), painter };
      this.#video.removeAttribute("src");
      this.#video.load();
      this.#video.hidden = true;
      this.#canvas.hidden = false;
      return;
    }
    const way = wayFor(mime);
    if (way === "transcoded" && !this.#transcode) {
      this.#transcode = true;
      this.#dropSocket();
      this.#connect();
      return;
    }
    if (way !== "browser") {
      this.#report.unsupported(mime);
      return;
    }
    this.#mime = mime;
    this.#report.unsupported(null);
    const media = new MediaSource();
    this.#media = media;
    this.#mediaUrl = URL.createObjectURL(media);
    media.addEventListener("sourceopen", () => {
      if (media !== this.#media) return;
      try {
        this.#buffer = bufferOf(media, mime);
      } catch {
        this.#again(this.#socket);
        return;
      }
      this.#buffer.addEventListener("updateend", () => this.#pump());
      this.#pump();
    });
    this.#video.src = this.#mediaUrl;
  }

  #dropMedia(): void {
    this.#jpeg?.painter.close();
    this.#jpeg = null;
    this.#drawn = false;
    this.#video.hidden = false;
    this.#canvas.hidden = true;
    this.#queue.clear();
    this.#buffer = null;
    this.#media = null;
    if (this.#mediaUrl !== null) URL.revokeObjectURL(this.#mediaUrl);
    this.#mediaUrl = null;
  }

  #onFragment(fragment: ArrayBuffer): void {
    if (this.#jpeg !== null) {
      this.#draw(this.#jpeg, fragment);
      return;
    }
    if (this.#media === null) return;
    this.#lastFragment = performance.now();
    if (!this.#queue.push(fragment)) {
      this.#again(this.#socket);
      return;
    }
    this.#pump();
  }

  /** The newest picture of a fragment; those before it are late already. */
  #draw({ reader, painter }: { reader: FragmentReader; painter: Painter }, fragment: ArrayBuffer): void {
    try {
      const newest = reader.push(new Uint8Array(fragment)).at(-1);
      if (newest === undefined) return;
      this.#lastFragment = performance.now();
      painter.draw(newest.data);
    } catch {
      this.#again(this.#socket);
    }
  }

  #pump(): void {
    const buffer = this.#buffer;
    if (buffer === null || buffer.updating || this.#media?.readyState !== "open") return;
    try {
      const old = droppable(this.#video.currentTime, intervals(buffer.buffered));
      if (old !== null) {
        buffer.remove(old.start, old.end);
        return;
      }
      const next = this.#queue.takeAll();
      if (next !== null) buffer.appendBuffer(next);
    } catch {
      // The browser refused (its buffer is full, or decoding failed): the live edge of a fresh connection is the way out.
      this.#again(this.#socket);
    }
  }

  #step(): void {
    const video = this.#video;
    const silent = performance.now() - this.#lastFragment > SILENT_MS;
    if (this.#jpeg === null && video.error !== null && this.#socket !== null) {
      if (!this.#transcode) couldNotPlay(this.#mime);
      this.#again(this.#socket);
      return;
    }
    if (this.#jpeg !== null) {
      const showing = this.#socket !== null && this.#drawn && performance.now() - this.#lastFragment <= JPEG_SILENT_MS;
      if (showing) this.#attempt = 0;
      this.#setFlowing(showing);
      return;
    }
    const buffer = this.#buffer;
    if (buffer === null || this.#media?.readyState !== "open") {
      if (silent) this.#setFlowing(false);
      return;
    }
    const now = performance.now();
    const step = nextStep(video.currentTime, intervals(buffer.buffered), video.playbackRate, (now - this.#lastJump) / 1000);
    if (step.kind === "seek" && !silent) {
      video.currentTime = step.to;
      this.#lastJump = now;
    }
    if (step.kind === "stay" && video.playbackRate !== step.rate) video.playbackRate = step.rate;
    if (video.paused && step.kind !== "wait") void video.play().catch(() => undefined);
    const showing = !silent && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (showing) {
      this.#attempt = 0;
      this.#lastShown = performance.now();
    }
    this.#setFlowing(!silent && performance.now() - this.#lastShown <= PAUSE_MS);
  }

  #setFlowing(flowing: boolean): void {
    if (flowing === this.#flowing) return;
    this.#flowing = flowing;
    this.#report.flowing(flowing);
  }
}
