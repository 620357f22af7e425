/** Requests of people who may be in the footage: what waits, until when, and what became of the others. */

import { useState } from "preact/hooks";
import { api, type SubjectRequest } from "../api";
import { t } from "../i18n";
import { useLoaded, useTick, useTitle } from "../lib/hooks";
import { mayOpen } from "../lib/roles";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { cameraName, nowMs, session } from "../lib/session";
import { durationText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Empty, Loading, Moment, Note, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { timeLeft } from "./request-form";

const EVERY_MS = 10_000;
const SHOWN = ["now", "over", "all"] as const;
type Shown = (typeof SHOWN)[number];

const isOver = ({ ended }: SubjectRequest) => ended !== null;

export function RequestsPage() {
  useTitle(t("nav.requests"));
  const list = useLoaded(api.requests, "requests", EVERY_MS);
  const [search, setSearch] = useState("");
  const [which, setWhich] = useState<Shown>("now");
  const all = list.data?.requests ?? [];
  const overdue = all.filter((each) => each.overdue).length;
  const chosen = all.filter((each) => which === "all" || isOver(each) === (which === "over"));
  const shown = chosen.filter((each) =>
    found(search, String(each.request), each.reference, each.place, each.case ?? "", each.handler_name ?? "", t(`request.state.${each.state}`), ...each.cameras.map(cameraName)),
  );
  const mayAdd = mayOpen(session.value, "request_new");
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.requests")}</h1>
        <div class="row row-end">
          <Search label={t("requests.search")} value={search} change={setSearch} />
          {mayAdd && (
            <a class="button primary" href={link.requestNew}>
              <Icon name="plus" /> {t("requests.add")}
            </a>
          )}
        </div>
      </div>
      <p class="muted lead">{t("requests.what")}</p>
      {overdue > 0 && (
        <Note kind="bad">
          <p data-overdue={overdue}>{t("requests.overdue.title", { count: overdue })}</p>
          <p class="note-next">{t("requests.overdue.next")}</p>
        </Note>
      )}
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {all.length > 0 && (
        <div class="segmented" role="group" aria-label={t("requests.which")}>
          {SHOWN.map((each) => (
            <button key={each} type="button" aria-pressed={each === which} onClick={() => setWhich(each)}>
              {t(`requests.which.${each}`)}
            </button>
          ))}
        </div>
      )}
      {list.data !== null && all.length === 0 && (
        <Empty title={t("requests.empty")}>
          <p>{mayAdd ? t("requests.empty.next") : t("requests.empty.ask")}</p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && (
        <NothingFound
          title={t("requests.no_match")}
          showAll={() => {
            setSearch("");
            setWhich("all");
          }}
        />
      )}
      <ul class="cards">
        {shown.map((each) => (
          <li key={each.request} class={isOver(each) ? "card card-over" : "card"} data-request={each.request} data-state={each.state}>
            <div class="card-main">
              <Icon name="person" />
              <a class="card-title" href={link.request(each.request)}>
                {t("requests.one", { id: each.request })} · {t("requests.file", { reference: each.reference })}
              </a>
              <span class="tag">{t(`request.state.${each.state}`)}</span>
            </div>
            <div class="card-state">
              <Deadline item={each} />
              <Where item={each} />
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Until when, and how long that is from now. */
export function Deadline({ item }: { item: SubjectRequest }) {
  useTick(60_000);
  if (item.ended !== null) {
    return (
      <p>
        {t("request.ended", { state: t(`request.state.${item.state}`), name: item.ended.account_name ?? `#${item.ended.account}` })} <Moment ms={item.ended.at_utc_ms} />
      </p>
    );
  }
  const left = timeLeft(item.due_utc_ms, nowMs());
  const text = t(left.kind === "late" ? "request.late" : "request.left", { time: durationText(left.ms) });
  return (
    <p>
      {t("request.due")} <Moment ms={item.due_utc_ms} />{" "}
      <strong class={left.kind === "left" ? "tag" : left.kind === "near" ? "tag warn" : "tag tag-bad"} data-deadline={left.kind}>
        {text}
      </strong>
    </p>
  );
}

/** Which footage it is about, and who handles it. */
export function Where({ item }: { item: SubjectRequest }) {
  const names = item.cameras.map(cameraName);
  if (item.other_camera_count > 0) names.push(t("holds.other_cameras", { count: item.other_camera_count }));
  return (
    <>
      <p>
        {t("request.window")}: {names.length === 0 ? t("request.no_cameras") : names.join(", ")} · <Moment ms={item.from_utc_ms} /> – <Moment ms={item.to_utc_ms} />{" "}
        <span class="muted num">({durationText(item.to_utc_ms - item.from_utc_ms)})</span>
      </p>
      <p class="muted">
        {t("request.handler")}: {item.handler === null ? t("request.nobody") : (item.handler_name ?? `#${item.handler}`)}
        {item.case !== null && ` · ${t("holds.case", { case: item.case })}`}
      </p>
    </>
  );
}
