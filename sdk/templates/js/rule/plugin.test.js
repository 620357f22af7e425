// Runs without WebAssembly: node --test
import assert from "node:assert/strict";
import { test } from "node:test";
import { rule } from "./plugin.js";

const mark = { kind: "motion", score: 1, startUtcNs: 1764000000000000000, endUtcNs: null, zone: null, detections: [], note: "" };
const local = { year: 2025, month: 11, day: 24, hour: 16, minute: 0, second: 0, weekday: 0, utcOffsetMin: 0, zone: "UTC" };
const event = { source: "org.example.source", mark };
const monday = { camera: "camera", cameraName: "Camera", event, local, cases: [], recent: [] };

test("motion counts outside office hours only", () => {
  rule.configure('{"office_from": 8, "office_until": 17, "notify": true}');
  assert.deepEqual(rule.evaluate(monday), []);
  const [tag, notice] = rule.evaluate({ ...monday, local: { ...local, hour: 17 } });
  assert.deepEqual(tag.what, { tag: "tag", val: "after-hours" });
  assert.equal(tag.reason, "motion at 17:00, outside office hours 8 to 17");
  assert.deepEqual(notice.what, { tag: "notify", val: "Motion outside office hours: Camera" });
});

test("hours that make no sense are refused", () => {
  const wrong = () => rule.configure('{"office_from": 17, "office_until": 8, "notify": true}');
  assert.throws(wrong, (fault) => fault.tag === "config");
});
