// Runs without WebAssembly: node --test
import assert from "node:assert/strict";
import { test } from "node:test";
import { pluginOf } from "./watchbook.js";

const START = 1_764_000_000_000_000_000;
const occurrence = { source: "org.example.source", mark: { kind: "motion", startUtcNs: START, endUtcNs: null } };
const situation = { camera: "1", event: occurrence, recent: [occurrence], cases: [] };

const { about, rule } = pluginOf(
  { id: "org.example.a", version: "1.2.3" },
  {
    configured: (json) => {
      const settings = JSON.parse(json);
      if (!settings.good) throw "the setting is not good";
      return settings;
    },
    evaluated: (settings, { event, recent }) => [
      { what: { tag: "hold", val: { fromUtcNs: event.mark.startUtcNs - 1n, toUtcNs: recent[0].mark.startUtcNs + 1n } }, reason: String(settings.good) },
      { what: { tag: "tag", val: typeof event.mark.endUtcNs }, reason: "r" },
    ],
  },
);

test("times are whole numbers inside and plain numbers outside", () => {
  assert.deepEqual(about.describe(), { id: "org.example.a", version: "1.2.3", api: "0.1" });
  rule.configure('{"good": 7}');
  const [hold, tag] = rule.evaluate(situation);
  assert.deepEqual(hold, { what: { tag: "hold", val: { fromUtcNs: START, toUtcNs: START } }, reason: "7" });
  assert.equal(tag.what.val, "undefined");
});

test("what is thrown about the settings is a fault of the settings", () => {
  assert.throws(() => rule.configure('{"good": 0}'), { tag: "config", val: "the setting is not good" });
});
