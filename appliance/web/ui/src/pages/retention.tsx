/** How long footage stays: for every camera on the page Health, for one in its settings, and what was erased. */

import { useState } from "preact/hooks";
import { api, type Erasure, type Retention } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { has, KEEPERS } from "../lib/roles";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { cameraName, nowMs, session } from "../lib/session";
import { dateTimeText, daysText, durationText } from "../lib/time";
import { Loading, Moment, Note, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

const EVERY_MS = 10_000;
/** Erased hours that are fetched at once: four days. */
const ERASURES_PAGE = 96;

const reads = () => KEEPERS.some((role) => has(session.value, role));

/** Every camera of the account. */
export function RetentionPanel() {
  const list = useLoaded(api.retentions, "retentions", EVERY_MS);
  const [search, setSearch] = useState("");
  if (!reads()) return null;
  const rows = list.data ?? [];
  const shown = rows.filter((row) => found(search, cameraName(row.camera)));
  const early = rows.filter((row) => row.overwritten_early).length;
  return (
    <section class="panel" aria-label={t("retention.title")}>
      <div class="panel-head">
        <h2>{t("retention.title")}</h2>
        {rows.length > 0 && <Search label={t("cameras.search")} value={search} change={setSearch} />}
      </div>
      <p class="muted">{t("retention.what")}</p>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {early > 0 && <Note kind="warn">{t("retention.early_some", { count: early })}</Note>}
      {list.data?.length === 0 && <p class="muted">{t("cameras.empty")}</p>}
      {rows.length > 0 && shown.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
      {shown.length > 0 && <Table rows={shown} />}
    </section>
  );
}

function Table({ rows }: { rows: readonly Retention[] }) {
  const admin = has(session.value, "admin");
  return (
    <div class="table-wrap" role="region" tabIndex={0} aria-label={t("retention.title")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("camera.name")}</th>
            <th scope="col" class="end">
              {t("retention.most")}
            </th>
            <th scope="col" class="end">
              {t("retention.ring")}
            </th>
            <th scope="col">{t("health.oldest")}</th>
            <th scope="col">{t("retention.next")}</th>
            <th scope="col" class="end">
              {t("retention.erased")}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.camera} data-retention={row.camera}>
              <th scope="row">{admin ? <a href={link.cameraEdit(row.camera)}>{cameraName(row.camera)}</a> : cameraName(row.camera)}</th>
              <td class="num end nowrap">{daysText(row.retention_days_max)}</td>
              <td class={row.overwritten_early ? "num end nowrap warn" : "num end nowrap"}>{row.ring_days_now === null ? "–" : daysText(row.ring_days_now)}</td>
              <td>{row.oldest_utc_ms === null ? "–" : <Moment ms={row.oldest_utc_ms} />}</td>
              <td>{row.next_erasure_utc_ms === null ? "–" : <Moment ms={row.next_erasure_utc_ms} />}</td>
              <td class="num end">{t("retention.hours", { count: row.erasure_count })}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** One camera: what it keeps now, and the hours that were erased. */
export function CameraRetention({ camera }: { camera: number }) {
  const loaded = useLoaded(() => api.retention(camera), camera, EVERY_MS);
  if (!reads()) return null;
  const row = loaded.data;
  return (
    <section class="panel" aria-label={t("retention.title")}>
      <h2>{t("retention.title")}</h2>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      {row === null && loaded.problem === null && <Loading />}
      {row !== null && (
        <>
          <EarlyNote row={row} />
          <dl class="facts">
            <div>
              <dt>{t("retention.most")}</dt>
              <dd>{daysText(row.retention_days_max)}</dd>
            </div>
            <div>
              <dt>{t("retention.kept")}</dt>
              <dd>{row.days_kept_now === null ? t("retention.unknown") : daysText(row.days_kept_now)}</dd>
            </div>
            <div>
              <dt>{t("health.oldest")}</dt>
              <dd>
                {row.oldest_utc_ms === null ? (
                  "–"
                ) : (
                  <>
                    <Moment ms={row.oldest_utc_ms} /> ({durationText(nowMs() - row.oldest_utc_ms)})
                  </>
                )}
              </dd>
            </div>
            <div>
              <dt>{t("retention.next")}</dt>
              <dd>{row.next_erasure_utc_ms === null ? "–" : <Moment ms={row.next_erasure_utc_ms} />}</dd>
            </div>
          </dl>
          <Erasures camera={camera} count={row.erasure_count} />
        </>
      )}
    </section>
  );
}

function EarlyNote({ row }: { row: Retention }) {
  if (!row.overwritten_early || row.ring_days_now === null) return null;
  return (
    <Note kind="warn">
      <p>{t("retention.early", { ring: daysText(row.ring_days_now), most: daysText(row.retention_days_max) })}</p>
      <p class="note-next">{t("retention.early.next")}</p>
    </Note>
  );
}

function Erasures({ camera, count }: { camera: number; count: number }) {
  const [open, setOpen] = useState(false);
  if (count === 0) return <p class="muted">{t("retention.none_erased")}</p>;
  return (
    <details class="gaps" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("retention.erased_list", { count })}</summary>
      {open && <ErasureList camera={camera} />}
    </details>
  );
}

function ErasureList({ camera }: { camera: number }) {
  const [rows, setRows] = useState<Erasure[]>([]);
  const [search, setSearch] = useState("");
  const first = useLoaded(() => api.erasures(camera, null, ERASURES_PAGE), camera);
  const [cursor, setCursor] = useState<string | null | undefined>(undefined);
  const act = useAct();
  const next = cursor === undefined ? (first.data?.next_cursor ?? null) : cursor;
  const all = [...(first.data?.erasures ?? []), ...rows];
  const shown = all.filter((row) => found(search, dateTimeText(row.start_utc_ms), dateTimeText(row.erased_utc_ms)));
  const more = () =>
    act.run(async () => {
      const page = await api.erasures(camera, next, ERASURES_PAGE);
      setRows((old) => [...old, ...page.erasures]);
      setCursor(page.next_cursor);
    });
  return (
    <>
      <p class="muted">{t("retention.erased.what")}</p>
      <Search label={t("retention.erased.search")} value={search} change={setSearch} />
      <Problem problem={first.problem ?? act.problem} />
      {first.data === null && first.problem === null && <Loading />}
      {all.length > 0 && shown.length === 0 && <NothingFound title={t("retention.erased.no_match")} showAll={() => setSearch("")} />}
      <ul class="gap-list">
        {shown.map((row) => (
          <li key={row.start_utc_ms} data-erased={row.start_utc_ms}>
            <Moment ms={row.start_utc_ms} /> – <Moment ms={row.end_utc_ms} only="time" />
            <span class="muted">
              {" "}
              · {t("retention.erased_at")} <Moment ms={row.erased_utc_ms} />
            </span>
          </li>
        ))}
      </ul>
      {next !== null && (
        <button type="button" class="small" disabled={act.busy} onClick={more}>
          {t("audit.more")}
        </button>
      )}
    </>
  );
}
