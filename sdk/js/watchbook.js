// Puts a rule on the plugin interface. The interface gives times as numbers, which hold nanoseconds of today to 256 ns; here they are BigInt, so that a rule
// counts in whole ones. Copy this file beside plugin.js.
// @ts-check

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

/**
 * What plugin.js exports. `configured` takes the settings' JSON and gives what `evaluated` gets as its first argument; what it throws is a sentence for the
 * administrator. `evaluated` takes that and the situation, and gives verdicts.
 *
 * @template Settings
 * @param {{ id: string, version: string }} card as in plugin.toml
 * @param {{ configured: (json: string) => Settings, evaluated: (settings: Settings, situation: any) => any[] }} rule
 */
export function pluginOf({ id, version }, { configured, evaluated }) {
  /** @type {Settings} */
  let settings;
  return {
    about: { describe: () => ({ id, version, api: "0.1" }) },
    rule: {
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
    },
  };
}
