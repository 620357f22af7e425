/** What is looked for in the whole audit log: by the recorder, not among what is shown. */

import { useState } from "preact/hooks";
import type { AuditSearch } from "../api";
import { isKey, t, words } from "../i18n";
import { cameras } from "../lib/session";
import { MomentField } from "../ui/moment-field";
import { Select, TextField } from "../ui/parts";

const KINDS: readonly AuditSearch["kind"][] = ["people", "footage", "all"];
/** Names of actions begin so in the catalogue. */
const ACTION = "action.";

/** `search` with `part` in it; what is undefined there is asked for no more. */
export function searchWith(search: AuditSearch, part: { [Name in keyof AuditSearch]?: AuditSearch[Name] | undefined }): AuditSearch {
  const merged = Object.entries({ ...search, ...part }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(merged) as unknown as AuditSearch;
}

/** The whole number that was typed, or nothing. */
export function numberTyped(text: string): number | undefined {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : undefined;
}

/** Actions as the catalogue names them, sorted by those names. */
function actions(): { value: string; text: string }[] {
  const named = words().filter((key) => key.startsWith(ACTION) && !key.slice(ACTION.length).includes("."));
  const options = named.map((key) => ({ value: key.slice(ACTION.length), text: isKey(key) ? t(key) : key }));
  return options.sort((a, b) => a.text.localeCompare(b.text));
}

export function AuditFilter({ search, change }: { search: AuditSearch; change: (search: AuditSearch) => void }) {
  const set = (part: Parameters<typeof searchWith>[1]) => change(searchWith(search, part));
  const known = cameras.value ?? [];
  const [opened, setOpen] = useState(false);
  // What narrows the list is never hidden.
  const open = opened || Object.keys(search).length > 1;
  const moment = (name: "from_utc_ms" | "to_utc_ms", label: string) => (
    <MomentField label={label} ms={search[name] ?? null} change={(ms) => set({ [name]: ms ?? undefined })} />
  );
  return (
    <details class="panel" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("audit.filter")}</summary>
      <div class="fields">
        <Select
          label={t("audit.kind")}
          value={search.kind}
          options={KINDS.map((one) => ({ value: one, text: t(`audit.kind.${one}`) }))}
          change={(kind) => set({ kind })}
        />
        <Select
          label={t("audit.filter.action")}
          value={search.action ?? ""}
          options={[{ value: "", text: t("audit.filter.any") }, ...actions()]}
          change={(action) => set({ action: action === "" ? undefined : action })}
        />
        <TextField label={t("audit.filter.account")} hint={t("audit.filter.account.hint")} type="number" min={1} value={String(search.account ?? "")} change={(text) => set({ account: numberTyped(text) })} />
        {known.length === 0 ? (
          <TextField label={t("audit.filter.camera")} type="number" min={1} value={String(search.camera ?? "")} change={(text) => set({ camera: numberTyped(text) })} />
        ) : (
          <Select
            label={t("audit.about")}
            value={String(search.camera ?? "")}
            options={[{ value: "", text: t("audit.filter.any") }, ...known.map(({ id, name }) => ({ value: String(id), text: name }))]}
            change={(id) => set({ camera: numberTyped(id) })}
          />
        )}
        {moment("from_utc_ms", t("audit.filter.from"))}
        {moment("to_utc_ms", t("audit.filter.to"))}
      </div>
      <div class="row row-end">
        <button type="button" onClick={() => change({ kind: "people" })}>
          {t("audit.filter.clear")}
        </button>
      </div>
    </details>
  );
}
