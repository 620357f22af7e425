import { describe, expect, it } from "vitest";
import { decode, encode, possibleAt } from "./passkey";

describe("passkeys", () => {
  it("writes bytes as base64url without padding", () => {
    // RFC 4648 section 10, and the two digits in which base64url differs (section 5).
    for (const [text, encoded] of [["", ""], ["f", "Zg"], ["fo", "Zm8"], ["foo", "Zm9v"], ["foob", "Zm9vYg"]] as const) {
      expect(encode(new TextEncoder().encode(text).buffer as ArrayBuffer)).toBe(encoded);
      expect(new TextDecoder().decode(decode(encoded))).toBe(text);
    }
    expect(encode(new Uint8Array([0xfb, 0xff]).buffer)).toBe("-_8");
    expect([...decode("-_8")]).toEqual([0xfb, 0xff]);
  });

  it("works under a name over TLS alone", () => {
    const at = (hostname: string, secure = true, supported = true) => possibleAt({ secure, hostname, supported });
    expect(at("box.lan")).toBe(true);
    for (const hostname of ["192.0.2.7", "[fd00::1]", "fd00::1"]) expect(at(hostname)).toBe(false);
    expect(at("box.lan", false)).toBe(false);
    expect(at("box.lan", true, false)).toBe(false);
  });
});
