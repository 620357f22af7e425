/** The station as a whole: what it runs, where each setting is, who is signed in, its backup. */

import { api } from "../api";
import { type Key, t } from "../i18n";
import { useLoaded, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { session, status } from "../lib/session";
import { Moment } from "../ui/parts";
import { BackupPanel } from "./backup";
import { Sessions } from "./sessions";
import { StationPanel } from "./settings-station";
import { TlsPanel } from "./settings-tls";

/** Each with the page on which it is changed, and shown before it is. */
const PLACES: readonly { hash: string; page: Key; what: Key }[] = [
  { hash: link.cameras, page: "nav.cameras", what: "settings.cameras" },
  { hash: link.policy, page: "nav.policy", what: "settings.policy" },
  { hash: link.people, page: "nav.people", what: "settings.people" },
  { hash: link.plugins, page: "nav.plugins", what: "settings.plugins" },
  { hash: link.health, page: "nav.health", what: "settings.health" },
];

export function SettingsPage() {
  useTitle(t("nav.settings"));
  const admin = has(session.value, "admin");
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.settings")}</h1>
      </div>
      {admin && <Places />}
      <StationPanel />
      {admin && <Sessions all />}
      {admin && <TlsPanel />}
      {admin && <BackupPanel />}
      <Version />
    </div>
  );
}

function Places() {
  const policy = useLoaded(api.policy, "policy");
  const devMode = useLoaded(api.devMode, "dev_mode");
  const now: Partial<Record<string, string>> = {
    [link.policy]: policy.data === null ? "" : `${policy.data.in_force.policy} ${policy.data.in_force.version}`,
  };
  return (
    <section class="panel">
      <h2>{t("settings.where")}</h2>
      <dl class="role-list">
        {PLACES.map(({ hash, page, what }) => (
          <div key={hash}>
            <dt>
              <a href={hash}>{t(page)}</a> {now[hash] !== undefined && <span class="num">{now[hash]}</span>}
            </dt>
            <dd class="muted">{t(what)}</dd>
          </div>
        ))}
        <div>
          <dt>{t("settings.file")}</dt>
          <dd class="muted">{t("settings.file.what")}</dd>
        </div>
      </dl>
      {devMode.data?.until_utc_ms != null && (
        <p>
          {t("dev.banner")} <Moment ms={devMode.data.until_utc_ms} />
        </p>
      )}
      <p class="muted">{t("settings.history")}</p>
    </section>
  );
}

function Version() {
  return (
    <section class="panel" data-version>
      <h2>{t("settings.version")}</h2>
      <p>
        Watchbook <span class="num">{status.value?.version}</span>
      </p>
      <p>{t("settings.update")}</p>
      <p class="muted">{t("settings.licence")}</p>
    </section>
  );
}
