/** When the disk is too slow: what waits, what is dropped, and in which order that goes. */

import { useState } from "preact/hooks";
import type { DropRow, Pressure } from "../api";
import { t } from "../i18n";
import { found } from "../lib/search";
import { cameraName } from "../lib/session";
import { sizeText } from "../lib/time";
import { Moment, Note } from "../ui/parts";
import { Meter } from "../ui/progress";
import { Search } from "../ui/search";

/** From so many streams on the list has a search. */
const SEARCH_FROM = 8;

export function PressurePanel({ pressure }: { pressure: Pressure }) {
  const dropping = pressure.order.filter((row) => row.dropping);
  const share = pressure.waiting_bytes_max > 0 ? pressure.waiting_bytes / pressure.waiting_bytes_max : 0;
  return (
    <details class="panel" open={dropping.length > 0}>
      <summary>
        <h2>{t("pressure.title")}</h2>
        <span class={dropping.length > 0 ? "bad" : "muted"}>{dropping.length > 0 ? t("pressure.dropping", { count: dropping.length }) : t("pressure.fine")}</span>
      </summary>
      <p class="muted">{t("pressure.what")}</p>
      <Meter label={t("pressure.waiting")} share={share} full={dropping.length > 0} />
      <p class="num">{t("pressure.waits", { waiting: sizeText(pressure.waiting_bytes), most: sizeText(pressure.waiting_bytes_max) })}</p>
      {dropping.length > 0 && <Note kind="bad">{t("pressure.next")}</Note>}
      {pressure.dropped_last_utc_ms !== null && (
        <p>
          {t("pressure.last")} <Moment ms={pressure.dropped_last_utc_ms} />
        </p>
      )}
      <Order rows={pressure.order} />
    </details>
  );
}

function Order({ rows }: { rows: readonly DropRow[] }) {
  const [search, setSearch] = useState("");
  const shown = rows.filter((row) => found(search, cameraName(row.camera), t(`role_of.${row.role}`), t(`importance.${row.importance}`)));
  if (rows.length === 0) return <p class="muted">{t("cameras.empty")}</p>;
  return (
    <>
      <div class="panel-head">
        <h3>{t("pressure.order")}</h3>
        {rows.length >= SEARCH_FROM && <Search label={t("cameras.search")} value={search} change={setSearch} />}
      </div>
      <ol class="order">
        {shown.map((row) => (
          <li key={`${row.camera} ${row.role}`} data-dropping={row.dropping} value={row.step + 1}>
            <span class="order-name">{cameraName(row.camera)}</span> <span class="muted">{t(`role_of.${row.role}`)}</span>{" "}
            <span class="muted">· {t(`importance.${row.importance}`)}</span> {row.dropping && <span class="tag tag-bad">{t("pressure.now")}</span>}
          </li>
        ))}
      </ol>
      {shown.length === 0 && <p class="muted">{t("cameras.no_match")}</p>}
      <p class="hint">{t("pressure.order.what")}</p>
    </>
  );
}
