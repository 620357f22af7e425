/** How far a camera's clock was from the recorder's, over time. */

import { api, type ClockReading } from "../api";
import { t } from "../i18n";
import { useLoaded } from "../lib/hooks";
import { Loading, Moment, Problem } from "../ui/parts";

const EVERY_MS = 60_000;
/** Three days of hours. */
const SHOWN = 72;

export function CameraClock({ camera }: { camera: number }) {
  const loaded = useLoaded(() => api.cameraClock(camera, SHOWN), `clock-${camera}`, EVERY_MS);
  const rows = loaded.data;
  return (
    <section class="panel" aria-label={t("clock.title")}>
      <h2>{t("clock.title")}</h2>
      <p class="muted">{t("clock.what")}</p>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      {rows === null && loaded.problem === null && <Loading />}
      {rows?.length === 0 && <p class="muted">{t("clock.none")}</p>}
      {rows !== null && rows.length > 0 && <Readings rows={rows} />}
    </section>
  );
}

function Readings({ rows }: { rows: readonly ClockReading[] }) {
  return (
    <div class="table-wrap" role="region" tabIndex={0} aria-label={t("clock.title")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("clock.when")}</th>
            <th scope="col" class="end">
              {t("clock.offset")}
            </th>
            <th scope="col" class="end">
              {t("clock.drift")}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.at_utc_ms} data-clock={row.at_utc_ms}>
              <td>
                <Moment ms={row.at_utc_ms} />
              </td>
              <td class={row.step ? "num end nowrap warn" : "num end nowrap"}>
                {t("clock.seconds", { seconds: (row.offset_ms / 1000).toFixed(1) })}
                {row.step && ` · ${t("clock.step")}`}
              </td>
              <td class="num end nowrap">{row.drift_ppm === null || row.drift_ppm === undefined ? "–" : `${row.drift_ppm.toFixed(0)} ppm`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
