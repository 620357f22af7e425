/** The verdict and everything that it rests on; printed, it is the page of a file. */

import { isKey } from "../i18n";
import type { ChosenFiles } from "../bundle";
import { CODES, type Finding, KINDS, type Kind, type Passed, plain, type Report } from "../report";
import { type Inspection, type Trust } from "../verify";
import { nanos } from "../bytes";
import { type Manifest, parseRecord } from "../manifest";
import { msOf } from "../spans";
import { fill, h, label, longList, said, say } from "./dom";
import { localText, sizeText, utcText } from "./time";

/** Bytes of a certificate that is shown. */
const TEXT_BYTES_MAX = 256 << 10;

export type State = "none" | "busy" | "asked-wrongly" | "verified" | "unknown-key" | "not-verified" | "redacted" | "redacted-altered";
const SIGNS: Record<State, string> = { none: "–", busy: "…", "asked-wrongly": "?", verified: "✓", "unknown-key": "?", "not-verified": "✗", redacted: "▇", "redacted-altered": "✗" };

/** Which findings speak of what a kind of check looks at. */
const KIND_OF: Partial<Record<Finding["code"], Kind>> = {
  "file-missing": "file", "file-altered": "file", "file-unlisted": "file",
  "run-altered": "run",
  "segment-leaf": "segment", "segment-altered": "segment", "segment-order": "segment", "runs-withheld": "segment",
  coverage: "coverage",
  "gap-leaf": "gap", "gap-unexplained": "gap",
  incomplete: "complete", "delivered-wrong": "delivered",
  "export-missing": "export", "manifest-altered": "export", "export-early": "export",
  "proof-wrong": "proof",
  "checkpoint-origin": "checkpoint", "checkpoint-unsigned": "checkpoint", "checkpoint-forged": "checkpoint",
  "key-change": "key-change",
  "witness-forged": "witness", "witness-early": "witness", "witness-missing": "witness",
  fork: "known", older: "known", unconnected: "known",
};

/** Which camera a finding speaks of, and when, for people. */
function placeOf({ code, subject }: Finding, manifest: Manifest | null): string {
  const [number, second, run] = subject.split("/");
  const stream = manifest?.streams.find((one) => String(one.stream) === number);
  if (stream === undefined) return "";
  const entry = stream.segments.find((segment) => String(segment.leaf) === second)?.runs[Number(run ?? 0)];
  const ns = code === "gap-unexplained" ? nanos(second) : entry !== undefined && "first_utc_ns" in entry ? nanos(entry.first_utc_ns) : null;
  return plain(stream.camera) + (ns === null ? "" : `, ${utcText(msOf(ns))} UTC`);
}

function findingRow(finding: Finding, manifest: Manifest | null): HTMLElement {
  const { code, subject, detail } = finding;
  const key = `code.${code}`;
  const title = isKey(key) ? said(key) : code;
  const row = h("li", { "data-code": code, "data-subject": subject }, h("b", {}, title), ` ${placeOf(finding, manifest)} `, h("code", {}, subject));
  row.append(h("small", {}, said("found.code", { code, exit: CODES[code] }), `: ${detail}`));
  return row;
}

function passedRow({ subject, detail }: Passed): HTMLElement {
  return h("li", {}, "✓ ", h("code", {}, subject), ` ${detail}`);
}

function interval({ start_ns, end_ns }: { start_ns: string; end_ns: string }): string {
  const [start, end] = [msOf(nanos(start_ns) ?? 0n), msOf(nanos(end_ns) ?? 0n)];
  return `${utcText(start)} – ${utcText(end)} UTC (${localText(start)} – ${localText(end)})`;
}

export class VerdictPanel {
  /** The verdict and what is wrong. */
  readonly element = h("section", { class: "verdict", "data-verdict": "none" });
  /** All that it rests on. */
  readonly details = h("section", { class: "details" });
  readonly #sign = h("span", { class: "sign", "aria-hidden": "true" }, SIGNS.none);
  readonly #title = said("verdict.none");
  readonly #what = said("verdict.none.what");
  readonly #progress = h("progress", { hidden: true, max: 1, value: 0 });
  readonly #done = said("busy.read");
  readonly #findings = h("div", { class: "findings" });
  readonly #self = h("p", { class: "note", hidden: true }, said("verdict.self"));
  readonly #actions = h("div", { class: "actions", hidden: true });
  #report: Report | null = null;
  #hasKey = false;

  constructor() {
    label(this.element, "aria-label", "verdict.title");
    label(this.details, "aria-label", "checked.title");
    label(this.#progress, "aria-label", "verdict.busy");
    this.#done.hidden = true;
    this.#actions.append(
      h("button", { type: "button", onclick: () => window.print() }, said("print")),
      " ",
      h("button", { type: "button", onclick: () => this.#save() }, said("save")),
    );
    const banner = h("div", { class: "banner", role: "status" }, this.#sign, h("div", {}, h("h2", {}, this.#title), h("p", {}, this.#what), this.#progress, this.#done));
    fill(this.element, banner, this.#self, this.#actions, this.#findings);
  }

  #set(state: State, params: Record<string, string | number> = {}): void {
    this.element.dataset["verdict"] = state;
    this.#sign.textContent = SIGNS[state];
    say(this.#title, `verdict.${state}`);
    if (state === "asked-wrongly") say(this.#what, "key.wrong", params);
    else say(this.#what, `verdict.${state}.what`, params);
    const isBusy = state === "busy";
    this.#progress.hidden = !isBusy;
    this.#done.hidden = !isBusy;
  }

  #clear(): void {
    this.#self.hidden = true;
    fill(this.#findings);
    fill(this.details);
  }

  showBusy(): void {
    this.#set("busy");
    say(this.#done, "busy.read");
    this.#progress.removeAttribute("value");
    this.#actions.hidden = true;
    this.#clear();
  }

  showProgress(done: number, total: number): void {
    this.#progress.max = Math.max(1, total);
    this.#progress.value = done;
    say(this.#done, "busy", { done: sizeText(done), total: sizeText(total) });
  }

  /** What the reader gave cannot be used, so nothing is judged. */
  showProblem(why: string): void {
    this.#set("asked-wrongly", { why });
    this.#actions.hidden = true;
    this.#clear();
  }

  show(report: Report, trust: Trust, inspection: Inspection | null, files: ChosenFiles): void {
    this.#report = report;
    this.#hasKey = trust.logKeys.length > 0;
    this.#set(report.verdict(this.#hasKey), { runs: report.isRedacted ? report.sources : report.runs, count: report.findings.length });
    this.#actions.hidden = false;
    this.#self.hidden = false;
    const manifest = inspection?.manifest ?? null;
    fill(this.details);
    fill(this.#findings);
    if (report.findings.length > 0) fill(this.#findings, h("h3", {}, said("found.title")), longList(report.findings, (finding) => findingRow(finding, manifest)));
    fill(
      this.details,
      inspection !== null && this.#facts(inspection, trust),
      inspection !== null && this.#checked(report, trust, inspection.manifest),
      inspection !== null && this.#files(inspection, report),
      inspection !== null && this.#texts(inspection, files),
      h("h3", {}, said("proves.title")),
      h("p", {}, said(report.isRedacted ? "proves.redacted" : "proves.yes")),
      !report.isRedacted && h("p", {}, said("proves.no")),
    );
  }

  #facts({ manifest, manifestHash, proofs, checkpoint }: Inspection, trust: Trust): HTMLElement {
    const list = h("dl", {});
    const fact = (key: Parameters<typeof said>[0], ...values: (string | Node)[]): void => {
      list.append(h("dt", {}, said(key)), h("dd", {}, ...values.flatMap((value, at) => (at === 0 ? [value] : [h("br"), value]))));
    };
    const cameras = manifest.streams.map(({ camera, stream }) => `${plain(camera)} (${stream})`);
    const keys = [...trust.logKeys, ...trust.witnesses].map((key) => key.line);
    fact("facts.case", plain(manifest.case));
    fact("facts.cameras", ...(cameras.length > 0 ? cameras : ["–"]));
    fact("facts.requested", interval(manifest.requested));
    fact("facts.delivered", interval(manifest.delivered));
    const release = parseRecord(proofs.leaves.find((leaf) => leaf.index === proofs.export)?.body ?? "");
    if (release?.kind === "export") fact("facts.released", said("facts.released.value", { account: release.account, approver: release.approver }));
    fact("facts.manifest", manifestHash);
    fact("facts.origin", plain(manifest.origin));
    fact("facts.checkpoint", said("facts.checkpoint.value", { size: String(checkpoint.root.size), root: checkpoint.rootText }));
    fact("facts.signed", ...checkpoint.signatures.map(({ name, id }) => `${plain(name)}+${id}`));
    fact("facts.keys", ...(keys.length > 0 ? keys : [said("facts.nobody")]));
    fact("facts.software", plain(manifest.software));
    const { redaction } = manifest;
    if (redaction !== undefined) {
      const { regions, frames, left_out: left, encoder } = redaction;
      fact("facts.redaction", said(redaction.everything_but ? "facts.redaction.but" : "facts.redaction.regions", { regions: regions.length, frames, left, encoder: plain(encoder) }));
      fact("facts.master", ...(redaction.master === undefined ? [said("facts.nobody")] : [`manifest.json ${redaction.master.manifest}`, `MP4 ${redaction.master.file}`]));
    }
    const now = Date.now();
    fact("facts.when", `${utcText(now)} UTC (${localText(now)})`);
    return h("div", {}, h("h3", {}, said("facts.title")), list);
  }

  #checked(report: Report, trust: Trust, manifest: Manifest): HTMLElement {
    const passed = new Map<Kind, Passed[]>(KINDS.map((kind) => [kind, []]));
    for (const one of report.passed) passed.get(one.kind)?.push(one);
    const element = h("div", { class: "checked" }, h("h3", {}, said("checked.title")));
    for (const kind of KINDS) {
      const good = passed.get(kind) ?? [];
      const bad = report.findings.filter((finding) => KIND_OF[finding.code] === kind);
      const isAsked = good.length + bad.length > 0 || !["checkpoint", "witness", "known", "key-change", "gap", report.isRedacted ? "run" : "source"].includes(kind);
      if (!isAsked && kind === "checkpoint" && trust.logKeys.length > 0) continue;
      const count = isAsked ? said("checked.count", { good: good.length, bad: bad.length }) : said("checked.none");
      const state = bad.length > 0 ? "bad" : good.length > 0 ? "good" : "none";
      const details = h("details", { class: state, "data-kind": kind }, h("summary", {}, said(`ok.${kind}`), ": ", count));
      // Drawn when it is opened: there may be a million runs.
      details.addEventListener("toggle", () => {
        if (!details.open || details.childElementCount > 1) return;
        if (bad.length > 0) details.append(longList(bad, (finding) => findingRow(finding, manifest)));
        if (good.length > 0) details.append(longList(good, passedRow));
      });
      element.append(details);
    }
    return element;
  }

  #files({ manifest, seals }: Inspection, report: Report): HTMLElement {
    const good = new Set(report.passed.filter((one) => one.kind === "file").map((one) => one.subject));
    const head = h("tr", {}, ...(["files.name", "files.kind", "files.bytes", "files.state"] as const).map((key) => h("th", {}, said(key))), h("th", {}, "SHA-256"));
    const rows = manifest.files.map((file) => {
      const isGood = good.has(file.name);
      const state = h("td", { class: isGood ? "good" : "bad" }, isGood ? "✓ " : "✗ ", said(isGood ? "files.good" : "files.bad"));
      const seal = seals.get(file.name);
      if (seal !== undefined) state.append(h("br"), h("span", { class: seal.state, "data-seal": seal.state }, said(`seal.${seal.state}`, { certificate: seal.certificate, count: seal.count })));
      return h("tr", {}, h("td", {}, file.name), h("td", {}, said(`kind.${file.kind}`)), h("td", {}, String(file.bytes)), state, h("td", { class: "hash" }, file.sha256));
    });
    return h("div", {}, h("h3", {}, said("files.title")), h("div", { class: "wide" }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows))));
  }

  /** Certificates are text; what they say is the officer's word, and their bytes are among the files that were checked. */
  #texts({ manifest }: Inspection, files: ChosenFiles): HTMLElement | null {
    const names = manifest.files.filter((file) => /^(?:certificate|notice).*\.txt$/.test(file.name) && file.bytes <= TEXT_BYTES_MAX).map((file) => file.name);
    if (names.length === 0) return null;
    const element = h("div", {}, h("h3", {}, said("texts.title")));
    for (const name of names) {
      const text = h("pre", {});
      element.append(h("details", { class: "text" }, h("summary", {}, name), text));
      const file = files.file(name);
      if (file !== null && file.size <= TEXT_BYTES_MAX) void file.text().then((read) => (text.textContent = read.split("\n").map(plain).join("\n")), () => undefined);
    }
    return element;
  }

  #save(): void {
    if (this.#report === null) return;
    const lines = Array.from(this.#report.lines(this.#hasKey), (line) => `${line}\n`);
    const url = URL.createObjectURL(new Blob(lines, { type: "text/plain;charset=utf-8" }));
    h("a", { href: url, download: "watchbook-verdict.txt" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}
