/** Finding events by words. Pure. */

import type { WatchEvent } from "../api/types";
import { isKey, t } from "../i18n";
import { dateTimeText } from "../lib/time";

/** Every word of `search` must be in the event's kind (as stored, or in the reader's language), zone, note or local time. */
export function matches(event: WatchEvent, search: string): boolean {
  const key = `event.${event.kind}`;
  const hay = [event.kind, isKey(key) ? t(key) : "", event.zone ?? "", event.note, dateTimeText(event.start_utc_ms)].join(" ").toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((part) => hay.includes(part));
}
