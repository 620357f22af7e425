/** What plugins, cameras and the recorder noticed: searched, with its pictures, and as it happens. */

import { useMemo, useRef, useState } from "preact/hooks";
import type { Case } from "../api";
import { addressOf, filterOf } from "../events/address";
import { EVERYTHING, type Filter, intervalOf } from "../events/filter";
import { Filters } from "../events/filters";
import { EventRow } from "../events/row";
import { type EventRows, useEvents } from "../events/use-events";
import { type Key, t } from "../i18n";
import { chooseCase } from "../lib/case";
import { useTitle } from "../lib/hooks";
import { mayOpen } from "../lib/roles";
import { link, route, show } from "../lib/router";
import { cameras, nowMs, session } from "../lib/session";
import { zoneText } from "../lib/time";
import { type CaseChoice, useCase } from "../timeline/case-chooser";
import { Icon } from "../ui/icon";
import { Empty, Loading, Note, Problem } from "../ui/parts";
import { NothingFound } from "../ui/search";

const FEED_TEXT: Record<EventRows["feed"], Key> = { off: "finder.feed.off", connecting: "finder.feed.connecting", live: "finder.feed.live", lost: "finder.feed.lost" };


export function EventsPage() {
  useTitle(t("events.title"));
  const { query } = route.value;
  const filter = useMemo(() => filterOf(query), [query]);
  // Two ends of one time are one search.
  const setFilter = (next: Filter) => show(addressOf(next), filter.span === "exact" && next.span === "exact" && (next.from !== filter.from || next.to !== filter.to));
  const [opened] = useState(nowMs);
  const list = useRef<HTMLUListElement>(null);
  // Somebody is in the list, or has scrolled into it.
  const isRead = () => {
    const element = list.current;
    if (element === null) return false;
    return element.contains(document.activeElement) || element.matches(":hover") || element.getBoundingClientRect().top < 0;
  };
  const found = useEvents(filter, isRead);
  const choice = useCase();
  const isNarrowed = filter.cameras.length > 0 || filter.kind !== "" || filter.zone !== "" || filter.plugin !== "";
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("events.title")}</h1>
        <p class="event-feed" role="status" data-feed={found.feed}>
          <Icon name={found.feed === "live" ? "live" : found.feed === "lost" ? "warn" : "clock"} /> {t(FEED_TEXT[found.feed])}
        </p>
      </div>
      <p class="muted lead">{t("finder.what", { zone: zoneText() })}</p>
      <Filters filter={filter} change={setFilter} rows={found.rows} />
      <WhichCase choice={choice} />
      <Problem problem={found.problem} retry={found.reload} />
      <div class="event-waiting" role="status">
        {found.waiting.length === 0 && found.rows.length > 0 && <span class="muted">{t("finder.listed", { count: found.rows.length })}</span>}
        {found.waiting.length > 0 && (
          <button type="button" class="primary" onClick={() => (found.show(), scrollTo(0, 0))}>
            {t("finder.waiting", { count: found.waiting.length })}
          </button>
        )}
      </div>
      <ul ref={list} class="event-lines" aria-label={t("events.title")} aria-busy={found.busy}>
        {found.rows.map((event) => (
          <EventRow key={event.id} event={event} found={choice.found} isNew={event.start_utc_ms > opened} />
        ))}
      </ul>
      <End found={found} isNarrowed={isNarrowed} isAsked={typeof intervalOf(filter, nowMs()) !== "string"} showAll={() => setFilter({ ...EVERYTHING, span: filter.span, from: filter.from, to: filter.to })} longer={() => setFilter({ ...filter, span: "month" })} />
    </div>
  );
}

/** What stands below the rows. */
function End({ found, isNarrowed, isAsked, showAll, longer }: { found: EventRows; isNarrowed: boolean; isAsked: boolean; showAll: () => void; longer: () => void }) {
  if (found.busy) return <Loading />;
  if (found.problem !== null || !isAsked) return null;
  if (found.hasMore) {
    return (
      <div class="event-end">
        {found.rows.length === 0 && <p>{t("finder.long")}</p>}
        <button type="button" onClick={found.more}>
          {t("finder.older")}
        </button>
      </div>
    );
  }
  if (found.rows.length > 0) return <p class="hint event-end">{t("finder.end")}</p>;
  if (isNarrowed) return <NothingFound title={t("events.no_match")} showAll={showAll} />;
  const hasPlugin = (cameras.value ?? []).some((camera) => camera.plugins.some((plugin) => plugin.enabled));
  return (
    <Empty title={t("events.empty")}>
      <p>{t(hasPlugin ? "finder.empty.longer" : "events.empty.next")}</p>
      {hasPlugin && (
        <button type="button" onClick={longer}>
          {t("finder.span.month")}
        </button>
      )}
      {!hasPlugin && mayOpen(session.value, "cameras") && <a href={link.cameras}>{t("nav.cameras")}</a>}
    </Empty>
  );
}

/** In which case the small pictures are looked at, or how there comes to be one. */
function WhichCase({ choice }: { choice: CaseChoice }) {
  const { found, open, known } = choice;
  if (!known) return <Problem problem={choice.problem} retry={choice.reload} />;
  if (open.length === 0) {
    return (
      <Note kind="info">
        <p>{t("finder.no_case")}</p>
        <p class="note-next">
          {mayOpen(session.value, "case_new") ? <a href={link.caseNew}>{t("finder.case")}</a> : t(session.value?.one_person_station === true ? "finder.shut.alone" : "finder.shut.ask")}
        </p>
      </Note>
    );
  }
  return (
    <label class="event-case">
      <span>
        <Icon name="lock" /> {t("finder.in_case")}
      </span>
      <select value={found?.case ?? ""} onChange={(event) => chooseCase(event.currentTarget.value)}>
        {found === null && <option value="">{t("chooser.choose")}</option>}
        {open.map((each: Case) => (
          <option key={each.case} value={each.case}>
            {t("chooser.one", { case: each.case, purpose: t(`purpose.${each.purpose}`) })}
          </option>
        ))}
      </select>
    </label>
  );
}
