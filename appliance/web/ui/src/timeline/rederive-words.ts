/** What came out of deriving an event again, in words. Pure. */

import type { RederivationDifference, RederivationResult } from "../api/types";
import { t, word } from "../i18n";
import { clockText } from "../lib/time";

type Outcome = RederivationResult["outcome"];

export function tone(outcome: Outcome): "good" | "info" | "warn" | "bad" {
  return ({ same: "good", near: "info", absent: "bad", refused: "warn" } as const)[outcome];
}

export function heading(result: RederivationResult): string {
  const { plugin, version, component_sha256 } = result;
  return t(`rederive.${key(result)}`, { plugin, version, digest: component_sha256.slice(0, 16) });
}

function key({ outcome, refusal }: RederivationResult) {
  return outcome === "refused" ? (`refusal.${refusal ?? "recorder"}` as const) : outcome;
}

/** What the reader can do now. */
export function nextStep(result: RederivationResult): string {
  return t(`rederive.${key(result)}.next`);
}

export function differenceText({ field, stored, derived }: RederivationDifference): string {
  const name = word("rederive.field", field);
  if (stored === null && derived === null) return t("rederive.differs.bare", { field: name });
  const isTime = field === "start" || field === "end";
  const value = (text: string | null) => (text === null ? t("rederive.none") : isTime && /^\d+$/.test(text) ? clockText(Number(text), "millisecond") : text);
  return t("rederive.differs", { field: name, stored: value(stored), derived: value(derived) });
}
