/** Programs that copy the audit log for an outsider: made, listed, revoked. A token is shown once. */

import { useState } from "preact/hooks";
import { api, type Mirror, type MirrorMade } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { found } from "../lib/search";
import { nowMs } from "../lib/session";
import { Confirm, Moment, Note, Problem, TextField } from "../ui/parts";
import { Search } from "../ui/search";
import { withSecondFactor } from "../ui/second-factor";

/** From so many on a list is worth searching. */
const SEARCH_FROM = 5;

export function AuditMirrors() {
  const loaded = useLoaded(api.logMirrors, "log-mirrors");
  const [search, setSearch] = useState("");
  const [made, setMade] = useState<MirrorMade | null>(null);
  const all = loaded.data?.mirrors ?? [];
  const shown = all.filter((mirror) => found(search, mirror.name, mirror.account_name ?? ""));
  return (
    <section aria-label={t("mirror.title")}>
      <h3>{t("mirror.title")}</h3>
      <p class="muted">{t("mirror.what")}</p>
      <Problem problem={loaded.problem} retry={loaded.reload} />
      {all.length >= SEARCH_FROM && <Search label={t("mirror.search")} value={search} change={setSearch} />}
      {loaded.data !== null && all.length === 0 && <p>{t("mirror.none")}</p>}
      <ul class="plain-list">
        {shown.map((mirror) => (
          <OneMirror key={mirror.number} mirror={mirror} reload={loaded.reload} />
        ))}
      </ul>
      {made !== null && <Token made={made} close={() => setMade(null)} />}
      <Make
        done={(mirror) => {
          setMade(mirror);
          loaded.reload();
        }}
      />
    </section>
  );
}

function OneMirror({ mirror, reload }: { mirror: Mirror; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const revoke = () =>
    act.run(async () => {
      await api.revokeMirror(mirror.number);
      setAsking(false);
      reload();
    });
  const isOver = mirror.expires_utc_ms <= nowMs();
  return (
    <li class="row publisher" data-mirror={mirror.number}>
      <div>
        <strong>{mirror.name}</strong> <span class="muted num">#{mirror.number}</span>
        {isOver && <span class="tag tag-bad">{t("mirror.over")}</span>}
        <p class="muted">
          {t("mirror.by", { name: mirror.account_name ?? `#${mirror.account}` })} <Moment ms={mirror.made_utc_ms} />
        </p>
        <p class="muted">
          {mirror.used_utc_ms === null ? (
            t("mirror.unused")
          ) : (
            <>
              {t("mirror.used")} <Moment ms={mirror.used_utc_ms} />
            </>
          )}
          {" · "}
          {t("mirror.expires")} <Moment ms={mirror.expires_utc_ms} />
        </p>
      </div>
      <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
        {t("mirror.revoke")}
      </button>
      {asking && (
        <Confirm title={t("mirror.revoke.title", { name: mirror.name })} action={t("mirror.revoke")} busy={act.busy} confirm={revoke} cancel={() => setAsking(false)}>
          <p>{t("mirror.revoke.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </li>
  );
}

function Token({ made, close }: { made: MirrorMade; close: () => void }) {
  return (
    <Note kind="good">
      <p>{t("mirror.token", { name: made.mirror.name })}</p>
      <p>
        <code class="break" data-token>
          {made.token}
        </code>
      </p>
      <p>{t("mirror.token.next")}</p>
      <p>
        <code class="break">{`watchbook-witness mirror --url ${location.origin} --token-file FILE --log KEY --dir DIR --follow`}</code>
      </p>
      <button type="button" class="small" onClick={close}>
        {t("mirror.token.done")}
      </button>
    </Note>
  );
}

function Make({ done }: { done: (made: MirrorMade) => void }) {
  const [name, setName] = useState("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      done(await withSecondFactor(() => api.makeMirror(name.trim())));
      setName("");
    });
  };
  return (
    <form class="inset" aria-label={t("mirror.make")} onSubmit={submit}>
      <TextField label={t("mirror.name")} hint={t("mirror.name.hint")} value={name} change={setName} required maxLength={100} />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="submit" disabled={act.busy || name.trim() === ""}>
          {t("mirror.make")}
        </button>
      </div>
    </form>
  );
}
