/** Text messages of the live connection. */

import type { StreamState } from "../api/types";

export type LiveMessage =
  | { type: "format"; mime: string; width: number; height: number; transcoded: boolean }
  /** Nothing is transcoded, or no longer; why, in one word. */
  | { type: "refused"; why: string }
  | ({ type: "state" } & StreamState)
  | { type: "other" };

/** Reads one text message; what it does not know is `other` and changes nothing. */
export function parseMessage(text: string): LiveMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { type: "other" };
  }
  if (typeof value !== "object" || value === null) return { type: "other" };
  const fields = value as Record<string, unknown>;
  if (fields["type"] === "format" && typeof fields["mime"] === "string") {
    return { type: "format", mime: fields["mime"], width: Number(fields["width"]) || 0, height: Number(fields["height"]) || 0, transcoded: fields["transcoded"] === true };
  }
  if (fields["type"] === "refused" && typeof fields["why"] === "string") return { type: "refused", why: fields["why"] };
  if (fields["type"] === "state" && typeof fields["status"] === "string") {
    return { ...(fields as unknown as StreamState), type: "state" };
  }
  return { type: "other" };
}
