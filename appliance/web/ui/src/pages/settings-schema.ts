/** A plugin's settings as its manifest lists them, turned into form fields. Tolerant: what it cannot read becomes a text field, never an error. Pure. */

import type { SettingValue } from "../api/types";

export type SettingKind = "number" | "boolean" | "choice" | "text";

export interface Setting {
  name: string;
  label: string;
  help: string | null;
  kind: SettingKind;
  unit: string | null;
  fallback: SettingValue;
  min: number | null;
  max: number | null;
  whole: boolean;
  choices: string[];
}

const KINDS: Record<string, SettingKind> = {
  number: "number",
  float: "number",
  integer: "number",
  int: "number",
  boolean: "boolean",
  bool: "boolean",
  choice: "choice",
  enum: "choice",
  text: "text",
  string: "text",
};

type Fields = Record<string, unknown>;

function text(fields: Fields, ...names: string[]): string | null {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === "string" && value !== "") return value;
  }
  return null;
}

function number(fields: Fields, ...names: string[]): number | null {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === "number" && Number.isFinite(value)) return value;
  }
  return null;
}

function plain(value: unknown): SettingValue {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

/** Reads one entry of `settings_schema`; `null` when it has no name. */
export function readSetting(entry: unknown): Setting | null {
  if (typeof entry !== "object" || entry === null) return null;
  const fields = entry as Fields;
  const name = text(fields, "name", "key", "id");
  if (name === null) return null;
  const type = (text(fields, "kind", "type") ?? "").toLowerCase();
  const listed = fields["choices"] ?? fields["options"] ?? fields["values"];
  const choices = Array.isArray(listed) ? listed.map(String) : [];
  const fallback = plain(fields["default"]);
  const guess: SettingKind = choices.length > 0 ? "choice" : typeof fallback === "number" ? "number" : typeof fallback === "boolean" ? "boolean" : "text";
  return {
    name,
    label: text(fields, "label", "title") ?? name.replaceAll("_", " ").replaceAll("-", " "),
    help: text(fields, "help", "meaning", "description", "summary"),
    kind: KINDS[type] ?? guess,
    unit: text(fields, "unit"),
    fallback,
    min: number(fields, "min", "minimum"),
    max: number(fields, "max", "maximum"),
    whole: type === "integer" || type === "int",
    choices,
  };
}

export function readSchema(schema: readonly unknown[]): Setting[] {
  return schema.map(readSetting).filter((setting) => setting !== null);
}

/** The value in force: the one set, else the plugin's own default. */
export function valueOf(setting: Setting, settings: Readonly<Record<string, unknown>>): SettingValue {
  return plain(settings[setting.name]) ?? setting.fallback;
}

/** A typed number within the setting's limits; `null` for what is no number. */
export function parseNumber(setting: Setting, typed: string): number | null {
  const value = typed.trim() === "" ? Number.NaN : Number(typed);
  if (!Number.isFinite(value)) return null;
  const bounded = Math.min(setting.max ?? value, Math.max(setting.min ?? value, value));
  return setting.whole ? Math.round(bounded) : bounded;
}
