/** The time line: a row for each stream, its footage and its gaps, and a slider over all. */

import { plain } from "../report";
import type { Hole, Line } from "../spans";
import { h, label } from "./dom";
import { localText, utcText } from "./time";

/** Boxes of a row; what lies nearer together than can be seen is drawn as one. */
const BOXES_MAX = 1500;

interface Range {
  fromMs: number;
  toMs: number;
}

/** Runs that are not as they were recorded; neighbours are one. */
function alteredOf(line: Line): Range[] {
  const marks: Range[] = [];
  for (const { fromMs, toMs, isAltered } of line.spans.flatMap((span) => span.points)) {
    const last = marks.at(-1);
    if (!isAltered) continue;
    if (last !== undefined && fromMs - last.toMs < 1 && fromMs >= last.fromMs) last.toMs = toMs;
    else marks.push({ fromMs, toMs });
  }
  return marks;
}

export class TimeLine {
  readonly element = h("div", { class: "timeline" });
  readonly holes: Hole[];
  readonly #slider: HTMLInputElement;
  readonly #cursor = h("div", { class: "cursor" });
  readonly #whole: Range;
  #drawn = -1;

  constructor(lines: readonly Line[], whole: Range, seek: (ms: number) => void) {
    this.#whole = whole;
    this.holes = lines.flatMap((line) => line.holes);
    this.#slider = label(h("input", { type: "range", min: 0, max: Math.max(1, whole.toMs - whole.fromMs), step: 1, value: 0 }), "aria-label", "stage.position");
    this.#slider.addEventListener("input", () => seek(whole.fromMs + Number(this.#slider.value)));
    const rows = h("div", { class: "rows" }, this.#cursor, ...lines.map((line) => this.#row(line)));
    rows.addEventListener("click", (event) => {
      const box = rows.getBoundingClientRect();
      seek(whole.fromMs + ((event.clientX - box.left) / box.width) * (whole.toMs - whole.fromMs));
    });
    this.element.append(rows, this.#slider);
  }

  show(ms: number): void {
    const from = Math.round(ms - this.#whole.fromMs);
    if (from === this.#drawn) return;
    this.#drawn = from;
    this.#slider.value = String(from);
    this.#slider.setAttribute("aria-valuetext", `${utcText(ms)} UTC, ${localText(ms)}`);
    this.#cursor.style.left = `${this.#percent(ms)}%`;
  }

  #percent(ms: number): number {
    return ((ms - this.#whole.fromMs) / Math.max(1, this.#whole.toMs - this.#whole.fromMs)) * 100;
  }

  #row(line: Line): HTMLElement {
    const row = h("div", { class: "row", "data-stream": line.stream });
    for (const span of this.#seen(line.spans)) row.append(this.#box(span, "span"));
    for (const mark of this.#seen(alteredOf(line))) row.append(this.#box(mark, "altered"));
    for (const hole of this.#seen(line.holes)) row.append(this.#box(hole, hole.reason === null ? "hole unexplained" : "hole"));
    row.append(h("span", { class: "name" }, `${plain(line.camera)} ${line.stream}`));
    return row;
  }

  #box(range: Range, kind: string): HTMLElement {
    const box = h("div", { class: kind });
    box.style.left = `${this.#percent(range.fromMs)}%`;
    box.style.width = `${Math.max(0.1, this.#percent(range.toMs) - this.#percent(range.fromMs))}%`;
    return box;
  }

  /** Ranges that follow each other too closely to be told apart are drawn as one. */
  #seen<T extends Range>(ranges: readonly T[]): T[] {
    if (ranges.length <= BOXES_MAX) return [...ranges];
    const near = (this.#whole.toMs - this.#whole.fromMs) / BOXES_MAX;
    const seen: T[] = [];
    for (const range of ranges) {
      const last = seen.at(-1);
      if (last !== undefined && range.fromMs - last.toMs < near) seen[seen.length - 1] = { ...last, toMs: Math.max(last.toMs, range.toMs) };
      else seen.push(range);
    }
    return seen;
  }
}
