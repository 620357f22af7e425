/** What a plugin asks for, in plain words. Pure. */

import type { PluginAsks, PluginChange } from "../api/types";
import { isKey, type Key, t, word } from "../i18n";
import { sizeText } from "../lib/time";

/** One sentence for each thing that a plugin asks for, the weightiest first. */
export function asksText(asks: PluginAsks): string[] {
  const may = (capability: string) => asks.required.includes(capability) || asks.optional.includes(capability);
  const out: string[] = [];
  const { input } = asks;
  if (may("frames") && input !== null) out.push(t("asks.frames", { width: input.width, height: input.height, fps: input.fps }));
  if (asks.world === "export-rule") out.push(t("asks.events"));
  out.push(t("asks.emits", { kinds: asks.emits.map((each) => word("event", each.kind)).join(", ") || "–" }));
  if (asks.proposes_holds) out.push(t("asks.holds"));
  if (may("store") && asks.store_bytes_max > 0) out.push(t("asks.store", { size: sizeText(asks.store_bytes_max) }));
  if (may("log")) out.push(t("asks.log"));
  if (may("inference")) out.push(t("asks.inference"));
  for (const other of [...asks.required, ...asks.optional].filter((each) => !["frames", "log", "store", "inference"].includes(each))) out.push(t("asks.other", { name: other }));
  out.push(t("asks.memory", { size: sizeText(asks.memory_bytes_max) }));
  out.push(t(asks.world === "export-rule" ? "asks.call_event" : "asks.call", { ms: asks.call_ms_max }));
  for (const { file, purpose, classes, sha256, data_sheet } of asks.models) {
    const seen = classes.map((each) => word("class", each)).join(", ");
    out.push(t("asks.model", { file, purpose: word("purpose", purpose), seen }));
    out.push(t("asks.model_sheet", { file, sha256: `${sha256.slice(0, 16)}…`, sheet: data_sheet }));
  }
  return out;
}

/** A difference in words: what, and from what to what. */
export function changeText({ what, before, after }: PluginChange): string {
  const name = word("plugin_change", what);
  const key = what === "signing_key";
  const shown = (value: string) => (key ? keyText(value) : value);
  if (before === null) return t("change.new", { name, after: key && after === null ? t("plugin.unsigned") : shown(after ?? "") });
  if (after === null) return t("change.gone", { name, before: shown(before) });
  return t("change.from_to", { name, before: shown(before), after: shown(after) });
}

/** Publishers' keys are read to each other over the telephone: in groups of four. */
export function keyText(id: string): string {
  return id.replace(/(.{4})(?=.)/g, "$1 ");
}

/** The name of a plugin: ours in the reader's language, others by their id. */
export function pluginName(id: string): string {
  const key = `plugin.${id}`;
  return isKey(key) ? t(key as Key) : id;
}
