/** Asks for the second factor when an act needs it, and does the act again. */

import { signal } from "@preact/signals";
import { useId, useState } from "preact/hooks";
import { ApiError, api } from "../api";
import { t } from "../i18n";
import { useAct, useModal } from "../lib/hooks";
import { passkeysWork, showPasskey } from "../lib/passkey";
import { go, link } from "../lib/router";
import { nowMs, session } from "../lib/session";
import { clockText } from "../lib/time";
import { Note, Problem, TextField } from "./parts";

/** What the recorder calls it. */
const NEEDED = "second_factor_needed";

/** Who waits for a code. One at a time: a second act waits for the same code. */
const asking = signal<{ done: Promise<void>; give: () => void; give_up: (why: ApiError) => void } | null>(null);

/** Does `act`; when the recorder wants the second factor first, asks for it and does `act` once more. */
export async function withSecondFactor<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== NEEDED) throw error;
    await askFor();
    return await act();
  }
}

function askFor(): Promise<void> {
  if (asking.value !== null) return asking.value.done;
  let give = () => {};
  let give_up = (_: ApiError) => {};
  const done = new Promise<void>((resolve, reject) => {
    give = resolve;
    give_up = reject;
  });
  asking.value = { done, give, give_up };
  return done;
}

/** The one dialog of the page; it shows while somebody waits. */
export function SecondFactorDialog() {
  return asking.value === null ? null : <Asking />;
}

function Asking() {
  const dialog = useModal();
  const titleId = useId();
  const [code, setCode] = useState("");
  const act = useAct();
  const codes = session.value?.account.second_factor === true;
  const passkeys = (session.value?.account.passkeys ?? 0) > 0;
  const has = codes || passkeys;
  const giveUp = () => {
    const waiting = asking.value;
    asking.value = null;
    waiting?.give_up(new ApiError(403, t("factor.ask"), has ? t("factor.ask.what") : t("factor.ask.none"), null, NEEDED));
  };
  const done = () => {
    const waiting = asking.value;
    asking.value = null;
    waiting?.give();
  };
  const enter = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.enterFactor(code.trim());
      done();
    });
  };
  const show = () =>
    act.run(async () => {
      await api.showPasskey(await showPasskey());
      done();
    });
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      data-second-factor
      onCancel={(event) => {
        event.preventDefault();
        giveUp();
      }}
    >
      <h2 id={titleId}>{t("factor.ask")}</h2>
      {has ? (
        <form onSubmit={enter}>
          {codes && (
            <>
              <p>{t("factor.ask.what")}</p>
              <TextField label={t("factor.code")} hint={t("factor.clock", { time: clockText(nowMs()) })} value={code} change={setCode} required focus autocomplete="one-time-code" maxLength={8} />
            </>
          )}
          {passkeys && (passkeysWork() ? <p>{t("passkey.show.what")}</p> : !codes && <Note kind="warn">{`${t("passkey.not_here")} ${t("passkey.not_here.next")}`}</Note>)}
          <Problem problem={act.problem} />
          <div class="row row-end">
            <button type="button" onClick={giveUp}>
              {t("cancel")}
            </button>
            {passkeys && passkeysWork() && (
              <button type="button" class={codes ? "" : "primary"} disabled={act.busy} onClick={show}>
                {t("passkey.show")}
              </button>
            )}
            {codes && (
              <button type="submit" class="primary" disabled={act.busy || code.trim() === ""}>
                {t("factor.enter")}
              </button>
            )}
          </div>
        </form>
      ) : (
        <>
          <Note kind="warn">{t("factor.ask.none")}</Note>
          <div class="row row-end">
            <button type="button" onClick={giveUp}>
              {t("cancel")}
            </button>
            <button
              type="button"
              class="primary"
              onClick={() => {
                giveUp();
                go(link.account);
              }}
            >
              {t("factor.ask.go")}
            </button>
          </div>
        </>
      )}
    </dialog>
  );
}
