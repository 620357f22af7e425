/** What becomes different, from what to what. */

import { t } from "../i18n";

export interface Difference {
  /** Stable, for the page's own use. */
  key: string;
  label: string;
  /** `null` in both: a secret, which is not shown. */
  before: string | null;
  after: string | null;
  /** Said behind it. */
  note?: string | null;
}

const shown = (text: string | null) => (text === "" || text === null ? t("backup.field.empty") : text);

export function BeforeAfter({ differences }: { differences: readonly Difference[] }) {
  return (
    <dl class="card-more">
      {differences.map(({ key, label, before, after, note = null }) => (
        <div key={key} data-difference={key}>
          <dt>{label}</dt>
          <dd>
            {before === null && after === null ? (
              t("backup.field.secret")
            ) : (
              <>
                <del>{shown(before)}</del> → <ins>{shown(after)}</ins>
              </>
            )}
            {note !== null && <span class="muted"> ({note})</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
