/** One line of the audit log in words. Pure. */

import type { AuditEntry } from "../api/types";
import { word } from "../i18n";
import { dateTimeText, clockText } from "../lib/time";

export function actionText(entry: AuditEntry): string {
  return word("action", entry.action);
}

/** What it was done to: the camera, the interval, the thing that was changed. */
export function detailText(entry: AuditEntry): string {
  const parts: string[] = [];
  const { camera, what, range } = entry as { camera?: unknown; what?: unknown; range?: unknown };
  if (typeof camera === "number") parts.push(`#${camera}`);
  if (typeof what === "string") parts.push(what);
  const interval = rangeText(range);
  if (interval !== null) parts.push(interval);
  return parts.join(" · ");
}

/** An interval in nanoseconds, as the log stores it, in local time. */
function rangeText(range: unknown): string | null {
  if (typeof range !== "object" || range === null) return null;
  const { start, end } = range as { start?: unknown; end?: unknown };
  if (typeof start !== "number" || typeof end !== "number") return null;
  return `${dateTimeText(start / 1e6)} – ${clockText(end / 1e6)}`;
}

export function outcomeText(entry: AuditEntry): string {
  const outcome: unknown = entry.outcome;
  if (typeof outcome === "string") return word("outcome", outcome);
  if (typeof outcome === "object" && outcome !== null) {
    const [name = "", why] = Object.entries(outcome)[0] ?? [];
    return typeof why === "string" ? `${word("outcome", name)}: ${why}` : word("outcome", name);
  }
  return "";
}
