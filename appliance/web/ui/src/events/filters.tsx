/** What narrows the list of events: time, cameras, kind, zone, plugin. */

import { useState } from "preact/hooks";
import type { WatchEvent } from "../api";
import { t, word } from "../i18n";
import { found } from "../lib/search";
import { cameras, nowMs } from "../lib/session";
import { fromInput, toInput } from "../lib/time";
import { HOUR } from "../timeline/scale";
import { Field } from "../ui/parts";
import { Search } from "../ui/search";
import { type Filter, intervalOf, SPANS, type Span, wordsOf } from "./filter";

interface Props {
  filter: Filter;
  change: (filter: Filter) => void;
  /** What is listed, for suggestions. */
  rows: readonly WatchEvent[];
}

export function Filters({ filter, change, rows }: Props) {
  const choose = (span: Span) => change(span === "exact" ? { ...filter, span, from: filter.from ?? nowMs() - HOUR, to: filter.to ?? nowMs() } : { ...filter, span });
  const fault = intervalOf(filter, nowMs());
  const list = cameras.value ?? [];
  const zones = [...new Set([...wordsOf(rows, (event) => event.zone), ...list.flatMap((camera) => camera.plugins.flatMap((plugin) => plugin.zones.map((zone) => zone.name)))])].sort();
  const plugins = [...new Set([...wordsOf(rows, (event) => event.source.plugin), ...list.flatMap((camera) => camera.plugins.map((plugin) => plugin.plugin)), "camera", "recorder"])].sort();
  return (
    <section class="panel event-filters" aria-label={t("finder.filters")}>
      <div class="segmented" role="group" aria-label={t("finder.time")}>
        {SPANS.map((span) => (
          <button key={span} type="button" aria-pressed={filter.span === span} onClick={() => choose(span)}>
            {t(`finder.span.${span}`)}
          </button>
        ))}
      </div>
      {filter.span === "exact" && (
        <div class="row event-exact">
          <Time label={t("finder.from")} value={filter.from} change={(from) => change({ ...filter, from })} />
          <Time label={t("finder.to")} value={filter.to} change={(to) => change({ ...filter, to })} />
        </div>
      )}
      {typeof fault === "string" && (
        <p class="note-bad hint" role="alert">
          {t(`finder.fault.${fault}`)}
        </p>
      )}
      <div class="event-words">
        <CameraChoice chosen={filter.cameras} change={(chosen) => change({ ...filter, cameras: chosen })} />
        <Word label={t("finder.kind")} value={filter.kind} known={wordsOf(rows, (event) => event.kind)} text={(kind) => word("event", kind)} change={(kind) => change({ ...filter, kind })} />
        <Word label={t("finder.zone")} value={filter.zone} known={zones} change={(zone) => change({ ...filter, zone })} />
        <Word label={t("finder.plugin")} value={filter.plugin} known={plugins} change={(plugin) => change({ ...filter, plugin })} />
      </div>
    </section>
  );
}

function Time({ label, value, change }: { label: string; value: number | null; change: (value: number | null) => void }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input type="datetime-local" step={1} value={value === null ? "" : toInput(value)} onChange={(event) => change(fromInput(event.currentTarget.value))} />
    </label>
  );
}

/** One word exactly as it is stored, with those that are known for choosing. */
function Word({ label, value, known, text = (each) => each, change }: { label: string; value: string; known: readonly string[]; text?: (value: string) => string; change: (value: string) => void }) {
  return (
    <Field label={label}>
      {({ id }) => (
        <>
          <input id={id} type="search" list={`${id}-known`} maxLength={128} placeholder={t("finder.any")} value={value} onChange={(event) => change(event.currentTarget.value)} />
          <datalist id={`${id}-known`}>
            {known.map((each) => (
              <option key={each} value={each}>
                {text(each)}
              </option>
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

function CameraChoice({ chosen, change }: { chosen: readonly number[]; change: (chosen: readonly number[]) => void }) {
  const [search, setSearch] = useState("");
  const list = cameras.value ?? [];
  const names = list.filter((camera) => chosen.includes(camera.id)).map((camera) => camera.name);
  const summary = names.length === 0 ? t("finder.cameras.all") : names.length <= 2 ? names.join(", ") : t("finder.cameras.some", { count: names.length });
  const flip = (id: number) => change(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]);
  return (
    <div class="field">
      <span id="event-cameras">{t("finder.cameras")}</span>
      <details class="event-cameras">
        <summary aria-describedby="event-cameras">{summary}</summary>
        {list.length > 8 && <Search label={t("cameras.search")} value={search} change={setSearch} />}
        <ul>
          {list
            .filter((camera) => found(search, camera.name))
            .map((camera) => (
              <li key={camera.id}>
                <label class="check">
                  <input type="checkbox" checked={chosen.includes(camera.id)} onChange={() => flip(camera.id)} /> <span>{camera.name}</span>
                </label>
              </li>
            ))}
        </ul>
        {chosen.length > 0 && (
          <button type="button" class="small" onClick={() => change([])}>
            {t("finder.cameras.all")}
          </button>
        )}
      </details>
    </div>
  );
}
