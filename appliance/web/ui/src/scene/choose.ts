/** Which cameras a scene has, and where it begins, as an address says it. Pure. */

import { CAMERAS_MAX } from "./scene";

/** The cameras of an address, each once and at most nine. */
export function camerasOf(query: URLSearchParams): number[] {
  const texts = (query.get("cameras") ?? "").split(",").filter((text) => /^[1-9]\d{0,7}$/.test(text));
  return [...new Set(texts.map(Number))].slice(0, CAMERAS_MAX);
}

export function momentOf(query: URLSearchParams): number | null {
  const at = query.get("at");
  return at !== null && /^\d{12,14}$/.test(at) ? Number(at) : null;
}

/** `camera` in or out; a tenth is not taken. */
export function flipped(chosen: readonly number[], camera: number): number[] {
  if (chosen.includes(camera)) return chosen.filter((each) => each !== camera);
  return chosen.length >= CAMERAS_MAX ? [...chosen] : [...chosen, camera];
}
