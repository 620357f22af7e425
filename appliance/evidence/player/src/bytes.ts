/** Bytes and their spellings: hexadecimal, base64, UTF-8, little-endian numbers. Each has one spelling; anything else is refused with `null`. */

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SIX_BITS = new Int8Array(128).fill(-1);
for (let value = 0; value < 64; value += 1) SIX_BITS[BASE64.charCodeAt(value)] = value;

/** Largest number that stands in JSON as a number (RFC 8785 §3.2.2.3). */
export const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Bytes of lower-case hexadecimal of `size` bytes. */
export function unhex(text: unknown, size: number): Uint8Array | null {
  if (typeof text !== "string" || text.length !== 2 * size || !/^[0-9a-f]*$/.test(text)) return null;
  return Uint8Array.from({ length: size }, (_, at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** Bytes of padded standard base64 (RFC 4648 §4). Bits that the padding leaves over are zero; `lenient`, for signatures alone, ignores them. */
export function unbase64(text: unknown, lenient = false): Uint8Array | null {
  if (typeof text !== "string" || text.length % 4 !== 0) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < digits; index += 1) {
    const code = text.charCodeAt(index);
    const value = code < 128 ? (SIX_BITS[code] ?? -1) : -1;
    if (value < 0) return null;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = (held >> bits) & 0xff;
      at += 1;
    }
  }
  return lenient || (held & ((1 << bits) - 1)) === 0 ? bytes : null;
}

export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let digit = 0; digit < 4; digit += 1) text += at + digit <= bytes.length ? BASE64[(word >> (18 - 6 * digit)) & 63] : "=";
  }
  return text;
}

/** A hash on a line of base64. */
export function hashOfLine(text: unknown): Uint8Array | null {
  const bytes = unbase64(text);
  return bytes?.length === 32 ? bytes : null;
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The text of these bytes, with a byte order mark as the character that it is; `null` when they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** True when no half of a surrogate pair stands alone: read by code points, whole pairs are no surrogates. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** The `size` lowest bytes of a number, little-endian, two's complement. */
export function little(value: bigint | number, size: number): Uint8Array {
  let left = BigInt.asUintN(size * 8, BigInt(value));
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 1) {
    bytes[at] = Number(left & 0xffn);
    left >>= 8n;
  }
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Nanoseconds since 1970 as a decimal that fits 64 bits with sign, in its one spelling. */
export function nanos(text: unknown): bigint | null {
  if (typeof text !== "string" || !/^(?:0|-?[1-9][0-9]{0,18})$/.test(text)) return null;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : null;
}
