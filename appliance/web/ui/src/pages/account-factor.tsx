/** One's own second factor: set it up, or put another one in its place. */

import { useState } from "preact/hooks";
import { api, type SecondFactorSetUp } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { nowMs, session } from "../lib/session";
import { clockText } from "../lib/time";
import { Note, Problem, TextField } from "../ui/parts";
import { Qr } from "../ui/qr";
import { withSecondFactor } from "../ui/second-factor";

/** Characters of one group, for typing. */
const GROUP = /.{1,4}/g;

export function AccountFactor() {
  const [open, setOpen] = useState(false);
  const [password, setPassword] = useState("");
  const [setUp, setSetUp] = useState<SecondFactorSetUp | null>(null);
  const [code, setCode] = useState("");
  const [done, setDone] = useState(false);
  const act = useAct();
  const has = session.value?.account.second_factor === true;
  const begin = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      setSetUp(await withSecondFactor(() => api.setUpFactor(password)));
      setPassword("");
      setCode("");
    });
  };
  const confirm = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.confirmFactor(code.trim());
      setSetUp(null);
      setOpen(false);
      setDone(true);
      session.value = await api.session();
    });
  };
  return (
    <section class="panel" aria-label={t("factor.title")} data-factor={has}>
      <h2>{t("factor.title")}</h2>
      <p class="muted">{t("factor.what")}</p>
      <p>{has ? t("factor.have") : t("factor.none")}</p>
      {done && <Note kind="good">{t("factor.done")}</Note>}
      {!open && (
        <div class="row">
          <button type="button" class={has ? "" : "primary"} onClick={() => (setOpen(true), setDone(false))}>
            {has ? t("factor.replace") : t("factor.set_up")}
          </button>
        </div>
      )}
      {open && setUp === null && (
        <form onSubmit={begin}>
          <TextField label={t("factor.password")} type="password" autocomplete="current-password" value={password} change={setPassword} required focus />
          <Problem problem={act.problem} />
          <div class="row row-end">
            <button type="button" onClick={() => setOpen(false)}>
              {t("cancel")}
            </button>
            <button type="submit" class="primary" disabled={act.busy}>
              {t("factor.begin")}
            </button>
          </div>
        </form>
      )}
      {setUp !== null && (
        <form onSubmit={confirm}>
          <p>{t("factor.scan")}</p>
          <Qr text={setUp.address} label={t("factor.qr")} />
          <p>
            {t("factor.key")}: <code class="break" data-factor-key={setUp.key}>{setUp.key.match(GROUP)?.join(" ")}</code>
          </p>
          <TextField label={t("factor.code")} hint={`${t("factor.code.hint")} ${t("factor.clock", { time: clockText(nowMs()) })}`} value={code} change={setCode} required focus autocomplete="one-time-code" maxLength={8} />
          <Problem problem={act.problem} />
          <div class="row row-end">
            <button type="button" onClick={() => (setSetUp(null), setOpen(false))}>
              {t("cancel")}
            </button>
            <button type="submit" class="primary" disabled={act.busy}>
              {t("factor.confirm")}
            </button>
          </div>
        </form>
      )}
    </section>
  );
}
