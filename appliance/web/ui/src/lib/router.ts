/** Addresses of the page's views. They live after `#`, so that the recorder serves one file and a link can be shared or reloaded. */

import { signal } from "@preact/signals";

export type PageName = "wall" | "live" | "timeline" | "scene" | "cameras" | "camera_edit" | "first_run" | "counts" | "events" | "proposals" | "cases" | "case_new" | "exports" | "holds" | "hold_new" | "plugins" | "people" | "health" | "audit" | "verify" | "requests" | "request" | "request_new" | "sign" | "reviews" | "policy" | "settings" | "account" | "unknown";

/** The one page that has an address of its own: everybody may open it, and it can be printed on a sign. */
export const REPORT_PATH = "/report";

export interface Route {
  page: PageName;
  /** Camera number, or `null`: `camera_edit` then adds a camera, `timeline` takes the first one. */
  id: number | null;
  query: URLSearchParams;
}

const PLAIN: Record<string, PageName> = {
  "": "wall",
  wall: "wall",
  camera: "timeline",
  scene: "scene",
  cameras: "cameras",
  "first-run": "first_run",
  counts: "counts",
  events: "events",
  proposals: "proposals",
  cases: "cases",
  exports: "exports",
  holds: "holds",
  people: "people",
  plugins: "plugins",
  health: "health",
  audit: "audit",
  verify: "verify",
  reviews: "reviews",
  requests: "requests",
  policy: "policy",
  settings: "settings",
  account: "account",
};

/** Reads what follows `#`; anything it does not know is the page `unknown`, which leads back. */
export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  const query = new URLSearchParams(search);
  const [first = "", second, third] = parts;
  const number = second !== undefined && /^\d{1,9}$/.test(second) ? Number(second) : null;
  const at = (page: PageName, id: number | null): Route => ({ page, id, query });
  if (first === "cameras" && number !== null && third === "sign" && parts.length === 3) return at("sign", number);
  if (parts.length <= 1) return at(PLAIN[first] ?? "unknown", null);
  if (third !== undefined) return at("unknown", null);
  if (first === "live" && number !== null) return at("live", number);
  if (first === "camera" && number !== null) return at("timeline", number);
  if (first === "cameras" && number !== null) return at("camera_edit", number);
  if (first === "cameras" && second === "new") return at("camera_edit", null);
  if (first === "cases" && second === "new") return at("case_new", null);
  if (first === "holds" && second === "new") return at("hold_new", null);
  if (first === "requests" && second === "new") return at("request_new", null);
  // Numbers of requests have up to ten digits.
  if (first === "requests" && second !== undefined && /^\d{1,10}$/.test(second)) return at("request", Number(second));
  return at("unknown", null);
}

export const link = {
  wall: "#/wall",
  live: (id: number) => `#/live/${id}`,
  /** Cameras together, from a moment. */
  scene: (cameras: readonly number[] = [], at?: number) => {
    const parts = [...(cameras.length === 0 ? [] : [`cameras=${cameras.join(",")}`]), ...(at === undefined ? [] : [`at=${Math.round(at)}`])];
    return parts.length === 0 ? "#/scene" : `#/scene?${parts.join("&")}`;
  },
  timeline: (id: number, at?: number) => (at === undefined ? `#/camera/${id}` : `#/camera/${id}?at=${Math.round(at)}`),
  /** The timeline with a range marked. */
  marked: (id: number, range: { start: number; end: number }) => {
    const [from, to] = [Math.floor(range.start), Math.ceil(range.end)];
    return `#/camera/${id}?at=${from}&from=${from}&to=${to}`;
  },
  cameras: "#/cameras",
  cameraNew: "#/cameras/new",
  firstRun: "#/first-run",
  cameraEdit: (id: number) => `#/cameras/${id}`,
  sign: (id: number) => `#/cameras/${id}/sign`,
  counts: "#/counts",
  events: "#/events",
  proposals: "#/proposals",
  cases: "#/cases",
  exports: "#/exports",
  /** Those of one case. */
  exportsOf: (search: string) => `#/exports?search=${encodeURIComponent(search)}`,
  holdsOf: (search: string) => `#/holds?search=${encodeURIComponent(search)}`,
  casesOf: (search: string) => `#/cases?search=${encodeURIComponent(search)}`,
  caseNew: "#/cases/new",
  /** About what is looked at. */
  caseAbout: (cameras: readonly number[], range: { start: number; end: number }) => `#/cases/new?cameras=${cameras.join(",")}&from=${Math.floor(range.start)}&to=${Math.ceil(range.end)}`,
  /** For a request, with what it says of the footage. */
  caseFor: (request: number, cameras: readonly number[], range: { start: number; end: number }) =>
    `#/cases/new?request=${request}&cameras=${cameras.join(",")}&from=${range.start}&to=${range.end}`,
  requests: "#/requests",
  request: (id: number) => `#/requests/${id}`,
  requestNew: "#/requests/new",
  holds: "#/holds",
  /** With what is known already: cameras and interval. */
  holdNew: (cameras: readonly number[] = [], range?: { start: number; end: number }) =>
    range === undefined ? "#/holds/new" : `#/holds/new?cameras=${cameras.join(",")}&from=${Math.floor(range.start)}&to=${Math.ceil(range.end)}`,
  plugins: "#/plugins",
  people: "#/people",
  health: "#/health",
  audit: "#/audit",
  /** Of an export that was downloaded, or of any bundle. */
  verify: (id?: string) => (id === undefined ? "#/verify" : `#/verify?export=${encodeURIComponent(id)}`),
  /** The entries about one thing. */
  auditOf: (search: string) => `#/audit?search=${encodeURIComponent(search)}`,
  reviews: "#/reviews",
  policy: "#/policy",
  settings: "#/settings",
  account: "#/account",
};

export const route = signal<Route>(parseRoute(location.hash));

/** Follows the address bar. Call once. */
export function startRouter(): void {
  addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
    scrollTo(0, 0);
  });
}

export function go(hash: string): void {
  location.hash = hash;
}

/** Says in the address what the page that is open shows now. It stays where it is scrolled to; Back leads to what it showed before, unless this only `refines` that. */
export function show(hash: string, refines = false): void {
  if (hash === location.hash) return;
  if (refines) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  route.value = parseRoute(hash);
}
