// The plugin interface on one side, the rule on the other.
// @ts-check

import { configured, evaluated } from "./rule.js";

/** @type {ReturnType<typeof configured>} */
let settings;

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
  evaluate: (situation) => evaluated(settings, situation),
};
