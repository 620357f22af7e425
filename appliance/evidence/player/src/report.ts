/** What a verifier says. The codes and their numbers are those of `watchbook-verify`; FORMAT.md says what each means. */

/** Each code and its exit code there. */
export const CODES = {
  unreadable: 3,
  "file-missing": 10,
  "file-altered": 10,
  "file-unlisted": 10,
  "run-altered": 11,
  "segment-leaf": 11,
  "segment-altered": 11,
  "segment-order": 11,
  coverage: 11,
  "runs-withheld": 12,
  "gap-leaf": 12,
  "gap-unexplained": 12,
  "delivered-wrong": 12,
  incomplete: 12,
  "export-missing": 13,
  "manifest-altered": 13,
  "export-early": 13,
  "proof-wrong": 14,
  "checkpoint-origin": 15,
  "key-change": 15,
  "checkpoint-unsigned": 15,
  "checkpoint-forged": 15,
  "witness-forged": 16,
  "witness-early": 16,
  "witness-missing": 16,
  fork: 17,
  older: 17,
  unconnected: 17,
} as const;

export type Code = keyof typeof CODES;

/** What was checked and is right. */
export const KINDS = [
  "file", "run", "source", "segment", "coverage", "gap", "complete", "delivered", "export", "proof", "checkpoint", "key-change", "witness", "known",
] as const;
export type Kind = (typeof KINDS)[number];

export interface Finding {
  code: Code;
  subject: string;
  detail: string;
}
export interface Passed {
  kind: Kind;
  subject: string;
  detail: string;
}

/** Text that cannot be taken for a line of the verifier's: control characters and those that turn the direction of writing round are written as numbers. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}

/** `verified` only with everything right and a key of the log that the reader gave; `unknown-key` when all else is right and no key was given. */
export type Verdict = "verified" | "unknown-key" | "not-verified" | "redacted" | "redacted-altered";

/** Exit code of a redacted copy of which nothing is wrong. */
const EXIT_REDACTED = 20;

export class Report {
  readonly findings: Finding[] = [];
  readonly passed: Passed[] = [];
  runs = 0;
  /** Runs that a redacted copy was made of. */
  sources = 0;
  /** It is a redacted copy: it is never verified. */
  isRedacted = false;

  fail(code: Code, subject: string | number, detail: string): void {
    this.findings.push({ code, subject: plain(String(subject)), detail: plain(detail) });
  }

  pass(kind: Kind, subject: string | number, detail: string): void {
    if (kind === "run") this.runs += 1;
    if (kind === "source") this.sources += 1;
    this.passed.push({ kind, subject: plain(String(subject)), detail: plain(detail) });
  }

  /** What was found so far, to go on from. */
  copy(): Report {
    const report = new Report();
    for (const finding of this.findings) report.findings.push(finding);
    for (const passed of this.passed) report.passed.push(passed);
    [report.runs, report.sources, report.isRedacted] = [this.runs, this.sources, this.isRedacted];
    return report;
  }

  get exitCode(): number {
    const good = this.isRedacted ? EXIT_REDACTED : 0;
    return this.findings.reduce((lowest, { code }) => Math.min(lowest, CODES[code]), this.findings.length > 0 ? 255 : good);
  }

  /** The lines that `watchbook-verify` prints. `hasKey`: the reader gave a key of the log, without which that program does not begin. */
  *lines(hasKey: boolean): Generator<string> {
    for (const { kind, subject, detail } of this.passed) yield `ok ${kind} ${subject}: ${detail}`;
    for (const { code, subject, detail } of this.findings) yield `FAIL ${code} ${subject}: ${detail}`;
    const verdict = this.verdict(hasKey);
    if (verdict === "redacted") yield `REDACTED WORKING COPY, intact: made of ${this.sources} runs`;
    else if (verdict === "redacted-altered") yield "REDACTED WORKING COPY, altered";
    else if (verdict === "verified") yield `VERIFIED: ${this.runs} runs`;
    else yield verdict === "unknown-key" ? "NOT VERIFIED: consistent in itself; no key of the log was given" : "NOT VERIFIED";
  }

  verdict(hasKey: boolean): Verdict {
    if (this.findings.length > 0) return this.isRedacted ? "redacted-altered" : "not-verified";
    if (!hasKey) return "unknown-key";
    return this.isRedacted ? "redacted" : "verified";
  }
}
