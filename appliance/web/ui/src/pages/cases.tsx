/** Cases: for what, in which footage, by whom and until when recorded footage may be played. */

import { useState } from "preact/hooks";
import { api, type Case, type CasePerson } from "../api";
import { t } from "../i18n";
import { chooseCase } from "../lib/case";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { has, mayOpen } from "../lib/roles";
import { link, route } from "../lib/router";
import { found } from "../lib/search";
import { cameraName, nowMs, session } from "../lib/session";
import { durationText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Confirm, Empty, Loading, Moment, Note, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { withSecondFactor } from "../ui/second-factor";
import { CaseFields } from "./case-fields";
import { type CaseForm, caseProblem, casePatch, formOf } from "./case-form";

const EVERY_MS = 10_000;
const SHOWN = ["open", "over", "all"] as const;
type Shown = (typeof SHOWN)[number];

const nameOf = ({ account, account_name }: CasePerson) => account_name ?? `#${account}`;

export function CasesPage() {
  useTitle(t("nav.cases"));
  const list = useLoaded(api.cases, "cases", EVERY_MS);
  const [search, setSearch] = useState(() => route.value.query.get("search") ?? "");
  const [which, setWhich] = useState<Shown>(search === "" ? "open" : "all");
  const all = list.data?.cases ?? [];
  const chosen = all.filter((each) => which === "all" || each.open === (which === "open"));
  const shown = chosen.filter((each) => found(search, each.case, t(`purpose.${each.purpose}`), each.opened_by_name, ...each.investigators.map(nameOf), ...each.cameras.map(cameraName)));
  const approver = has(session.value, "approver");
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.cases")}</h1>
        <div class="row row-end">
          <Search label={t("cases.search")} value={search} change={setSearch} />
          {approver && (
            <a class="button primary" href={link.caseNew}>
              <Icon name="plus" /> {t("cases.add")}
            </a>
          )}
        </div>
      </div>
      <p class="muted lead">{t("cases.what")}</p>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {all.length > 0 && (
        <div class="segmented" role="group" aria-label={t("cases.which")}>
          {SHOWN.map((each) => (
            <button key={each} type="button" aria-pressed={each === which} onClick={() => setWhich(each)}>
              {t(`cases.which.${each}`)}
            </button>
          ))}
        </div>
      )}
      {list.data !== null && all.length === 0 && (
        <Empty title={t("cases.empty")}>
          <p>{approver ? t("cases.empty.approver") : t("cases.empty.ask")}</p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && (
        <NothingFound
          title={t("cases.no_match")}
          showAll={() => {
            setSearch("");
            setWhich("all");
          }}
        />
      )}
      <ul class="cards">
        {shown.map((each) => (
          <CaseCard key={each.case} item={each} people={list.data?.investigators ?? []} reload={list.reload} />
        ))}
      </ul>
    </div>
  );
}

function CaseCard({ item, people, reload }: { item: Case; people: readonly CasePerson[]; reload: () => void }) {
  const [changing, setChanging] = useState(false);
  const own = session.value?.account.id ?? 0;
  const named = item.investigators.some((person) => person.account === own);
  const approver = has(session.value, "approver");
  const names = item.cameras.map(cameraName);
  if (item.other_camera_count > 0) names.push(t("holds.other_cameras", { count: item.other_camera_count }));
  const state = item.closed_utc_ms !== null ? "closed" : item.open ? "open" : "expired";
  const first = item.cameras[0];
  return (
    <li class={item.open ? "card" : "card card-over"} data-case={item.case} data-state={state}>
      <div class="card-main">
        <Icon name="lock" />
        <span class="card-title">{t("holds.case", { case: item.case })}</span>
        <span class="tag">{t(`case.${state}`)}</span>
        {item.emergency && <span class="tag tag-bad">{t("case.emergency")}</span>}
        {item.needs_review && <span class="tag tag-bad">{t("case.needs_review")}</span>}
        <div class="row row-end">
          {item.open && approver && !named && !item.emergency && (
            <button type="button" class="small" aria-expanded={changing} onClick={() => setChanging(!changing)}>
              {t("case.change")}
            </button>
          )}
          {item.open && (approver || named) && <Close item={item} reload={reload} />}
        </div>
      </div>
      <div class="card-state">
        <p>
          {t(`purpose.${item.purpose}`)} · {names.join(", ")}
        </p>
        <p>
          {t("case.footage")}: <Moment ms={item.from_utc_ms} /> – <Moment ms={item.to_utc_ms} /> <span class="muted num">({durationText(item.to_utc_ms - item.from_utc_ms)})</span>
        </p>
        <p>
          {t("case.people")}: {item.investigators.map(nameOf).join(", ")}
        </p>
        <p class="muted">
          {t("case.opened", { name: item.opened_by_name ?? `#${item.opened_by}` })} <Moment ms={item.opened_utc_ms} /> ·{" "}
          {item.closed_utc_ms === null ? t("case.until") : t("case.closed_at")} <Moment ms={item.closed_utc_ms ?? item.expires_utc_ms} />
        </p>
        <p class="row">
          {item.open && named && first !== undefined && (
            <a href={link.timeline(first, item.from_utc_ms)} onClick={() => chooseCase(item.case)}>
              {t("case.play")}
            </a>
          )}
          {mayOpen(session.value, "exports") && <a href={link.exportsOf(item.case)}>{t("case.exports")}</a>}
          <a href={link.holdsOf(item.case)}>{t("case.holds")}</a>
          {has(session.value, "auditor") && <a href={link.auditOf(item.case)}>{t("case.log")}</a>}
        </p>
      </div>
      {changing && (
        <ChangeCase
          item={item}
          people={people}
          done={() => {
            setChanging(false);
            reload();
          }}
        />
      )}
    </li>
  );
}

function ChangeCase({ item, people, done }: { item: Case; people: readonly CasePerson[]; done: () => void }) {
  const [form, setForm] = useState<CaseForm>(() => formOf(item));
  const act = useAct();
  const problem = caseProblem(form, nowMs());
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await withSecondFactor(() => api.changeCase(item.case, casePatch(form, item)));
      done();
    });
  };
  return (
    <form class="card-more" onSubmit={submit}>
      <p class="muted">{t("case.change.what")}</p>
      <CaseFields form={form} change={(part) => setForm((old) => ({ ...old, ...part }))} people={people} />
      {problem !== null && <Note kind="info">{t(problem)}</Note>}
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="submit" class="primary" disabled={act.busy || problem !== null}>
          {t("case.save")}
        </button>
      </div>
    </form>
  );
}

function Close({ item, reload }: { item: Case; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const close = () =>
    act.run(async () => {
      await api.closeCase(item.case);
      setAsking(false);
      reload();
    });
  return (
    <>
      <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
        {t("case.close")}
      </button>
      {asking && (
        <Confirm title={t("case.close.title", { case: item.case })} action={t("case.close")} busy={act.busy} confirm={close} cancel={() => setAsking(false)}>
          <p>{t("case.close.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </>
  );
}
