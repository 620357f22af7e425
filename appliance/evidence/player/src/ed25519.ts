/** Signatures of Ed25519 (RFC 8032 §5.1). Browsers have had their own only since 2023 to 2025, so a library's arithmetic is used everywhere and gives one answer. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, same } from "./bytes";

const { Point } = ed25519;
/** Order of the base point (RFC 8032 §5.1). */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function number(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at -= 1) value = (value << 8n) | BigInt(bytes[at] ?? 0);
  return value;
}

/**
 * The equation without cofactor, [S]B = R + [k]A, compared as bytes: what `watchbook-verify` and `tests/evidence/verify.py` check. A point in another spelling than its
 * one, and an S that is not reduced, are refused.
 */
export function verifies(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64) return false;
  const r = signature.subarray(0, 32);
  const s = number(signature.subarray(32));
  if (s >= ORDER) return false;
  try {
    const a = Point.fromBytes(key, false);
    const k = number(sha512(concat([r, key, message]))) % ORDER;
    return same(Point.BASE.multiplyUnsafe(s).add(a.negate().multiplyUnsafe(k)).toBytes(), r);
  } catch {
    // Not a point of the curve.
    return false;
  }
}
