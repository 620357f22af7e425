/** The sign of a camera, for A4 paper: seven questions, answered from the records, in Khmer and English. While a record lacks something it says what and where, and there is no
 * sign. */

import { api, type CameraSign, type Sign, type SignMissing } from "../api";
import { t } from "../i18n";
import { useLoaded, useTitle } from "../lib/hooks";
import { link, REPORT_PATH } from "../lib/router";
import { cameraName } from "../lib/session";
import { Icon } from "../ui/icon";
import { Loading, Note, Problem } from "../ui/parts";
import { Qr } from "../ui/qr";
import { answerOf, isLocal, QUESTIONS, SIGN_LOCALES, signText } from "./sign-words";

export function SignPage({ id }: { id: number }) {
  const loaded = useLoaded(() => api.sign(id), id);
  useTitle(t("sign.title", { name: cameraName(id) }));
  const made = loaded.data;
  return (
    <>
      <div class="narrow no-print">
        <div class="page-head">
          <a class="button quiet" href={link.cameraEdit(id)}>
            <Icon name="back" /> {t("sign.back")}
          </a>
          <h1>{t("sign.title", { name: cameraName(id) })}</h1>
          {made !== null && made.sign !== null && (
            <button type="button" class="primary" onClick={() => print()}>
              {t("sign.print")}
            </button>
          )}
        </div>
        <Problem problem={loaded.problem} retry={loaded.reload} />
        {made === null && loaded.problem === null && <Loading />}
        {made !== null && made.sign === null && <Refused made={made} />}
        {made !== null && made.sign !== null && <p class="muted lead">{t("sign.what")}</p>}
      </div>
      {made !== null && made.sign !== null && <Paper sign={made.sign} />}
    </>
  );
}

function Refused({ made }: { made: CameraSign }) {
  return (
    <>
      <Note kind="warn">
        <p>{t("sign.refused")}</p>
      </Note>
      <ul class="plain-list" data-missing={made.missing.length}>
        {made.missing.map((missing) => (
          <li key={`${missing.question} ${missing.wants} ${missing.plugin ?? ""}`} data-question={missing.question} data-wants={missing.wants}>
            <strong>{signText("en", missing.question)}</strong> <span lang="km">{signText("km", missing.question)}</span>
            <br />
            {t(`sign.wants.${missing.wants}`, { plugin: missing.plugin ?? "" })} <Where missing={missing} camera={made.camera} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** Where a record is filled in. */
function Where({ missing, camera }: { missing: SignMissing; camera: number }) {
  if (missing.wants === "station_name" || missing.wants === "station_contact") return <a href={link.settings}>{t("sign.fill")}</a>;
  return <a href={link.cameraEdit(camera)}>{t("sign.fill")}</a>;
}

function Paper({ sign }: { sign: Sign }) {
  const origin = sign.address ?? location.origin;
  const address = `${origin}${REPORT_PATH}`;
  return (
    <>
      {isLocal(origin) && (
        <div class="narrow no-print">
          <Note kind="warn">{t("sign.address.local", { address })}</Note>
        </div>
      )}
      <article class="sign" data-sign>
        <header>
          {SIGN_LOCALES.map((locale) => (
            <p key={locale} class="sign-title" lang={locale}>
              {signText(locale, "title")}
            </p>
          ))}
        </header>
        {QUESTIONS.map((question) => (
          <section key={question} data-question={question}>
            {SIGN_LOCALES.map((locale) => (
              <div key={locale} lang={locale}>
                <h2>{signText(locale, question)}</h2>
                {answerOf(locale, question, sign).map((line) => (
                  <p key={line}>{line}</p>
                ))}
              </div>
            ))}
          </section>
        ))}
        <footer>
          <Qr text={address} label={address} />
          <div>
            {SIGN_LOCALES.map((locale) => (
              <p key={locale} lang={locale}>
                {signText(locale, "scan")}
              </p>
            ))}
            <p class="sign-address">{address}</p>
            {SIGN_LOCALES.map((locale) => (
              <p key={locale} lang={locale} class="sign-source">
                {signText(locale, "source")}
              </p>
            ))}
          </div>
        </footer>
      </article>
    </>
  );
}
