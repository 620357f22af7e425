/** Which page needs which role. The recorder decides; this only keeps the page from offering what would be refused. */

import type { Role, Session } from "../api/types";
import type { PageName } from "./router";

/** Who may know how long footage stays and what is held. */
export const KEEPERS: readonly Role[] = ["investigator", "approver", "auditor", "admin"];

/** One of these roles opens the page; an empty list means everybody who is signed in. */
export const PAGE_ROLES: Record<PageName, readonly Role[]> = {
  wall: ["viewer"],
  live: ["viewer"],
  timeline: ["investigator"],
  scene: ["investigator"],
  cameras: ["admin"],
  camera_edit: ["admin"],
  first_run: ["admin"],
  counts: ["investigator"],
  events: ["investigator"],
  proposals: ["investigator", "admin"],
  cases: KEEPERS,
  case_new: ["approver"],
  exports: ["investigator", "approver", "auditor"],
  holds: KEEPERS,
  hold_new: ["investigator"],
  plugins: ["admin"],
  people: ["admin"],
  health: [],
  audit: ["auditor"],
  verify: [],
  reviews: ["auditor"],
  requests: KEEPERS,
  request: KEEPERS,
  request_new: ["investigator", "admin"],
  sign: ["admin", "auditor"],
  policy: KEEPERS,
  settings: ["admin", "auditor"],
  account: [],
  unknown: [],
};

export function has(session: Session | null, role: Role): boolean {
  return session !== null && session.account.roles.includes(role);
}

export function mayOpen(session: Session | null, page: PageName): boolean {
  if (session === null) return false;
  const roles = PAGE_ROLES[page];
  return roles.length === 0 || roles.some((role) => has(session, role));
}

/** Duties that two people must hold, unless the station has one person. */
const DUTIES: readonly Role[] = ["investigator", "approver", "auditor", "admin"];

export function mixesDuties(roles: readonly Role[]): boolean {
  return roles.filter((role) => DUTIES.includes(role)).length > 1;
}
