/** Where an account, or everybody, is signed in; each session can be ended. */

import { useState } from "preact/hooks";
import { api, type SignedIn } from "../api";
import { t, word } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { found } from "../lib/search";
import { Confirm, Loading, Moment, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

const browserText = (session: SignedIn) => t("sessions.browser", { browser: word("browser", session.browser), system: word("system", session.system) });

/** `all`: everybody's, for admins, with a search. */
export function Sessions({ all }: { all: boolean }) {
  const sessions = useLoaded(all ? api.allSessions : api.ownSessions, all);
  const [search, setSearch] = useState("");
  const shown = (sessions.data ?? []).filter((one) => found(search, one.account_name, one.address, browserText(one)));
  return (
    <section class="panel" data-sessions>
      <div class="row">
        <h2>{t(all ? "sessions.all" : "sessions.own")}</h2>
        {all && (
          <div class="row row-end">
            <Search label={t("sessions.search")} value={search} change={setSearch} />
          </div>
        )}
      </div>
      <p class="muted">{t("sessions.what")}</p>
      <Problem problem={sessions.problem} retry={sessions.reload} />
      {sessions.data === null && sessions.problem === null && <Loading />}
      {sessions.data !== null && shown.length === 0 && <NothingFound title={t("sessions.no_match")} showAll={() => setSearch("")} />}
      <ul class="cards">
        {shown.map((one) => (
          <One key={one.id} session={one} all={all} reload={sessions.reload} />
        ))}
      </ul>
    </section>
  );
}

function One({ session, all, reload }: { session: SignedIn; all: boolean; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const end = () =>
    act.run(async () => {
      await (all ? api.endSession(session.account, session.id) : api.endOwnSession(session.id));
      setAsking(false);
      reload();
    });
  const where = browserText(session);
  return (
    <li class="card">
      <div class="card-main">
        <span class="card-title">{all ? session.account_name : where}</span>
        {session.here && <span class="tag">{t("sessions.here")}</span>}
        {all && <span>{where}</span>}
        <span class="muted">
          {session.address === null ? t("sessions.no_address") : t("sessions.from", { address: session.address })} {t("sessions.since")} <Moment ms={session.since_utc_ms} />,{" "}
          {t("sessions.used")} <Moment ms={session.used_utc_ms} />
        </span>
        {!session.here && (
          <div class="row row-end">
            <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
              {t("sessions.end")}
            </button>
          </div>
        )}
      </div>
      {asking && (
        <Confirm title={t("sessions.end.title", { name: session.account_name })} action={t("sessions.end")} busy={act.busy} confirm={end} cancel={() => setAsking(false)}>
          <p>{where}</p>
          <p>{t("sessions.end.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </li>
  );
}
