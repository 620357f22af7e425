import { describe, expect, it } from "vitest";
import { base64, isWellFormed, nanos, unbase64, unhex, utf8 } from "./bytes";
import { hashOfRun, parseManifest, parseProofs, parseRecord } from "./manifest";
import { leafHash } from "./merkle";

const HASH = "00".repeat(32);
const RUN = `{"clock":"free","file":"a.mp4","first_dts":-1,"first_utc_ns":"1000000000","length":90000,"ranges":[[36,4]],"samples":25,"sha256":"${"09".repeat(32)}","table":"Zm9v"}`;
const MANIFEST =
  `{"case":"1","delivered":{"end_ns":"2","start_ns":"1"},"files":[{"bytes":40,"kind":"master","name":"a.mp4","sha256":"${HASH}"}],"format":"watchbook-bundle/1","origin":"o",` +
  `"requested":{"end_ns":"2","start_ns":"1"},"software":"s","streams":[{"camera":"c","gaps":[3],"segments":[{"leaf":1,"runs":[{"withheld":"${HASH}"},${RUN}]}],"stream":256}]}`;
const PROOFS = `{"export":4,"format":"watchbook-proofs/1","leaves":[{"body":"{}","index":1,"path":[],"salt":"${"00".repeat(16)}","utc_ns":"1"}]}`;

function swapped(text: string, from: string, to: string): Uint8Array {
  expect(text).toContain(from);
  return utf8(text.replace(from, () => to));
}

describe("base64, hexadecimal and decimals", () => {
  it("have one spelling", () => {
    // RFC 4648 §10.
    for (const [plain, text] of [["", ""], ["f", "Zg=="], ["fo", "Zm8="], ["foo", "Zm9v"], ["foob", "Zm9vYg=="], ["foobar", "Zm9vYmFy"]] as const) {
      expect(base64(utf8(plain))).toBe(text);
      expect(unbase64(text)).toEqual(utf8(plain));
    }
    for (const bad of ["Zg", "Zg=", "Zh==", "Zg==\n", " Zg==", "Zm9v=", "_-8=", "Zg==Zg==", "====", "Zé=="]) expect(unbase64(bad), bad).toBeNull();
    expect(unbase64("Zh==", true)).toEqual(utf8("f"));
    for (const bad of ["0", "0F", "zz", "0x", "000"]) expect(unhex(bad, 1), bad).toBeNull();
    expect(nanos("-9223372036854775808")).toBe(-(2n ** 63n));
    for (const bad of ["", "00", "01", "+1", "-0", "1 ", "9223372036854775808", "٣", 1]) expect(nanos(bad), String(bad)).toBeNull();
  });

  it("tell half a surrogate pair from a whole one", () => {
    expect(["", "aខ😀", "\ud83d\ude00"].map(isWellFormed)).toEqual([true, true, true]);
    expect(["\ud800", "\udc00a", "a\ud83d", "\ude00\ud83d"].map(isWellFormed)).toEqual([false, false, false, false]);
  });
});

describe("the manifest", () => {
  it("is read in its one spelling", () => {
    const manifest = parseManifest(utf8(MANIFEST));
    expect(manifest.streams[0]?.segments[0]?.runs).toHaveLength(2);
    // RFC 8785 §3.2.2.2: these are the spellings of characters in strings.
    expect(parseManifest(swapped(MANIFEST, '"case":"1"', '"case":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"')).case).toBe("€$\u000f\nA'B\"\\\\\"/");
  });

  it("is not read in any other", () => {
    const rows: [string, string][] = [
      ['"case":"1"', '"case": "1"'], ['{"case":"1",', ""], ['{"case":"1",', '{"a":1,"case":"1",'], ['{"case":"1",', '{"case":"0","case":"1",'], ['"1"', '"\\u0031"'],
      ['"1"', '"\\ud800"'], ['"1"', '"\\u000A"'], ['"1"', '"\\/"'], ['"1"', "1"], ["bundle/1", "bundle/2"], ["90000", "90000.0"], ["90000", "9e4"], ["90000", "-90000"], ["90000", "4294967296"],
      [":-1,", ":-0,"], [":-1,", ":-9007199254740992,"], ["[36,4]", "[36,0]"], ["[36,4]", "[36,4,1]"], ["[36,4]", "[36]"], ["[[36,4]]", "[]"], ["1000000000", "01000000000"], ["Zm9v", "Zm9"],
      ['"a.mp4","sha', '".mp4","sha'], ['"a.mp4","sha', '"a/b","sha'], ['"a.mp4","sha', '"checkpoint","sha'], ['"a.mp4","sha', '"proofs.json","sha'], ['"free"', '"toString"'], ['"end_ns":"2"', '"end_ns":"0"'], ["master", "original"],
      ['{"withheld"', '{"__proto__":1,"withheld"'], ["]}]}", "]}]} "], ["]}]}", "]}]},"], ['"leaf":1', '"leaf":1e0'], ['"leaf":1', '"leaf":0.5'], ['"stream":256', '"stream":1e21'],
    ];
    for (const [from, to] of rows) expect(() => parseManifest(swapped(MANIFEST, from, to)), `${from} ${to}`).toThrow();
    expect(() => parseManifest(Uint8Array.of(0xef, 0xbb, 0xbf, ...utf8(MANIFEST)))).toThrow();
    expect(() => parseManifest(utf8("[".repeat(100_000)))).toThrow();
    expect(() => parseManifest(swapped(MANIFEST, '"gaps":[3]', `"gaps":[${"3,".repeat(65_536)}3]`))).toThrow("too many");
  });

  it("has runs that are hashed as FORMAT.md draws them", () => {
    const run = parseManifest(utf8(MANIFEST)).streams[0]?.segments[0]?.runs[1];
    if (run === undefined || "withheld" in run) throw new Error("the second run is handed out");
    const drawn = [1, 2, 2, 1, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, ...Array(8).fill(0xff), 0x90, 0x5f, 1, 0, 0, 0xca, 0x9a, 0x3b, 0, 0, 0, 0, 25, 0, 0, 0, ...Array(32).fill(9)];
    expect(drawn).toHaveLength(70);
    expect(hashOfRun(run, 0x0102, 7n)).toEqual(leafHash(Uint8Array.from(drawn)));
  });
});

describe("the proofs", () => {
  it("are read in their one spelling", () => {
    expect(parseProofs(utf8(PROOFS)).leaves).toHaveLength(1);
    for (const [from, to] of [["proofs/1", "proofs/9"], ['"salt":"0', '"salt":"A'], ['"path":[]', '"path":["Zm9v"]'], ['"body":"{}"', `"body":"${"x".repeat(16_385)}"`], ['"export":4', '"export":-4']] as const) {
      expect(() => parseProofs(swapped(PROOFS, from, to)), to).toThrow();
    }
  });
});

describe("the body of a leaf", () => {
  it("has one spelling", () => {
    const gap = '{"kind":"gap","end_ns":"9","reason":"camera \\"gone\\" \\u0001","start_ns":"7","stream":257}';
    expect(parseRecord(gap)).toEqual({ kind: "gap", end_ns: "9", reason: 'camera "gone" \u0001', start_ns: "7", stream: 257 });
    const segment = '{"kind":"segment","recording":18446744073709551615,"root":"","runs":4294967295,"stream":0}';
    expect(parseRecord(segment)).toMatchObject({ recording: 2n ** 64n - 1n, runs: 4_294_967_295 });
    const bad = [
      gap.replace(":", ": "), gap.replace("257", "257.0"), gap.replace("257", "0257"), gap.replace("257", "4294967296"), gap.replace('"stream":257', '"stream":257,"stream":257'),
      gap.replace('"stream":257', '"stream":257,"more":1'), gap.replace('"kind":"gap","end_ns":"9"', '"end_ns":"9","kind":"gap"'), gap.replace('gap"', 'g\\u0061p"'),
      gap.replace("\\u0001", "\\u000a"), gap.replace("\\u0001", "\\/"), gap.replace("\\u0001", "\u0001"), segment.replace("551615", "551616"), `${gap}\n`, "{}",
      '{"account":2,"action":"read_audit","outcome":"allowed"}',
    ];
    for (const body of bad) expect(parseRecord(body), body).toBeNull();
  });
});
