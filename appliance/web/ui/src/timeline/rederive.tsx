/** Deriving an event again: the button, how far it is, what came out and what to do about it. */

import { useEffect } from "preact/hooks";
import { api, type Rederivation, type RederivationResult, type WatchEvent } from "../api";
import { t, word } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { durationText } from "../lib/time";
import { Loading, Moment, Note, Problem } from "../ui/parts";
import { Progress } from "../ui/progress";
import { differenceText, heading, nextStep, tone } from "./rederive-words";

/** How often a run is looked at. */
const LOOK_MS = 1_000;
/** The longest lead that the recorder takes. */
const LONGEST_S = 600;
/** Gaps that are listed one by one. */
const GAPS_LISTED = 8;

export function Rederive({ event }: { event: WatchEvent }) {
  const found = useLoaded(() => api.rederivation(event), event.id);
  const act = useAct();
  const row = found.data;
  const active = row?.state === "waiting" || row?.state === "running";
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(found.reload, LOOK_MS);
    return () => clearInterval(timer);
  }, [active, found.reload]);
  const change = (what: () => Promise<Rederivation>) =>
    act.run(async () => {
      await what();
      found.reload();
    });
  const start = (warmUp: number | null) => change(() => api.rederive(event, warmUp));
  if (row === null) return found.problem === null ? <Loading /> : <Problem problem={found.problem} retry={found.reload} />;
  const result = row.state === "done" ? row.result : null;
  return (
    <div class="rederive" data-rederive={row.state} data-outcome={result?.outcome}>
      {row.state === "unasked" && <p class="hint">{t("rederive.what")}</p>}
      {row.state === "cancelled" && <p class="hint">{t("rederive.cancelled")}</p>}
      {row.state === "waiting" && <p role="status">{t("rederive.waiting", { count: row.ahead })}</p>}
      {row.state === "running" && <Progress label={t("rederive.running")} share={row.progress} />}
      {result !== null && result !== undefined && <Result result={result} by={row.account_name} />}
      <Problem problem={act.problem ?? found.problem} />
      <div class="row">
        {active ? (
          <button type="button" class="small" disabled={act.busy} onClick={() => change(() => api.cancelRederive(event))}>
            {t("rederive.cancel")}
          </button>
        ) : (
          <button type="button" class="small" disabled={act.busy} onClick={() => start(null)}>
            {t(result == null ? "rederive.button" : "rederive.again")}
          </button>
        )}
        {(result?.outcome === "near" || result?.outcome === "absent") && !result.from_its_start && (
          <button type="button" class="small" disabled={act.busy} onClick={() => start(LONGEST_S)}>
            {t("rederive.longer")}
          </button>
        )}
      </div>
    </div>
  );
}

function Result({ result, by }: { result: RederivationResult; by: string | null }) {
  return (
    <>
      <Note kind={tone(result.outcome)}>
        <p>
          <strong>{heading(result)}</strong>
        </p>
        {result.differences.length > 0 && (
          <ul class="gap-list">
            {result.differences.map((difference) => (
              <li key={difference.field}>{differenceText(difference)}</li>
            ))}
          </ul>
        )}
        <p class="note-next">{nextStep(result)}</p>
        {result.sentence !== null && (
          <p class="muted" lang="en">
            {result.sentence}
          </p>
        )}
      </Note>
      {result.gaps.length + result.damaged.length > 0 && <Missing result={result} />}
      <p class="muted">{facts(result).join(" · ")}</p>
      <p class="muted">
        <Moment ms={result.done_utc_ms} />
        {by !== null && ` · ${by}`}
        {` · ${result.plugin} ${result.version} · ${t("rederive.digests", { component: result.component_sha256.slice(0, 16), settings: result.settings_sha256.slice(0, 16) })}`}
      </p>
    </>
  );
}

function facts(result: RederivationResult): string[] {
  if (result.frames === 0) return [];
  const facts = [t("rederive.frames", { frames: result.frames, known: result.frames_known })];
  if (result.from_its_start) facts.push(t("rederive.fresh"));
  else facts.push(t("rederive.lead", { duration: durationText(Math.max(0, result.warm_up_ms)) }));
  if (result.frames_lost > 0) facts.push(t("rederive.lost", { count: result.frames_lost }));
  if (result.frames_dropped_then > 0) facts.push(t("rederive.busy", { count: result.frames_dropped_then }));
  return facts;
}

/** What is missing in the span, each with its reason: it may explain a difference. */
function Missing({ result }: { result: RederivationResult }) {
  const rows = [
    ...result.gaps.map((gap) => ({ ...gap, why: word("reason", gap.reason) })),
    ...result.damaged.map((run) => ({ ...run, why: word("damaged", run.kind) })),
  ].sort((a, b) => a.start_utc_ms - b.start_utc_ms);
  return (
    <Note kind="warn">
      <p>{t("rederive.gaps", { count: rows.length })}</p>
      <ul class="gap-list">
        {rows.slice(0, GAPS_LISTED).map((row) => (
          <li key={`${row.start_utc_ms} ${row.why}`}>
            <Moment ms={row.start_utc_ms} only="time" /> · {durationText(row.end_utc_ms - row.start_utc_ms)} · {row.why}
          </li>
        ))}
      </ul>
    </Note>
  );
}
