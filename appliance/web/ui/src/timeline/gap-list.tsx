/** Gaps as buttons under the timeline: for the keyboard, for fingers, and to read the reason without hitting two pixels. */

import type { RecordedGap } from "../api";
import { t, word } from "../i18n";
import { nowMs } from "../lib/session";
import { durationText } from "../lib/time";
import { Moment } from "../ui/parts";

/** Gaps that are listed, newest first; zoom in for older ones. */
const LISTED = 50;

export function GapList({ gaps, seek }: { gaps: readonly RecordedGap[]; seek: (utcMs: number) => void }) {
  if (gaps.length === 0) return null;
  return (
    <details class="gaps">
      <summary>{t("timeline.gaps", { count: gaps.length })}</summary>
      <ul class="gap-list">
        {gaps
          .slice(-LISTED)
          .reverse()
          .map((gap) => (
            <li key={gap.start_utc_ms}>
              {/* One second before the gap is the last that was seen. */}
              <button type="button" class="link" onClick={() => seek(gap.start_utc_ms - 1_000)}>
                <Moment ms={gap.start_utc_ms} />
              </button>{" "}
              · <span class="num">{durationText(Math.min(gap.end_utc_ms, nowMs()) - gap.start_utc_ms)}</span> · {word("reason", gap.reason)}
            </li>
          ))}
      </ul>
    </details>
  );
}
