/** Before anybody is signed in: claim an unclaimed recorder, or sign in. */

import { useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAct, useTitle } from "../lib/hooks";
import { passkeysWork, showPasskey } from "../lib/passkey";
import { go, link, REPORT_PATH } from "../lib/router";
import { session, status } from "../lib/session";
import { LanguageChoice } from "../ui/language";
import { Logo } from "../ui/logo";
import { RestoreFirst } from "./backup";
import { Check, Problem, TextField } from "../ui/parts";

/** The recorder asks for at least this many characters; said here so that nobody learns it from a refusal. */
const PASSWORD_CHARS_MIN = 10;

export function Claim() {
  useTitle(t("claim.title"));
  const [code, setCode] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [repeat, setRepeat] = useState("");
  const [onePerson, setOnePerson] = useState(false);
  const [restoring, setRestoring] = useState(false);
  const act = useAct();
  const differs = repeat !== "" && repeat !== password;
  const short = password !== "" && password.length < PASSWORD_CHARS_MIN;

  const submit = (event: Event) => {
    event.preventDefault();
    if (password !== repeat) return;
    act.run(async () => {
      session.value = await api.claim({ code: code.trim(), name: name.trim(), password, one_person_station: onePerson });
      go(link.firstRun);
      if (status.value !== null) status.value = { ...status.value, claimed: true };
    });
  };

  if (restoring) {
    return (
      <Door title={t("claim.title")} intro={t("claim.intro")}>
        <RestoreFirst back={() => setRestoring(false)} />
      </Door>
    );
  }
  return (
    <Door title={t("claim.title")} intro={t("claim.intro")}>
      <form onSubmit={submit}>
        <TextField label={t("claim.code")} hint={t("claim.code.hint")} value={code} change={setCode} required focus autocomplete="one-time-code" />
        <TextField label={t("claim.name")} hint={t("claim.name.hint")} value={name} change={setName} required maxLength={64} autocomplete="username" />
        <TextField
          label={t("password")}
          type="password"
          value={password}
          change={setPassword}
          required
          autocomplete="new-password"
          hint={t("password.hint", { count: PASSWORD_CHARS_MIN })}
          error={short ? t("password.short", { count: PASSWORD_CHARS_MIN }) : null}
        />
        <TextField
          label={t("password.repeat")}
          type="password"
          value={repeat}
          change={setRepeat}
          required
          autocomplete="new-password"
          error={differs ? t("password.differs") : null}
        />
        <Check label={t("claim.one_person")} hint={t("claim.one_person.hint")} checked={onePerson} change={setOnePerson} />
        <Problem problem={act.problem} />
        <button type="submit" class="primary wide" disabled={act.busy || differs || short}>
          {act.busy ? t("claim.busy") : t("claim.submit")}
        </button>
        <button type="button" class="wide" disabled={act.busy} onClick={() => setRestoring(true)}>
          {t("backup.first")}
        </button>
      </form>
    </Door>
  );
}

export function SignIn() {
  useTitle(t("signin.title"));
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const act = useAct();

  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      session.value = await api.signIn(name.trim(), password);
    });
  };

  const withPasskey = () =>
    act.run(async () => {
      session.value = await api.signInWithPasskey(await showPasskey());
    });

  return (
    <Door title={t("signin.title")} intro={t("signin.intro")}>
      <form onSubmit={submit}>
        <TextField label={t("signin.name")} value={name} change={setName} required focus autocomplete="username" />
        <TextField label={t("password")} type="password" value={password} change={setPassword} required autocomplete="current-password" />
        <Problem problem={act.problem} />
        <button type="submit" class="primary wide" disabled={act.busy}>
          {act.busy ? t("signin.busy") : t("signin.submit")}
        </button>
        {passkeysWork() ? (
          <button type="button" class="wide" disabled={act.busy} onClick={withPasskey}>
            {t("passkey.sign_in")}
          </button>
        ) : (
          <p class="hint">{`${t("passkey.not_here")} ${t("passkey.not_here.next")}`}</p>
        )}
        <p class="hint">{t("signin.forgot")}</p>
        <p class="hint">
          <a href={REPORT_PATH}>{t("report.link")}</a> <a href="/api/v1/log/checkpoint">{t("log.public")}</a>
        </p>
      </form>
    </Door>
  );
}

function Door({ title, intro, children }: { title: string; intro: string; children: preact.ComponentChildren }) {
  return (
    <main class="door">
      <div class="door-head">
        <Logo />
        <LanguageChoice />
      </div>
      <h1>{title}</h1>
      <p class="muted">{intro}</p>
      {children}
    </main>
  );
}
