import { describe, expect, it } from "vitest";
import type { PluginAsks } from "../api/types";
import { asksText, changeText, keyText, pluginName } from "./plugin-words";

const ASKS: PluginAsks = {
  purpose: "motion-detection",
  world: "analytics-plugin",
  required: ["frames", "log"],
  optional: ["store"],
  input: { width: 320, height: 180, fps: 5 },
  call_ms_max: 20,
  memory_bytes_max: 16_000_000,
  store_bytes_max: 64_000,
  emits: [{ kind: "motion", meaning: "Something moves." }],
  models: [],
  proposes_holds: false,
};

describe("what a plugin asks for", () => {
  it("is a sentence for each thing, pictures first", () => {
    const said = asksText(ASKS);
    expect(said[0]).toMatch(/320 × 180.*5/);
    expect(said.join("\n")).toMatch(/Motion[\s\S]*64.0 kB[\s\S]*16.0 MB[\s\S]*20 ms/);
    expect(said).toHaveLength(6);
  });

  it("names what this page does not know rather than leaving it out", () => {
    expect(asksText({ ...ASKS, required: ["frames", "telepathy"] }).some((line) => line.includes("telepathy"))).toBe(true);
  });

  it("says that a rule sees events and may propose holds, and no pictures", () => {
    const said = asksText({ ...ASKS, world: "export-rule", required: ["log"], optional: [], input: null, proposes_holds: true }).join("\n");
    expect(said).not.toMatch(/320/);
    expect(said).toMatch(/held for a case/);
  });
});

describe("words of the page about plugins", () => {
  it("say what changes from what to what", () => {
    expect(changeText({ what: "memory_mib", before: "16", after: "64", more: true })).toMatch(/Memory.*16 → 64/);
    expect(changeText({ what: "signing_key", before: "00112233445566AA", after: "FFEEDDCCBBAA9988", more: true })).toMatch(/0011 2233 4455 66AA → FFEE/);
    expect(changeText({ what: "event", before: "motion", after: null, more: false })).toMatch(/motion/);
  });

  it("group a key for reading it aloud", () => {
    expect(keyText("00112233445566AA")).toBe("0011 2233 4455 66AA");
  });

  it("name our plugins and show the id of others", () => {
    expect(pluginName("org.watchbook.motion")).toBe("Motion");
    expect(pluginName("org.example.other")).toBe("org.example.other");
  });
});

