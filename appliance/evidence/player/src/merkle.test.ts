import { describe, expect, it } from "vitest";
import { hex, unhex } from "./bytes";
import { emptyRoot, isConsistent, isIncluded, leafHash, type Root, rootOf } from "./merkle";

/** Leaves, roots and proofs that the Certificate Transparency implementations test with (transparency-dev/merkle `testonly/constants.go`). */
const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const PATH_OF_5 = [
  "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
];
const FROM_6_TO_8 = [
  "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
];

const bytes = (text: string): Uint8Array => {
  const read = unhex(text, text.length / 2);
  if (read === null) throw new Error(text);
  return read;
};
const leaves = LEAVES.map((leaf) => leafHash(bytes(leaf)));
const root = (size: number): Root => ({ size: BigInt(size), hash: bytes(ROOTS[size] ?? "") });

describe("the Merkle tree", () => {
  it("has the roots of Certificate Transparency", () => {
    expect(ROOTS.map((_, size) => hex(rootOf(leaves.slice(0, size))))).toEqual(ROOTS);
    expect(hex(emptyRoot())).toBe(ROOTS[0]);
  });

  it("takes a leaf's path at its place alone", () => {
    const path = PATH_OF_5.map(bytes);
    const leaf = leaves[5] ?? new Uint8Array(0);
    expect(Array.from({ length: 9 }, (_, at) => isIncluded(leaf, BigInt(at), root(8), path))).toEqual([false, false, false, false, false, true, false, false, false]);
    expect(isIncluded(leaf, 5n, root(7), path)).toBe(false);
    // A path that is too short for a tree of that size, whatever it leads to.
    expect(isIncluded(leaf, 5n, { ...root(8), size: 16n }, path)).toBe(false);
    expect(isIncluded(leaves[4] ?? leaf, 5n, root(8), path)).toBe(false);
    expect(isIncluded(leaf, 5n, root(8), path.slice(1))).toBe(false);
    expect(isIncluded(leaf, 5n, root(8), [...path, leaf])).toBe(false);
  });

  it("takes a proof that one tree begins another", () => {
    const proof = FROM_6_TO_8.map(bytes);
    expect(isConsistent(root(6), root(8), proof)).toBe(true);
    expect(isConsistent(root(5), root(8), proof)).toBe(false);
    expect(isConsistent({ ...root(6), hash: leafHash(bytes("00")) }, root(8), proof)).toBe(false);
    expect(isConsistent(root(8), root(6), proof)).toBe(false);
    expect(isConsistent(root(8), root(8), [])).toBe(true);
    expect(isConsistent(root(0), root(8), [])).toBe(true);
    expect(isConsistent(root(6), root(8), [])).toBe(false);
  });
});
