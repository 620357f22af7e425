/** The fields of a hold as they are chosen, and what the recorder gets from them. Pure. */

import type { HoldInput } from "../api/types";

export interface HoldForm {
  case: string;
  cameras: number[];
  from: number;
  to: number;
  note: string;
}

/** The longest interval, and the furthest end from now, that the recorder takes. */
export const RANGE_MAX_MS = 366 * 86_400_000;
export const AHEAD_MAX_MS = 31 * 86_400_000;

/** What the address knows of the hold: `cameras=1,4&from=…&to=…`. Without it the last hour, of no camera. */
export function holdFromQuery(query: URLSearchParams, now: number): HoldForm {
  const moment = (name: string) => {
    const text = query.get(name);
    return text !== null && /^\d{12,14}$/.test(text) ? Number(text) : null;
  };
  const cameras = (query.get("cameras") ?? "").split(",").filter((text) => /^[1-9]\d{0,7}$/.test(text));
  const [from, to] = [moment("from"), moment("to")];
  const known = from !== null && to !== null && from < to;
  return {
    case: "",
    cameras: [...new Set(cameras.map(Number))],
    from: known ? from : now - 3_600_000,
    to: known ? to : now,
    note: "",
  };
}

export function holdInput(form: HoldForm): HoldInput {
  return { case: form.case.trim(), cameras: form.cameras, from_utc_ms: Math.floor(form.from), to_utc_ms: Math.ceil(form.to), note: form.note.trim() };
}

export type HoldProblem = "holds.bad.case" | "holds.bad.cameras" | "holds.bad.order" | "holds.bad.long" | "holds.bad.ahead";

/** The key of what keeps this from being a hold, or `null`. */
export function holdProblem(form: HoldForm, now: number): HoldProblem | null {
  if (form.case.trim() === "") return "holds.bad.case";
  if (form.cameras.length === 0) return "holds.bad.cameras";
  if (form.to <= form.from) return "holds.bad.order";
  if (form.to - form.from > RANGE_MAX_MS) return "holds.bad.long";
  if (form.to - now > AHEAD_MAX_MS) return "holds.bad.ahead";
  return null;
}
