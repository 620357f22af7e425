/** What a failure means and what to do next, in the reader's language. Pure.
 *
 * The recorder's own sentences are English: they name the camera, the segment, the value. Who reads English sees them first; who does not sees what kind of failure it is and what
 * to do in the own language, and those sentences below, for whoever is called to help. */

import type { ApiError } from "../api";
import { isKey, locale, t } from "../i18n";

export interface ProblemText {
  title: string;
  /** Never empty. */
  next: string;
  /** The recorder's sentences where the two above are ours. */
  details: string[];
}

/** A failure of a kind that the catalogue does not know is the recorder's mistake. */
function known(code: string): string {
  return isKey(`problem.${code}`) && isKey(`problem.${code}.next`) ? code : "internal";
}

export function problemText({ status, detail, nextStep, code }: Pick<ApiError, "status" | "detail" | "nextStep" | "code">): ProblemText {
  // The recorder was not reached: these are the page's own words.
  if (status === 0 && nextStep !== null) return { title: detail, next: nextStep, details: [] };
  const kind = known(code);
  const [title, next] = [`problem.${kind}`, `problem.${kind}.next`].map((key) => (isKey(key) ? t(key) : "")) as [string, string];
  if (locale.value === "en") return { title: detail, next: nextStep ?? next, details: [] };
  return { title, next, details: [detail, nextStep ?? ""].filter((line) => line !== "") };
}
