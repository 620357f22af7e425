/** One's own account: what one may do, and the password. */

import { useState } from "preact/hooks";
import { api } from "../api";
import { type Key, t } from "../i18n";
import { useAct, useTitle } from "../lib/hooks";
import { session, status } from "../lib/session";
import { Note, Problem, TextField } from "../ui/parts";
import { AccountFactor } from "./account-factor";
import { AccountPasskeys } from "./account-passkeys";
import { Sessions } from "./sessions";

export function AccountPage() {
  useTitle(t("account.title"));
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [repeat, setRepeat] = useState("");
  const [saved, setSaved] = useState(false);
  const act = useAct();
  const account = session.value?.account;
  const differs = repeat !== "" && repeat !== next;
  const submit = (event: Event) => {
    event.preventDefault();
    setSaved(false);
    act.run(async () => {
      await api.changePassword(old, next);
      setOld("");
      setNext("");
      setRepeat("");
      setSaved(true);
    });
  };
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{account?.name}</h1>
      </div>
      <section class="panel">
        <h2>{t("account.roles")}</h2>
        <dl class="role-list">
          {account?.roles.map((role) => (
            <div key={role}>
              <dt>{t(`role.${role}`)}</dt>
              <dd class="muted">{t(`role.${role}.what` as Key)}</dd>
            </div>
          ))}
        </dl>
        <p class="muted">
          {account?.cameras == null ? t("people.cameras.all") : t("account.cameras", { count: account.cameras.length })} {t("account.roles.change")}
        </p>
      </section>
      <AccountFactor />
      <AccountPasskeys />
      <Sessions all={false} />
      <form class="panel" onSubmit={submit}>
        <h2>{t("account.password")}</h2>
        {/* For password managers: which account this is. */}
        <input type="text" autocomplete="username" value={account?.name} readOnly hidden />
        <TextField label={t("account.password.old")} type="password" autocomplete="current-password" value={old} change={setOld} required />
        <TextField label={t("account.password.new")} type="password" autocomplete="new-password" value={next} change={setNext} required />
        <TextField
          label={t("password.repeat")}
          type="password"
          autocomplete="new-password"
          value={repeat}
          change={setRepeat}
          required
          error={differs ? t("password.differs") : null}
        />
        <Problem problem={act.problem} />
        {saved && <Note kind="good">{t("account.password.done")}</Note>}
        <div class="row row-end">
          <button type="submit" class="primary" disabled={act.busy || differs}>
            {t("account.password.change")}
          </button>
        </div>
      </form>
      <p class="muted">
        Watchbook <span class="num">{status.value?.version}</span>
      </p>
    </div>
  );
}
