/**
 * The seal of a master (ONVIF Export File Format 26.06, *Signature*): RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 20 bytes (RFC 8017 §8.1.2) over the file with
 * zeros in the place of the signature. The browser's own RSA wants the whole file in memory, so the arithmetic is here; it takes no secret.
 *
 * A seal says that the file is as the holder of the certificate's key sealed it. Whose certificate it is, nothing in the file can say.
 */

import { concat, hex, same } from "./bytes";
import { sha256 } from "./hash";

const SALT_BYTES = 20;
const HASH_BYTES = 32;
/** Bits of a modulus: the format asks for 2048 or more. */
const MODULUS_BITS = { least: 2048, most: 8192 };
/** Bits of a public exponent; nearly all have 17. */
const EXPONENT_BITS_MAX = 64;
/** OBJECT IDENTIFIER rsaEncryption, and id-RSASSA-PSS (RFC 8017 appendix A). */
const RSA = ["2a864886f70d010101", "2a864886f70d01010a"];

/** What a file says of its last seal. */
export interface Seal {
  /** Where the signature lies in the file. */
  at: number;
  signature: Uint8Array;
  /** DER. */
  certificate: Uint8Array;
  /** It names another algorithm than the one that every reader knows. */
  isOther: boolean;
  /** How many seals the file has; those before the last are covered by it. */
  count: number;
}

/** What was found of a seal. */
export interface SealState {
  state: "good" | "bad" | "unknown";
  /** SHA-256 of the certificate, hexadecimal: what a person compares. */
  certificate: string;
  count: number;
}

/** Boxes one behind the other; `null` when they are none. */
function boxes(body: Uint8Array): { name: string; body: Uint8Array }[] | null {
  const found: { name: string; body: Uint8Array }[] = [];
  for (let at = 0; at < body.length; ) {
    if (at + 8 > body.length) return null;
    const length = new DataView(body.buffer, body.byteOffset + at).getUint32(0);
    if (length < 8 || at + length > body.length) return null;
    found.push({ name: String.fromCharCode(...body.subarray(at + 4, at + 8)), body: body.subarray(at + 8, at + length) });
    at += length;
  }
  return found;
}

/** The last seal in `ipro`, a part of `meta`, whose bytes begin at `start` of the file; `null` when there is none that can be read. */
export function sealOf(ipro: Uint8Array, meta: Uint8Array, start: number): Seal | null {
  // A full box, and how many protections there are, which stays 1 however often a file is sealed.
  const sealed = (boxes(ipro.subarray(6)) ?? []).filter(({ name }) => name === "sinf");
  const scheme = boxes(sealed.at(-1)?.body ?? new Uint8Array(0))?.find(({ name }) => name === "schi");
  const parts = boxes(scheme?.body ?? new Uint8Array(0)) ?? [];
  const find = (wanted: string): Uint8Array | undefined => parts.find(({ name }) => name === wanted)?.body;
  const [signature, certificate] = [find("sibo"), find("cert")];
  if (signature === undefined || certificate === undefined) return null;
  const at = start + signature.byteOffset - meta.byteOffset;
  return { at, signature, certificate, isOther: find("sigC") !== undefined, count: sealed.length };
}

/** A value in DER (X.690 §8.1). */
interface Der {
  tag: number;
  body: Uint8Array;
}

function der(bytes: Uint8Array): Der[] {
  const values: Der[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag, first] = [bytes[at] ?? 0, bytes[at + 1] ?? 0x80];
    const more = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || more > 3) throw new Error("not DER");
    let length = first < 0x80 ? first : 0;
    for (let byte = 0; byte < more; byte += 1) length = length * 256 + (bytes[at + 2 + byte] ?? 0);
    const from = at + 2 + more;
    if (from + length > bytes.length) throw new Error("not DER");
    values.push({ tag, body: bytes.subarray(from, from + length) });
    at = from + length;
  }
  return values;
}

const number = (bytes: Uint8Array): bigint => (bytes.length === 0 ? 0n : BigInt(`0x${hex(bytes)}`));
const bits = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length);

/** Modulus and exponent of the RSA key in an X.509 certificate (RFC 5280 §4.1). */
function keyOf(certificate: Uint8Array): { modulus: bigint; exponent: bigint } {
  const body = der(der(certificate)[0]?.body ?? new Uint8Array(0))[0]?.body ?? new Uint8Array(0);
  const fields = der(body);
  // The version comes first when it is not 1; then number, algorithm, issuer, times, subject, key.
  const info = fields[fields[0]?.tag === 0xa0 ? 6 : 5];
  const [algorithm, key] = der(info?.body ?? new Uint8Array(0));
  const id = hex(der(algorithm?.body ?? new Uint8Array(0))[0]?.body ?? new Uint8Array(0));
  if (!RSA.includes(id) || key?.tag !== 3 || key.body[0] !== 0) throw new Error("no RSA key");
  const [modulus, exponent] = der(der(key.body.subarray(1))[0]?.body ?? new Uint8Array(0)).map((value) => number(value.body));
  if (modulus === undefined || exponent === undefined) throw new Error("no RSA key");
  const isUsable = bits(modulus) >= MODULUS_BITS.least && bits(modulus) <= MODULUS_BITS.most && exponent > 1n && bits(exponent) <= EXPONENT_BITS_MAX;
  if (!isUsable) throw new Error("an RSA key of no usable size");
  return { modulus, exponent };
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square] = [1n, base % modulus];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/** MGF1 (RFC 8017 appendix B.2.1). */
function mask(seed: Uint8Array, length: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let counter = 0; counter * HASH_BYTES < length; counter += 1) parts.push(sha256(seed, Uint8Array.of(counter >>> 24, counter >>> 16, counter >>> 8, counter)));
  return concat(parts).subarray(0, length);
}

/** EMSA-PSS-VERIFY (RFC 8017 §9.1.2) of an encoded message of `size` bits. */
function isEncoded(digest: Uint8Array, encoded: Uint8Array, size: number): boolean {
  const split = encoded.length - HASH_BYTES - 1;
  if (split < SALT_BYTES + 1 || encoded.at(-1) !== 0xbc) return false;
  const hash = encoded.subarray(split, -1);
  const spare = 8 * encoded.length - size;
  if (((encoded[0] ?? 0) >> (8 - spare)) !== 0) return false;
  const opened = mask(hash, split).map((byte, at) => byte ^ (encoded[at] ?? 0));
  opened[0] = (opened[0] ?? 0) & (0xff >> spare);
  const padding = split - SALT_BYTES - 1;
  if (opened.subarray(0, padding).some((byte) => byte !== 0) || opened[padding] !== 1) return false;
  return same(sha256(new Uint8Array(8), digest, opened.subarray(padding + 1)), hash);
}

/** Holds a seal against the hash of the file with zeros in the place of the signature. */
export function checkSeal(seal: Seal, digest: Uint8Array): SealState {
  const said = { certificate: hex(sha256(seal.certificate)), count: seal.count };
  if (seal.isOther) return { ...said, state: "unknown" };
  try {
    const { modulus, exponent } = keyOf(seal.certificate);
    const signature = number(seal.signature);
    const size = bits(modulus) - 1;
    const bytes = Math.ceil(size / 8);
    if (seal.signature.length !== Math.ceil(bits(modulus) / 8) || signature >= modulus) return { ...said, state: "bad" };
    const opened = power(signature, exponent, modulus).toString(16).padStart(2 * bytes, "0");
    const encoded = Uint8Array.from({ length: opened.length / 2 }, (_, at) => Number.parseInt(opened.slice(2 * at, 2 * at + 2), 16));
    return { ...said, state: encoded.length === bytes && isEncoded(digest, encoded, size) ? "good" : "bad" };
  } catch {
    return { ...said, state: "unknown" };
  }
}
