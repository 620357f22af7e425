// Marks motion outside office hours and tells people on duty.
// @ts-check
/// <reference path="./watchbook.d.ts" />

/** @type {{ office_from: number, office_until: number, notify: boolean }} */
let settings;

/** @type {import("watchbook:plugin/about").About} */
export const about = {
  describe: () => ({ id: "{{id}}", version: "0.1.0", api: "0.1" }),
};

/** @type {import("watchbook:plugin/rule").Rule} */
export const rule = {
  configure(settingsJson) {
    settings = JSON.parse(settingsJson);
    if (settings.office_from >= settings.office_until) {
      throw { tag: "config", val: "`office_until` must be later than `office_from`" };
    }
  },

  evaluate({ event, local, cameraName }) {
    const { office_from, office_until, notify } = settings;
    const office = local.weekday < 5 && local.hour >= office_from && local.hour < office_until;
    if (event.mark.kind !== "motion" || office) return [];
    const minute = String(local.minute).padStart(2, "0");
    const reason = `motion at ${local.hour}:${minute}, outside office hours ${office_from} to ${office_until}`;
    /** @type {import("watchbook:plugin/rule").Verdict[]} */
    const verdicts = [{ what: { tag: "tag", val: "after-hours" }, reason }];
    if (notify) verdicts.push({ what: { tag: "notify", val: `Motion outside office hours: ${cameraName}` }, reason });
    return verdicts;
  },
};
