/** The two languages of the page. */

import { en } from "./en";
import { km } from "./km";

export type Key = keyof typeof en;
export type Lang = "en" | "km";
export const words: Record<Lang, Record<Key, string>> = { en, km };

/** True for a key of the words, such as one made from a code. */
export const isKey = (key: string): key is Key => Object.hasOwn(en, key);
