/** Passkeys as the browser makes and shows them: the recorder's words in, its own words out. */

import { ApiError, api, type NewPasskey, type PasskeyAssertion, type PasskeyChallenge, type PasskeySetUp } from "../api";
import { t } from "../i18n";

/** Base64url without padding. */
export function encode(bytes: ArrayBuffer): string {
  const text = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function decode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

/** Whether a browser makes passkeys for what stands in its address line: over TLS, and under a name, not an address in digits. */
export function possibleAt({ secure, hostname, supported }: { secure: boolean; hostname: string; supported: boolean }): boolean {
  return secure && supported && !/^[\d.]+$/.test(hostname) && !hostname.includes(":") && !hostname.startsWith("[");
}

export function passkeysWork(): boolean {
  return possibleAt({ secure: isSecureContext && location.protocol === "https:", hostname: location.hostname, supported: typeof PublicKeyCredential !== "undefined" });
}

/** What went wrong in the browser, in words with a next step. It does not say which of several things it was, so that pages learn nothing about the person. */
function failed(error: unknown): ApiError {
  const name = error instanceof Error ? error.name : "";
  const said = (what: string, next: string) => new ApiError(0, what, what, next);
  if (name === "InvalidStateError") return said(t("passkey.already"), t("passkey.already.next"));
  if (name === "SecurityError" || name === "NotSupportedError") return said(t("passkey.not_here"), t("passkey.not_here.next"));
  return said(t("passkey.stopped"), t("passkey.stopped.next"));
}

async function credential(ask: Promise<Credential | null>): Promise<PublicKeyCredential> {
  const given = await ask.catch((error: unknown) => {
    throw failed(error);
  });
  if (!(given instanceof PublicKeyCredential)) throw failed(null);
  return given;
}

/** Has the browser make a passkey. */
export async function make(setUp: PasskeySetUp, name: string): Promise<NewPasskey> {
  const made = await credential(
    navigator.credentials.create({
      publicKey: {
        rp: { id: setUp.host, name: "Watchbook" },
        user: { id: decode(setUp.user), name: setUp.account_name, displayName: setUp.account_name },
        challenge: decode(setUp.challenge),
        pubKeyCredParams: setUp.algorithms.map((alg) => ({ type: "public-key", alg })),
        timeout: setUp.expires_s * 1000,
        excludeCredentials: setUp.known.map((id) => ({ type: "public-key", id: decode(id) })),
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        attestation: "none",
      },
    }),
  );
  const response = made.response as AuthenticatorAttestationResponse;
  const key = response.getPublicKey();
  if (key === null) throw failed(null);
  return {
    name,
    client_data: encode(response.clientDataJSON),
    authenticator_data: encode(response.getAuthenticatorData()),
    public_key: encode(key),
    algorithm: response.getPublicKeyAlgorithm(),
  };
}

async function show(asked: PasskeyChallenge): Promise<PasskeyAssertion> {
  const shown = await credential(
    navigator.credentials.get({ publicKey: { challenge: decode(asked.challenge), rpId: asked.host, timeout: asked.expires_s * 1000, userVerification: "required" } }),
  );
  const response = shown.response as AuthenticatorAssertionResponse;
  return {
    credential: encode(shown.rawId),
    client_data: encode(response.clientDataJSON),
    authenticator_data: encode(response.authenticatorData),
    signature: encode(response.signature),
    user: response.userHandle === null ? null : encode(response.userHandle),
  };
}

/** Asks for a passkey, to sign in with it or to show it as the second factor. */
export async function showPasskey(): Promise<PasskeyAssertion> {
  return show(await api.passkeyChallenge());
}
