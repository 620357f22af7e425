/** Whether unsigned plugins are taken. Everybody who is signed in sees it, on every page. */

import { signal } from "@preact/signals";
import { api } from "../api";

/** End of developer mode; `null` while signatures are needed, and until the recorder has been asked. */
export const devModeUntil = signal<number | null>(null);

const EVERY_MS = 30_000;

export async function loadDevMode(): Promise<void> {
  devModeUntil.value = (await api.devMode()).until_utc_ms;
}

/** Keeps [`devModeUntil`] fresh. Returns the end of it. */
export function followDevMode(): () => void {
  // What cannot be read now is read in the next round; the page that needs it says why.
  const round = () => void loadDevMode().catch(() => {});
  round();
  const timer = setInterval(() => !document.hidden && round(), EVERY_MS);
  return () => clearInterval(timer);
}
