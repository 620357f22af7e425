/** Plays all masters side by side on one time line: one clock, which every picture follows and which waits for the slowest. */

import { isKey } from "../i18n";
import { plain } from "../report";
import { at, type Hole, type Line } from "../spans";
import { fill, h, label, longList, said, say, t } from "./dom";
import { lengthText, localText, utcText } from "./time";
import { TimeLine } from "./timeline";

/** Difference from the clock at which a picture is set anew, and below which it is left alone, in seconds. */
const JUMP_S = 0.25;
const NEAR_S = 0.03;
/** How far a picture's speed is changed to come near. */
const NUDGE = 0.1;
/** How long the clock waits for a picture before it goes on without it, in milliseconds. */
const PATIENCE_MS = 5000;
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
/** From one picture to the next where the footage does not say, in milliseconds. */
const PICTURE_MS = 40;

/** A file that is played. `line` is `null` before its manifest was read. */
export interface Source {
  name: string;
  url: string;
  line: Line | null;
  /** Other streams of the same file. */
  others: number[];
}

interface View {
  source: Source;
  spans: Line["spans"];
  holes: Hole[];
  video: HTMLVideoElement;
  veil: HTMLElement;
  clock: HTMLElement | null;
  /** Says that what is shown is not as it was recorded. */
  mark: HTMLElement;
  hasFailed: boolean;
  /** What the veil says, so that it is not said sixty times a second. */
  says: string;
  waitingMs: number;
}

/** Signs of the buttons, drawn, since not every computer has letters for them: polygons in a square of 24. */
const SIGNS = {
  play: ["6,4 20,12 6,20"],
  pause: ["6,4 10,4 10,20 6,20", "14,4 18,4 18,20 14,20"],
  back: ["16,4 6,12 16,20", "4,4 6,4 6,20 4,20"],
  forward: ["8,4 18,12 8,20", "18,4 20,4 20,20 18,20"],
  gap: ["2,10 8,10 8,14 2,14", "16,10 22,10 22,14 16,14", "11,4 13,4 13,20 11,20"],
};

function sign(name: keyof typeof SIGNS): SVGSVGElement {
  const make = <K extends "svg" | "polygon">(tag: K, attributes: Record<string, string>): SVGElementTagNameMap[K] => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
    return element;
  };
  const svg = make("svg", { viewBox: "0 0 24 24", width: "20", height: "20", fill: "currentColor", "aria-hidden": "true" });
  svg.append(...SIGNS[name].map((points) => make("polygon", { points })));
  return svg;
}

export function reasonText(reason: string | null): string {
  if (reason === null) return t("stage.unexplained");
  const key = `reason.${reason.replaceAll(" ", "_")}`;
  return isKey(key) ? t(key) : plain(reason);
}

export class Stage {
  readonly element = h("div", { class: "stage" });
  readonly #views: View[];
  readonly #hasTimes: boolean;
  readonly #timeLine: TimeLine;
  readonly #play = h("button", { type: "button", class: "play", onclick: () => this.toggle() });
  readonly #times = h("output", { class: "times" });
  readonly #speed = h("select", { class: "speed", onchange: () => (this.#rate = Number(this.#speed.value)) });
  readonly #begin: number;
  readonly #end: number;
  #now: number;
  #rate = 1;
  #isPlaying = false;
  #last = 0;
  #frame = 0;

  constructor(sources: readonly Source[], lines: readonly Line[]) {
    this.#hasTimes = sources.some((source) => source.line !== null);
    this.#views = sources.map((source) => this.#view(source));
    const spans = lines.flatMap((line) => [...line.spans, ...line.holes]);
    this.#begin = spans.reduce((first, span) => Math.min(first, span.fromMs), spans[0]?.fromMs ?? 0);
    this.#end = spans.reduce((last, span) => Math.max(last, span.toMs), this.#begin);
    this.#now = this.#firstPicture(lines);
    this.#timeLine = new TimeLine(lines, { fromMs: this.#begin, toMs: this.#end }, (ms) => this.seek(ms));
    label(this.#speed, "aria-label", "stage.speed");
    for (const speed of SPEEDS) this.#speed.append(h("option", { value: speed, selected: speed === 1 }, `${speed}×`));
    const button = (name: "back" | "forward" | "gap", act: () => void): HTMLElement =>
      label(label(h("button", { type: "button", onclick: act }, sign(name)), "aria-label", `stage.${name}`), "title", `stage.${name}`);
    const controls = h(
      "div",
      { class: "controls" },
      button("back", () => this.step(-1)),
      this.#play,
      button("forward", () => this.step(1)),
      this.#speed,
      button("gap", () => this.nextGap()),
    );
    fill(
      this.element,
      this.#hasTimes ? null : h("p", { class: "note" }, said("stage.unchecked")),
      h("div", { class: "videos" }, ...this.#views.map((view) => this.#card(view))),
      controls,
      this.#times,
      this.#timeLine.element,
      h("p", { class: "hint" }, said("stage.keys")),
    );
    this.#say();
    this.#frame = requestAnimationFrame((now) => this.#tick(now));
  }

  #firstPicture(lines: readonly Line[]): number {
    const first = lines.reduce((soonest, line) => Math.min(soonest, line.spans[0]?.fromMs ?? soonest), Number.POSITIVE_INFINITY);
    return Number.isFinite(first) ? first : this.#begin;
  }

  #view(source: Source): View {
    const video = h("video", { src: source.url, preload: "auto", playsinline: true, muted: true });
    video.muted = true;
    const veil = h("div", { class: "veil", hidden: true });
    const spans = source.line?.spans ?? [];
    const view: View = { source, spans, holes: source.line?.holes ?? [], video, veil, clock: null, mark: h("p", { class: "mark", hidden: true }, said("stage.altered")), hasFailed: false, says: "", waitingMs: 0 };
    video.addEventListener("error", () => (view.hasFailed = true));
    return view;
  }

  #card(view: View): HTMLElement {
    const { source, video, veil } = view;
    const names = source.line === null ? [h("b", {}, plain(source.name))] : [h("b", {}, plain(source.line.camera)), " ", said("stage.stream", { stream: source.line.stream })];
    if (source.line !== null) view.clock = h("span", { class: "clock" });
    const others = source.others.map((stream) => h("small", {}, said("stage.second", { stream })));
    return h("figure", { class: "video" }, h("div", { class: "frame" }, video, view.mark, veil), h("figcaption", {}, ...names, " ", view.clock, ...others));
  }

  /** Lets go of everything. */
  close(): void {
    cancelAnimationFrame(this.#frame);
    for (const { video } of this.#views) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
    this.element.remove();
  }

  get nowMs(): number {
    return this.#now;
  }

  seek(ms: number): void {
    this.#now = Math.min(Math.max(ms, this.#begin), this.#end);
    for (const view of this.#views) view.waitingMs = 0;
    this.#follow(0);
  }

  toggle(): void {
    if (!this.#isPlaying && this.#now >= this.#end) this.#now = this.#begin;
    this.#isPlaying = !this.#isPlaying;
    this.#say();
  }

  /** One picture on or back, of the stream with the most pictures a second. */
  step(direction: 1 | -1): void {
    this.#isPlaying = false;
    const own = this.#views.map((view) => at(view.spans, this.#now)?.point.pictureMs ?? 0).filter((ms) => ms > 0);
    this.seek(this.#now + direction * (own.length > 0 ? Math.min(...own) : PICTURE_MS));
    this.#say();
  }

  nextGap(): void {
    const next = this.#timeLine.holes.reduce((first, hole) => (hole.fromMs > this.#now + 1 ? Math.min(first, hole.fromMs) : first), Number.POSITIVE_INFINITY);
    if (Number.isFinite(next)) this.seek(next);
  }

  faster(by: 1 | -1): void {
    const next = SPEEDS[SPEEDS.indexOf(this.#rate) + by];
    if (next === undefined) return;
    this.#rate = next;
    this.#speed.value = String(next);
  }

  #say(): void {
    const key = this.#isPlaying ? "stage.pause" : "stage.play";
    label(label(this.#play, "aria-label", key), "title", key);
    fill(this.#play, sign(this.#isPlaying ? "pause" : "play"));
  }

  #tick(now: number): void {
    const passed = Math.min(now - this.#last, 200);
    this.#last = now;
    this.#follow(passed);
    this.#frame = requestAnimationFrame((next) => this.#tick(next));
  }

  #follow(passedMs: number): void {
    const isWaiting = this.#views.map((view) => this.#sync(view, passedMs)).some(Boolean);
    if (this.#isPlaying && !isWaiting) {
      this.#now += passedMs * this.#rate;
      if (this.#now >= this.#end) {
        this.#now = this.#end;
        this.#isPlaying = false;
        this.#say();
      }
    }
    this.#timeLine.show(this.#now);
    const times = this.#hasTimes
      ? `${utcText(this.#now)} ${t("stage.utc")} · ${localText(this.#now)} (${t("stage.local")})`
      : `${t("stage.elapsed")}: ${lengthText(this.#now)}`;
    if (this.#times.textContent !== times) this.#times.textContent = times;
  }

  /** Brings one picture to the clock; true when the clock has to wait for it. */
  #sync(view: View, passedMs: number): boolean {
    const { video } = view;
    const moment = this.#moment(view);
    if (view.hasFailed) return this.#veil(view, "failed", t("stage.failed"));
    if (moment === null) {
      video.pause();
      const hole = view.holes.find((one) => one.fromMs <= this.#now && this.#now < one.toMs);
      const text = hole === undefined ? t("stage.outside") : `${t("stage.hole", { reason: reasonText(hole.reason) })} (${lengthText(hole.toMs - hole.fromMs)})`;
      return this.#veil(view, hole === undefined ? "outside" : hole.reason === null ? "unexplained" : "hole", text);
    }
    const drift = video.currentTime - moment;
    const canShow = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !video.seeking;
    const isOff = Math.abs(drift) > (this.#isPlaying ? JUMP_S * Math.max(1, this.#rate) : 0.001);
    if (isOff && video.readyState >= HTMLMediaElement.HAVE_METADATA && !video.seeking) video.currentTime = moment;
    const isReady = canShow && Math.abs(drift) <= JUMP_S * Math.max(1, this.#rate);
    view.waitingMs = isReady ? 0 : view.waitingMs + passedMs;
    if (this.#isPlaying && isReady) {
      const nudge = Math.abs(drift) > NEAR_S ? Math.max(-NUDGE, Math.min(NUDGE, -drift)) : 0;
      video.playbackRate = this.#rate * (1 + nudge);
      // At its end a video that is told to play begins anew.
      if (video.paused && !video.ended && moment < video.duration - 0.05) video.play().catch(() => undefined);
    } else if (!video.paused) {
      video.pause();
    }
    const isPatient = view.waitingMs < PATIENCE_MS;
    if (!isReady && view.waitingMs > 500) this.#veil(view, "waiting", isPatient ? t("stage.waiting") : t("stage.late"));
    else this.#veil(view, "", "");
    return !isReady && isPatient;
  }

  /** Where in its file the picture of this moment lies, in seconds; `null` when there is none. */
  #moment(view: View): number | null {
    if (view.source.line === null) {
      const seconds = this.#now / 1000;
      return seconds <= view.video.duration || Number.isNaN(view.video.duration) ? seconds : null;
    }
    const moment = at(view.spans, this.#now);
    if (view.clock !== null && moment !== null) {
      const text = `${t("stage.clock")}: ${t(`clock.${moment.point.clock}`)}`;
      if (view.clock.textContent !== text) view.clock.textContent = text;
      view.clock.dataset["clock"] = moment.point.clock;
      view.mark.hidden = !moment.point.isAltered;
    }
    return moment?.seconds ?? null;
  }

  /** Lays words over a picture; never makes the clock wait. */
  #veil(view: View, kind: string, text: string): false {
    if (view.says === kind + text) return false;
    view.says = kind + text;
    view.veil.hidden = text === "";
    view.veil.dataset["kind"] = kind;
    view.veil.textContent = text;
    return false;
  }
}

/** The list of holes, each of which leads there. */
export function holesList(lines: readonly Line[], seek: (ms: number) => void): HTMLElement {
  const rows = lines.flatMap((line) => line.holes.map((hole) => ({ line, hole })));
  if (rows.length === 0) return h("p", {}, said("gaps.none"));
  const list = longList(rows, ({ line, hole }) => {
    const reason = h("span", {});
    const key = hole.reason === null ? "stage.unexplained" : `reason.${hole.reason.replaceAll(" ", "_")}`;
    if (isKey(key)) say(reason, key);
    else reason.textContent = plain(hole.reason ?? "");
    const go = h("button", { type: "button", class: "link", onclick: () => seek(hole.fromMs) }, `${utcText(hole.fromMs)} – ${utcText(hole.toMs)} UTC`);
    const of = `${plain(line.camera)}, ${line.stream}: `;
    return h("li", { class: hole.reason === null ? "bad" : "" }, of, go, ` (${lengthText(hole.toMs - hole.fromMs)}) `, reason);
  });
  return h("div", { class: "gaps" }, list);
}
