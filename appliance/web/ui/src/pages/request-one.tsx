/** One request: its deadline, what to do next, the footage that is kept for it, and how it ends. */

import { useState } from "preact/hooks";
import { api, type Export, type SubjectRequest, type SubjectRequestList } from "../api";
import { t } from "../i18n";
import { chooseCase } from "../lib/case";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { cameras, nowMs, session } from "../lib/session";
import { dateTimeText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Empty, Loading, Moment, Note, Problem } from "../ui/parts";
import { Answering, Extending, Refusing, Withdrawing } from "./request-acts";
import { erasedAt, formOf, requestLabel, requestPatch, requestProblem } from "./request-form";
import { RequestFields } from "./request-new";
import { Deadline, Where } from "./requests";

const EVERY_MS = 10_000;

export function RequestPage({ id }: { id: number }) {
  useTitle(t("requests.one", { id }));
  const list = useLoaded(api.requests, id, EVERY_MS);
  const item = list.data?.requests.find((each) => each.request === id);
  return (
    <div class="narrow">
      <div class="page-head">
        <a class="button quiet" href={link.requests}>
          <Icon name="back" /> {t("nav.requests")}
        </a>
        <h1>{t("requests.one", { id })}</h1>
        {item !== undefined && <span class="tag">{t(`request.state.${item.state}`)}</span>}
      </div>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {list.data !== null && item === undefined && (
        <Empty title={t("request.unknown")}>
          <p>{t("request.unknown.next")}</p>
        </Empty>
      )}
      {list.data !== null && item !== undefined && <Detail item={item} rules={list.data} reload={list.reload} />}
    </div>
  );
}

function Detail({ item, rules, reload }: { item: SubjectRequest; rules: SubjectRequestList; reload: () => void }) {
  const who = session.value;
  // An admin sees no exports: they do not end a request.
  const readsExports = has(who, "investigator") || has(who, "approver") || has(who, "auditor");
  const exports = useLoaded(() => (readsExports ? api.exports() : Promise.resolve({ exports: [], troubles: [] })), item.request, EVERY_MS);
  const own = exports.data?.exports.filter((each) => each.case === item.case && each.recipient_class === "data_subject") ?? [];
  const waits = item.ended === null;
  return (
    <>
      <section class="panel" data-request={item.request} data-state={item.state}>
        <p>{t("requests.file", { reference: item.reference })}</p>
        <Deadline item={item} />
        {item.extended !== null && (
          <p>
            {t("request.extended", { name: item.extended.account_name ?? `#${item.extended.account}` })} <Moment ms={item.extended.at_utc_ms} />: {t(`request.why.${item.extended.why}`)} (“
            {item.extended.words}”); {t("request.extended.before")} <Moment ms={item.extended.due_before_utc_ms} />
          </p>
        )}
        <p>
          {t("request.place")}: “{item.place}”
        </p>
        <Where item={item} />
        <p class="muted">
          {t("request.received")} <Moment ms={item.received_utc_ms} /> · {t("request.registered", { name: item.registered_by_name ?? `#${item.registered_by}` })} <Moment ms={item.registered_utc_ms} />
        </p>
        <End item={item} />
        {has(who, "auditor") && <a href={link.auditOf(String(item.request))}>{t("request.log")}</a>}
      </section>
      {waits && <Keep item={item} />}
      {waits && <Next item={item} exports={own} />}
      <Problem problem={exports.problem} retry={exports.reload} />
      {waits && (has(who, "investigator") || has(who, "admin")) && <Change key={JSON.stringify(formOf(item))} item={item} rules={rules} reload={reload} />}
      {waits && has(who, "investigator") && item.case !== null && <Answering item={item} exports={own} reload={reload} />}
      {waits && has(who, "approver") && <Refusing item={item} reload={reload} />}
      {waits && has(who, "approver") && item.extended === null && !item.overdue && rules.extension_days > 0 && <Extending item={item} days={rules.extension_days} reload={reload} />}
      {waits && (has(who, "investigator") || has(who, "admin")) && <Withdrawing item={item} reload={reload} />}
    </>
  );
}

/** What became of it: the entry of the disclosure register, or the reason. */
function End({ item: { ended } }: { item: SubjectRequest }) {
  if (ended === null) return null;
  const { disclosure, refusal } = ended;
  if (refusal !== null) {
    return (
      <Note kind="warn">
        <p data-refused={refusal.why}>
          {t(`request.why.${refusal.why}`)}: “{refusal.words}”
        </p>
      </Note>
    );
  }
  if (disclosure === null) return null;
  return (
    <Note kind="good">
      <p data-disclosed={disclosure.export}>
        {t("request.given", { to: t(`request.to.${disclosure.to}`) })} · {t("request.export", { id: disclosure.export })} · {t("request.receipt", { reference: disclosure.reference })} · “
        {disclosure.why}”
      </p>
    </Note>
  );
}

/** Footage that is looked for may be erased before anybody has found it: a hold keeps it, in one step. */
function Keep({ item }: { item: SubjectRequest }) {
  const holds = useLoaded(api.holds, item.request, EVERY_MS);
  const act = useAct();
  const label = item.case ?? requestLabel(item.request);
  const labels = [label, requestLabel(item.request)];
  const hold = holds.data?.holds.find((each) => labels.includes(each.case) && each.release === null && each.start_utc_ms <= item.from_utc_ms && each.end_utc_ms >= item.to_utc_ms && item.cameras.every((camera) => each.cameras.includes(camera)));
  const days = (id: number) => cameras.value?.find((camera) => camera.id === id)?.retention_days_max ?? null;
  const at = erasedAt(item.from_utc_ms, item.cameras, days);
  if (item.cameras.length === 0 || holds.data === null) return <Problem problem={holds.problem} retry={holds.reload} />;
  if (hold !== undefined) {
    return (
      <Note kind="good">
        <p data-held={hold.id}>
          {t("request.keep.held", { case: hold.case })} <a href={link.holds}>{t("nav.holds")}</a>
        </p>
      </Note>
    );
  }
  const keep = () =>
    act.run(async () => {
      await api.placeHold({ case: label, cameras: item.cameras, from_utc_ms: item.from_utc_ms, to_utc_ms: item.to_utc_ms, note: "" });
      holds.reload();
    });
  return (
    <section class="panel">
      <h2>{t("request.keep")}</h2>
      {at !== null && <Note kind="warn">{at > nowMs() ? t("request.keep.what", { at: dateTimeText(at) }) : t("request.keep.gone")}</Note>}
      <Problem problem={act.problem} />
      {has(session.value, "investigator") ? (
        <button type="button" class="primary" disabled={act.busy} onClick={keep}>
          <Icon name="lock" /> {t("request.keep.now")}
        </button>
      ) : (
        <p>{t("request.keep.ask")}</p>
      )}
    </section>
  );
}

/** Who must do what next. */
function Next({ item, exports }: { item: SubjectRequest; exports: readonly Export[] }) {
  const first = item.cameras[0];
  const number = item.case;
  const range = { start: item.from_utc_ms, end: item.to_utc_ms };
  const asked = exports.some((each) => each.state === "ready" || each.state === "making" || each.state === "released");
  return (
    <section class="panel" data-next>
      <h2>{t("request.next")}</h2>
      {first === undefined && <p>{t("request.next.cameras")}</p>}
      {first !== undefined && number === null && (
        <p>
          {t("request.next.case")} {has(session.value, "approver") && <a href={link.caseFor(item.request, item.cameras, range)}>{t("request.next.case.open")}</a>}
        </p>
      )}
      {first !== undefined && number !== null && (
        <p>
          {t("request.next.play")}{" "}
          {has(session.value, "investigator") && (
            <a href={link.timeline(first, item.from_utc_ms)} onClick={() => chooseCase(number)}>
              {t("request.next.play.open")}
            </a>
          )}
        </p>
      )}
      {asked && (
        <p>
          {t("request.next.release")} <a href={link.exports}>{t("nav.exports")}</a>
        </p>
      )}
      <p class="muted">{t("request.next.none")}</p>
    </section>
  );
}

function Change({ item, rules, reload }: { item: SubjectRequest; rules: SubjectRequestList; reload: () => void }) {
  const [form, setForm] = useState(() => formOf(item));
  const act = useAct();
  const problem = requestProblem(form, nowMs());
  const patch = requestPatch(form, item);
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.changeRequest(item.request, patch);
      reload();
    });
  };
  return (
    <details class="panel" open={item.cameras.length === 0 && item.other_camera_count === 0}>
      <summary>{t("request.change")}</summary>
      <form onSubmit={submit}>
        <RequestFields form={form} change={(part) => setForm((old) => ({ ...old, ...part }))} people={rules.investigators} />
        {problem !== null && <Note kind="info">{t(problem)}</Note>}
        <Problem problem={act.problem} />
        <div class="row row-end">
          <button type="submit" class="primary" disabled={act.busy || problem !== null || Object.keys(patch).length === 0}>
            {t("request.change.save")}
          </button>
        </div>
      </form>
    </details>
  );
}
