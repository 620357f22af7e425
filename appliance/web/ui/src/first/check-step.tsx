/** The first step: whether the clock and the network are as they should be. */

import { useState } from "preact/hooks";
import { api, type Health } from "../api";
import { t, word } from "../i18n";
import { useLoaded } from "../lib/hooks";
import { nowMs } from "../lib/session";
import { zoneText } from "../lib/time";
import { Loading, Moment, Note, Problem } from "../ui/parts";

/** A difference that a person would see on two clocks side by side. */
const CLOCKS_MS_MAX = 2_000;
/** A local network answers in a tenth of this. */
const SLOW_MS = 150;
const ROUNDS = 5;

interface Checked {
  health: Health;
  /** This device's clock minus the recorder's. */
  aheadMs: number;
  /** The middle one of some answers. */
  answerMs: number;
}

/** Asks several times: half of the way there and back is the most that the comparison of clocks is off. */
async function look(): Promise<Checked> {
  const rounds: { answerMs: number; aheadMs: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = performance.now();
    const { now_utc_ms } = await api.status();
    const answerMs = performance.now() - before;
    rounds.push({ answerMs, aheadMs: Date.now() - answerMs / 2 - now_utc_ms });
  }
  rounds.sort((a, b) => a.answerMs - b.answerMs);
  const best = rounds[0];
  const middle = rounds[Math.floor(ROUNDS / 2)];
  return { health: await api.health(), aheadMs: best?.aheadMs ?? 0, answerMs: middle?.answerMs ?? 0 };
}

export function CheckStep({ next }: { next: () => void }) {
  const [round, setRound] = useState(0);
  const checked = useLoaded(look, round);
  return (
    <section aria-labelledby="first-step">
      <h2 id="first-step">{t("first.step.check")}</h2>
      <p class="muted">{t("first.check.what")}</p>
      <Problem problem={checked.problem} retry={checked.reload} />
      {checked.data === null && checked.problem === null && <Loading />}
      {checked.data !== null && <Findings checked={checked.data} />}
      <div class="row row-end">
        <button type="button" onClick={() => setRound(round + 1)}>
          {t("first.check.again")}
        </button>
        <button type="button" class="primary" onClick={next}>
          {t("first.next")}
        </button>
      </div>
    </section>
  );
}

function Findings({ checked }: { checked: Checked }) {
  const { health, aheadMs, answerMs } = checked;
  const apart = Math.abs(aheadMs) > CLOCKS_MS_MAX;
  const follows = health.clock.sync_state === "synchronised";
  const secure = location.protocol === "https:";
  return (
    <div data-checked>
      <h3>{t("first.check.time")}</h3>
      <p data-check="clock">
        {t("first.check.recorder_time")} <Moment ms={nowMs()} /> ({zoneText(nowMs())})
      </p>
      <Note kind={follows ? "good" : "warn"}>{word("sync", health.clock.sync_state)}</Note>
      {apart ? (
        <Note kind="bad">{t("first.check.apart", { seconds: Math.round(Math.abs(aheadMs) / 1000) })}</Note>
      ) : (
        <Note kind="good">{t("first.check.together")}</Note>
      )}
      <h3>{t("first.check.network")}</h3>
      <Note kind={answerMs > SLOW_MS ? "warn" : "good"}>{t(answerMs > SLOW_MS ? "first.check.slow" : "first.check.answers", { ms: Math.max(1, Math.round(answerMs)), host: location.host })}</Note>
      <Note kind={secure ? "good" : "info"}>{t(secure ? "first.check.secure" : "first.check.plain")}</Note>
      <p class="hint">{t("first.check.cameras")}</p>
    </div>
  );
}
