/** SHA-256 (FIPS 180-4). The browser's own is many times faster and takes only what is whole in memory; a library's takes the rest in pieces. */

import { sha256 as library } from "@noble/hashes/sha2.js";
import { concat, hex } from "./bytes";

/** Bytes that are brought into memory to be hashed at once by the browser. */
export const WHOLE_BYTES_MAX = 32 << 20;
/** Below this the way to the browser's own hash costs more than it saves. */
const SMALL_BYTES = 4096;

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = library.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Lower-case hexadecimal of the hash of these parts, one behind the other; they are at most [`WHOLE_BYTES_MAX`] long together. */
export async function hexDigest(parts: readonly Uint8Array[]): Promise<string> {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  // Pages that are not from a secure place have no `subtle`, whatever its type says.
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (size < SMALL_BYTES || subtle === undefined) return hex(sha256(...parts));
  return hex(new Uint8Array(await subtle.digest("SHA-256", concat(parts))));
}

/** A hash that grows piece by piece. */
export class Growing {
  readonly #hash: ReturnType<typeof library.create>;

  constructor(hash = library.create()) {
    this.#hash = hash;
  }

  /** One that goes on from here by itself. */
  copy(): Growing {
    return new Growing(this.#hash.clone());
  }

  add(part: Uint8Array): void {
    this.#hash.update(part);
  }

  hex(): string {
    return hex(this.#hash.digest());
  }
}
