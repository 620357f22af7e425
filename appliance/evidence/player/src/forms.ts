/** The forms of values in the two JSON files. Each throws [`Refused`] for what is not of its form. */

import { isWellFormed } from "./bytes";
import { Refused } from "./note";

export function need(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Refused(why);
}

/** A value whose fields are these, in this order. */
export function fields(value: unknown, names: readonly string[]): Record<string, unknown> {
  need(typeof value === "object" && value !== null && !Array.isArray(value), "it lacks an object");
  const own = Object.keys(value);
  need(own.length === names.length && names.every((name, at) => own[at] === name), `it has not the fields ${names.join(", ")} in this order`);
  return value as Record<string, unknown>;
}

export function text(value: unknown): string {
  need(typeof value === "string" && isWellFormed(value), "a string in it is none");
  return value;
}

export function integer(value: unknown, most: number, least = 0): number {
  need(typeof value === "number" && Number.isInteger(value) && value >= least && value <= most, "a number in it is none or too large");
  return value;
}

export function list(value: unknown, most = Number.POSITIVE_INFINITY): unknown[] {
  need(Array.isArray(value) && value.length <= most, "a list in it is none or too long");
  return value;
}

export function ascending<T>(items: readonly T[]): boolean {
  return items.every((item, at) => at === 0 || (items[at - 1] as T) < item);
}
