/** Passkeys: one's own, added and removed; those of somebody else, for admins. */

import { useState } from "preact/hooks";
import { type Account, api, type Passkey } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { make, passkeysWork } from "../lib/passkey";
import { session } from "../lib/session";
import { Confirm, Loading, Moment, Note, Problem, TextField } from "../ui/parts";
import { withSecondFactor } from "../ui/second-factor";

export function AccountPasskeys() {
  const list = useLoaded(api.ownPasskeys, "own");
  const [open, setOpen] = useState(false);
  const [done, setDone] = useState(false);
  const works = passkeysWork();
  const full = list.data !== null && list.data.passkeys.length >= list.data.at_most;
  const changed = async () => {
    list.reload();
    session.value = await api.session();
  };
  const added = async () => {
    setOpen(false);
    setDone(true);
    await changed();
  };
  return (
    <section class="panel" aria-label={t("passkey.title")} data-passkeys>
      <h2>{t("passkey.title")}</h2>
      <p class="muted">{t("passkey.what")}</p>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {list.data?.passkeys.length === 0 && <p>{t("passkey.none")}</p>}
      {list.data !== null && <List passkeys={list.data.passkeys} remove={(id) => withSecondFactor(() => api.removeOwnPasskey(id))} reload={changed} what={t("passkey.remove.what")} />}
      {done && <Note kind="good">{t("passkey.done")}</Note>}
      {!works && <Note kind="info">{`${t("passkey.not_here")} ${t("passkey.not_here.next")}`}</Note>}
      {works && full && <p class="muted">{t("passkey.full", { count: list.data?.at_most ?? 0 })}</p>}
      {works && !full && !open && (
        <div class="row">
          <button type="button" onClick={() => (setOpen(true), setDone(false))}>
            {t("passkey.add")}
          </button>
        </div>
      )}
      {works && open && <Add done={added} cancel={() => setOpen(false)} />}
    </section>
  );
}

function Add({ done, cancel }: { done: () => Promise<void>; cancel: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const act = useAct();
  const add = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      const setUp = await withSecondFactor(() => api.setUpPasskey(password));
      await api.addPasskey(await make(setUp, name.trim()));
      await done();
    });
  };
  return (
    <form onSubmit={add}>
      <TextField label={t("passkey.name")} hint={t("passkey.name.hint")} value={name} change={setName} required maxLength={40} focus />
      <TextField label={t("factor.password")} type="password" autocomplete="current-password" value={password} change={setPassword} required />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="button" onClick={cancel}>
          {t("cancel")}
        </button>
        <button type="submit" class="primary" disabled={act.busy}>
          {act.busy ? t("passkey.busy") : t("passkey.make")}
        </button>
      </div>
    </form>
  );
}

/** Those of somebody else, for an admin. */
export function PasskeysOf({ account, reload }: { account: Account; reload: () => void }) {
  const list = useLoaded(() => api.passkeys(account.id), account.id);
  const { name } = account;
  return (
    <section aria-label={t("passkey.of", { name })} data-passkeys-of={account.id}>
      <h3>{t("passkey.of", { name })}</h3>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {list.data !== null && (
        <List
          passkeys={list.data.passkeys}
          remove={(id) => api.removePasskey(account.id, id)}
          reload={async () => {
            list.reload();
            reload();
          }}
          what={t("passkey.remove.other", { name })}
        />
      )}
    </section>
  );
}

function List({ passkeys, ...rest }: { passkeys: readonly Passkey[]; remove: (id: string) => Promise<void>; reload: () => Promise<void>; what: string }) {
  return (
    <ul class="cards">
      {passkeys.map((passkey) => (
        <One key={passkey.id} passkey={passkey} {...rest} />
      ))}
    </ul>
  );
}

function One({ passkey, remove, reload, what }: { passkey: Passkey; remove: (id: string) => Promise<void>; reload: () => Promise<void>; what: string }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const { id, name, host, added_utc_ms, used_utc_ms } = passkey;
  const confirm = () =>
    act.run(async () => {
      await remove(id);
      setAsking(false);
      await reload();
    });
  return (
    <li class="card" data-passkey={id}>
      <div class="card-main">
        <span class="card-title">{name}</span>
        <span class="muted">
          {t("passkey.for", { host })} {t("passkey.added")} <Moment ms={added_utc_ms} />,{" "}
          {used_utc_ms === null ? t("passkey.unused") : (
            <>
              {t("passkey.used")} <Moment ms={used_utc_ms} />
            </>
          )}
        </span>
        <span class="muted">
          {t("passkey.number")} <code>{id}</code>
        </span>
        <div class="row row-end">
          <button type="button" class="small danger-quiet" aria-label={t("passkey.remove.one", { name })} onClick={() => setAsking(true)}>
            {t("passkey.remove")}
          </button>
        </div>
      </div>
      {asking && (
        <Confirm title={t("passkey.remove.title", { name })} action={t("passkey.remove")} busy={act.busy} confirm={confirm} cancel={() => setAsking(false)}>
          <p>{what}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </li>
  );
}
