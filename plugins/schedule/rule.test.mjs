import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configured, evaluated, isOpen } from "./rule.js";

const NS = 1_000_000_000n;
// 2026-11-23 is a Monday.
const MONDAY = { year: 2026, month: 11, day: 23, hour: 22, minute: 15, second: 0, weekday: 0, utcOffsetMin: 420, zone: "Asia/Phnom_Penh" };
const START = BigInt(Date.UTC(2026, 10, 23, 15, 15)) * 1_000_000n;

const settings = (chosen = {}) =>
  configured(
    JSON.stringify({
      open_from: "08:00", open_to: "17:00", open_days: "mo tu we th fr", closed_dates: "", kinds: "", score_min: 0,
      propose: "notify", before_s: 10, after_s: 20, pause_s: 300, ...chosen,
    }),
  );
const mark = (changed = {}) => ({ kind: "motion", score: 0.8, startUtcNs: START, endUtcNs: START + 5n * NS, detections: [], note: "", ...changed });
const occurrence = (changed) => ({ source: "org.watchbook.motion", mark: mark(changed) });
const situation = (changed = {}) => ({
  camera: "camera-1", cameraName: "Gate", event: occurrence(), local: MONDAY, cases: [], recent: [], ...changed,
});
const at = (weekday, hour, minute = 0, day = 23 + weekday) => ({ ...MONDAY, weekday, hour, minute, day });

test("the end of the hours does not belong to them", () => {
  const day = settings();
  assert.deepEqual([[7, 59], [8, 0], [16, 59], [17, 0]].map(([hour, minute]) => isOpen(day, at(0, hour, minute))), [false, true, true, false]);
  assert.equal(isOpen(day, at(5, 12)), false, "Saturday");
});

test("hours over midnight belong to the day on which they began", () => {
  const night = settings({ open_from: "20:00", open_to: "02:00", open_days: "fr" });
  assert.equal(isOpen(night, at(4, 21)), true, "Friday evening");
  assert.equal(isOpen(night, at(5, 1)), true, "the same night on Saturday");
  assert.equal(isOpen(night, at(4, 1)), false, "Thursday's night was closed");
  assert.equal(isOpen(night, at(5, 21)), false, "Saturday evening");
  const eve = settings({ open_from: "20:00", open_to: "02:00", open_days: "fr", closed_dates: "2026-11-27" });
  assert.equal(isOpen(eve, at(5, 1)), false, "closed on the Friday, so its night is closed");
  const first = { ...MONDAY, year: 2027, month: 1, day: 1, weekday: 4, hour: 1 };
  assert.equal(isOpen(settings({ open_from: "20:00", open_to: "02:00", open_days: "th", closed_dates: "2026-12-31" }), first), false);
});

test("equal ends are never open, and a day may end at 24:00", () => {
  assert.equal(isOpen(settings({ open_from: "00:00", open_to: "00:00" }), at(0, 12)), false);
  assert.equal(isOpen(settings({ open_from: "00:00", open_to: "24:00" }), at(0, 23, 59)), true);
});

test("an event outside the hours is told, one inside is not", () => {
  const [verdict, ...more] = evaluated(settings(), situation());
  assert.deepEqual(more, []);
  assert.deepEqual(verdict.what, { tag: "notify", val: "Gate: motion at 22:15, while closed" });
  assert.match(verdict.reason, /2026-11-23 22:15 \(Asia\/Phnom_Penh\)/);
  assert.deepEqual(evaluated(settings(), situation({ local: at(0, 10) })), []);
});

test("kinds and scores are chosen", () => {
  assert.deepEqual(evaluated(settings({ kinds: "crossing-in" }), situation()), []);
  assert.equal(evaluated(settings({ kinds: "crossing-in, motion" }), situation()).length, 1);
  assert.deepEqual(evaluated(settings({ score_min: 0.9 }), situation()), []);
});

test("a clip has its ends and stays within an hour", () => {
  const chosen = settings({ propose: "export-clip" });
  const [{ what }] = evaluated(chosen, situation({ cases: ["PP-7", "PP-3"] }));
  assert.equal(what.tag, "export-clip");
  assert.equal(what.val.fromUtcNs, START - 10n * NS);
  assert.equal(what.val.toUtcNs, START + 25n * NS);
  assert.equal(what.val.caseNumber, "PP-7");
  const long = situation({ event: occurrence({ endUtcNs: START + 5000n * NS }) });
  const [{ what: cut }] = evaluated(chosen, long);
  assert.equal(cut.val.toUtcNs - cut.val.fromUtcNs, 3599n * NS);
  const moment = situation({ event: occurrence({ endUtcNs: undefined }) });
  const [{ what: short }] = evaluated(settings({ propose: "hold", before_s: 0, after_s: 0 }), moment);
  assert.ok(short.val.toUtcNs > short.val.fromUtcNs, "a moment is a clip too");
});

test("the pause counts from proposals, not from events", () => {
  const before = (...seconds) => seconds.map((back) => occurrence({ startUtcNs: START - BigInt(back) * NS }));
  const with_ = (recent, chosen) => evaluated(settings(chosen), situation({ recent })).length;
  assert.equal(with_(before(299)), 0);
  assert.equal(with_(before(300)), 1);
  // Every 200 s an event, the first one 800 s ago: proposals for it and for the one 400 s ago; 400 s are more than the pause.
  assert.equal(with_(before(200, 400, 600, 800)), 1);
  // 600 s ago there was one, so 200 s ago there was another: too near.
  assert.equal(with_(before(200, 400, 600)), 0);
  assert.equal(with_(before(1), { pause_s: 0 }), 1);
  // What was no matter for a proposal starts no pause: another kind; an event of the opening hours.
  assert.equal(with_([occurrence({ kind: "crossing-in", startUtcNs: START - 9n * NS })]), 1);
  const evening = situation({ local: at(0, 17, 1), recent: before(120) });
  assert.equal(evaluated(settings(), evening).length, 1);
});

test("wrong settings are named", () => {
  for (const [chosen, word] of [
    [{ open_from: "8" }, /open_from/], [{ open_to: "25:00" }, /open_to/], [{ open_to: "24:30" }, /open_to/],
    [{ open_days: "mo xx" }, /xx/], [{ closed_dates: "2027-02-29" }, /2027-02-29/], [{ closed_dates: "14.4." }, /14\.4\./],
  ]) {
    assert.throws(() => settings(chosen), (sentence) => word.test(sentence));
  }
  assert.ok(settings({ closed_dates: "2028-02-29" }).closed.has("2028-02-29"));
});

test("the manifest says that holds are proposed: the engine refuses them otherwise", () => {
  const manifest = readFileSync(new URL("plugin.toml", import.meta.url), "utf8");
  const top = manifest.slice(0, manifest.indexOf("\n["));
  assert.match(manifest, /^choices = .*"hold"/m);
  assert.match(top, /^retention_effect = "proposes-hold"$/m);
});
