/** Who changed what the station says of itself, out of the audit log, with a search and a way back. */

import { useEffect, useState } from "preact/hooks";
import { api, type StationSettingsEntry } from "../api";
import { isKey, t, word } from "../i18n";
import { useAct } from "../lib/hooks";
import { found } from "../lib/search";
import { BeforeAfter } from "../ui/before-after";
import { Loading, Moment, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

interface Read {
  entries: StationSettingsEntry[];
  cursor: string | null;
  lookedTo: number | null;
}

const whoOf = ({ account, account_name }: StationSettingsEntry) => account_name ?? (account === null ? t("audit.nobody") : `#${account}`);
const nameOf = (setting: string) => word("station", setting);

/** Begins anew with each `version`. Without `putBack` it is only read. */
export function StationHistory({ version, putBack }: { version: number; putBack: ((entry: StationSettingsEntry) => void) | null }) {
  const [read, setRead] = useState<Read | null>(null);
  const [search, setSearch] = useState("");
  const act = useAct();
  const load = (before: Read | null) =>
    act.run(async () => {
      const page = await api.stationSettingsHistory(before?.cursor ?? null);
      setRead({ entries: [...(before?.entries ?? []), ...page.entries], cursor: page.next_cursor, lookedTo: page.looked_to_utc_ms });
    });
  useEffect(() => load(null), [version]);
  const entries = read?.entries ?? [];
  const texts = (entry: StationSettingsEntry) => entry.changes.flatMap(({ setting, before, after }) => [nameOf(setting), before, after]);
  const shown = entries.filter((entry) => found(search, whoOf(entry), entry.reason, ...texts(entry)));
  return (
    <section class="panel" data-station-history>
      <div class="row">
        <h2>{t("station.history")}</h2>
        {entries.length > 0 && (
          <div class="row row-end">
            <Search label={t("station.history.search")} value={search} change={setSearch} />
          </div>
        )}
      </div>
      <p class="muted">{t("station.history.what")}</p>
      <Problem problem={act.problem} retry={() => load(null)} />
      {read === null && act.problem === null && <Loading />}
      {read !== null && entries.length === 0 && <p>{t("station.history.none")}</p>}
      {entries.length > 0 && shown.length === 0 && <NothingFound title={t("station.history.no_match")} showAll={() => setSearch("")} />}
      <ul class="cards">
        {shown.map((entry) => (
          <Entry key={entry.entry} entry={entry} putBack={putBack} />
        ))}
      </ul>
      {read?.cursor != null && (
        <div class="row">
          <span class="muted">
            {t("station.history.looked")} {read.lookedTo !== null && <Moment ms={read.lookedTo} />}
          </span>
          <button type="button" disabled={act.busy} onClick={() => load(read)}>
            {t("station.history.further")}
          </button>
        </div>
      )}
    </section>
  );
}

function Entry({ entry, putBack }: { entry: StationSettingsEntry; putBack: ((entry: StationSettingsEntry) => void) | null }) {
  const known = entry.changes.some(({ setting }) => isKey(`station.${setting}`));
  const note = (fromFile: boolean) => (fromFile ? t("station.from_file") : null);
  return (
    <li class="card" data-entry={entry.entry}>
      <div class="card-main">
        <span class="card-title">{whoOf(entry)}</span>
        <span class="muted">
          <Moment ms={entry.at_utc_ms} />, {t("station.history.entry", { entry: entry.entry })}
        </span>
        {putBack !== null && known && (
          <div class="row row-end">
            <button type="button" class="small" aria-label={t("station.put_back.of", { entry: entry.entry })} onClick={() => putBack(entry)}>
              {t("station.put_back")}
            </button>
          </div>
        )}
      </div>
      <p class="quote">{entry.reason}</p>
      <BeforeAfter differences={entry.changes.map(({ setting, before, after, from_file }) => ({ key: setting, label: nameOf(setting), before, after, note: note(from_file) }))} />
    </li>
  );
}
