/** Finding rows of a list by words. Pure. */

/** Every word of `search` must be somewhere in `texts`, in any case. An empty search finds everything. */
export function found(search: string, ...texts: (string | null | undefined)[]): boolean {
  const hay = texts.join(" ").toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => hay.includes(word));
}
