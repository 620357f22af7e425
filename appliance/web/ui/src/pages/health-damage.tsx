/** Footage that was recorded and cannot be read any more. */

import { useState } from "preact/hooks";
import type { DamagedRun } from "../api";
import { t, word } from "../i18n";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { cameraName, session } from "../lib/session";
import { dateTimeText, durationText } from "../lib/time";
import { Moment } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

/** The recorder lists no more than this; the timeline shows the rest. */
const LISTED_MAX = 200;

export function DamagePanel({ damaged }: { damaged: readonly DamagedRun[] }) {
  const [search, setSearch] = useState("");
  if (damaged.length === 0) return null;
  const shown = damaged.filter((run) => found(search, cameraName(run.camera), dateTimeText(run.start_utc_ms), roleText(run)));
  const plays = has(session.value, "investigator");
  return (
    <section class="panel" aria-label={t("damage.title")}>
      <div class="panel-head">
        <h2>{t("damage.title")}</h2>
        <Search label={t("damage.search")} value={search} change={setSearch} />
      </div>
      <p class="muted">{t("damage.what")}</p>
      {shown.length === 0 && <NothingFound title={t("damage.no_match")} showAll={() => setSearch("")} />}
      <ul class="plain-list">
        {shown.map((run) => (
          <li key={`${run.camera} ${run.role} ${run.start_utc_ms}`} data-damaged={run.camera}>
            <p>
              {plays ? (
                <a href={link.timeline(run.camera, run.start_utc_ms)}>
                  <Moment ms={run.start_utc_ms} />
                </a>
              ) : (
                <Moment ms={run.start_utc_ms} />
              )}{" "}
              · <strong>{cameraName(run.camera)}</strong> <span class="muted">{roleText(run)}</span> · <span class="num">{durationText(run.end_utc_ms - run.start_utc_ms)}</span>
            </p>
            <p class="muted">
              {word("damaged", run.kind)} · {t("damage.found")} <Moment ms={run.found_utc_ms} />
            </p>
          </li>
        ))}
      </ul>
      {damaged.length >= LISTED_MAX && <p class="hint">{t("damage.cut", { count: LISTED_MAX })}</p>}
    </section>
  );
}

const roleText = (run: DamagedRun) => t(run.role === null ? "role_of.main_audio" : `role_of.${run.role}`);
