/** Times as people read them: local, with the zone stated, and UTC beside it. */

import { locale } from "../i18n";

const two = (value: number) => String(Math.trunc(value)).padStart(2, "0");
const three = (value: number) => String(Math.trunc(value)).padStart(3, "0");

/** The same moment in UTC, to the second. */
export function utcText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Local time of day, 24 hours, down to `unit`. */
export function clockText(ms: number, unit: "minute" | "second" | "millisecond" = "second"): string {
  const at = new Date(ms);
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (unit === "minute") return minutes;
  const seconds = `${minutes}:${two(at.getSeconds())}`;
  return unit === "second" ? seconds : `${seconds}.${three(at.getMilliseconds())}`;
}

/** Local date, such as `2026-11-24`, in a form that sorts and is the same in every language. */
export function dateText(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

export function dateTimeText(ms: number): string {
  return `${dateText(ms)} ${clockText(ms)}`;
}

/** Day of the week and date in the reader's language; figures alone where the browser does not know that language. */
export function dayText(ms: number): string {
  if (Intl.DateTimeFormat.supportedLocalesOf(locale.value).length === 0) return dateText(ms);
  return new Intl.DateTimeFormat(locale.value, { weekday: "short", day: "numeric", month: "short" }).format(ms);
}

/** The zone that local times are in, such as `UTC+07:00`. */
export function zoneText(ms: number = Date.now()): string {
  const minutes = -new Date(ms).getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  return `UTC${sign}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
}

/** Length of an interval in at most two units: `850 ms`, `12.4 s`, `3 min 20 s`, `5 h 12 min`, `2 d 3 h`. Figures and SI signs read the same in every language. */
export function durationText(ms: number): string {
  const abs = Math.max(0, ms);
  if (abs < 1_000) return `${Math.round(abs)} ms`;
  if (abs < 59_950) return `${(abs / 1_000).toFixed(abs < 10_000 ? 1 : 0)} s`;
  const seconds = Math.round(abs / 1_000);
  if (seconds < 3_600) return join(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return join(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return join(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** A number of days as people plan with it: `7 d`, `3.5 d`, below a day in hours. */
export function daysText(days: number): string {
  if (days < 1) return durationText(days * 86_400_000);
  return `${days < 10 && !Number.isInteger(days) ? days.toFixed(1) : Math.round(days)} d`;
}

function join(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

/** Size in decimal units, as disks are sold. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function rateText(bitsPerSecond: number): string {
  return bitsPerSecond >= 1e6 ? `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

/** Value of an `<input type="datetime-local" step="1">` for a moment, and back. */
export function toInput(ms: number): string {
  return `${dateText(ms)}T${clockText(ms)}`;
}

export function fromInput(value: string): number | null {
  const ms = new Date(value).getTime();
  return Number.isNaN(ms) ? null : ms;
}
