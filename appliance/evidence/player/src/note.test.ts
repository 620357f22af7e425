import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { concat, hex, unhex, utf8 } from "./bytes";
import { verifies } from "./ed25519";
import { hexDigest, sha256 } from "./hash";
import { Checkpoint, Note, parseKey, parseKeyChange, parseKeys } from "./note";

/** Text, keys and signatures with which golang.org/x/mod tests `note.Open` (`sumdb/note/note_test.go`). */
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_KEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const ENOCH = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
/** A checkpoint of Go's module database (filippo.io/torchwood `cmd/litewitness/testdata/sumdb.txt`). */
const SUMDB =
  "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n" +
  "— sum.golang.org Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaKbbTM75QTtPydhKCExixSfwQ=\n";
const SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

const bytes = (text: string): Uint8Array => unhex(text, text.length / 2) ?? new Uint8Array(0);
const names = (signatures: string, keys: string[]): string[] => new Note(utf8(`${TEXT}\n${signatures}`)).signedBy(keys.map(parseKey)).map(({ key }) => key.name);

describe("SHA-256", () => {
  it("gives the published digests", async () => {
    // FIPS 180-2 appendix B.1 and B.3.
    expect(hex(sha256(utf8("ab"), utf8("c")))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const million = utf8("a".repeat(1_000_000));
    const want = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    expect([hex(sha256(million)), await hexDigest([million.subarray(0, 7), million.subarray(7)])]).toEqual([want, want]);
  });
});

describe("Ed25519", () => {
  it("verifies what RFC 8032 says", () => {
    // RFC 8032 §7.1, tests 1 to 3.
    const rows: [string, string, string][] = [
      ["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"],
      ["3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"],
      ["fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82", "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"],
    ];
    for (const [key, message, signature] of rows) {
      expect(verifies(bytes(key), bytes(message), bytes(signature))).toBe(true);
      expect(verifies(bytes(key), concat([bytes(message), bytes("00")]), bytes(signature))).toBe(false);
      for (const at of [0, 31, 32, 63]) {
        const changed = bytes(signature);
        changed[at] = (changed[at] ?? 0) ^ 1;
        expect(verifies(bytes(key), bytes(message), changed), String(at)).toBe(false);
      }
      expect(verifies(bytes(key), bytes(message), bytes(signature).subarray(1))).toBe(false);
    }
  });

  it("refuses a second form of a signature and of a point", () => {
    const key = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const good = bytes("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    // S plus the order of the group, which RFC 8032 §5.1.7 has refused.
    const order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    const twice = Uint8Array.from(good);
    let carry = 0;
    for (let at = 0; at < 32; at += 1) {
      carry += (good[32 + at] ?? 0) + (order[at] ?? 0);
      twice[32 + at] = carry & 0xff;
      carry >>= 8;
    }
    expect(verifies(key, new Uint8Array(0), twice)).toBe(false);
    // y = p + 1 is y = 1 in another spelling.
    const one = bytes(`ee${"ff".repeat(30)}7f`);
    expect(verifies(one, new Uint8Array(0), good)).toBe(false);
  });
});

describe("a key", () => {
  it("is read whole and unmangled", () => {
    expect(parseKey(PETER_KEY)).toMatchObject({ name: "PeterNeumann", id: "c74f20a3", kind: 1 });
    expect(parseKeys(`\n ${PETER_KEY}\r\n\n${ENOCH_KEY}\n`)).toHaveLength(2);
    for (let at = 0; at < PETER_KEY.length; at += 1) {
      const mangled = PETER_KEY.slice(0, at) + String.fromCharCode(PETER_KEY.charCodeAt(at) + 1) + PETER_KEY.slice(at + 1);
      expect(() => parseKey(mangled), mangled).toThrow();
      expect(() => parseKey(PETER_KEY.slice(0, at))).toThrow();
    }
    for (const bad of [PETER_KEY.replace("c74f", "C74F"), "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]) expect(() => parseKey(bad)).toThrow();
  });
});

describe("a note", () => {
  it("has known signatures checked and unknown ones ignored", () => {
    const both = [PETER_KEY, ENOCH_KEY];
    expect(names(PETER + ENOCH, [PETER_KEY])).toEqual(["PeterNeumann"]);
    expect(names(PETER + ENOCH, both)).toEqual(["PeterNeumann", "EnochRoot"]);
    expect(names(PETER + PETER, both)).toEqual(["PeterNeumann"]);
    expect(names(PETER, [ENOCH_KEY])).toEqual([]);
    expect(() => names(PETER.replace("x08go/Z", "x08go/Y"), both)).toThrow("not of this text");
    // The example of signed-note.
    const example = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    const keys = [parseKey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")];
    expect(new Note(utf8(example)).signedBy(keys)).toHaveLength(1);
    expect(() => new Note(utf8(example.replace("example message", "Example message"))).signedBy(keys)).toThrow();
  });

  it("is refused where Go refuses it", () => {
    const bad = [
      TEXT, `${TEXT}\n`, `${TEXT}\n${PETER.trimEnd()}`, `\u0001${TEXT}\n${PETER}`, `${TEXT}\n${PETER}\t\n`, `${TEXT}\n${PETER.replace("PeterNeumann", "Bad Name")}`,
      `${TEXT}\n${PETER}Unexpected line.\n`, `${TEXT}\n${PETER.repeat(101)}`, `${TEXT}\n— PeterNeumann x08gow==\n`, `${TEXT}\n${PETER.replaceAll("\n", "\r\n")}`,
    ];
    for (const note of bad) expect(() => new Note(utf8(note)), note).toThrow();
    expect(() => new Note(concat([Uint8Array.of(0xff), utf8(`${TEXT}\n${PETER}`)]))).toThrow();
    expect(new Note(utf8(`${TEXT}\n${PETER.repeat(100)}`)).signatures).toHaveLength(100);
  });
});

describe("a checkpoint", () => {
  it("of a public log verifies", () => {
    const signed = new Checkpoint(utf8(SUMDB));
    expect([signed.origin, signed.root.size]).toEqual(["go.sum database tree", 35_225_469n]);
    expect(signed.byLog([parseKey(SUMDB_KEY)])).toHaveLength(1);
    expect(signed.byWitness([parseKey(SUMDB_KEY)])).toHaveLength(0);
    expect(() => new Checkpoint(utf8(SUMDB.replace("35225469", "35225468"))).byLog([parseKey(SUMDB_KEY)])).toThrow();
  });

  it("is refused where transparency-dev/formats refuses it", () => {
    // Rows of `TestUnmarshalLogState` there.
    const hash = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    const read = (text: string): Checkpoint => new Checkpoint(utf8(`${text}\n${PETER}`));
    expect(read(`example.com/behind-the-sofa\n20852163\n${hash}\n`).root.size).toBe(20_852_163n);
    expect(read(`Log\n9944\n${hash}\nlots\nof\nlines\n`).rootText).toBe(hash);
    const bad = [
      `Log\n123\n${hash}\n\n\n\n`, "Head\n9944\n", `\n9944\n${hash}\n`, `Log\nbananas\n${hash}\n`, `Log\n-34\n${hash}\n`, `Log\n034\n${hash}\n`,
      `Log\n3438945738945739845734895735\n${hash}\n`, "Log\n123\nThisIsn'tBase64\n", "Log\n123\nYmFuYW5hcw==\n", `${"o".repeat(256)}\n123\n${hash}\n`,
    ];
    for (const text of bad) expect(() => read(text), text).toThrow();
  });

  it("is cosigned with a time, and its key changed by both keys", () => {
    // Node's own Ed25519 signs, from the seeds of which RFC 8032 §7.1 has two.
    const keyOf = (name: string, kind: number, seed: string) => {
      const secret = createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), bytes(seed)]), format: "der", type: "pkcs8" });
      const blob = Buffer.concat([Buffer.of(kind), createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32)]);
      const id = Buffer.from(sha256(utf8(`${name}\n`), blob).subarray(0, 4));
      const line = (text: string, before = Buffer.alloc(0)): string => `— ${name} ${Buffer.concat([id, before, sign(null, Buffer.from(text), secret)]).toString("base64")}\n`;
      return { text: `${name}+${id.toString("hex")}+${blob.toString("base64")}`, line };
    };
    const [one, other] = ["9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"];
    const witness = keyOf("witness.example/w1", 4, one ?? "");
    const text = SUMDB.slice(0, SUMDB.indexOf("\n\n") + 1);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(1_679_315_147n);
    const line = witness.line(`cosignature/v1\ntime 1679315147\n${text}`, time);
    const cosigned = new Checkpoint(utf8(SUMDB + line)).byWitness([parseKey(witness.text)]);
    expect(cosigned.map(({ atS }) => atS)).toEqual([1_679_315_147n]);
    time.writeBigUInt64BE(1_679_315_148n);
    const later = witness.line(`cosignature/v1\ntime 1679315147\n${text}`, time);
    expect(() => new Checkpoint(utf8(SUMDB + later)).byWitness([parseKey(witness.text)])).toThrow();

    const [old, next] = [keyOf("log", 1, one ?? ""), keyOf("log", 1, other ?? "")];
    const change = `watchbook log key v1\nstation\n${old.text}\n${next.text}\n`;
    const signed = `${change}\n${old.line(change)}${next.line(change)}`;
    expect(parseKeyChange(utf8(signed))).toMatchObject({ origin: "station", old: { line: old.text }, next: { line: next.text } });
    const bad = [`${change}\n${old.line(change)}`, `${change}\n${next.line(change)}`, signed.replace("station", "another"), signed.replace("key v1", "key v2")];
    for (const note of bad) expect(() => parseKeyChange(utf8(note)), note).toThrow();
  });
});
