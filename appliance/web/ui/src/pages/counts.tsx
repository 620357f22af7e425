/** How often something happened: a chart a camera and kind, and the table to take away. */

import { useState } from "preact/hooks";
import { api, type CountBucket, countsCsvUrl } from "../api";
import { Chart } from "../counts/chart";
import { interval, SPANS, type Span } from "../counts/bars";
import { t, word } from "../i18n";
import { useLoaded, useRemembered, useTitle } from "../lib/hooks";
import { found } from "../lib/search";
import { cameraName, cameras, nowMs } from "../lib/session";
import { zoneText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Empty, Loading, Moment, Note, Problem, Select } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

/** Charts drawn at once; the search finds the others. */
const CHARTS_MAX = 24;

export function CountsPage() {
  useTitle(t("nav.counts"));
  const [span, setSpan] = useRemembered<Span>("counts.span", SPANS, "day");
  const [camera, setCamera] = useState("all");
  const [search, setSearch] = useState("");
  const bucket: CountBucket = span === "month" ? "day" : "hour";
  const asked = () => ({ ...interval(span, nowMs()), camera: camera === "all" ? null : Number(camera), bucket });
  const loaded = useLoaded(() => api.counts(asked()), `${span} ${camera}`, 60_000);
  const title = (of: { camera: number; kind: string }) => `${cameraName(of.camera)} · ${word("event", of.kind)}`;
  const all = loaded.data?.series ?? [];
  const shown = all.filter((series) => found(search, title(series), series.kind));
  const wholeFrom = loaded.data?.whole_from_utc_ms ?? null;
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.counts")}</h1>
        <div class="row row-end">
          <Search label={t("counts.search")} value={search} change={setSearch} />
          <a class="button" href={countsCsvUrl(asked())} download>
            <Icon name="download" /> {t("counts.csv")}
          </a>
        </div>
      </div>
      <p class="muted lead">{t("counts.what", { zone: zoneText() })}</p>
      <div class="row counts-choice">
        <div class="segmented" role="group" aria-label={t("counts.span")}>
          {SPANS.map((each) => (
            <button key={each} type="button" aria-pressed={each === span} onClick={() => setSpan(each)}>
              {t(`counts.span.${each}`)}
            </button>
          ))}
        </div>
        <Select
          label={t("timeline.camera")}
          value={camera}
          options={[{ value: "all", text: t("counts.all_cameras") }, ...(cameras.value ?? []).map((each) => ({ value: String(each.id), text: each.name }))]}
          change={setCamera}
        />
      </div>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      {loaded.data === null && loaded.problem === null && <Loading />}
      {wholeFrom !== null && (
        <Note kind="warn">
          <p>
            {t("counts.partial")} <Moment ms={wholeFrom} />
          </p>
          <p class="note-next">{t("counts.partial.next")}</p>
        </Note>
      )}
      {loaded.data !== null && all.length === 0 && (
        <Empty title={t("counts.empty")}>
          <p>{t("counts.empty.next")}</p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && <NothingFound title={t("counts.no_match")} showAll={() => setSearch("")} />}
      {loaded.data !== null &&
        shown.slice(0, CHARTS_MAX).map((series) => (
          <section key={`${series.camera} ${series.kind}`} class="panel">
            <Chart title={title(series)} series={series} starts={loaded.data?.starts_utc_ms ?? []} wholeFrom={wholeFrom} />
          </section>
        ))}
      {shown.length > CHARTS_MAX && <p class="hint">{t("counts.cut", { count: CHARTS_MAX })}</p>}
    </div>
  );
}
