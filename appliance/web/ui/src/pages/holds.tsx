/** Footage that is kept for cases: what is held, how far it is, and giving it up. */

import { useState } from "preact/hooks";
import { api, type Hold, type VaultHealth } from "../api";
import { t, word } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { link, route } from "../lib/router";
import { found } from "../lib/search";
import { cameraName, session } from "../lib/session";
import { dateTimeText, durationText, sizeText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Confirm, Empty, Loading, Moment, Note, Problem, TextField } from "../ui/parts";
import { Meter, Progress } from "../ui/progress";
import { NothingFound, Search } from "../ui/search";

const EVERY_MS = 3_000;
/** Missing stretches that are listed one by one; the rest is counted. */
const MISSING_LISTED = 12;
const SHOWN = ["open", "released", "all"] as const;
type Shown = (typeof SHOWN)[number];

export function HoldsPage() {
  useTitle(t("nav.holds"));
  const list = useLoaded(api.holds, "holds", EVERY_MS);
  const [search, setSearch] = useState(() => route.value.query.get("search") ?? "");
  const [which, setWhich] = useState<Shown>(search === "" ? "open" : "all");
  const all = list.data?.holds ?? [];
  const chosen = all.filter((hold) => which === "all" || (hold.state === "released") === (which === "released"));
  const shown = chosen.filter((hold) => found(search, hold.case, hold.note, hold.placed_by_name, dateTimeText(hold.start_utc_ms), ...hold.cameras.map(cameraName)));
  const showAll = () => {
    setSearch("");
    setWhich("all");
  };
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.holds")}</h1>
        <div class="row row-end">
          <Search label={t("holds.search")} value={search} change={setSearch} />
          {has(session.value, "investigator") && (
            <a class="button primary" href={link.holdNew()}>
              <Icon name="plus" /> {t("holds.add")}
            </a>
          )}
        </div>
      </div>
      <p class="muted lead">{t("holds.what")}</p>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {list.data !== null && <VaultPanel vault={list.data.vault} />}
      {all.length > 0 && (
        <div class="segmented" role="group" aria-label={t("holds.which")}>
          {SHOWN.map((each) => (
            <button key={each} type="button" aria-pressed={each === which} onClick={() => setWhich(each)}>
              {t(`holds.which.${each}`)}
            </button>
          ))}
        </div>
      )}
      {list.data !== null && all.length === 0 && (
        <Empty title={t("holds.empty")}>
          <p>{has(session.value, "investigator") ? t("holds.empty.next") : t("holds.empty.ask")}</p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && <NothingFound title={t("holds.no_match")} showAll={showAll} />}
      <ul class="cards">
        {shown.map((hold) => (
          <HoldCard key={hold.id} hold={hold} reload={list.reload} />
        ))}
      </ul>
    </div>
  );
}

/** How full the vault is. */
export function VaultPanel({ vault }: { vault: VaultHealth }) {
  if (vault.quota_bytes === 0) {
    return (
      <Note kind="warn">
        <p>{t("vault.none")}</p>
        <p class="note-next">{t("vault.none.next")}</p>
      </Note>
    );
  }
  const share = vault.held_bytes / vault.quota_bytes;
  const taken = share + vault.reserved_bytes / vault.quota_bytes;
  return (
    <section class="panel" aria-label={t("vault.title")}>
      <h2>{t("vault.title")}</h2>
      <Meter label={t("vault.title")} share={share} more={vault.reserved_bytes / vault.quota_bytes} full={taken >= 0.8} />
      <p class="num">
        {t("vault.used", { held: sizeText(vault.held_bytes), quota: sizeText(vault.quota_bytes), free: sizeText(vault.free_bytes) })}
        {vault.reserved_bytes > 0 && ` ${t("vault.reserved", { reserved: sizeText(vault.reserved_bytes) })}`}
      </p>
      {taken >= 0.8 && <Note kind={vault.free_bytes === 0 ? "bad" : "warn"}>{t("vault.next")}</Note>}
    </section>
  );
}

function HoldCard({ hold, reload }: { hold: Hold; reload: () => void }) {
  const total = hold.held_bytes + hold.left_bytes;
  const over = hold.state === "released";
  const names = hold.cameras.map(cameraName);
  if (hold.other_camera_count > 0) names.push(t("holds.other_cameras", { count: hold.other_camera_count }));
  return (
    <li class={over ? "card card-over" : "card"} data-hold={hold.id} data-state={hold.state}>
      <div class="card-main">
        <Icon name="lock" />
        <a class="card-title" href={link.casesOf(hold.case)}>
          {t("holds.case", { case: hold.case })}
        </a>
        <span class={hold.state === "incomplete" ? "tag tag-bad" : "tag"}>{t(`hold.${hold.state}`)}</span>
        <div class="row row-end">{!over && <Release hold={hold} reload={reload} />}</div>
      </div>
      <div class="card-state">
        <p>
          <Moment ms={hold.start_utc_ms} /> – <Moment ms={hold.end_utc_ms} /> <span class="muted num">({durationText(hold.end_utc_ms - hold.start_utc_ms)})</span>
        </p>
        <p>{names.join(", ")}</p>
        {hold.note !== "" && <p class="quote">{hold.note}</p>}
        <p class="muted">
          {t("holds.placed", { name: hold.placed_by_name ?? `#${hold.placed_by}` })} <Moment ms={hold.placed_utc_ms} />
          {!over && <span class="num"> · {sizeText(hold.held_bytes)}</span>}
        </p>
        {hold.state === "copying" && <Progress label={t("holds.copying")} share={total > 0 ? hold.held_bytes / total : 0} />}
        {hold.trouble !== null && (
          <Note kind="bad">
            <p>{t("holds.trouble")}</p>
            <p class="muted" lang="en">
              {hold.trouble}
            </p>
          </Note>
        )}
        {hold.unproven_ms !== null && !over && (
          <p class={hold.unproven_ms > 0 ? "warn" : "muted"} data-unproven={hold.unproven_ms}>
            {hold.unproven_ms > 0 ? t("holds.unproven", { time: durationText(hold.unproven_ms) }) : t("holds.proved")}
          </p>
        )}
        {hold.missing_count > 0 && !over && <Missing hold={hold} />}
        {hold.release !== null && (
          <p>
            {t("holds.released", { name: hold.release.account_name ?? `#${hold.release.account}` })} <Moment ms={hold.release.at_utc_ms} />: {hold.release.reason}
          </p>
        )}
        {!over && has(session.value, "investigator") && hold.cameras[0] !== undefined && (
          <p>
            <a href={link.timeline(hold.cameras[0], hold.start_utc_ms)}>{t("holds.show")}</a>
          </p>
        )}
      </div>
    </li>
  );
}

function Missing({ hold }: { hold: Hold }) {
  const more = hold.missing_count - Math.min(MISSING_LISTED, hold.missing.length);
  return (
    <details class="gaps">
      <summary>{t("holds.missing", { count: hold.missing_count })}</summary>
      <ul class="gap-list">
        {hold.missing.slice(0, MISSING_LISTED).map((missing) => (
          <li key={`${missing.camera} ${missing.role} ${missing.start_utc_ms}`}>
            <Moment ms={missing.start_utc_ms} /> · <span class="num">{durationText(missing.end_utc_ms - missing.start_utc_ms)}</span> · {cameraName(missing.camera)}{" "}
            <span class="muted">{t(`role_of.${missing.role}`)}</span> · {word("missing", missing.reason)}
          </li>
        ))}
      </ul>
      {more > 0 && <p class="hint">{t("export.gaps_more", { count: more })}</p>}
    </details>
  );
}

function Release({ hold, reload }: { hold: Hold; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const act = useAct();
  if (!has(session.value, "approver")) return null;
  const own = hold.placed_by === session.value?.account.id && session.value.one_person_station !== true;
  if (own) return <span class="hint">{t("holds.release.other")}</span>;
  const release = () =>
    act.run(async () => {
      await api.releaseHold(hold.id, reason.trim());
      setAsking(false);
      reload();
    });
  return (
    <>
      <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
        {t("holds.release")}
      </button>
      {asking && (
        <Confirm
          title={t("holds.release.title", { case: hold.case })}
          action={t("holds.release")}
          busy={act.busy || reason.trim() === ""}
          confirm={release}
          cancel={() => setAsking(false)}
        >
          <p>{t("holds.release.what")}</p>
          <TextField label={t("holds.reason")} hint={t("holds.reason.hint")} value={reason} change={setReason} required maxLength={340} focus />
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </>
  );
}
