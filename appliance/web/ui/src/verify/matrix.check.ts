/**
 * The module that the page loads says of every bundle of the matrix what `watchbook-verify` says: the same exit code and, line for line, the same text, of the folder and of its ZIP.
 *
 * From the environment: WATCHBOOK_MATRIX, the bundles that `appliance/evidence/tests/it/two_verifiers.rs` writes; WATCHBOOK_VERIFY, the program.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { type Answer, ask, type Given, type Question } from "./engine";

const MATRIX = process.env["WATCHBOOK_MATRIX"] ?? "";
const VERIFY = process.env["WATCHBOOK_VERIFY"] ?? "";
/** Bundles of the matrix; with fewer something has not been written. */
const MATRIX_MIN = 100;
/** What the page fetches when somebody checks a bundle. */
const GZIP_BYTES_MAX = 256_000;
/** Files that a verdict may need beside a bundle, as the Rust tests name them. */
const FILES: Record<string, string> = { "--known": "known", "--consistency": "proof" };
/** ZIPs are made by Python: in the order of the names, stored. Its arguments are where to and where the bundles are. */
const ZIP = `
import os, sys, zipfile
for name in os.listdir(sys.argv[2]):
    folder = os.path.join(sys.argv[2], name, "bundle")
    with zipfile.ZipFile(os.path.join(sys.argv[1], name + ".zip"), "w") as archive:
        for file in sorted(os.listdir(folder)):
            archive.writestr(zipfile.ZipInfo(file), open(os.path.join(folder, file), "rb").read())
`;

const bytes = readFileSync(new URL("./verify.wasm", import.meta.url));
const module = new WebAssembly.Module(bytes);

interface Said {
  arguments: string[];
  code: number;
  failed: string[];
  verdict: string;
}

function givenBy(place: string, options: readonly string[]): Given {
  const of = (name: string): string[] => options.flatMap((option, at) => (option === name ? [options[at + 1] ?? ""] : []));
  const text = (name: string): string | null => (of(name).length === 0 ? null : readFileSync(join(place, FILES[name] ?? ""), "utf8"));
  const [quorum] = of("--quorum");
  return { log: of("--log").join("\n"), witness: of("--witness").join("\n"), quorum: quorum === undefined ? null : Number(quorum), known: text("--known"), consistency: text("--consistency") };
}

function asked(paths: readonly string[], question: Omit<Question, "files">): Answer {
  const open = paths.map((path) => openSync(path, "r"));
  const files = paths.map((path) => ({ name: path.slice(path.lastIndexOf("/") + 1), bytes: statSync(path).size }));
  const read = (file: number, at: number, to: Uint8Array): boolean => readSync(open[file] ?? -1, to, 0, to.length, at) === to.length;
  const answer = ask(module, { ...question, files }, { read, expect: () => undefined });
  open.forEach(closeSync);
  return answer;
}

it("says of every bundle what watchbook-verify says, line for line", { timeout: 600_000 }, () => {
  const places = readdirSync(MATRIX).sort();
  expect(places.length).toBeGreaterThan(MATRIX_MIN);
  const work = mkdtempSync(join(tmpdir(), "watchbook-matrix-"));
  execFileSync("python3", ["-c", ZIP, work, MATRIX]);
  let spoilt = 0;
  for (const name of places) {
    const place = join(MATRIX, name);
    const folder = join(place, "bundle");
    const said = JSON.parse(readFileSync(join(place, "said.json"), "utf8")) as Said;
    const given = givenBy(place, said.arguments);
    const own = said.arguments.map((value, at) => (FILES[said.arguments[at - 1] ?? ""] === undefined ? value : join(place, FILES[said.arguments[at - 1] ?? ""] ?? "")));
    const program = (bundle: string) => spawnSync(VERIFY, [bundle, ...own], { encoding: "utf8", maxBuffer: 1 << 26 });
    const theirs = program(folder);
    const ours = asked(
      readdirSync(folder).map((file) => join(folder, file)),
      { ...given, archive: false },
    );
    expect({ exit: ours.exit, text: ours.text, refused: ours.refused }, name).toEqual({ exit: theirs.status, text: theirs.stdout, refused: null });
    const failed = ours.findings.map(({ code, subject }) => `${code} ${subject}`).sort();
    expect({ code: ours.exit, failed, verdict: ours.verdict }, name).toEqual({ code: said.code, failed: said.failed, verdict: said.verdict });
    const zip = join(work, `${name}.zip`);
    const packed = asked([zip], { ...given, archive: true });
    expect({ exit: packed.exit, text: packed.text }, `${name}, packed`).toEqual({ exit: ours.exit, text: ours.text });
    expect(program(zip).stdout, `${name}, packed, by the program`).toBe(ours.text);
    spoilt += Number(said.code !== 0);
  }
  rmSync(work, { recursive: true });
  expect(spoilt).toBeGreaterThan(places.length / 2);
  console.log(`${places.length} bundles, ${spoilt} of them spoilt, as folders and as ZIPs: the same lines`);
});

it("does not hang or pass when bytes cannot be read", () => {
  const place = join(MATRIX, "000");
  const said = JSON.parse(readFileSync(join(place, "said.json"), "utf8")) as Said;
  const files = readdirSync(join(place, "bundle")).map((name) => ({ name, bytes: statSync(join(place, "bundle", name)).size }));
  const answer = ask(module, { ...givenBy(place, said.arguments), files, archive: false }, { read: () => false, expect: () => undefined });
  expect({ exit: answer.exit, verified: answer.verified }).toEqual({ exit: 3, verified: false });
});

it("imports bytes of files and nothing else, and is small", () => {
  expect(WebAssembly.Module.imports(module)).toEqual([
    { module: "files", name: "read", kind: "function" },
    { module: "files", name: "expect", kind: "function" },
  ]);
  const packed = gzipSync(bytes, { level: 9 }).length;
  console.log(`the verifier is ${Math.round(bytes.length / 1000)} kB, ${Math.round(packed / 1000)} kB in gzip (limit ${GZIP_BYTES_MAX / 1000} kB)`);
  expect(packed).toBeLessThan(GZIP_BYTES_MAX);
});
