/** Times as people read them. */

const two = (value: number): string => String(Math.trunc(value)).padStart(2, "0");
const three = (value: number): string => String(Math.trunc(value)).padStart(3, "0");

/** `2025-11-24 16:00:00.500`, in UTC. */
export function utcText(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "?";
  return date.toISOString().replace("T", " ").replace("Z", "");
}

/** The same in this computer's zone, with its offset at that time. */
export function localText(ms: number): string {
  const ahead = -new Date(ms).getTimezoneOffset();
  const sign = ahead < 0 ? "-" : "+";
  return `${utcText(ms + ahead * 60_000)} UTC${sign}${two(Math.abs(ahead) / 60)}:${two(Math.abs(ahead) % 60)}`;
}

/** `1:02:03.004`. */
export function lengthText(ms: number): string {
  const whole = Math.max(0, ms);
  return `${Math.trunc(whole / 3_600_000)}:${two((whole / 60_000) % 60)}:${two((whole / 1000) % 60)}.${three(whole % 1000)}`;
}

/** Bytes with a unit. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
