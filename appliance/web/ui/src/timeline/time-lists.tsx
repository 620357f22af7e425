/** What is special about the shown time, as buttons under the timeline: for the keyboard, for fingers, and to read a reason without hitting two pixels. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { DamagedInterval, Erasure, HeldInterval, ImpairedInterval, RecordedGap } from "../api";
import { t, word } from "../i18n";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { nowMs } from "../lib/session";
import { dateTimeText, durationText } from "../lib/time";
import { Moment } from "../ui/parts";
import { Search } from "../ui/search";
import { impairedText } from "./impaired";
import { joinErased } from "./ranges";

/** Rows that are listed, newest first; zoom in or search for older ones. */
const LISTED = 50;
/** From so many rows on a list has a search. */
const SEARCH_FROM = 8;

interface Props {
  gaps: readonly RecordedGap[];
  damaged: readonly DamagedInterval[];
  impaired: readonly ImpairedInterval[];
  /** The recorder knows of more, which it shows as fewer and longer ones. */
  impairedMerged: boolean;
  held: readonly HeldInterval[];
  erased: readonly Erasure[];
  seek: (utcMs: number) => void;
}

interface Row {
  start: number;
  end: number;
  /** What the search looks at beside the time. */
  words: string;
  about: ComponentChildren;
}

export function TimeLists({ gaps, damaged, impaired, impairedMerged, held, erased, seek }: Props) {
  const gapRows = gaps.map((gap) => row(gap, word("reason", gap.reason)));
  const damagedRows = damaged.map((run) => row(run, word("damaged", run.kind)));
  const impairedRows = impaired.map((each) => row(each, impairedText(each)));
  const erasedRows = joinErased(erased).map((hour) => row(hour, t("timeline.erased_at", { at: dateTimeText(hour.erased_utc_ms) })));
  const heldRows = held.map((hold) => ({
    ...row(hold, t("holds.case", { case: hold.case })),
    about: (
      <>
        <a href={link.holds}>{t("holds.case", { case: hold.case })}</a> <span class="muted">{t(`hold.${hold.state}`)}</span>
      </>
    ),
  }));
  return (
    <div class="time-lists">
      <TimeList kind="held" title={t("timeline.held_count", { count: held.length })} rows={heldRows} seek={(ms) => seek(ms)} />
      <TimeList kind="damaged" title={t("timeline.damaged_count", { count: damaged.length })} rows={damagedRows} seek={(ms) => seek(ms - 1_000)} />
      <TimeList
        kind="impaired"
        title={t("impaired.count", { count: impaired.length })}
        about={impairedMerged ? `${t("impaired.what")} ${t("impaired.merged")}` : t("impaired.what")}
        rows={impairedRows}
        seek={(ms) => seek(ms - 1_000)}
      />
      {/* One second before the gap is the last that was seen. */}
      <TimeList kind="gap" title={t("timeline.gaps", { count: gaps.length })} rows={gapRows} seek={(ms) => seek(ms - 1_000)} />
      <TimeList kind="erased" title={t("timeline.erased_count", { count: erased.length })} rows={erasedRows} seek={(ms) => seek(ms)} />
    </div>
  );
}

function row(interval: { start_utc_ms: number; end_utc_ms: number }, words: string): Row {
  return { start: interval.start_utc_ms, end: interval.end_utc_ms, words, about: words };
}

interface ListProps {
  kind: string;
  title: string;
  /** What all of its rows mean. */
  about?: string;
  rows: readonly Row[];
  seek: (ms: number) => void;
}

function TimeList({ kind, title, about, rows, seek }: ListProps) {
  const [search, setSearch] = useState("");
  if (rows.length === 0) return null;
  const shown = rows.filter((each) => found(search, dateTimeText(each.start), each.words));
  return (
    <details class={`gaps gaps-${kind}`} data-list={kind}>
      <summary>{title}</summary>
      {about !== undefined && <p class="hint">{about}</p>}
      {rows.length >= SEARCH_FROM && <Search label={t("timeline.list_search")} value={search} change={setSearch} />}
      <ul class="gap-list">
        {shown
          .slice(-LISTED)
          .reverse()
          .map((each) => (
            <li key={each.start}>
              <button type="button" class="link" onClick={() => seek(each.start)}>
                <Moment ms={each.start} />
              </button>{" "}
              · <span class="num">{durationText(Math.min(each.end, Math.max(nowMs(), each.start)) - each.start)}</span> · {each.about}
            </li>
          ))}
      </ul>
      {shown.length === 0 && <p class="hint">{t("timeline.list_none")}</p>}
      {shown.length > LISTED && <p class="hint">{t("timeline.list_cut", { count: LISTED })}</p>}
    </details>
  );
}
