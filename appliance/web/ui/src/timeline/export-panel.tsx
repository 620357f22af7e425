/** Taking a range out as a file: what it will hold, its size, and afterwards what was really delivered. */

import { useState } from "preact/hooks";
import { exportUrl } from "../api";
import { send } from "../api/client";
import { t, word } from "../i18n";
import { useAct } from "../lib/hooks";
import { link } from "../lib/router";
import { dateText, dateTimeText, durationText, fromInput, sizeText, toInput, zoneText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Moment, Note, Problem } from "../ui/parts";
import { ExportAsk } from "./export-ask";
import { type Delivery, readDelivery } from "./delivery";
import { type Content, contentOf, isLost, ordered, type Range, type Recorded } from "./ranges";

interface Props {
  camera: number;
  cameraName: string;
  range: Range | null;
  change: (range: Range | null) => void;
  mark: (end: "in" | "out") => void;
  recorded: Recorded;
}

/** Gaps that are listed one by one; the rest is counted. */
const GAPS_LISTED = 8;

export function ExportPanel({ camera, cameraName, range, change, mark, recorded }: Props) {
  const [delivery, setDelivery] = useState<{ of: Range; what: Delivery } | null>(null);
  const act = useAct();
  const content = range === null ? null : contentOf(recorded, range);

  const download = () => {
    if (range === null) return;
    act.run(async () => {
      const url = exportUrl(camera, { from: range.start, to: range.end });
      // One byte first: it brings what will be delivered, or the reason why nothing is, before the browser saves a file.
      const answer = await send(url, { headers: { Range: "bytes=0-0" } });
      await answer.body?.cancel();
      setDelivery({ of: range, what: readDelivery(answer.headers) });
      save(url, `${cameraName} ${dateText(range.start)}.mp4`);
    });
  };

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
            <button type="button" class="primary" disabled={act.busy || content.footage === 0} onClick={download}>
              <Icon name="download" /> {act.busy ? t("export.busy") : t("export.download")}
            </button>
            <a class="button" href={link.holdNew([camera], range)}>
              <Icon name="lock" /> {t("holds.from_range")}
            </a>
          </div>
          {content.jpeg && <Note kind="info">{t("export.jpeg")}</Note>}
          <MissingNote content={content} />
          {content.footage > 0 && <ExportAsk camera={camera} range={range} />}
        </>
      )}
      <Problem problem={act.problem} />
      {delivery !== null && range !== null && same(delivery.of, range) && <Delivered {...delivery} />}
    </section>
  );
}

const same = (a: Range, b: Range) => a.start === b.start && a.end === b.end;

function save(url: string, name: string): void {
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
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

function Stretches({ title, list }: { title: string; list: readonly Range[] }) {
  if (list.length === 0) return null;
  return (
    <>
      <p>{title}</p>
      <ul class="gap-list">
        {list.slice(0, GAPS_LISTED).map((each) => (
          <li key={each.start}>
            <Moment ms={each.start} /> · {durationText(each.end - each.start)}
          </li>
        ))}
      </ul>
    </>
  );
}

function Delivered({ of, what }: { of: Range; what: Delivery }) {
  const whole = what.gapCount === 0 && what.damaged.length === 0;
  const sound = whole && what.impaired.length === 0;
  return (
    <Note kind={sound ? "good" : "warn"}>
      <p data-delivered="true">
        {what.gapCount === 0 ? (whole ? t("export.delivered") : "") : t("export.delivered_gaps", { count: what.gapCount })}
        {what.size !== null && ` ${sizeText(what.size)}.`}
      </p>
      <Stretches title={t("export.delivered_damaged", { count: what.damaged.length })} list={what.damaged} />
      <Stretches title={t("export.delivered_impaired", { count: what.impaired.length })} list={what.impaired} />
      <p class="muted">
        {t("export.asked")} <Moment ms={of.start} /> – <Moment ms={of.end} only="time" />
        {what.start !== null && what.end !== null && (
          <>
            {" · "}
            {t("export.got")} <Moment ms={what.start} /> – <Moment ms={what.end} only="time" />
          </>
        )}
      </p>
    </Note>
  );
}
