import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { en } from "./i18n/en";
import { km } from "./i18n/km";
import { CODES, plain, Report } from "./report";

describe("the report", () => {
  it("has the codes of FORMAT.md, no more and no less", () => {
    const format = readFileSync(new URL("../../FORMAT.md", import.meta.url), "utf8");
    const rows = [...format.matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm)].map(([, code, exit]) => [code, Number(exit)] as const);
    expect(rows.length).toBeGreaterThan(20);
    expect(Object.fromEntries(rows)).toEqual(CODES);
    for (const code of Object.keys(CODES)) expect(Object.keys(en), code).toContain(`code.${code}`);
  });

  it("is verified only without a finding and with a key", () => {
    const report = new Report();
    expect([report.verdict(false), report.verdict(true), report.exitCode]).toEqual(["unknown-key", "verified", 0]);
    expect([...report.lines(true)]).toEqual(["VERIFIED: 0 runs"]);
    expect([...report.lines(false)][0]).toMatch(/^NOT VERIFIED/);
    report.fail("fork", "checkpoint", "");
    report.fail("run-altered", "1/2/3", "x\nVERIFIED: 1 runs");
    expect([report.verdict(false), report.verdict(true), report.exitCode]).toEqual(["not-verified", "not-verified", 11]);
    expect([...report.lines(true)].at(-1)).toBe("NOT VERIFIED");
    expect([...report.lines(true)].filter((line) => line.includes("\n"))).toEqual([]);
  });

  it("never calls a redacted copy verified", () => {
    const report = new Report();
    report.isRedacted = true;
    report.pass("source", "256/1/1", "");
    expect([report.verdict(false), report.verdict(true), report.copy().exitCode]).toEqual(["unknown-key", "redacted", 20]);
    expect([...report.copy().lines(true)].at(-1)).toBe("REDACTED WORKING COPY, intact: made of 1 runs");
    report.fail("file-altered", "WORKING-REDACTED-camera-1.mp4", "");
    expect([report.verdict(true), report.exitCode, [...report.lines(true)].at(-1)]).toEqual(["redacted-altered", 10, "REDACTED WORKING COPY, altered"]);
  });

  it("writes what a terminal or an eye would obey as numbers", () => {
    expect(plain("a\u001b[2K\u202e\u2066ខ\u007f\u2028")).toBe("a\\u{1b}[2K\\u{202e}\\u{2066}ខ\\u{7f}\\u{2028}");
  });
});

describe("the words", () => {
  it("say the same with the same parts in both languages", () => {
    const parts = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([part]) => part).sort();
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect(parts(km[key]), key).toEqual(parts(en[key]));
      if (key !== "stage.utc" && key !== "language") expect(km[key], key).toMatch(/[\u1780-\u17ff]/);
    }
  });
});
