/** The numbers of a policy as people read them, and what is different from another one. */

import type { Policy, PolicyRules } from "../api";
import { locale, t } from "../i18n";

const RULES: readonly (keyof PolicyRules)[] = [
  "retention_days",
  "retention_days_max",
  "sound",
  "case_days_max",
  "case_footage_days_max",
  "emergency_minutes_max",
  "review_percent",
  "review_at_least",
  "subject_request_days",
];

export function policyTitle(policy: Policy): string {
  return locale.value === "km" ? policy.title_km : policy.title_en;
}

export function valueText(value: unknown): string {
  if (typeof value === "boolean") return value ? t("policy.allowed") : t("policy.not_allowed");
  return String(value);
}

/** With `before`, a column of what holds now; a rule that becomes looser is marked in words. */
export function Rules({ rules, before, loosens = [] }: { rules: PolicyRules; before?: PolicyRules; loosens?: readonly string[] }) {
  return (
    <div class="table-wrap" role="region" tabIndex={0} aria-label={t("nav.policy")}>
      <table class="counts-table">
        {before !== undefined && (
          <thead>
            <tr>
              <th scope="col">{t("policy.rule")}</th>
              <th scope="col">{t("policy.now")}</th>
              <th scope="col">{t("policy.then")}</th>
            </tr>
          </thead>
        )}
        <tbody>
          {RULES.map((rule) => (
            <tr key={rule} data-rule={rule}>
              <th scope="row">{t(`policy.rule.${rule}`)}</th>
              {before !== undefined && <td class="num end">{valueText(before[rule])}</td>}
              <td class="num end">
                {valueText(rules[rule])}
                {loosens.includes(rule) && <strong> ({t("policy.looser")})</strong>}
                {before !== undefined && before[rule] !== rules[rule] && !loosens.includes(rule) && ` (${t("policy.stricter")})`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Which law or guidance says what, and the fingerprint of the file. */
export function Sources({ policy }: { policy: Policy }) {
  return (
    <>
      <ul lang="en">
        {policy.sources.map((source, at) => (
          <li key={at}>{source}</li>
        ))}
      </ul>
      <p class="muted">
        {t("policy.fingerprint")}: <code class="break">{policy.policy_sha256}</code>
      </p>
    </>
  );
}
