/** What a manifest says of a redacted copy (FORMAT.md, "Redacted copies"). */

import { INTEGER_MAX, nanos, unhex, utf8 } from "./bytes";
import { fields, integer, list, need, text } from "./forms";

const REGIONS_MAX = 32;
const KEYS_MAX = 64;
const CORNERS_MAX = 64;
const SIDE_MAX = 65_535;
const ENCODER_BYTES_MAX = 64;

export interface Region {
  from_ns?: string;
  keys?: { at_ns: string; rectangle: [number, number, number, number] }[];
  polygon?: [number, number][];
  to_ns?: string;
}
export interface Redaction {
  encoder: string;
  everything_but: boolean;
  frames: number;
  left_out: number;
  master?: { file: string; manifest: string };
  padded?: true;
  regions: Region[];
}

/** True for the names of redacted copies, and of nothing else. */
export const isWorkingName = (name: string): boolean => name.startsWith("WORKING-REDACTED-");

/** The fields of these that an object has, in this order; the others are left out. */
const there = (value: unknown, names: readonly string[]): string[] => names.filter((name) => typeof value === "object" && value !== null && Object.hasOwn(value, name));

function sides(value: unknown, count: number): number[] {
  const numbers = list(value, count).map((side) => integer(side, SIDE_MAX));
  need(numbers.length === count, "a corner or a rectangle in it is none");
  return numbers;
}

function checkRegion(value: unknown): void {
  const region = fields(value, there(value, ["from_ns", "keys", "polygon", "to_ns"]));
  const times = ["from_ns", "to_ns"].filter((name) => name in region).map((name) => nanos(region[name]));
  const [from, to] = times;
  need(!times.includes(null) && (from === undefined || to === undefined || (from ?? 0n) < (to ?? 0n)), "the times of a region in it are none");
  need("keys" in region !== "polygon" in region, "a region in it must be a polygon or a rectangle that moves");
  if ("polygon" in region) {
    const corners = list(region["polygon"], CORNERS_MAX);
    need(corners.length >= 3, "a polygon in it has too few corners");
    for (const corner of corners) sides(corner, 2);
    return;
  }
  const keys = list(region["keys"], KEYS_MAX);
  need(keys.length > 0, "a region in it is nowhere");
  let before: bigint | null = null;
  for (const key of keys) {
    const { at_ns, rectangle } = fields(key, ["at_ns", "rectangle"]);
    const at = nanos(at_ns);
    need(at !== null && (before === null || before < at), "the moments of a region in it are none, or not in order");
    before = at;
    const [left = 0, top = 0, right = 0, bottom = 0] = sides(rectangle, 4);
    need(left < right && top < bottom, "a rectangle in it is empty");
  }
}

export function checkRedaction(value: unknown): void {
  const optional = there(value, ["master", "padded"]);
  const redaction = fields(value, ["encoder", "everything_but", "frames", "left_out", "master", "padded", "regions"].filter((name) => optional.includes(name) || !["master", "padded"].includes(name)));
  need(!("padded" in redaction) || redaction["padded"] === true, "padding that is none");
  need(utf8(text(redaction["encoder"])).length <= ENCODER_BYTES_MAX && typeof redaction["everything_but"] === "boolean", "what is said of the redaction is not well-formed");
  integer(redaction["frames"], INTEGER_MAX);
  integer(redaction["left_out"], INTEGER_MAX);
  if ("master" in redaction) {
    const master = fields(redaction["master"], ["file", "manifest"]);
    need(unhex(master["file"], 32) !== null && unhex(master["manifest"], 32) !== null, "the hash of its master is none");
  }
  for (const region of list(redaction["regions"], REGIONS_MAX)) checkRegion(region);
}
