/** The page: what was chosen goes to the checks and to the player. */

import { ChosenFiles } from "./bundle";
import type { Manifest } from "./manifest";
import { parseKeys } from "./note";
import { Report } from "./report";
import { alteredIn, linesOf } from "./spans";
import { fill, h, label, said, setLanguage } from "./ui/dom";
import { type Chosen, OpenPanel } from "./ui/open";
import { holesList, type Source, Stage } from "./ui/stage";
import { VerdictPanel } from "./ui/verdict";
import { inspect, type Inspection, judge, type Trust, trustOf } from "./verify";

/** Masters that are looked for beside the page before anything was chosen: `camera-1.mp4` and so on. */
const CAMERAS_MAX = 16;
/** How the names of redacted copies begin. */
const WORKING = "WORKING-REDACTED-";
/** Least time between two strokes of the progress bar, in milliseconds. */
const STROKE_MS = 100;

class Page {
  readonly #open = new OpenPanel((chosen) => void this.#choose(chosen), () => void this.#check());
  readonly #verdict = new VerdictPanel();
  readonly #stage = h("div", {});
  readonly #gaps = h("div", {});
  #player: Stage | null = null;
  #files: ChosenFiles | null = null;
  /** Inspected once; other keys do not change what is in the files. */
  #inspection: Inspection | Report | null = null;
  #urls: string[] = [];
  /** Which choice is the last: an older check that is still under way tells nothing any more. */
  #turn = 0;
  #language: "en" | "km" = navigator.language.startsWith("km") ? "km" : "en";

  constructor(root: HTMLElement) {
    const language = h("button", { type: "button", class: "language", onclick: () => this.#speak(this.#language === "en" ? "km" : "en") }, said("language"));
    const stage = label(h("section", { class: "footage" }, h("h2", {}, said("stage.title")), this.#stage, this.#gaps), "aria-label", "stage.title");
    fill(root, h("header", {}, h("div", {}, h("h1", {}, said("title")), h("p", {}, said("title.what"))), language), this.#open.element, this.#verdict.element, stage, this.#verdict.details);
    this.#speak(this.#language);
    window.addEventListener("keydown", (event) => this.#key(event));
    void this.#lookBeside();
  }

  #speak(language: "en" | "km"): void {
    this.#language = language;
    setLanguage(language);
  }

  /** Plays what lies beside the page. A page from a disk may show such files and may not read them. */
  async #lookBeside(): Promise<void> {
    const turn = this.#turn;
    const names = Array.from({ length: CAMERAS_MAX }, (_, at) => [`camera-${at + 1}.mp4`, `${WORKING}camera-${at + 1}.mp4`]).flat();
    const found = await Promise.all(names.map((name) => lengthOf(name)));
    if (turn !== this.#turn) return;
    const sources: Source[] = [];
    let longest = 0;
    names.forEach((name, at) => {
      const seconds = found[at] ?? null;
      if (seconds === null) return;
      longest = Math.max(longest, seconds);
      sources.push({ name, url: name, line: null, others: [] });
    });
    if (sources.length === 0) return fill(this.#stage, h("p", { class: "note" }, said("stage.none")));
    const whole = { stream: 0, camera: "", file: "", spans: [{ fromMs: 0, toMs: longest * 1000, points: [] }], holes: [], isShown: true };
    this.#play(new Stage(sources, [whole]));
  }

  /** A redacted copy has no runs whose places in it could be looked up: it plays in its own time. */
  async #showCopies(manifest: Manifest, files: ChosenFiles): Promise<void> {
    const sources: Source[] = [];
    let longest = 0;
    for (const { name } of manifest.files.filter(({ kind }) => kind === "working")) {
      const file = files.file(name);
      if (file === null) continue;
      const url = URL.createObjectURL(file);
      this.#urls.push(url);
      longest = Math.max(longest, (await lengthOf(url)) ?? 0);
      sources.push({ name, url, line: null, others: [] });
    }
    if (sources.length === 0) return fill(this.#stage, h("p", { class: "note" }, said("stage.none")));
    const whole = { stream: 0, camera: "", file: "", spans: [{ fromMs: 0, toMs: longest * 1000, points: [] }], holes: [], isShown: true };
    this.#play(new Stage(sources, [whole]));
  }

  #play(stage: Stage): void {
    this.#player?.close();
    this.#player = stage;
    fill(this.#stage, stage.element);
  }

  async #choose(chosen: Chosen[]): Promise<void> {
    this.#files = new ChosenFiles(chosen);
    this.#inspection = null;
    this.#open.showChosen(chosen);
    await this.#check();
  }

  async #check(): Promise<void> {
    const files = this.#files;
    if (files === null) return;
    this.#turn += 1;
    const turn = this.#turn;
    this.#open.showProblem(null);
    let inspection = this.#inspection;
    if (inspection === null) {
      this.#verdict.showBusy();
      let last = 0;
      inspection = await inspect(files, ({ done, total }) => {
        const now = performance.now();
        if (turn !== this.#turn || now - last < STROKE_MS) return;
        last = now;
        this.#verdict.showProgress(done, total);
      });
      if (turn !== this.#turn) return;
      this.#inspection = inspection;
      if (!(inspection instanceof Report)) this.#showFootage(inspection, files);
    }
    const trust = this.#trust(inspection instanceof Report ? null : inspection.manifest.origin);
    if (trust === null) return;
    if (inspection instanceof Report) this.#verdict.show(inspection, trust, null, files);
    else this.#verdict.show(judge(inspection, trust), trust, inspection, files);
  }

  #trust(origin: string | null): Trust | null {
    try {
      const typed = this.#open.typed;
      return trustOf({ ...typed, logKeys: parseKeys(typed.log), witnesses: parseKeys(typed.witness) }, origin);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#open.showProblem(why);
      this.#verdict.showProblem(why);
      return null;
    }
  }

  #showFootage(inspection: Inspection, files: ChosenFiles): void {
    for (const url of this.#urls) URL.revokeObjectURL(url);
    this.#urls = [];
    if (inspection.manifest.redaction !== undefined) {
      fill(this.#gaps);
      void this.#showCopies(inspection.manifest, files);
      return;
    }
    const lines = linesOf(inspection, alteredIn(inspection.report));
    const sources: Source[] = [];
    for (const line of lines.filter((one) => one.isShown)) {
      const file = files.file(line.file);
      if (file === null) continue;
      // What is shown is the very file that was checked.
      const url = URL.createObjectURL(file);
      this.#urls.push(url);
      const others = lines.filter((one) => one.file === line.file && !one.isShown).map((one) => one.stream);
      sources.push({ name: line.file, url, line, others });
    }
    if (sources.length === 0) {
      this.#player?.close();
      this.#player = null;
      fill(this.#stage, h("p", { class: "note" }, said("stage.none")));
    } else {
      this.#play(new Stage(sources, lines));
    }
    fill(this.#gaps, h("h3", {}, said("gaps.title")), holesList(lines, (ms) => this.#player?.seek(ms)));
  }

  #key(event: KeyboardEvent): void {
    const player = this.#player;
    const isTyping = event.target instanceof HTMLElement && event.target.closest("textarea, input:not([type=range]), select, button, summary, label") !== null;
    if (player === null || isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
    const second = event.shiftKey ? 10_000 : 1000;
    const acts: Record<string, () => void> = {
      " ": () => player.toggle(),
      ArrowLeft: () => player.seek(player.nowMs - second),
      ArrowRight: () => player.seek(player.nowMs + second),
      ",": () => player.step(-1),
      ".": () => player.step(1),
      "[": () => player.faster(-1),
      "]": () => player.faster(1),
      g: () => player.nextGap(),
    };
    const act = acts[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }
}

/** Length of a video beside the page in seconds; `null` when there is none. */
function lengthOf(name: string): Promise<number | null> {
  return new Promise((resolve) => {
    const video = h("video", { preload: "metadata" });
    video.muted = true;
    video.addEventListener("loadedmetadata", () => resolve(Number.isFinite(video.duration) ? video.duration : 0));
    video.addEventListener("error", () => resolve(null));
    video.src = name;
  });
}

const root = document.getElementById("page");
if (root !== null) new Page(root);
