/** A search field over a list, and what stands there when nothing is found. */

import { t } from "../i18n";
import { Icon } from "./icon";
import { Empty } from "./parts";

interface SearchProps {
  /** What it searches, read out and shown while it is empty. */
  label: string;
  value: string;
  change: (value: string) => void;
}

export function Search({ label, value, change }: SearchProps) {
  return (
    <label class="search">
      <Icon name="search" />
      <span class="visually-hidden">{label}</span>
      <input type="search" placeholder={label} value={value} onInput={(event) => change(event.currentTarget.value)} />
    </label>
  );
}

export function NothingFound({ title, showAll }: { title: string; showAll: () => void }) {
  return (
    <Empty title={title}>
      <button type="button" onClick={showAll}>
        {t("cameras.show_all")}
      </button>
    </Empty>
  );
}
