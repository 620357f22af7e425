/** What narrows the list of events: time, cameras, kind, zone, plugin. */

import { useEffect, useState } from "preact/hooks";
import type { WatchEvent } from "../api";
import { t, word } from "../i18n";
import { found } from "../lib/search";
import { cameras, nowMs } from "../lib/session";
import { HOUR } from "../timeline/scale";
import { MomentField } from "../ui/moment-field";
import { Field } from "../ui/parts";
import { Search } from "../ui/search";
import { type Filter, intervalOf, longWords, SPANS, type Span, WORDS_MAX, wordsOf, type WordName } from "./filter";

interface Props {
  filter: Filter;
  change: (filter: Filter) => void;
  /** What is listed, for suggestions. */
  rows: readonly WatchEvent[];
}

export function Filters({ filter, change, rows }: Props) {
  const choose = (span: Span) => change(span === "exact" ? { ...filter, span, from: filter.from ?? nowMs() - HOUR, to: filter.to ?? nowMs() } : { ...filter, span });
  const fault = intervalOf(filter, nowMs());
  const long = longWords(filter);
  const field = (name: WordName) => ({ label: t(`finder.${name}`), value: filter[name], max: WORDS_MAX[name], isLong: long.includes(name), change: (text: string) => change({ ...filter, [name]: text }) });
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
          <MomentField label={t("finder.from")} ms={filter.from} change={(from) => change({ ...filter, from })} />
          <MomentField label={t("finder.to")} ms={filter.to} change={(to) => change({ ...filter, to })} />
        </div>
      )}
      {long.map((name) => (
        <p key={name} class="note-bad hint" role="alert">
          {t("finder.fault.word", { field: t(`finder.${name}`), most: WORDS_MAX[name] })}
        </p>
      ))}
      {typeof fault === "string" && fault !== "word" && (
        <p class="note-bad hint" role="alert">
          {t(`finder.fault.${fault}`)}
        </p>
      )}
      <div class="event-words">
        <CameraChoice chosen={filter.cameras} change={(chosen) => change({ ...filter, cameras: chosen })} />
        <Word {...field("kind")} known={wordsOf(rows, (event) => event.kind)} text={(kind) => word("event", kind)} />
        <Word {...field("zone")} known={zones} />
        <Word {...field("plugin")} known={plugins} />
      </div>
    </section>
  );
}

interface WordProps {
  label: string;
  value: string;
  /** Of what can be typed; the recorder's bound is as many bytes. */
  max: number;
  /** It has more bytes than the recorder takes. */
  isLong: boolean;
  known: readonly string[];
  text?: (value: string) => string;
  change: (value: string) => void;
}

/** One word exactly as it is stored, with those that are known for choosing. */
function Word({ label, value, max, isLong, known, text = (each) => each, change }: WordProps) {
  // What is being typed stays while new events come and the page is drawn again.
  const [typed, type] = useState(value);
  useEffect(() => type(value), [value]);
  return (
    <Field label={label}>
      {({ id }) => (
        <>
          <input id={id} type="search" list={`${id}-known`} maxLength={max} aria-invalid={isLong ? true : undefined} placeholder={t("finder.any")} value={typed} onInput={(event) => type(event.currentTarget.value)} onChange={(event) => change(event.currentTarget.value)} />
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
