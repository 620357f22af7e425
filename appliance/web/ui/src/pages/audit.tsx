/** The log of who looked, took out and changed what. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api, type AuditEntry, type AuditSearch, auditProofUrl } from "../api";
import { t } from "../i18n";
import { useAct, useTitle } from "../lib/hooks";
import { link, route } from "../lib/router";
import { found } from "../lib/search";
import { Icon } from "../ui/icon";
import { Empty, Loading, Moment, Problem } from "../ui/parts";
import { Search } from "../ui/search";
import { AuditCheckpoint } from "./audit-checkpoint";
import { AuditFilter, searchWith } from "./audit-filter";
import { actionText, detailText, outcomeText, whoText } from "./audit-text";

const PAGE = 100;
/** Entries that one step of a search by words brings. */
const STEP = 500;
/** Entries that it brings before it asks whether to go on: all of them are held here. */
const STEPS_MAX = 10_000;

interface Found {
  entries: AuditEntry[];
  cursor: string | null;
  /** When the oldest entry was written that was looked at. */
  lookedTo: number | null;
}

const NONE: Found = { entries: [], cursor: null, lookedTo: null };

function matches(words: string, entry: AuditEntry): boolean {
  return found(words, String(entry.index), actionText(entry), detailText(entry), whoText(entry), outcomeText(entry));
}

/** What was read of the log, and how more is read: until something matches, the log ends or somebody stops it. */
function useSearch(search: AuditSearch, words: string) {
  const [read, setRead] = useState<Found | null>(null);
  const act = useAct();
  const stop = useRef<AbortController | null>(null);
  const load = (from: Found, wanted: string) => {
    stop.current?.abort();
    const mine = new AbortController();
    stop.current = mine;
    act.run(async () => {
      let now = from;
      try {
        do {
          const page = await api.audit(search, now.cursor, wanted === "" ? PAGE : STEP, mine.signal);
          now = { entries: [...now.entries, ...page.entries], cursor: page.next_cursor, lookedTo: page.looked_to_utc_ms ?? now.lookedTo };
          setRead(now);
          // A page may be empty although more follows.
        } while (now.cursor !== null && now.entries.length - from.entries.length < STEPS_MAX && !now.entries.slice(from.entries.length).some((entry) => matches(wanted, entry)));
      } catch (error) {
        if (!mine.signal.aborted) throw error;
      }
    });
  };
  useEffect(() => {
    setRead(null);
    load(NONE, words);
    return () => stop.current?.abort();
  }, [JSON.stringify(search)]);
  return { read, busy: act.busy, problem: act.problem, again: () => load(NONE, words), further: () => load(read ?? NONE, words), stop: () => stop.current?.abort() };
}

export function AuditPage() {
  useTitle(t("nav.audit"));
  const [words, setWords] = useState(() => route.value.query.get("search") ?? "");
  const [search, setSearch] = useState<AuditSearch>({ kind: "people" });
  const { read, busy, problem, again, further, stop } = useSearch(search, words);
  const shown = (read?.entries ?? []).filter((entry) => matches(words, entry));
  const only = (entry: AuditEntry) => setSearch(searchWith(search, { account: entry.account ?? undefined }));
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.audit")}</h1>
        <p class="muted">
          {t("audit.what")} <a href={link.verify()}>{t("nav.verify")}</a>
        </p>
        <div class="row row-end">
          <Search label={t("audit.search")} value={words} change={setWords} />
          <button type="button" disabled={busy} onClick={again}>
            {t("reload")}
          </button>
        </div>
      </div>
      <AuditCheckpoint />
      <AuditFilter search={search} change={setSearch} />
      <Problem problem={problem} retry={again} />
      {read === null && problem === null && <Loading />}
      {read !== null && !busy && shown.length === 0 && (
        <Empty title={t("audit.empty")}>
          <p>{t("audit.empty.next")}</p>
        </Empty>
      )}
      {shown.length > 0 && <AuditTable entries={shown} only={only} />}
      {read !== null && (
        <div class="row" data-looked={read.entries.length}>
          <p class="muted" role="status">
            {t("audit.shown", { count: shown.length, looked: read.entries.length })} {read.lookedTo !== null && <Moment ms={read.lookedTo} />}
            {read.cursor === null && ` · ${t("audit.end")}`}
          </p>
          {busy && (
            <button type="button" onClick={stop}>
              {t("audit.stop")}
            </button>
          )}
          {!busy && read.cursor !== null && (
            <button type="button" onClick={further}>
              {t(words === "" ? "audit.more" : "audit.further")}
            </button>
          )}
        </div>
      )}
    </>
  );
}

function AuditTable({ entries, only }: { entries: AuditEntry[]; only: (entry: AuditEntry) => void }) {
  return (
    <>
      <div class="table-wrap panel" role="region" tabIndex={0} aria-label={t("nav.audit")}>
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
              <th scope="col">{t("audit.proof")}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <tr key={entry.index}>
                <td class="num end">{entry.index}</td>
                <td>
                  <Moment ms={entry.at_utc_ms} />
                </td>
                <td class="nowrap">
                  {entry.account === null ? (
                    whoText(entry)
                  ) : (
                    <button type="button" class="link" title={t("audit.only", { name: whoText(entry) })} onClick={() => only(entry)}>
                      {whoText(entry)}
                    </button>
                  )}
                </td>
                <td>{actionText(entry)}</td>
                <td>{detailText(entry)}</td>
                <td>{outcomeText(entry)}</td>
                <td>
                  <a href={auditProofUrl(entry.index)} download={`entry-${entry.index}.tlog-proof`} aria-label={t("audit.proof.title", { index: entry.index })} title={t("audit.proof.title", { index: entry.index })}>
                    <Icon name="download" />
                  </a>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="hint">{t("audit.proof.how")}</p>
    </>
  );
}
