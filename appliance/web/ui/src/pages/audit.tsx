/** The log of who looked, took out and changed what. */

import { useEffect, useState } from "preact/hooks";
import { api, type AuditEntry, type AuditKind } from "../api";
import { t } from "../i18n";
import { useAct, useTitle } from "../lib/hooks";
import { link, route } from "../lib/router";
import { Icon } from "../ui/icon";
import { Empty, Loading, Moment, Problem } from "../ui/parts";
import { AuditCheckpoint } from "./audit-checkpoint";
import { actionText, detailText, outcomeText, whoText } from "./audit-text";

const PAGE = 100;
const KINDS: readonly AuditKind[] = ["people", "footage", "all"];

export function AuditPage() {
  useTitle(t("nav.audit"));
  const [entries, setEntries] = useState<AuditEntry[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [search, setSearch] = useState(() => route.value.query.get("search") ?? "");
  const [kind, setKind] = useState<AuditKind>("people");
  const act = useAct();
  const load = (from: string | null) =>
    act.run(async () => {
      const page = await api.audit(kind, from, PAGE);
      setEntries((old) => (from === null ? page.entries : [...(old ?? []), ...page.entries]));
      setCursor(page.next_cursor);
    });
  useEffect(() => load(null), [kind]);
  const wanted = search.trim().toLowerCase();
  const found = (entries ?? []).filter((entry) => `${actionText(entry)} ${detailText(entry)} ${whoText(entry)}`.toLowerCase().includes(wanted));
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.audit")}</h1>
        <p class="muted">
          {t("audit.what")} <a href={link.verify()}>{t("nav.verify")}</a>
        </p>
        <div class="row row-end">
          <label class="search">
            <Icon name="search" />
            <span class="visually-hidden">{t("audit.search")}</span>
            <input type="search" placeholder={t("audit.search")} value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
          </label>
          <label class="row">
            {t("audit.kind")}
            <select value={kind} disabled={act.busy} onChange={(event) => setKind(KINDS.find((one) => one === event.currentTarget.value) ?? "people")}>
              {KINDS.map((one) => (
                <option key={one} value={one}>
                  {t(`audit.kind.${one}`)}
                </option>
              ))}
            </select>
          </label>
          <button type="button" disabled={act.busy} onClick={() => load(null)}>
            {t("reload")}
          </button>
        </div>
      </div>
      <AuditCheckpoint />
      <Problem problem={act.problem} retry={() => load(null)} />
      {entries === null && act.problem === null && <Loading />}
      {entries !== null && found.length === 0 && <Empty title={t("audit.empty")} />}
      {found.length > 0 && (
        <div class="table-wrap panel">
          <table>
            <thead>
              <tr>
                <th scope="col" class="end">
                  {t("audit.index")}
                </th>
                <th scope="col">{t("audit.time")}</th>
                <th scope="col">{t("audit.account")}</th>
                <th scope="col">{t("audit.action")}</th>
                <th scope="col">{t("audit.about")}</th>
                <th scope="col">{t("audit.outcome")}</th>
              </tr>
            </thead>
            <tbody>
              {found.map((entry) => (
                <tr key={entry.index}>
                  <td class="num end">{entry.index}</td>
                  <td>
                    <Moment ms={entry.at_utc_ms} />
                  </td>
                  <td class="nowrap">{whoText(entry)}</td>
                  <td>{actionText(entry)}</td>
                  <td>{detailText(entry)}</td>
                  <td>{outcomeText(entry)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {cursor !== null && (
        <button type="button" disabled={act.busy} onClick={() => load(cursor)}>
          {t("audit.more")}
        </button>
      )}
    </>
  );
}
