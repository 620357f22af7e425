/** The lanes of a scene as pixels: each column of the screen is worked out once, whatever the number of intervals in it, and whole rows are copied. A month of 64 cameras would be
 * 80,000 rectangles to a canvas. Pure: colours are numbers, places are pixels of the screen. */

/** Red, green, blue and alpha as one number, as the bytes of a picture lie in memory. */
export type Colour = number;

/** `#rrggbb`, as a canvas gives back a colour, at this opacity. */
export function colourOf(hex: string, opacity = 1): Colour {
  const value = Number.parseInt(hex.slice(1), 16);
  const [red, green, blue] = [(value >> 16) & 255, (value >> 8) & 255, value & 255];
  return ((Math.round(opacity * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** Some rows of pixels. */
export class Sheet {
  readonly pixels: Uint32Array<ArrayBuffer>;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint32Array(width * height);
  }

  /** Columns `left` to `right`, rows `top` to `bottom`, without the last ones. */
  fill(left: number, right: number, top: number, bottom: number, colour: Colour): void {
    const [from, to] = [Math.max(0, left), Math.min(this.width, right)];
    if (from >= to) return;
    for (let row = Math.max(0, top); row < Math.min(this.height, bottom); row += 1) this.pixels.fill(colour, row * this.width + from, row * this.width + to);
  }
}

/** A part of time on so many pixels. */
export interface Axis {
  start: number;
  end: number;
  columns: number;
}

interface Stretch {
  start_utc_ms: number;
  end_utc_ms: number;
}

/** Marks the columns in which one of `list` lies, at least `least` for each; `until` is the end of what is known. */
export function mark(columns: Uint8Array, { start, end, columns: count }: Axis, list: readonly Stretch[], least: number, until = Number.POSITIVE_INFINITY): Uint8Array {
  const scale = count / (end - start);
  for (const each of list) {
    const last = Math.min(each.end_utc_ms, until);
    if (last <= start || each.start_utc_ms >= end) continue;
    const left = Math.max(0, Math.round((each.start_utc_ms - start) * scale));
    const right = Math.min(count, Math.max(left + least, Math.round((last - start) * scale)));
    columns.fill(1, left, right);
  }
  return columns;
}

/** The same for what is one thing in many pieces, in order: a hole of less than half a column between two of them is none. */
export function markJoined(columns: Uint8Array, axis: Axis, list: readonly Stretch[]): Uint8Array {
  const narrow = (axis.end - axis.start) / axis.columns / 2;
  let last: Stretch | null = null;
  const joined: Stretch[] = [];
  for (const each of list) {
    if (last !== null && each.start_utc_ms - last.end_utc_ms <= narrow) last.end_utc_ms = Math.max(last.end_utc_ms, each.end_utc_ms);
    else joined.push((last = { start_utc_ms: each.start_utc_ms, end_utc_ms: each.end_utc_ms }));
  }
  return mark(columns, axis, joined, 1);
}

/** Calls for each run of marked columns. */
export function runs(columns: Uint8Array, each: (left: number, right: number) => void): void {
  for (let left = columns.indexOf(1); left >= 0; ) {
    const stop = columns.indexOf(0, left);
    const right = stop < 0 ? columns.length : stop;
    each(left, right);
    left = columns.indexOf(1, right);
  }
}
