/** The auditor's queue: accesses that were drawn and emergency cases; below it, what stands out in the log. */

import { useState } from "preact/hooks";
import { api, type Anomaly, type Review } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { Empty, Loading, Moment, Problem, TextField } from "../ui/parts";
import { actionText, detailText, whoText } from "./audit-text";

export function ReviewsPage() {
  useTitle(t("nav.reviews"));
  const loaded = useLoaded(() => api.reviews(), "reviews", 60_000);
  const found = useLoaded(() => api.anomalies(-new Date().getTimezoneOffset()), "anomalies");
  const reviews = loaded.data?.reviews ?? null;
  const anomalies = found.data?.anomalies ?? null;
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.reviews")}</h1>
        <p class="muted">{t("reviews.what")}</p>
      </div>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      {reviews === null && loaded.problem === null && <Loading />}
      {reviews !== null && reviews.length === 0 && (
        <Empty title={t("reviews.empty")}>
          <p>{t("reviews.empty.next")}</p>
        </Empty>
      )}
      {reviews?.map((review) => (
        <OneReview key={review.entry.index} review={review} done={loaded.reload} />
      ))}
      <section class="panel" aria-label={t("anomalies.title")}>
        <h2>{t("anomalies.title")}</h2>
        <p class="muted">{t("anomalies.what")}</p>
        <Problem problem={found.problem} retry={found.reload} />
        {anomalies !== null && anomalies.length === 0 && <p>{t("anomalies.none")}</p>}
        <ul>
          {anomalies?.map((one, at) => (
            <li key={at} data-rule={one.rule}>
              {anomalyText(one)} <span class="muted num">{`${t("anomalies.entries")}: ${one.entries.join(", ")}`}</span>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function anomalyText(one: Anomaly): string {
  const who = one.account === null ? t("anomalies.nobody") : (one.account_name ?? `#${one.account}`);
  const values = { who, count: one.count, limit: one.limit, day: one.day, camera: one.camera ?? "" };
  switch (one.rule) {
    case "volume":
      return t("anomalies.volume", values);
    case "odd_hours":
      return t("anomalies.odd_hours", values);
    case "same_place":
      return t("anomalies.same_place", values);
    default:
      return t("anomalies.refusals", values);
  }
}

function OneReview({ review, done }: { review: Review; done: () => void }) {
  const [ok, setOk] = useState<boolean | null>(null);
  const [reason, setReason] = useState("");
  const act = useAct();
  const { entry } = review;
  const submit = (event: Event) => {
    event.preventDefault();
    if (ok === null) return;
    act.run(async () => {
      await api.answerReview(entry.index, { ok, reason: reason.trim() });
      done();
    });
  };
  return (
    <form class="panel" data-review={entry.index} onSubmit={submit}>
      <h2>
        {actionText(entry)} <span class="muted num">{`${t("reviews.entry")} ${entry.index}`}</span>
      </h2>
      <p>
        <Moment ms={entry.at_utc_ms} /> · {whoText(entry)} · {detailText(entry)}
      </p>
      {review.due_utc_ms !== null && (
        <p>
          <strong>{t("reviews.due")}</strong> <Moment ms={review.due_utc_ms} />
        </p>
      )}
      <fieldset class="row">
        <label class="row">
          <input type="radio" name={`ok-${entry.index}`} checked={ok === true} onChange={() => setOk(true)} /> {t("reviews.ok")}
        </label>
        <label class="row">
          <input type="radio" name={`ok-${entry.index}`} checked={ok === false} onChange={() => setOk(false)} /> {t("reviews.not_ok")}
        </label>
      </fieldset>
      <TextField label={t("reviews.reason")} hint={t("reviews.reason.hint")} value={reason} change={setReason} required={ok === false} maxLength={300} />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="submit" class="primary" disabled={ok === null || act.busy}>
          {t("reviews.send")}
        </button>
      </div>
    </form>
  );
}
