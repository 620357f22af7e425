// The plugin interface on one side, the rule on the other. The interface gives times as numbers; the rule counts in whole nanoseconds.
// @ts-check

import { configured, evaluated } from "./rule.js";

/** @type {ReturnType<typeof configured>} */
let settings;

const exact = ({ source, mark }) => ({
  source,
  mark: {
    ...mark,
    startUtcNs: BigInt(mark.startUtcNs),
    endUtcNs: mark.endUtcNs === null || mark.endUtcNs === undefined ? undefined : BigInt(mark.endUtcNs),
  },
});

const told = ({ what, reason }) => {
  if (what.tag !== "hold" && what.tag !== "export-clip") return { what, reason };
  const clip = { ...what.val, fromUtcNs: Number(what.val.fromUtcNs), toUtcNs: Number(what.val.toUtcNs) };
  return { what: { tag: what.tag, val: clip }, reason };
};

export const about = {
  describe: () => ({ id: "org.watchbook.case-guard", version: "0.1.0", api: "0.1" }),
};

export const rule = {
  configure(settingsJson) {
    try {
      settings = configured(settingsJson);
    } catch (sentence) {
      throw { tag: "config", val: String(sentence) };
    }
  },

  evaluate(situation) {
    const { event, recent } = situation;
    return evaluated(settings, { ...situation, event: exact(event), recent: recent.map(exact) }).map(told);
  },
};
