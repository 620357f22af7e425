/** The fields of a request of somebody who may be in the footage, what the recorder gets from them, and how much time is left. Pure. */

import type { SubjectRequest, SubjectRequestInput, SubjectRequestPatch } from "../api/types";

const DAY_MS = 86_400_000;
/** The longest interval that is looked through, and the longest ago that a request was received, as the recorder takes them. */
export const WINDOW_MAX_MS = 31 * DAY_MS;
const RECEIVED_MAX_MS = 366 * DAY_MS;
/** A deadline this near is shown as urgent. */
const NEAR_MS = 5 * DAY_MS;

export interface RequestForm {
  reference: string;
  received: number;
  cameras: number[];
  from: number;
  to: number;
  place: string;
  handler: number | null;
}

/** Received just now, about the last hour. */
export function emptyRequest(now: number): RequestForm {
  return { reference: "", received: now, cameras: [], from: now - 3_600_000, to: now, place: "", handler: null };
}

export function formOf(found: SubjectRequest): RequestForm {
  return {
    reference: found.reference,
    received: found.received_utc_ms,
    cameras: [...found.cameras],
    from: found.from_utc_ms,
    to: found.to_utc_ms,
    place: found.place,
    handler: found.handler,
  };
}

export function requestInput(form: RequestForm): SubjectRequestInput {
  return {
    reference: form.reference.trim(),
    received_utc_ms: Math.floor(form.received),
    cameras: form.cameras,
    from_utc_ms: Math.floor(form.from),
    to_utc_ms: Math.ceil(form.to),
    place: form.place.trim(),
    ...(form.handler === null ? {} : { handler: form.handler }),
  };
}

/** What of `form` is different from the request. */
export function requestPatch(form: RequestForm, old: SubjectRequest): SubjectRequestPatch {
  const was = formOf(old);
  const same = (a: readonly number[], b: readonly number[]) => [...a].sort().join() === [...b].sort().join();
  return {
    ...(form.reference.trim() === was.reference ? {} : { reference: form.reference.trim() }),
    ...(same(form.cameras, was.cameras) ? {} : { cameras: form.cameras }),
    ...(form.from === was.from ? {} : { from_utc_ms: Math.floor(form.from) }),
    ...(form.to === was.to ? {} : { to_utc_ms: Math.ceil(form.to) }),
    ...(form.place.trim() === was.place ? {} : { place: form.place.trim() }),
    ...(form.handler === was.handler || form.handler === null ? {} : { handler: form.handler }),
  };
}

export type RequestProblem = "request.bad.reference" | "request.bad.place" | "request.bad.received" | "request.bad.order" | "request.bad.long";

/** The key of what keeps this from being a request, or `null`. */
export function requestProblem(form: RequestForm, now: number): RequestProblem | null {
  if (!/\p{N}/u.test(form.reference)) return "request.bad.reference";
  if (form.place.trim() === "") return "request.bad.place";
  if (form.received > now + 60_000 || form.received < now - RECEIVED_MAX_MS) return "request.bad.received";
  if (form.to <= form.from) return "request.bad.order";
  if (form.to - form.from > WINDOW_MAX_MS) return "request.bad.long";
  return null;
}

/** Number of the case and of the hold that are for a request. */
export function requestLabel(request: number): string {
  return `request ${request}`;
}

export interface TimeLeft {
  kind: "left" | "near" | "late";
  ms: number;
}

/** How long until the deadline, or for how long it is past. */
export function timeLeft(due: number, now: number): TimeLeft {
  const ms = due - now;
  return { kind: ms < 0 ? "late" : ms < NEAR_MS ? "near" : "left", ms: Math.abs(ms) };
}

/** When the cameras erase the first of the footage at the latest; `null` when none of them is known. */
export function erasedAt(from: number, cameras: readonly number[], days: (camera: number) => number | null): number | null {
  const known = cameras.map(days).filter((each) => each !== null);
  return known.length === 0 ? null : from + Math.min(...known) * DAY_MS;
}
