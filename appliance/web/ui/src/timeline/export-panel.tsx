/** A marked range: what it holds, its size, and what can be done with it. */

import { t, word } from "../i18n";
import { link } from "../lib/router";
import { dateTimeText, durationText, fromInput, sizeText, toInput, zoneText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Moment, Note } from "../ui/parts";
import { ExportAsk } from "./export-ask";
import { type Content, contentOf, isLost, ordered, type Range, type Recorded } from "./ranges";

interface Props {
  camera: number;
  range: Range | null;
  change: (range: Range | null) => void;
  mark: (end: "in" | "out") => void;
  recorded: Recorded;
  /** Where the picture may be wrong. */
  impaired: readonly { start_utc_ms: number; end_utc_ms: number }[];
}

/** Gaps that are listed one by one; the rest is counted. */
const GAPS_LISTED = 8;

export function ExportPanel({ camera, range, change, mark, recorded, impaired }: Props) {
  const content = range === null ? null : contentOf(recorded, range);

  return (
    <section class="panel export" aria-label={t("export.title")}>
      <div class="panel-head">
        <h2>{t("export.title")}</h2>
        <div class="row">
          <button type="button" class="small" onClick={() => mark("in")} aria-keyshortcuts="i">
            {t("export.mark_in")} <kbd>I</kbd>
          </button>
          <button type="button" class="small" onClick={() => mark("out")} aria-keyshortcuts="o">
            {t("export.mark_out")} <kbd>O</kbd>
          </button>
          {range !== null && (
            <button type="button" class="small quiet" onClick={() => change(null)}>
              {t("export.clear")}
            </button>
          )}
        </div>
      </div>
      {range === null && <p class="muted">{t("export.how")}</p>}
      {range !== null && content !== null && (
        <>
          <div class="export-range" data-start={Math.round(range.start)} data-end={Math.round(range.end)}>
            <TimeInput label={t("export.from")} ms={range.start} change={(ms) => change(ordered(ms, range.end))} />
            <TimeInput label={t("export.to")} ms={range.end} change={(ms) => change(ordered(range.start, ms))} />
            <div class="export-size">
              <strong class="num">{durationText(range.end - range.start)}</strong>
              <span class="muted">
                {content.footage > 0 ? t("export.estimate", { footage: durationText(content.footage), size: sizeText(content.size) }) : t("export.nothing")}
              </span>
            </div>
            <a class="button" href={link.holdNew([camera], range)}>
              <Icon name="lock" /> {t("holds.from_range")}
            </a>
          </div>
          {content.jpeg && <Note kind="info">{t("export.jpeg")}</Note>}
          <MissingNote content={content} />
          <ImpairedNote list={impaired.filter((each) => each.end_utc_ms > range.start && each.start_utc_ms < range.end)} />
          {content.footage > 0 && <ExportAsk cameras={[camera]} range={range} />}
        </>
      )}
    </section>
  );
}

function TimeInput({ label, ms, change }: { label: string; ms: number; change: (ms: number) => void }) {
  return (
    <label class="time-input">
      <span>
        {label} <span class="muted">{zoneText(ms)}</span>
      </span>
      <input
        type="datetime-local"
        step="1"
        value={toInput(ms)}
        onChange={(event) => {
          const next = fromInput(event.currentTarget.value);
          if (next !== null) change(next);
        }}
      />
    </label>
  );
}

/** What the file will not have, each with its reason. */
function MissingNote({ content: { gaps, damaged, erased } }: { content: Content }) {
  const rows = [
    ...gaps.map((gap) => ({ ...gap, why: word("reason", gap.reason) })),
    ...damaged.filter(isLost).map((run) => ({ ...run, why: word("damaged", run.kind) })),
    ...erased.map((hour) => ({ ...hour, why: t("timeline.erased_at", { at: dateTimeText(hour.erased_utc_ms) }) })),
  ].sort((a, b) => a.start_utc_ms - b.start_utc_ms);
  if (rows.length === 0) return null;
  return (
    <Note kind="warn">
      <p>{t("export.gaps", { count: rows.length })}</p>
      <ul class="gap-list">
        {rows.slice(0, GAPS_LISTED).map((row) => (
          <li key={`${row.start_utc_ms} ${row.why}`}>
            <Moment ms={row.start_utc_ms} /> · {durationText(row.end_utc_ms - row.start_utc_ms)} · {row.why}
          </li>
        ))}
      </ul>
      {rows.length > GAPS_LISTED && <p>{t("export.gaps_more", { count: rows.length - GAPS_LISTED })}</p>}
    </Note>
  );
}

/** What is in it and may not show what the camera sent. */
function ImpairedNote({ list }: { list: readonly { start_utc_ms: number; end_utc_ms: number }[] }) {
  if (list.length === 0) return null;
  return (
    <Note kind="warn">
      <p>{t("export.impaired", { count: list.length })}</p>
      <ul class="gap-list">
        {list.slice(0, GAPS_LISTED).map((each) => (
          <li key={each.start_utc_ms}>
            <Moment ms={each.start_utc_ms} /> · {durationText(each.end_utc_ms - each.start_utc_ms)}
          </li>
        ))}
      </ul>
      {list.length > GAPS_LISTED && <p>{t("export.gaps_more", { count: list.length - GAPS_LISTED })}</p>}
    </Note>
  );
}
