/** What somebody typed into the settings of the station, and what would become different. Pure. */

import type { StationSetting, StationSettingRow, StationSettings, StationSettingsEntry } from "../api/types";
import { isTooLong } from "../lib/bytes";

/** Bytes of the reason of a change, as many as the recorder takes. */
export const REASON_BYTES_MAX = 512;

/** By setting: a new value, or `null` for what the configuration file says. What is not there is left alone. */
export type Draft = Partial<Record<StationSetting, string | null>>;

/** As the recorder keeps it. */
const kept = (row: StationSettingRow, text: string) => (row.kind === "address" ? text.trim().replace(/\/+$/, "") : text.trim());

/** What stands in the field. */
export function typed(row: StationSettingRow, draft: Draft): string {
  const text = draft[row.setting];
  return text === undefined ? row.value : (text ?? row.default);
}

/** The settings that become different. To set here what the configuration file says is a change, too: it holds also when the file says something else later. */
export function changed({ settings }: StationSettings, draft: Draft): StationSettingRow[] {
  return settings.filter((row) => {
    const text = draft[row.setting];
    if (text === undefined) return false;
    return text === null ? row.set_here : !row.set_here || kept(row, text) !== row.value;
  });
}

/** Why the recorder would refuse what was typed; `null` when it would not. */
export function wrong(row: StationSettingRow, draft: Draft): "days" | "long" | "address" | null {
  const text = kept(row, typed(row, draft));
  if (row.kind === "days") return /^\d{1,9}$/.test(text) && Number(text) >= row.least && Number(text) <= row.most ? null : "days";
  if (isTooLong(text, row.most)) return "long";
  if (row.kind === "address" && text !== "" && !/^https?:\/\/[^ #?]+$/.test(text)) return "address";
  return null;
}

/** The draft that brings back what was there before this change; it is empty where that holds already. */
export function earlier({ settings }: StationSettings, entry: StationSettingsEntry): Draft {
  const draft: Draft = {};
  for (const { setting, before } of entry.changes) {
    const row = settings.find((known) => known.setting === setting);
    if (row !== undefined && row.value !== before) draft[row.setting] = before;
  }
  return draft;
}
