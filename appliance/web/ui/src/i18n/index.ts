/** Words of the page in the reader's language. A key that one catalogue lacks does not compile. */

import { signal } from "@preact/signals";
import { en } from "./en";
import { km } from "./km";

export type Key = keyof typeof en;
/** Every catalogue has every key. */
export type Catalogue = Readonly<Record<Key, string>>;
export type Locale = "en" | "km";

const CATALOGUES: Record<Locale, Catalogue> = { en, km };
export const LOCALES: readonly { id: Locale; name: string }[] = [
  { id: "en", name: "English" },
  { id: "km", name: "ខ្មែរ" },
];

const STORED = "watchbook.locale";

function firstLocale(): Locale {
  const stored = typeof localStorage === "undefined" ? null : localStorage.getItem(STORED);
  if (stored === "en" || stored === "km") return stored;
  const wanted = typeof navigator === "undefined" ? [] : (navigator.languages ?? []);
  return wanted.some((language) => language.toLowerCase().startsWith("km")) ? "km" : "en";
}

export const locale = signal<Locale>(firstLocale());

export function setLocale(next: Locale): void {
  localStorage.setItem(STORED, next);
  locale.value = next;
  document.documentElement.lang = next;
}

/** The text of `key` with each `{name}` filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return CATALOGUES[locale.value][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Every key there is. */
export function words(): Key[] {
  return Object.keys(en) as Key[];
}

/** Whether `key` is one of the catalogue's, for words that arrive from the recorder. */
export function isKey(key: string): key is Key {
  return Object.hasOwn(en, key);
}

/** A word from the recorder in the reader's language when the catalogue knows it, else as it came, with spaces. */
export function word(prefix: string, value: string): string {
  const key = `${prefix}.${value}`;
  return isKey(key) ? t(key) : value.replaceAll("_", " ");
}
