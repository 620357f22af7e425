/** Events of the shown part of time: searched by word, opened by a click. */

import { useState } from "preact/hooks";
import type { WatchEvent } from "../api";
import { t, word } from "../i18n";
import { clockText, durationText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Empty, Moment } from "../ui/parts";
import { Rederive } from "./rederive";
import { matches } from "./search";

/** Rows that are drawn; more would slow the page and nobody reads them. The search narrows them. */
const ROWS_MAX = 200;

/** The source of what a camera itself says: no plugin can derive that again. */
const CAMERA = "camera";
/** The same of what the recorder noticed without a plugin. */
const RECORDER = "recorder";

interface Props {
  events: readonly WatchEvent[];
  cut: boolean;
  chosen: string | null;
  choose: (event: WatchEvent) => void;
}

export function EventList({ events, cut, chosen, choose }: Props) {
  const [search, setSearch] = useState("");
  const found = events.filter((event) => matches(event, search)).reverse();
  return (
    <section class="panel events" aria-label={t("events.title")}>
      <div class="panel-head">
        <h2>{t("events.title")}</h2>
        <span class="muted num" role="status">
          {found.length}
        </span>
      </div>
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">{t("events.search")}</span>
        <input type="search" placeholder={t("events.search")} value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
      </label>
      {found.length === 0 && (
        <Empty title={events.length === 0 ? t("events.empty") : t("events.no_match")}>
          <p>{events.length === 0 ? t("events.empty.next") : t("events.no_match.next")}</p>
        </Empty>
      )}
      <ul class="event-list">
        {found.slice(0, ROWS_MAX).map((event) => (
          <li key={event.id} data-event={event.id}>
            <button type="button" class="event-row" aria-pressed={event.id === chosen} onClick={() => choose(event)}>
              <Moment ms={event.start_utc_ms} only="time" />
              <span class="event-kind">{word("event", event.kind)}</span>
              <span class="muted">{about(event)}</span>
            </button>
            {event.id === chosen && ![CAMERA, RECORDER].includes(event.source.plugin) && <Rederive key={event.id} event={event} />}
          </li>
        ))}
      </ul>
      {(cut || found.length > ROWS_MAX) && <p class="hint">{t("events.cut", { count: ROWS_MAX })}</p>}
    </section>
  );
}

function about(event: WatchEvent): string {
  const parts = [byText(event), event.zone, event.end_utc_ms === null ? null : durationText(event.end_utc_ms - event.start_utc_ms), event.note];
  return parts.filter((part) => part !== null && part !== "").join(" · ");
}

/** Who noticed it, where that was no plugin. */
function byText(event: WatchEvent): string | null {
  if (event.source.plugin === CAMERA) return cameraText(event);
  return event.source.plugin === RECORDER ? t("event.by_recorder") : null;
}

/** A clock that is right needs no second time. */
const CLOCK_OFFSET_MS_MAX = 2000;

function cameraText({ start_utc_ms, camera_clock_ms }: WatchEvent): string {
  const off = camera_clock_ms !== null && Math.abs(camera_clock_ms - start_utc_ms) > CLOCK_OFFSET_MS_MAX;
  return off ? `${t("event.by_camera")}, ${t("event.camera_clock", { time: clockText(camera_clock_ms) })}` : t("event.by_camera");
}
