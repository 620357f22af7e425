/** What takes the pieces of one camera of a scene and shows them: the media source of a `<video>`, or a canvas for Motion JPEG. Its time is the wall clock. */

import { isJpeg } from "../jpeg/fragments";
import { bufferOf, codecShown, wayFor } from "../lib/formats";
import { type Buffered, JpegScreen, type Surface } from "../jpeg/screen";
import { baseFor, fitsBase, type Interval } from "../playback/plan";
import { idle } from "../playback/player";

export class Source {
  #element: HTMLVideoElement;
  #canvas: HTMLCanvasElement;
  #media: MediaSource | null = null;
  #url: string | null = null;
  #jpeg: JpegScreen | null = null;
  #buffer: Buffered | null = null;
  #mime = "";
  #shown: number | null = null;
  #watch = 0;
  /** The moment that is media time 0, milliseconds UTC. */
  base = 0;

  constructor(element: HTMLVideoElement, canvas: HTMLCanvasElement) {
    this.#element = element;
    this.#canvas = canvas;
    element.muted = true;
    if ("requestVideoFrameCallback" in element) this.#follow();
  }

  /** Notes each picture as it comes to the screen: a player that drops pictures, or draws them late, says that it is on time. */
  #follow(): void {
    this.#watch = this.#element.requestVideoFrameCallback((_now, { mediaTime }) => {
      this.#shown = mediaTime;
      this.#follow();
    });
  }

  /** The time of the picture that is on the screen, seconds; `null` where the browser does not tell it. */
  get shown(): number | null {
    return this.#jpeg === null ? this.#shown : null;
  }

  /** For good. */
  end(): void {
    this.close();
    if ("cancelVideoFrameCallback" in this.#element) this.#element.cancelVideoFrameCallback(this.#watch);
  }

  /** What shows the pictures now. */
  get surface(): Surface {
    return this.#jpeg ?? this.#element;
  }

  get buffer(): Buffered | null {
    return this.#jpeg !== null || this.#media?.readyState === "open" ? this.#buffer : null;
  }

  /** The element cannot go on with what it was given. */
  get failed(): boolean {
    return this.#jpeg === null && this.#element.error !== null;
  }

  get position(): number {
    return this.base + this.surface.currentTime * 1_000;
  }

  set position(ms: number) {
    this.surface.currentTime = (ms - this.base) / 1_000;
  }

  /** What the browser holds, milliseconds UTC. */
  buffered(): Interval[] {
    const ranges = this.buffer?.buffered;
    const out: Interval[] = [];
    for (let index = 0; ranges !== undefined && index < ranges.length; index += 1) {
      out.push({ start: this.base + ranges.start(index) * 1_000, end: this.base + ranges.end(index) * 1_000 });
    }
    return out;
  }

  /** The buffer for footage of this format at `position`. `anew`: what was buffered before is gone. `null`: this browser cannot show it. */
  async open(codec: string, position: number): Promise<{ buffer: Buffered; anew: boolean } | null> {
    const jpeg = isJpeg(codec);
    if (wayFor(codec) === "none") return null;
    const mime = jpeg ? codec : `video/mp4; codecs="${codecShown(codec)}"`;
    const open = this.buffer;
    if (open !== null && jpeg === (this.#jpeg !== null) && fitsBase(this.base, position)) {
      await idle(open);
      if (mime !== this.#mime && "changeType" in open) (open as SourceBuffer).changeType(mime);
      this.#mime = mime;
      open.abort();
      return { buffer: open, anew: false };
    }
    this.close();
    this.base = baseFor(position);
    this.#mime = mime;
    const buffer = jpeg ? this.#openJpeg() : await this.#openMedia(mime);
    this.#buffer = buffer;
    return buffer === null ? null : { buffer, anew: true };
  }

  #openJpeg(): Buffered {
    const screen = new JpegScreen(this.#canvas);
    this.#element.hidden = true;
    this.#canvas.hidden = false;
    this.#jpeg = screen;
    return screen;
  }

  async #openMedia(mime: string): Promise<Buffered | null> {
    const media = new MediaSource();
    this.#media = media;
    this.#url = URL.createObjectURL(media);
    this.#element.src = this.#url;
    await new Promise((resolve) => media.addEventListener("sourceopen", resolve, { once: true }));
    return media === this.#media ? bufferOf(media, mime) : null;
  }

  /** Drops everything; it can be opened again. */
  close(): void {
    this.#jpeg?.close();
    this.#jpeg = null;
    this.#shown = null;
    this.#element.hidden = false;
    this.#canvas.hidden = true;
    this.#element.pause();
    if (this.#url !== null) {
      URL.revokeObjectURL(this.#url);
      this.#element.removeAttribute("src");
      this.#element.load();
    }
    this.#url = null;
    this.#media = null;
    this.#buffer = null;
  }
}
