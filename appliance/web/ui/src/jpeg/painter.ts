/** Draws JPEG pictures on a canvas, the newest wish only: a browser that cannot follow shows fewer pictures, never older ones. */

export class Painter {
  #canvas: HTMLCanvasElement;
  #next: Uint8Array<ArrayBuffer> | null = null;
  #busy = false;
  #closed = false;
  #drawn: () => void;

  /** `drawn` is told of each picture that is on the screen. */
  constructor(canvas: HTMLCanvasElement, drawn: () => void) {
    this.#canvas = canvas;
    this.#drawn = drawn;
  }

  /** A picture waits or is being decoded. */
  get busy(): boolean {
    return this.#busy;
  }

  draw(jpeg: Uint8Array<ArrayBuffer>): void {
    this.#next = jpeg;
    if (!this.#busy) void this.#work();
  }

  close(): void {
    this.#closed = true;
    this.#next = null;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#next !== null && !this.#closed) {
      const jpeg = this.#next;
      this.#next = null;
      try {
        const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        if (!this.#closed) this.#show(picture);
        picture.close();
      } catch {
        // A picture that the browser cannot decode is left out, as it would be in a video.
      }
    }
    this.#busy = false;
  }

  #show(picture: ImageBitmap): void {
    if (this.#canvas.width !== picture.width || this.#canvas.height !== picture.height) {
      this.#canvas.width = picture.width;
      this.#canvas.height = picture.height;
    }
    this.#canvas.getContext("2d")?.drawImage(picture, 0, 0);
    this.#drawn();
  }
}
