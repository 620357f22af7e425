/** The fields of a case as they are chosen, and what the recorder gets from them. Pure. */

import type { Case, CaseInput, CasePatch, Purpose } from "../api/types";
import { holdFromQuery } from "./hold-form";
import { requestLabel } from "./request-form";

export const PURPOSES: readonly Purpose[] = [
  "traffic_collision",
  "traffic_offence",
  "theft",
  "violence",
  "property_damage",
  "fire_or_rescue",
  "other_crime",
  "subject_request",
  "equipment_check",
];

const DAY_MS = 86_400_000;
/** The longest footage of a case, and how long it may stay open, as the recorder takes them. */
export const WINDOW_MAX_MS = 31 * DAY_MS;
export const OPEN_MAX_MS = 92 * DAY_MS;
/** An emergency ends a little before the 30 minutes that it may last: clocks are looked at twice. */
const EMERGENCY_MS = 30 * 60_000 - 15_000;

export interface CaseForm {
  case: string;
  purpose: Purpose;
  cameras: number[];
  from: number;
  to: number;
  expires: number;
  people: number[];
}

/** The last hour, of no camera, for a week. */
export function emptyCase(now: number): CaseForm {
  return { case: "", purpose: "traffic_collision", cameras: [], from: now - 3_600_000, to: now, expires: now + 7 * DAY_MS, people: [] };
}

/** The request that the address names. */
export function requestOf(query: URLSearchParams): number | null {
  const text = query.get("request");
  return text !== null && /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
}

/** What the address knows of a case for a request: `request=7&cameras=1,4&from=…&to=…`. Without a request an empty one. */
export function caseFromQuery(query: URLSearchParams, now: number): CaseForm {
  const request = requestOf(query);
  const empty = emptyCase(now);
  const { cameras, from, to } = holdFromQuery(query, now);
  if (request === null) return cameras.length === 0 ? empty : { ...empty, cameras, from, to };
  return { ...empty, case: requestLabel(request), purpose: "subject_request", cameras, from, to };
}

export function formOf(found: Case): CaseForm {
  return {
    case: found.case,
    purpose: found.purpose,
    cameras: [...found.cameras],
    from: found.from_utc_ms,
    to: found.to_utc_ms,
    expires: found.expires_utc_ms,
    people: found.investigators.map((person) => person.account),
  };
}

export function caseInput(form: CaseForm): CaseInput {
  return {
    case: form.case.trim(),
    purpose: form.purpose,
    cameras: form.cameras,
    from_utc_ms: Math.floor(form.from),
    to_utc_ms: Math.ceil(form.to),
    expires_utc_ms: Math.round(form.expires),
    investigators: form.people,
  };
}

/** What of `form` is different from the case. */
export function casePatch(form: CaseForm, old: Case): CasePatch {
  const was = formOf(old);
  const same = (a: readonly number[], b: readonly number[]) => [...a].sort().join() === [...b].sort().join();
  return {
    ...(same(form.cameras, was.cameras) ? {} : { cameras: form.cameras }),
    ...(form.from === was.from ? {} : { from_utc_ms: Math.floor(form.from) }),
    ...(form.to === was.to ? {} : { to_utc_ms: Math.ceil(form.to) }),
    ...(form.expires === was.expires ? {} : { expires_utc_ms: Math.round(form.expires) }),
    ...(same(form.people, was.people) ? {} : { investigators: form.people }),
  };
}

/** About the last `hours` of `cameras`, for whoever asks alone. Its end lies where the case ends, so that what is recorded meanwhile can be played too. */
export function emergencyInput(number: string, purpose: Purpose, cameras: number[], hours: number, now: number): CaseInput {
  const expires = Math.floor(now + EMERGENCY_MS);
  const from = Math.max(now - hours * 3_600_000, expires - DAY_MS);
  return { case: number, purpose, cameras, from_utc_ms: Math.ceil(from), to_utc_ms: expires, expires_utc_ms: expires, emergency: true };
}

export type CaseProblem = "case.bad.case" | "case.bad.cameras" | "case.bad.people" | "case.bad.order" | "case.bad.long" | "case.bad.expires";

/** The key of what keeps this from being a case, or `null`. */
export function caseProblem(form: CaseForm, now: number): CaseProblem | null {
  if (form.case.trim() === "") return "case.bad.case";
  if (form.cameras.length === 0) return "case.bad.cameras";
  if (form.to <= form.from) return "case.bad.order";
  if (form.to - form.from > WINDOW_MAX_MS) return "case.bad.long";
  if (form.people.length === 0) return "case.bad.people";
  if (form.expires <= now || form.expires > now + OPEN_MAX_MS || form.expires < form.to) return "case.bad.expires";
  return null;
}
