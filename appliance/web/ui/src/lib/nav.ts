/** The pages that the head of the page names, in groups. Pure. */

import type { Key } from "../i18n";
import { link, type PageName } from "./router";

export interface Entry {
  page: PageName;
  hash: string;
  text: Key;
}

export type GroupId = "watch" | "evidence" | "station" | "oversight";

export interface Group {
  /** `null`: its entries stand by themselves. */
  id: GroupId | null;
  entries: readonly Entry[];
}

const GROUPS: readonly { id: GroupId; entries: readonly Entry[] }[] = [
  {
    id: "watch",
    entries: [
      { page: "wall", hash: link.wall, text: "nav.wall" },
      { page: "timeline", hash: "#/camera", text: "nav.timeline" },
      { page: "scene", hash: link.scene(), text: "nav.scene" },
      { page: "events", hash: link.events, text: "events.title" },
      { page: "counts", hash: link.counts, text: "nav.counts" },
    ],
  },
  {
    id: "evidence",
    entries: [
      { page: "cases", hash: link.cases, text: "nav.cases" },
      { page: "requests", hash: link.requests, text: "nav.requests" },
      { page: "holds", hash: link.holds, text: "nav.holds" },
      { page: "exports", hash: link.exports, text: "nav.exports" },
      { page: "proposals", hash: link.proposals, text: "nav.proposals" },
      { page: "verify", hash: link.verify(), text: "nav.verify" },
    ],
  },
  {
    id: "station",
    entries: [
      { page: "cameras", hash: link.cameras, text: "nav.cameras" },
      { page: "plugins", hash: link.plugins, text: "nav.plugins" },
      { page: "health", hash: link.health, text: "nav.health" },
      { page: "settings", hash: link.settings, text: "nav.settings" },
      { page: "people", hash: link.people, text: "nav.people" },
    ],
  },
  {
    id: "oversight",
    entries: [
      { page: "audit", hash: link.audit, text: "nav.audit" },
      { page: "reviews", hash: link.reviews, text: "nav.reviews" },
      { page: "policy", hash: link.policy, text: "nav.policy" },
    ],
  },
];

/** So many stand in one row without groups. */
export const ROW_MAX = 6;

/** What somebody is shown who may open these pages. Few pages need no groups, and a group of one is that page. */
export function groupsOf(mayOpen: (page: PageName) => boolean): Group[] {
  const groups = GROUPS.map(({ id, entries }) => ({ id, entries: entries.filter((entry) => mayOpen(entry.page)) })).filter(({ entries }) => entries.length > 0);
  const all = groups.flatMap(({ entries }) => entries);
  if (all.length <= ROW_MAX) return all.length === 0 ? [] : [{ id: null, entries: all }];
  return groups.map(({ id, entries }) => ({ id: entries.length === 1 ? null : id, entries }));
}
