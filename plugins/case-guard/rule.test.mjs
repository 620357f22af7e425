import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configured, evaluated, fits } from "./rule.js";

const NS = 1_000_000_000n;
const START = 1_764_000_000n * NS;

const settings = (chosen = {}) =>
  configured(
    JSON.stringify({
      kinds: "wrong-way", score_min: 0.5, case_form: "PP-####/26", approvals: 3, redaction: "plates-blurred",
      without_case: "hold", before_s: 30, after_s: 60, ...chosen,
    }),
  );
const situation = (changed = {}, mark = {}) => ({
  camera: "camera-1", cameraName: "Bridge",
  event: {
    source: "org.watchbook.traffic",
    mark: { kind: "wrong-way", score: 0.9, startUtcNs: START, endUtcNs: START + 4n * NS, detections: [], note: "", ...mark },
  },
  local: {}, cases: [], recent: [], ...changed,
});

test("a form is a number's shape", () => {
  for (const [form, number, expected] of [
    ["", "anything", true], ["", "", false], ["PP-####/26", "PP-0042/26", true], ["PP-####/26", "PP-042/26", false],
    ["PP-####/26", "PP-0042/27", false], ["PP-####/26", "PP-00421/26", false], ["*", "x", true], ["PP-*", "PP-", true],
    ["*/26", "a/26/26", true], ["*#*#", "ab1c2", true], ["*#*#", "ab1c", false], ["#", "១", false],
  ]) {
    assert.equal(fits(form, number), expected, `${form} ${number}`);
  }
});

test("a long run of stars ends", () => {
  assert.equal(fits("*a".repeat(32), "a".repeat(64)), true);
  assert.equal(fits(`${"*a".repeat(31)}*b`, "a".repeat(64)), false);
});

test("the first case of the right form gets the clip, with its approvals", () => {
  const [verdict, ...more] = evaluated(settings(), situation({ cases: ["old-7", "PP-0042/26", "PP-0041/26"] }));
  assert.deepEqual(more, []);
  assert.equal(verdict.what.tag, "export-clip");
  assert.deepEqual(verdict.what.val, {
    camera: "camera-1", fromUtcNs: START - 30n * NS, toUtcNs: START + 64n * NS, redaction: "plates-blurred",
    caseNumber: "PP-0042/26", approvals: 3,
  });
  assert.match(verdict.reason, /PP-0042\/26; 3 persons/);
});

test("without a case the footage is kept until somebody names one", () => {
  const [{ what, reason }] = evaluated(settings(), situation());
  assert.equal(what.tag, "hold");
  assert.equal(what.val.caseNumber, "");
  assert.match(reason, /no open case for/);
  const [other] = evaluated(settings(), situation({ cases: ["old-7"] }));
  assert.match(other.reason, /of the form PP-####\/26/);
  const [told] = evaluated(settings({ without_case: "notify" }), situation());
  assert.match(told.what.val, /^Bridge: wrong-way\. no open case/);
  assert.deepEqual(evaluated(settings({ without_case: "nothing" }), situation()), []);
});

test("other kinds and low scores are nobody's case", () => {
  assert.deepEqual(evaluated(settings(), situation({ cases: ["PP-0042/26"] }, { kind: "motion" })), []);
  assert.deepEqual(evaluated(settings(), situation({ cases: ["PP-0042/26"] }, { score: 0.49 })), []);
  assert.deepEqual(evaluated(settings({ kinds: "" }), situation({ cases: ["PP-0042/26"] })), []);
});

test("an hour is the most", () => {
  const [{ what }] = evaluated(settings(), situation({}, { endUtcNs: START + 4000n * NS }));
  assert.equal(what.val.toUtcNs - what.val.fromUtcNs, 3599n * NS);
});

test("the manifest says that holds are proposed: the engine refuses them otherwise", () => {
  const manifest = readFileSync(new URL("plugin.toml", import.meta.url), "utf8");
  const top = manifest.slice(0, manifest.indexOf("\n["));
  assert.match(manifest, /^choices = .*"hold"/m);
  assert.match(top, /^retention_effect = "proposes-hold"$/m);
});
