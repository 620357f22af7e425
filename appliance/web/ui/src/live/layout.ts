/** Which cameras stand where on the wall. Pure. */

export const LAYOUTS = ["fit", "one", "four", "nine", "sixteen", "focus"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** Tiles of one page when all cameras are to fit: six rows of six. More of them show nothing that a person can tell apart. */
export const FIT_MAX = 36;
/** As many cameras as a station has at most: a longer list in this browser's memory is not ours. */
const ORDER_MAX = 400;
/** Small tiles beside the large one: a column of three and a row of four. */
const SMALL = 7;
const PLACES: Record<Exclude<Layout, "fit" | "focus">, number> = { one: 1, four: 4, nine: 9, sixteen: 16 };

export interface WallPage {
  /** In order of their places; the large one first where there is one. */
  tiles: number[];
  columns: number;
  rows: number;
  /** The first tile is large and takes the main stream. */
  large: boolean;
  /** Counts from 0; the last page where more was asked for. */
  page: number;
  pages: number;
}

/** All of `ids`: first those that were placed, as they were placed, then the others as they come. */
export function arranged(placed: readonly number[], ids: readonly number[]): number[] {
  const known = new Set(ids);
  const first = [...new Set(placed)].filter((id) => known.has(id));
  const taken = new Set(first);
  return [...first, ...ids.filter((id) => !taken.has(id))];
}

/** The tiles of one page. In `focus` the large tile stays while the small ones turn over. */
export function pageOf(layout: Layout, order: readonly number[], wanted: number): WallPage {
  const large = layout === "focus" || layout === "one";
  const kept = layout === "focus" ? order.slice(0, 1) : [];
  const rest = order.slice(kept.length);
  const places = layout === "focus" ? SMALL : layout === "fit" ? Math.min(FIT_MAX, Math.max(1, rest.length)) : PLACES[layout];
  const pages = Math.max(1, Math.ceil(rest.length / places));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  const tiles = [...kept, ...rest.slice(page * places, (page + 1) * places)];
  const columns = layout === "focus" ? 4 : Math.ceil(Math.sqrt(places));
  return { tiles, columns, rows: layout === "focus" ? 4 : Math.ceil(places / columns), large, page, pages };
}

/** Two cameras change places. */
export function swapped(order: readonly number[], a: number, b: number): number[] {
  return order.map((id) => (id === a ? b : id === b ? a : id));
}

/** Where an arrow leads from a tile, or `null`: to the next place in that direction on the page. */
export function neighbour(tiles: readonly number[], columns: number, id: number, key: string): number | null {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const at = tiles.indexOf(id);
  return step === undefined || at < 0 ? null : (tiles[at + step] ?? null);
}

/** What this browser remembers of the places; whatever else stands there means none. */
export function readOrder(stored: string | null): number[] {
  try {
    const value: unknown = JSON.parse(stored ?? "[]");
    if (!Array.isArray(value)) return [];
    return value.filter((id): id is number => Number.isSafeInteger(id) && id > 0).slice(0, ORDER_MAX);
  } catch {
    return [];
  }
}
