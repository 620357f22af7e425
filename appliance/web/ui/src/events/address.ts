/** The filter of the list of events as an address says it, so that a reload, Back and a link to somebody else keep it. Whatever an address says that no filter can say is left out. Pure. */

import { EVERYTHING, type Filter, PLUGIN_BYTES_MAX, type Span, SPANS, WORD_BYTES_MAX } from "./filter";

/** As many as the recorder takes (`appliance/base/src/limits.rs`). */
export const CAMERAS_MAX = 400;

export function filterOf(query: URLSearchParams): Filter {
  const span = spanOf(query.get("time"));
  const exact = span === "exact";
  return {
    span,
    from: exact ? momentOf(query.get("from")) : null,
    to: exact ? momentOf(query.get("to")) : null,
    // `camera` is how other pages point to one.
    cameras: camerasOf(query.get("cameras") ?? query.get("camera")),
    kind: wordOf(query.get("kind"), WORD_BYTES_MAX),
    zone: wordOf(query.get("zone"), WORD_BYTES_MAX),
    plugin: wordOf(query.get("plugin"), PLUGIN_BYTES_MAX),
  };
}

/** The same filter has the same address; what it does not narrow is not in it. */
export function addressOf({ span, from, to, cameras, kind, zone, plugin }: Filter): string {
  const query = new URLSearchParams();
  if (span !== EVERYTHING.span) query.set("time", span);
  if (span === "exact" && from !== null) query.set("from", String(from));
  if (span === "exact" && to !== null) query.set("to", String(to));
  const words = { cameras: [...cameras].sort((a, b) => a - b).join(","), kind: kind.trim(), zone: zone.trim(), plugin: plugin.trim() };
  for (const [name, word] of Object.entries(words)) if (word !== "") query.set(name, word);
  // A comma between numbers may stand as it is, and is read more easily.
  const text = query.toString().replaceAll("%2C", ",");
  return text === "" ? "#/events" : `#/events?${text}`;
}

function spanOf(text: string | null): Span {
  return SPANS.find((span) => span === text) ?? EVERYTHING.span;
}

/** Milliseconds of a year from 2001 to 2199. */
function momentOf(text: string | null): number | null {
  const at = text !== null && /^\d{12,13}$/.test(text) ? Number(text) : 0;
  return at >= 978_307_200_000 && at < 7_226_582_400_000 ? at : null;
}

function camerasOf(text: string | null): number[] {
  const numbers = (text ?? "").split(",", 2 * CAMERAS_MAX).filter((each) => /^[1-9]\d{0,7}$/.test(each));
  return [...new Set(numbers.map(Number))].slice(0, CAMERAS_MAX).sort((a, b) => a - b);
}

/** Whatever its field can hold, also when that is more bytes than the recorder takes: then the filter says so (`longWords`), and the word stays in its field. */
function wordOf(text: string | null, lengthMax: number): string {
  const word = (text ?? "").trim();
  return /[\u0000-\u001f\u007f-\u009f\ufffd]/.test(word) || word.length > lengthMax ? "" : word;
}
