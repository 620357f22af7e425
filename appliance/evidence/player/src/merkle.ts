/** The Merkle tree of RFC 6962 §2.1 and its proofs (RFC 9162 §2.1.3.2 and §2.1.4.2). */

import { same } from "./bytes";
import { sha256 } from "./hash";

export type Hash = Uint8Array;

/** How long a log is and what it hashes to. */
export interface Root {
  size: bigint;
  hash: Hash;
}

const ZERO = Uint8Array.of(0);
const ONE = Uint8Array.of(1);

export const leafHash = (leaf: Uint8Array): Hash => sha256(ZERO, leaf);
export const nodeHash = (left: Hash, right: Hash): Hash => sha256(ONE, left, right);
export const emptyRoot = (): Hash => sha256();

/** Root over these leaf hashes. */
export function rootOf(hashes: readonly Hash[], from = 0, to = hashes.length): Hash {
  const count = to - from;
  if (count === 0) return emptyRoot();
  if (count === 1) return hashes[from] as Hash;
  let left = 1;
  while (2 * left < count) left *= 2;
  return nodeHash(rootOf(hashes, from, from + left), rootOf(hashes, from + left, to));
}

/** True when `path` shows that the leaf with this hash is number `index` of the tree. */
export function isIncluded(leaf: Hash, index: bigint, root: Root, path: readonly Hash[]): boolean {
  if (index >= root.size) return false;
  let at = index;
  let last = root.size - 1n;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0n) return false;
    if ((at & 1n) === 1n || at === last) {
      hash = nodeHash(sibling, hash);
      while ((at & 1n) === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && same(hash, root.hash);
}

/** True when `proof` shows that the tree `next` begins with the leaves of the tree `old`. */
export function isConsistent(old: Root, next: Root, proof: readonly Hash[]): boolean {
  if (old.size === 0n) return proof.length === 0 && same(old.hash, emptyRoot()) && (next.size > 0n || same(next.hash, old.hash));
  if (old.size === next.size) return proof.length === 0 && same(old.hash, next.hash);
  if (old.size > next.size) return false;
  const isFull = (old.size & (old.size - 1n)) === 0n;
  const path = isFull ? [old.hash, ...proof] : [...proof];
  const first = path.shift();
  if (first === undefined) return false;
  let at = old.size - 1n;
  let last = next.size - 1n;
  while ((at & 1n) === 1n) {
    at >>= 1n;
    last >>= 1n;
  }
  let oldHash = first;
  let newHash = first;
  for (const sibling of path) {
    if (last === 0n) return false;
    if ((at & 1n) === 1n || at === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while ((at & 1n) === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && same(oldHash, old.hash) && same(newHash, next.hash);
}
