/** Exports: footage on its way out as evidence. Whoever asked sees how far it is; a second person looks at what is in it and releases or refuses it. */

import { useState } from "preact/hooks";
import { api, type Export, exportBundleUrl } from "../api";
import { t, word } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { has, mayOpen } from "../lib/roles";
import { link, route } from "../lib/router";
import { found } from "../lib/search";
import { cameraName, nowMs, session } from "../lib/session";
import { durationText, sizeText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Confirm, Empty, Loading, Moment, Note, Problem, TextField } from "../ui/parts";
import { Progress } from "../ui/progress";
import { NothingFound, Search } from "../ui/search";
import { withSecondFactor } from "../ui/second-factor";
import { Deliveries, WriteTo } from "./export-places";
import { Decision } from "./export-decision";

const EVERY_MS = 3_000;
const MISSING_LISTED = 8;
const SHOWN = ["now", "over", "all"] as const;
type Shown = (typeof SHOWN)[number];

const isOver = ({ state }: Export) => state === "refused" || state === "failed" || state === "cancelled" || state === "expired";

export function ExportsPage() {
  useTitle(t("nav.exports"));
  const list = useLoaded(api.exports, "exports", EVERY_MS);
  const [search, setSearch] = useState(() => route.value.query.get("search") ?? "");
  const [which, setWhich] = useState<Shown>(search === "" ? "now" : "all");
  const all = list.data?.exports ?? [];
  const chosen = all.filter((each) => which === "all" || isOver(each) === (which === "over"));
  const shown = chosen.filter((each) => found(search, each.id, each.case, each.recipient, each.asked_by_name ?? "", ...each.cameras.map(cameraName)));
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.exports")}</h1>
        <Search label={t("exports.search")} value={search} change={setSearch} />
      </div>
      <p class="muted lead">
        {t("exports.what")} <a href={link.verify()}>{t("nav.verify")}</a>
      </p>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data?.troubles.map((trouble) => (
        <Note key={trouble} kind="bad">
          <p>{trouble}</p>
          <p class="note-next">{t("exports.trouble.next")}</p>
        </Note>
      ))}
      {list.data === null && list.problem === null && <Loading />}
      {all.length > 0 && (
        <div class="segmented" role="group" aria-label={t("exports.which")}>
          {SHOWN.map((each) => (
            <button key={each} type="button" aria-pressed={each === which} onClick={() => setWhich(each)}>
              {t(`exports.which.${each}`)}
            </button>
          ))}
        </div>
      )}
      {list.data !== null && all.length === 0 && (
        <Empty title={t("exports.empty")}>
          <p>{has(session.value, "investigator") ? t("exports.empty.next") : t("exports.empty.ask")}</p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && (
        <NothingFound
          title={t("exports.no_match")}
          showAll={() => {
            setSearch("");
            setWhich("all");
          }}
        />
      )}
      <ul class="cards">
        {shown.map((each) => (
          <ExportCard key={each.id} item={each} reload={list.reload} />
        ))}
      </ul>
    </div>
  );
}

function ExportCard({ item, reload }: { item: Export; reload: () => void }) {
  const own = item.asked_by === session.value?.account.id;
  const open = item.state === "ready" && item.answer === null;
  const takes = own && item.state === "released" && item.denied === null;
  const state = t(`export.state.${item.state}`);
  const [first] = item.cameras;
  return (
    <li class={isOver(item) ? "card card-over" : "card"} data-export={item.id} data-state={item.state}>
      <div class="card-main">
        <Icon name="lock" />
        <span class="card-title">
          {t("exports.one", { id: item.id })} · {mayOpen(session.value, "cases") ? <a href={link.casesOf(item.case)}>{t("holds.case", { case: item.case })}</a> : t("holds.case", { case: item.case })}
        </span>
        <span class="tag">{state}</span>
        {item.redaction !== null && <span class="tag tag-bad">{t("redact.tag")}</span>}
        <div class="row row-end">
          {own && (item.state === "making" || open) && <Cancel item={item} reload={reload} />}
          {takes && (
            <a class="button small primary" href={exportBundleUrl(item)} download={`watchbook-export-${item.id}.zip`}>
              <Icon name="download" /> {t("exports.download")}
            </a>
          )}
          {item.state === "released" && (
            <a class="button small" href={link.verify(item.id)}>
              {t("verify.this")}
            </a>
          )}
        </div>
      </div>
      <div class="card-state">
        <p>
          {item.cameras.map(cameraName).join(", ")} · <Moment ms={item.start_utc_ms} /> – <Moment ms={item.end_utc_ms} />{" "}
          <span class="muted num">({durationText(item.end_utc_ms - item.start_utc_ms)})</span>
        </p>
        <p>
          {t("exports.for", { recipient: item.recipient })} <span class="muted">({t(`recipient.${item.recipient_class}`)})</span>
        </p>
        {item.redaction !== null && <Redacted redaction={item.redaction} />}
        <p class="muted">
          {t("exports.asked", { name: item.asked_by_name ?? `#${item.asked_by}` })} <Moment ms={item.asked_utc_ms} />
          {item.expires_utc_ms !== null && (
            <>
              {" · "}
              {t("exports.expires")} <Moment ms={item.expires_utc_ms} />
            </>
          )}
        </p>
        <Next item={item} own={own} />
        {own && isOver(item) && first !== undefined && (
          <p>
            <a href={link.marked(first, { start: item.start_utc_ms, end: item.end_utc_ms })}>{t("exports.stretch")}</a>
          </p>
        )}
      </div>
      <Made item={item} />
      <Deliveries item={item} />
      {takes && <WriteTo item={item} reload={reload} />}
      {open && !own && has(session.value, "approver") && <Answer item={item} reload={reload} />}
      {open && (own || has(session.value, "approver")) && <Decision item={item} reload={reload} />}
    </li>
  );
}

/** What is black in it, and which master it goes with. */
function Redacted({ redaction }: { redaction: NonNullable<Export["redaction"]> }) {
  return (
    <p>
      {t(redaction.everything_but ? "redact.shown.but" : "redact.shown", { count: redaction.regions })}
      {redaction.master_manifest_sha256 !== null && (
        <>
          {" "}
          {t("redact.shown.master")} <code class="break">{redaction.master_manifest_sha256}</code>
        </>
      )}
    </p>
  );
}

/** Who must do what next. */
function Next({ item, own }: { item: Export; own: boolean }) {
  const { progress, answer } = item;
  if (item.state === "making" && progress !== null) {
    if (progress.before_it > 0) return <p>{t("exports.waits", { count: progress.before_it })}</p>;
    const share = progress.total_bytes > 0 ? Math.min(1, progress.done_bytes / progress.total_bytes) : 0;
    return (
      <>
        <Progress label={t("exports.making")} share={share} />
        <p class="muted">
          {t("exports.making.of", { done: sizeText(progress.done_bytes), total: sizeText(progress.total_bytes) })} · {t("exports.left", { time: durationText(progress.seconds_left * 1000) })}
        </p>
        {progress.without_leaf > 0 && <p class="muted">{t("exports.making.log", { count: progress.without_leaf })}</p>}
      </>
    );
  }
  const by = answer?.account_name ?? `#${answer?.account ?? 0}`;
  if (item.state === "ready" && answer !== null) return <p>{t("exports.released.waits", { name: by })}</p>;
  if (item.state === "ready") return <p>{own ? t("exports.ready.own") : has(session.value, "approver") ? t("exports.ready.answer") : t("exports.ready")}</p>;
  if (item.denied !== null) {
    return (
      <Note kind="warn">
        <p>{t("exports.denied", { name: by })}</p>
        <p class="note-next">{item.denied}</p>
      </Note>
    );
  }
  if (item.state === "released") return <p>{own ? t("exports.released.own", { name: by }) : t("exports.released", { name: by })}</p>;
  if (item.state === "refused") return <Note kind="warn">{t("exports.refused", { name: by, reason: answer?.reason ?? "" })}</Note>;
  if (item.trouble !== null) {
    return (
      <Note kind="bad">
        <p>{item.trouble}</p>
        <p class="note-next">{t("exports.failed.next")}</p>
      </Note>
    );
  }
  return null;
}

/** What is in it: an approver reads this before the answer. */
function Made({ item: { made, state } }: { item: Export }) {
  if (made === null) return null;
  return (
    <details>
      <summary>
        {t("exports.in_it", { size: sizeText(made.bytes), files: made.files.length })}
        {!made.complete && <span class="tag tag-bad">{t("exports.incomplete", { count: made.missing_count })}</span>}
      </summary>
      {made.delivered_start_utc_ms !== null && made.delivered_end_utc_ms !== null ? (
        <p>
          {t("export.got")} <Moment ms={made.delivered_start_utc_ms} /> – <Moment ms={made.delivered_end_utc_ms} />
        </p>
      ) : (
        <p>{t("export.nothing")}</p>
      )}
      {made.missing.length > 0 && (
        <ul class="gap-list">
          {made.missing.slice(0, MISSING_LISTED).map((each) => (
            <li key={`${each.camera} ${each.is_sound} ${each.start_utc_ms}`}>
              {cameraName(each.camera)} · <Moment ms={each.start_utc_ms} /> · {durationText(each.end_utc_ms - each.start_utc_ms)} · {word("reason", each.reason)}
            </li>
          ))}
        </ul>
      )}
      {made.missing_count > MISSING_LISTED && <p>{t("export.gaps_more", { count: made.missing_count - MISSING_LISTED })}</p>}
      <ul class="plain-list">
        {made.files.map((file) => (
          <li key={file.name}>
            <code>{file.name}</code> · {sizeText(file.bytes)} · <code class="break">{file.sha256}</code>
          </li>
        ))}
      </ul>
      <p>
        {t("exports.manifest")} <code class="break">{made.manifest_sha256}</code>
      </p>
      {state === "released" && <p>{made.witnesses.length > 0 ? t("exports.witnessed", { names: made.witnesses.join(", ") }) : t("exports.not_witnessed")}</p>}
    </details>
  );
}

function Cancel({ item, reload }: { item: Export; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const cancel = () =>
    act.run(async () => {
      await api.cancelExport(item.id);
      setAsking(false);
      reload();
    });
  return (
    <>
      <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
        {t("exports.cancel")}
      </button>
      {asking && (
        <Confirm title={t("exports.cancel.title", { id: item.id })} action={t("exports.cancel")} busy={act.busy} confirm={cancel} cancel={() => setAsking(false)}>
          <p>{t("exports.cancel.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </>
  );
}

/** The second person's answer, bound to the manifest that is shown. */
function Answer({ item, reload }: { item: Export; reload: () => void }) {
  const [reason, setReason] = useState("");
  const [refusing, setRefusing] = useState(false);
  const act = useAct();
  const manifest = item.made?.manifest_sha256 ?? "";
  const answer = (say: () => Promise<unknown>) =>
    act.run(async () => {
      await withSecondFactor(say);
      setRefusing(false);
      reload();
    });
  return (
    <div class="inset">
      <p class="muted">{t("exports.answer.what")}</p>
      <Problem problem={act.problem} />
      {refusing && <TextField label={t("exports.refuse.reason")} value={reason} change={setReason} required maxLength={300} focus />}
      <div class="row row-end">
        {refusing ? (
          <>
            <button type="button" onClick={() => setRefusing(false)}>
              {t("cancel")}
            </button>
            <button type="button" class="danger" disabled={act.busy || reason.trim() === ""} onClick={() => answer(() => api.refuseExport(item.id, manifest, reason.trim()))}>
              {t("exports.refuse")}
            </button>
          </>
        ) : (
          <>
            <button type="button" onClick={() => setRefusing(true)}>
              {t("exports.refuse")}
            </button>
            <button type="button" class="primary" disabled={act.busy || manifest === ""} onClick={() => answer(() => api.releaseExport(item.id, manifest))}>
              {t("exports.release")}
            </button>
          </>
        )}
      </div>
    </div>
  );
}

/** How long ago something was asked for is told by the card; this one leads there. */
export function ExportAsked({ id }: { id: string }) {
  return (
    <Note kind="good">
      <p data-asked={id} data-at={nowMs()}>
        {t("exports.asked_for", { id })} <a href={link.exports}>{t("exports.see")}</a>
      </p>
    </Note>
  );
}
