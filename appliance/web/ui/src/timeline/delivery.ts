/** What the recorder says an export holds, read from the answer's headers. Pure. */

import type { Range } from "./ranges";

export interface Delivery {
  start: number | null;
  end: number | null;
  gapCount: number;
  /** Damaged stretches that were left out. */
  damaged: Range[];
  /** Stretches that are in it and whose picture may be wrong. */
  impaired: Range[];
  /** Size of the whole file in bytes. */
  size: number | null;
}

interface Headers {
  get(name: string): string | null;
}

function whole(text: string | undefined | null): number | null {
  return text != null && /^\d+$/.test(text.trim()) ? Number(text) : null;
}

/** `start-end` in milliseconds. */
function interval(text: string): Range | null {
  const [start, end] = text.split("-", 2).map(whole);
  return start != null && end != null && end > start ? { start, end } : null;
}

function intervals(text: string | null): Range[] {
  return (text ?? "")
    .split(",")
    .map(interval)
    .filter((found) => found !== null);
}

export function readDelivery(headers: Headers): Delivery {
  const [start, end] = (headers.get("Watchbook-Delivered-Utc-Ms") ?? "").split("-", 2);
  const total = /\/(\d+)$/.exec(headers.get("Content-Range") ?? "");
  return {
    start: whole(start),
    end: whole(end),
    gapCount: whole(headers.get("Watchbook-Gap-Count")) ?? 0,
    damaged: intervals(headers.get("Watchbook-Damaged-Utc-Ms")),
    impaired: intervals(headers.get("Watchbook-Impaired-Utc-Ms")),
    size: whole(total?.[1] ?? headers.get("Content-Length")),
  };
}
