import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type Bundle, ChosenFiles, Reader } from "./bundle";
import { WHOLE_BYTES_MAX } from "./hash";

/** Bytes that a reader must not take at once. */
const LARGE = randomBytes(WHOLE_BYTES_MAX + 1_234_567);

class Counted implements Bundle {
  largest = 0;
  constructor(readonly bytes: Buffer) {}
  names(): string[] {
    return ["a"];
  }
  size(name: string): number | null {
    return name === "a" ? this.bytes.length : null;
  }
  async read(_: string, at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.largest = Math.max(this.largest, length);
    return Uint8Array.from(this.bytes.subarray(at, at + length));
  }
}

const digest = (...parts: Uint8Array[]): string => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

describe("a reader", () => {
  it("hashes what is large in pieces, as node's own hash does", async () => {
    const bundle = new Counted(LARGE);
    let told = 0;
    const reader = new Reader(bundle, (bytes) => (told += bytes));
    expect(await reader.hash("a", Buffer.from("table"), [[0, LARGE.length]])).toBe(digest(Buffer.from("table"), LARGE));
    expect(told).toBe(LARGE.length);
    const zeros = { at: LARGE.length - 500, length: 384 };
    const zeroed = digest(LARGE.subarray(0, zeros.at), Buffer.alloc(384), LARGE.subarray(-116));
    expect(await reader.hashWithZeros("a", LARGE.length, zeros)).toEqual({ own: digest(LARGE), zeroed });
    expect(bundle.largest).toBeLessThan(8 << 20);
  });

  it("hashes what is small from its pieces, in their order", async () => {
    const bytes = randomBytes(9_000_000);
    const reader = new Reader(new Counted(bytes), () => undefined);
    const ranges: [number, number][] = [[8_000_000, 900_000], [5, 3], [4_194_300, 10], [0, 5_000_000]];
    const want = digest(Buffer.from("t"), ...ranges.map(([at, length]) => bytes.subarray(at, at + length)));
    expect(await reader.hash("a", Buffer.from("t"), ranges)).toBe(want);
    const zeros = { at: 10, length: 20 };
    expect((await reader.hashWithZeros("a", bytes.length, zeros)).zeroed).toBe(digest(bytes.subarray(0, 10), Buffer.alloc(20), bytes.subarray(30)));
    await expect(reader.whole("b", 1)).rejects.toThrow("not there");
    await expect(reader.whole("a", 1)).rejects.toThrow("at most 1");
  });
});

describe("files that were chosen", () => {
  it("have the folder taken off, and what lies deeper told as a folder", async () => {
    const file = new File(["abc"], "x");
    const files = new ChosenFiles([{ path: "bundle/a", file }, { path: "bundle/sub/b", file }, { path: "bundle/empty", file: null }, { path: "c", file }]);
    expect(files.names().sort()).toEqual(["a", "c", "empty", "sub"]);
    expect([files.size("a"), files.size("sub"), files.size("b")]).toEqual([3, null, null]);
    expect(Buffer.from(await files.read("a", 1, 2)).toString()).toBe("bc");
    await expect(files.read("a", 1, 3)).rejects.toThrow("missing");
    await expect(files.read("sub", 0, 1)).rejects.toThrow("not a file");
  });
});
