import { execFileSync } from "node:child_process";
import { constants, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256 } from "./hash";
import { checkSeal, type Seal, sealOf } from "./seal";

/** A key and a certificate that openssl makes. */
function openssl(kind: string[]): { key: string; certificate: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "watchbook-seal-"));
  try {
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.der")];
    execFileSync("openssl", ["req", "-x509", "-nodes", "-newkey", ...kind, "-keyout", key, "-out", certificate, "-outform", "DER", "-subj", "/CN=station 7", "-days", "30"], { stdio: "pipe" });
    return { key: readFileSync(key, "utf8"), certificate: readFileSync(certificate) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const FILE = Buffer.from("a file with zeros in the place of its signature");
const rsa = openssl(["rsa:3072"]);

function sealed(key: string, certificate: Buffer, saltLength: number, hash = "sha256"): Seal {
  const signature = sign(hash, FILE, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
  return { at: 0, signature, certificate, isOther: false, count: 1 };
}

describe("a seal", () => {
  it("that node's own cryptography makes is right, of this file alone", () => {
    for (let time = 0; time < 4; time += 1) expect(checkSeal(sealed(rsa.key, rsa.certificate, 20), sha256(FILE)).state).toBe("good");
    const seal = sealed(rsa.key, rsa.certificate, 20);
    expect(checkSeal(seal, sha256(FILE, FILE)).state).toBe("bad");
    for (const at of [0, 200, seal.signature.length - 1]) {
      const signature = Uint8Array.from(seal.signature);
      signature[at] = (signature[at] ?? 0) ^ 1;
      expect(checkSeal({ ...seal, signature }, sha256(FILE)).state, String(at)).toBe("bad");
    }
    expect(checkSeal({ ...seal, signature: seal.signature.subarray(1) }, sha256(FILE)).state).toBe("bad");
    const other = openssl(["rsa:2049"]);
    expect(checkSeal({ ...seal, certificate: other.certificate }, sha256(FILE)).state).toBe("bad");
    // A modulus whose size is no multiple of eight.
    expect(checkSeal(sealed(other.key, other.certificate, 20), sha256(FILE)).state).toBe("good");
  });

  it("is right with a salt of 20 bytes and SHA-256 alone", () => {
    for (const salt of [0, 19, 21, 32]) expect(checkSeal(sealed(rsa.key, rsa.certificate, salt), sha256(FILE)).state, String(salt)).toBe("bad");
    expect(checkSeal(sealed(rsa.key, rsa.certificate, 20, "sha512"), sha256(FILE)).state).toBe("bad");
  });

  it("of another kind is not judged", () => {
    const seal = sealed(rsa.key, rsa.certificate, 20);
    const elliptic = openssl(["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]).certificate;
    const weak = openssl(["rsa:1024"]).certificate;
    for (const certificate of [elliptic, weak, Buffer.from("no certificate"), Buffer.alloc(0), rsa.certificate.subarray(0, 300)]) {
      expect(checkSeal({ ...seal, certificate }, sha256(FILE)).state).toBe("unknown");
    }
    expect(checkSeal({ ...seal, isOther: true }, sha256(FILE)).state).toBe("unknown");
  });

  it("is found in its boxes, the last of some", () => {
    const box = (name: string, ...parts: Buffer[]): Buffer => {
      const whole = Buffer.concat([Buffer.from(`\0\0\0\0${name}`, "latin1"), ...parts]);
      whole.writeUInt32BE(whole.length);
      return whole;
    };
    const sinf = (signature: string, ...more: Buffer[]): Buffer => box("sinf", box("schm", Buffer.alloc(12)), box("schi", box("sibo", Buffer.from(signature)), box("cert", Buffer.from("DER")), ...more));
    const meta = Buffer.concat([Buffer.alloc(4), box("hdlr", Buffer.alloc(20)), box("ipro", Buffer.from([0, 0, 0, 0, 0, 1]), sinf("first"), sinf("second", box("sigC")))]);
    const from = meta.indexOf("ipro") + 4;
    const seal = sealOf(meta.subarray(from), meta, 1000);
    expect(seal).toMatchObject({ at: 1000 + meta.indexOf("second"), isOther: true, count: 2 });
    expect(Buffer.from(seal?.signature ?? []).toString()).toBe("second");
    for (let cut = from; cut < meta.length; cut += 1) expect(sealOf(meta.subarray(from, cut), meta, 0)?.count ?? 1).toBeLessThan(2);
  });
});
