/** Bars of one camera and kind: drawn for the eye, and as a table for everybody else. */

import type { CountSeries } from "../api";
import { t } from "../i18n";
import { clockText, dateTimeText, dayText } from "../lib/time";
import { type Bar, bars, ticks, top } from "./bars";

const WIDTH = 1_000;
const HEIGHT = 120;
/** Times below the chart that fit a phone. */
const TICKS_MAX = 6;

interface Props {
  title: string;
  series: CountSeries;
  starts: readonly number[];
  wholeFrom: number | null;
}

export function Chart({ title, series, starts, wholeFrom }: Props) {
  const drawn = bars(starts, series.counts, wholeFrom);
  const most = top(series.counts);
  const hours = starts.length <= 25;
  return (
    <figure class="chart" data-camera={series.camera} data-kind={series.kind} data-total={series.total}>
      <figcaption>
        <strong>{title}</strong> <span class="muted num">{t("counts.total", { count: series.total })}</span>
      </figcaption>
      <div class="chart-area">
        <span class="chart-top num" aria-hidden="true">
          {most}
        </span>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={t("counts.chart", { title, count: series.total })}>
          <line class="chart-line" x1="0" x2={WIDTH} y1="0.500" y2="0.500" />
          <line class="chart-line" x1="0" x2={WIDTH} y1={HEIGHT / 2} y2={HEIGHT / 2} />
          {drawn.map((bar) => (
            <Column key={bar.start} bar={bar} />
          ))}
          <line class="chart-base" x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        </svg>
      </div>
      <div class="chart-ticks num" aria-hidden="true">
        {ticks(starts, TICKS_MAX).map((place) => (
          <span key={place} style={{ left: `${(100 * place) / starts.length}%` }}>
            {hours ? clockText(starts[place] ?? 0, "minute") : dayText(starts[place] ?? 0)}
          </span>
        ))}
      </div>
      <details>
        <summary>{t("counts.table")}</summary>
        <div class="table-wrap" role="region" tabIndex={0} aria-label={t("counts.table")}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t("counts.begins")}</th>
                <th scope="col" class="end">
                  {t("counts.count")}
                </th>
              </tr>
            </thead>
            <tbody>
              {drawn
                .filter((bar) => bar.count > 0)
                .map((bar) => (
                  <tr key={bar.start}>
                    <td class="num">{dateTimeText(bar.start)}</td>
                    <td class="num end">{bar.partial ? t("counts.at_least", { count: bar.count }) : bar.count}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

function Column({ bar }: { bar: Bar }) {
  // A hair of space between bars; none where there are hundreds.
  const gap = bar.width > 0.01 ? 0.15 * bar.width : 0;
  const said = `${dateTimeText(bar.start)}: ${bar.partial ? t("counts.at_least", { count: bar.count }) : bar.count}`;
  return (
    <g class={bar.partial ? "chart-bar chart-partial" : "chart-bar"}>
      <rect x={(bar.x + gap / 2) * WIDTH} width={(bar.width - gap) * WIDTH} y={(1 - bar.height) * HEIGHT} height={bar.height * HEIGHT} />
      <rect class="chart-hover" x={bar.x * WIDTH} width={bar.width * WIDTH} y="0" height={HEIGHT}>
        <title>{said}</title>
      </rect>
    </g>
  );
}
