/** What the station does with its cameras, for everybody: no sign-in, no person, no case, no picture. */

import { useState } from "preact/hooks";
import { api, type PublicCount, type PublicReport, type PublicSplit } from "../api";
import { isKey, locale, t, word } from "../i18n";
import { useLoaded, useTitle } from "../lib/hooks";
import { LanguageChoice } from "../ui/language";
import { Logo } from "../ui/logo";
import { Loading, Moment, Note, Problem } from "../ui/parts";
import { valueText } from "./policy-rules";

const EVERY_MS = 60_000;

export function ReportPage() {
  useTitle(t("report.title"));
  const [month, setMonth] = useState<string | null>(null);
  const list = useLoaded(() => api.reports(), "reports", EVERY_MS);
  const loaded = useLoaded(() => api.report(month), month, EVERY_MS);
  const log = useLoaded(() => api.log(), "log", EVERY_MS);
  const report = loaded.data;
  const sha256 = list.data?.months.find((one) => one.month === report?.month)?.report_sha256;
  return (
    <main class="report" lang={locale.value}>
      <header class="row">
        <Logo />
        <LanguageChoice />
      </header>
      <h1>{t("report.title")}</h1>
      <p>{t("report.what")}</p>
      <div class="row no-print">
        <label class="row">
          {t("report.month")}
          <select value={month ?? report?.month ?? ""} onChange={(event) => setMonth(event.currentTarget.value)}>
            {list.data?.months.map((one) => (
              <option key={one.month} value={one.month}>
                {one.over ? one.month : t("report.month.open", { month: one.month })}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => print()}>
          {t("report.print")}
        </button>
      </div>
      <Problem problem={loaded.problem ?? list.problem} retry={loaded.reload} />
      {report === null && loaded.problem === null && <Loading />}
      {report !== null && <Report report={report} />}
      <section>
        <h2>{t("report.contact")}</h2>
        <p data-contact>{list.data?.contact ? list.data.contact : t("report.contact.none")}</p>
      </section>
      <section>
        <h2>{t("report.check")}</h2>
        <p>{t("report.check.what")}</p>
        {log.data?.checkpoint && <pre class="break">{log.data.checkpoint}</pre>}
        {sha256 !== undefined && (
          <p>
            {t("report.fingerprint")}: <code class="break">{sha256}</code>
          </p>
        )}
        {report !== null && (
          <p class="no-print">
            {t("report.files")}: <a href={`/api/v1/report?month=${report.month}`}>JSON</a> <a href={`/api/v1/report.txt?month=${report.month}`}>TXT</a>
          </p>
        )}
      </section>
    </main>
  );
}

function Report({ report }: { report: PublicReport }) {
  const { exports, emergency_cases: emergency } = report;
  return (
    <>
      <h2 class="num">{report.month}</h2>
      <p>{report.over ? t("report.over") : t("report.open")}</p>
      <p class="muted">
        {t(report.over ? "report.as_of" : "report.as_of.open", { from: report.from_entry, entries: report.log_entries })} <Moment ms={report.as_of_utc_ms} />. {t("report.few")}
      </p>
      {emergency.any_overdue && (
        <Note kind="bad">
          <p>{t("report.emergency.overdue")}</p>
        </Note>
      )}
      <StationPolicy report={report} />
      <Cameras report={report} />
      <Part title={t("report.views")} split={report.views}>
        <Row name={t("report.views.live")} count={report.live_views} />
        <Row name={t("report.cases")} count={report.cases_opened} />
      </Part>
      <Part title={t("report.exports")}>
        <Row name={t("report.exports.requested")} count={exports.requested} />
        <Row name={t("report.exports.refused")} count={exports.refused} />
        <Row name={t("report.exports.delivered")} count={exports.delivered} />
        <Row name={t("report.exports.direct")} count={exports.taken_out_directly} />
      </Part>
      <Part title={t("report.exports.by")} split={exports.released} />
      <Part title={t("report.kept_erased")}>
        <Row name={t("report.holds.placed")} count={report.holds.placed} />
        <Row name={t("report.holds.released")} count={report.holds.released} />
        <Row name={t("report.erasures")} count={report.erasures} />
      </Part>
      <Part title={t("report.emergency")}>
        <Row name={t("report.emergency.opened")} count={emergency.opened} />
        <Row name={t("report.emergency.unreviewed")} count={emergency.unreviewed} />
      </Part>
      <Requests requests={report.subject_requests} />
      <Part title={t("report.refused")}>
        <Row name={t("report.refused.attempts")} count={report.refused.attempts} />
        <Row name={t("report.refused.sign_ins")} count={report.refused.failed_sign_ins} />
      </Part>
      <Part title={t("report.reviews")} what={t("report.reviews.what")} split={report.reviews.answered}>
        <Row name={t("report.reviews.drawn")} count={report.reviews.drawn} />
        <Row name={t("report.reviews.unreviewed")} count={report.reviews.unreviewed} />
      </Part>
      <Part title={t("report.gaps")} split={report.gaps} />
      <Part title={t("report.missing")} what={t("report.missing.what")} split={report.missing_from_exports} />
      <Part title={t("report.configuration")} split={report.configuration} />
      <Changes report={report} />
    </>
  );
}

function Requests({ requests }: { requests: PublicReport["subject_requests"] }) {
  return (
    <>
      <Part title={t("report.requests")}>
        <Row name={t("report.requests.received")} count={requests.received} />
        <Row name={t("report.requests.answered")} count={requests.answered} />
        <Row name={t("report.requests.extended")} count={requests.extended} />
        <Row name={t("report.requests.withdrawn")} count={requests.withdrawn} />
        <Row name={t("report.requests.late")} count={requests.late} />
        <Row name={t("report.requests.waiting")} count={requests.waiting} />
        <Row name={t("report.requests.overdue")} count={requests.overdue} />
      </Part>
      {requests.any_overdue && (
        <Note kind="bad">
          <p data-requests-overdue>{t("report.requests.any_overdue")}</p>
        </Note>
      )}
      <Part title={t("report.requests.refused")} split={requests.refused} />
    </>
  );
}

/** What the station holds to, and what changed of it in the month. */
function StationPolicy({ report: { policy, station_policy_changes: changes } }: { report: PublicReport }) {
  return (
    <section data-policy={policy?.policy}>
      <h2>{t("report.policy")}</h2>
      {policy === null ? (
        <p>{t("report.policy.none")}</p>
      ) : (
        <>
          <p>
            {policy.policy} ({t("policy.version", { version: policy.version })})
          </p>
          <table class="counts-table">
            <tbody>
              {Object.entries(policy.rules).map(([rule, value]) => (
                <Row key={rule} name={word("policy.rule", rule)} count={valueText(value)} />
              ))}
            </tbody>
          </table>
          <p class="muted">
            {t("policy.fingerprint")}: <code class="break">{policy.policy_sha256}</code>
          </p>
        </>
      )}
      <h3>{t("report.policy.changes")}</h3>
      {changes.length === 0 && <p>{t("report.changes.none")}</p>}
      <ul>
        {changes.map(({ at_utc_ms, from, to }, at) => (
          <li key={at}>
            <Moment ms={at_utc_ms} />: {to.policy} ({t("policy.version", { version: to.version })}): {from === null ? t("report.changes.first") : difference(from.rules, to.rules)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Cameras({ report }: { report: PublicReport }) {
  return (
    <section>
      <h2>{t("report.cameras")}</h2>
      <div class="table-wrap" role="region" tabIndex={0} aria-label={t("report.cameras")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("report.cameras")}</th>
              <th scope="col">{t("report.purpose")}</th>
              <th scope="col">{t("report.kept")}</th>
              <th scope="col">{t("report.recorded")}</th>
              <th scope="col">{t("report.without")}</th>
              <th scope="col">{t("report.sound")}</th>
              <th scope="col">{t("report.masks")}</th>
              <th scope="col">{t("report.plugins")}</th>
              <th scope="col">{t("report.reviewed")}</th>
            </tr>
          </thead>
          <tbody>
            {report.cameras.map((camera) => (
              <tr key={camera.camera}>
                <th scope="row">
                  {t("report.camera", { id: camera.camera })}
                  {camera.removed ? ` (${t("report.removed")})` : camera.enabled ? "" : ` (${t("report.off")})`}
                </th>
                <td>{camera.purpose === "" ? <em>{t("report.purpose.none")}</em> : camera.purpose}</td>
                <td>{t("report.days", { days: camera.retention_days_max })}</td>
                <td>{length(camera.recorded_minutes)}</td>
                <td>{length(Math.floor(camera.gap_seconds / 60))}</td>
                <td>{camera.audio ? t("report.yes") : t("report.no")}</td>
                <td class="num">{camera.masks}</td>
                <td>{camera.plugins.length === 0 ? "–" : camera.plugins.join(", ")}</td>
                <td data-review={camera.review_overdue ? "overdue" : "done"}>
                  {camera.reviewed_utc_ms === null ? "–" : <Moment ms={camera.reviewed_utc_ms} />}
                  {camera.review_overdue && <strong> {t("report.reviewed.overdue")}</strong>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {report.cameras_without_purpose > 0 && (
        <p>
          {t("report.purpose.missing")}: <span class="num">{report.cameras_without_purpose}</span>
        </p>
      )}
      {report.cameras_without_contact > 0 && (
        <p>
          {t("report.contact.missing")}: <span class="num">{report.cameras_without_contact}</span>
        </p>
      )}
      {report.cameras_review_overdue > 0 && (
        <Note kind="warn">
          {t("report.reviewed.missing")}: <span class="num">{report.cameras_review_overdue}</span>
        </Note>
      )}
      {report.cameras_beyond_policy > 0 && (
        <p>
          {t("report.policy.beyond")}: <span class="num">{report.cameras_beyond_policy}</span>
        </p>
      )}
    </section>
  );
}

function Changes({ report }: { report: PublicReport }) {
  return (
    <section>
      <h2>{t("report.changes")}</h2>
      {report.policy_changes.length === 0 && <p>{t("report.changes.none")}</p>}
      <ul>
        {report.policy_changes.map((change, at) => (
          <li key={at}>
            <Moment ms={change.at_utc_ms} />: {t("report.camera", { id: change.camera })}: {change.from === null ? t("report.changes.first") : difference(change.from, change.to)}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Field by field, as the log has it. */
function difference(from: Record<string, unknown>, to: Record<string, unknown>): string {
  const fields = Object.keys(to).filter((name) => JSON.stringify(from[name]) !== JSON.stringify(to[name]));
  return fields.map((name) => `${name.replaceAll("_", " ")} ${JSON.stringify(from[name])} → ${JSON.stringify(to[name])}`).join(", ");
}

function length(minutes: number): string {
  return t("report.hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

interface PartProps {
  title: string;
  what?: string;
  split?: PublicSplit;
  children?: preact.ComponentChildren;
}

function Part({ title, what, split, children }: PartProps) {
  return (
    <section>
      <h2>{title}</h2>
      {what !== undefined && <p class="muted">{what}</p>}
      <table class="counts-table">
        <tbody>
          {split !== undefined && Object.entries(split.by).map(([name, count]) => <Row key={name} name={wordOf(name)} count={count} />)}
          {split !== undefined && <Row name={t("report.total")} count={split.total} />}
          {children}
        </tbody>
      </table>
    </section>
  );
}

function wordOf(name: string): string {
  return isKey(`report.word.${name}`) ? word("report.word", name) : word("reason", name);
}

function Row({ name, count }: { name: string; count: PublicCount }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td class="num end">{count}</td>
    </tr>
  );
}
