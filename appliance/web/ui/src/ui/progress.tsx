/** Bars: how full something is, how far something has got. */

import { t } from "../i18n";

/** How full something is. `share` from 0 to 1; `more` is a second part behind it, such as what is reserved. */
export function Meter({ label, share, more = 0, full = false }: { label: string; share: number; more?: number; full?: boolean }) {
  const used = Math.min(1, Math.max(0, share));
  const behind = Math.min(1 - used, Math.max(0, more));
  return (
    <div class={full ? "ring ring-full" : "ring"} role="meter" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(used * 100)} aria-label={label}>
      <div style={{ width: `${used * 100}%` }} />
      {behind > 0 && <div class="ring-more" style={{ width: `${behind * 100}%` }} />}
    </div>
  );
}

/** How far something has got, with its name and percentage in words. */
export function Progress({ label, share }: { label: string; share: number }) {
  const percent = Math.floor(Math.min(1, Math.max(0, share)) * 100);
  return (
    <div class="progress">
      <p>
        {label} <span class="num">{t("percent", { percent })}</span>
      </p>
      <div class="progress-bar" role="progressbar" aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent} aria-label={label}>
        <div style={{ width: `${percent}%` }} />
      </div>
    </div>
  );
}
