/** Passkeys with a device that Chromium plays (WebAuthn.addVirtualAuthenticator): added, shown to sign in and as the second factor, refused, removed. On a recorder of its own, which is reached by a name of its
 * certificate over TLS.
 *
 * From the environment: WATCHBOOK_BIN; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { request } from "node:https";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage } from "./lib/browser.mjs";
import { freePort, startRecorder } from "./lib/programs.mjs";

const PASSWORD = "seven quiet herons";
const PHONE = { width: 390, height: 844 };

/** The certificate that a server shows. */
function certificateOf(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, servername: "localhost", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate());
      socket.end();
    });
    socket.once("error", reject);
  });
}

describe("passkeys", { concurrency: 1 }, () => {
  let recorder;
  let world;
  let page;
  let cdp;
  let device;
  let port;
  let name;
  let home;
  let last;
  let senders = 0;
  const field = (label, on = page) => on.getByLabel(label, { exact: true });
  const button = (label, on = page) => on.getByRole("button", { name: label, exact: true });
  const panel = (on = page) => on.locator("[data-passkeys]");
  const full = (label, on = page) => on.screenshot({ path: `${world.shots}/${label}.png`, fullPage: true });
  const credentials = async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId: device })).credentials;
  /** From this machine, in the open. */
  const send = async (method, path, data, cookie = "") => {
    const headers = { "X-Watchbook": "1", "Content-Type": "application/json", Cookie: cookie };
    return fetch(`${recorder.page}api/v1${path}`, { method, headers, body: data && JSON.stringify(data) });
  };
  /** A passkey for a challenge of the recorder, as the browser shows it with this wish for verification; not sent. */
  const shown = (userVerification) =>
    page.evaluate(async (wish) => {
      const text = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
      const asked = await (await fetch("/api/v1/session/passkey/challenge")).json();
      const challenge = Uint8Array.from(atob(asked.challenge.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
      const given = await navigator.credentials.get({ publicKey: { challenge, rpId: asked.host, userVerification: wish } });
      const { clientDataJSON, authenticatorData, signature, userHandle } = given.response;
      return { credential: text(given.rawId), client_data: text(clientDataJSON), authenticator_data: text(authenticatorData), signature: text(signature), user: text(userHandle) };
    }, userVerification);
  /** Sends one to the recorder under a name, each from another address, so that none is held back for what others sent; the status and the sentence of the answer. */
  const sent = (passkey, host = name) =>
    new Promise((resolve, reject) => {
      const localAddress = `127.0.1.${++senders}`;
      const headers = { Host: `${host}:${port}`, "X-Watchbook": "1", "Content-Type": "application/json" };
      const asked = request({ host: "127.0.0.1", localAddress, port, path: "/api/v1/session/passkey", method: "POST", servername: host, headers, rejectUnauthorized: false }, async (answer) => {
        const body = (await answer.toArray()).map(String).join("");
        resolve([answer.statusCode, JSON.parse(body).detail]);
      });
      asked.once("error", reject);
      asked.end(JSON.stringify(passkey));
    });
  const signOut = async () => {
    await button("Sign out").click();
    await button("Sign in with a passkey").waitFor();
  };

  before(async () => {
    port = await freePort();
    recorder = await startRecorder("", port);
    const claimed = await send("POST", "/claim", { code: recorder.code, name: "dara", password: PASSWORD, one_person_station: true });
    assert.equal(claimed.status, 201);
    const certificate = await certificateOf(port);
    name = certificate.subjectAltName.split(", ").find((entry) => entry.startsWith("DNS:") && entry !== "DNS:localhost")?.slice(4) ?? "localhost";
    home = `https://${name}:${port}/`;
    const pin = createHash("sha256").update(certificate.publicKey.export({ type: "spki", format: "der" })).digest("base64");
    world = await openBrowser([`--ignore-certificate-errors-spki-list=${pin}`, `--host-resolver-rules=MAP ${name} 127.0.0.1`]);
    page = await openPage(world);
    page.on("request", (asked) => {
      if (asked.method() === "POST" && asked.url().endsWith("/session/passkey")) last = JSON.parse(asked.postData());
    });
    cdp = await page.context().newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
    device = (await cdp.send("WebAuthn.addVirtualAuthenticator", { options })).authenticatorId;
  });
  after(async () => {
    await world?.browser.close();
    await recorder?.stop();
    await recorder?.clean();
  });

  it("are not offered where they do not work, and the page says where they do", async () => {
    const plain = await openPage(world);
    await plain.goto(recorder.page);
    await plain.getByText("Passkeys do not work at this address. Open this page by the recorder's name", { exact: false }).waitFor();
    assert.equal(await button("Sign in with a passkey", plain).count(), 0);
    await full("passkey-not-here", plain);
    const answer = await send("GET", "/session/passkey/challenge");
    assert.equal(answer.status, 409);
    assert.match((await answer.json()).next_step, new RegExp(`https://${name}:${port}|Upload a certificate`));
    await plain.context().close();
  });

  it("are added with the password under a name", async () => {
    await page.goto(home);
    await assertAccessible(page, "signing in with a passkey");
    await field("Account name").fill("dara");
    await field("Password").fill(PASSWORD);
    await button("Sign in").click();
    await button("Sign out").waitFor();
    await page.goto(`${home}#/account`);
    await button("Add a passkey").click();
    await field("Name of the passkey").fill("My telephone");
    await field("Your password", panel()).fill("wrong wrong wrong");
    await button("Make the passkey").click();
    await panel().getByText("the password is not right", { exact: false }).waitFor();
    assert.equal((await credentials()).length, 0);
    await field("Your password", panel()).fill(PASSWORD);
    await button("Make the passkey").click();
    await panel().getByText("The passkey is added.", { exact: false }).waitFor();
    await panel().getByText("My telephone", { exact: true }).waitFor();
    await panel().getByText(`For ${name}.`, { exact: false }).waitFor();
    const [kept] = await credentials();
    assert.deepEqual([kept.rpId, kept.isResidentCredential], [name, true]);
    await assertAccessible(page, "the passkeys of an account");
    await full("passkey-account");
    // The device keeps one for each account.
    await button("Add a passkey").click();
    await field("Name of the passkey").fill("Again");
    await field("Your password", panel()).fill(PASSWORD);
    await button("Make the passkey").click();
    await panel().getByText("This device has a passkey of this account already.", { exact: false }).waitFor();
    await panel().getByText("Use it, or add one on another device.", { exact: true }).waitFor();
    await button("Cancel", panel()).click();
  });

  it("sign in without name and password, and are the second factor", async () => {
    await signOut();
    await full("passkey-sign-in");
    await button("Sign in with a passkey").click();
    await button("Sign out").waitFor();
    await page.goto(`${home}#/account`);
    await panel().getByText("last used", { exact: false }).waitFor();
  });

  it("answer a challenge once", async () => {
    assert.deepEqual((await sent(last))[0], 401);
    const fresh = await shown("required");
    assert.equal((await sent(fresh))[0], 201);
    assert.deepEqual(await sent(fresh), [401, "this passkey does not open an account here"]);
  });

  it("open nothing under another name, and nothing where the device did not verify its holder", async () => {
    if (name !== "localhost") assert.equal((await sent(await shown("required"), "localhost"))[0], 401);
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId: device, isUserVerified: false });
    assert.deepEqual(await sent(await shown("discouraged")), [401, "this passkey does not open an account here"]);
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId: device, isUserVerified: true });
    assert.equal((await sent(await shown("required")))[0], 201);
  });

  it("open nothing when their counter goes back, as that of a copy does", async () => {
    const [kept] = await credentials();
    await cdp.send("WebAuthn.removeCredential", { authenticatorId: device, credentialId: kept.credentialId });
    await cdp.send("WebAuthn.addCredential", { authenticatorId: device, credential: { ...kept, signCount: 0 } });
    const [status, detail] = await sent(await shown("required"));
    assert.equal(status, 401);
    assert.match(detail, /counter/);
    await cdp.send("WebAuthn.removeCredential", { authenticatorId: device, credentialId: kept.credentialId });
    await cdp.send("WebAuthn.addCredential", { authenticatorId: device, credential: { ...kept, signCount: kept.signCount + 100 } });
    assert.equal((await sent(await shown("required")))[0], 201);
  });

  it("are shown in Khmer on a telephone, too", async () => {
    const phone = await openPage(world, { viewport: PHONE, colorScheme: "dark", storageState: await page.context().storageState() });
    await phone.addInitScript(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.goto(`${home}#/account`);
    await panel(phone).getByText("My telephone", { exact: true }).waitFor();
    await assertAccessible(phone, "passkeys in Khmer on a telephone");
    assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    await panel(phone).screenshot({ path: `${world.shots}/passkey-km-phone.png` });
    await phone.context().close();
  });

  it("open nothing once they are removed", async () => {
    await page.reload();
    await button("Remove the passkey My telephone").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Nobody signs in with it any more.", { exact: false }).waitFor();
    await full("passkey-remove");
    await button("Remove", dialog).click();
    // Only where the session that signed in with it is not fresh any more.
    await panel().getByText("This account has no passkey yet.", { exact: true }).waitFor();
    assert.deepEqual(await sent(await shown("required")), [401, "this passkey does not open an account here"]);
    await signOut();
    await button("Sign in with a passkey").click();
    await page.getByText("this passkey does not open an account here", { exact: false }).waitFor();
  });

  it("stand in the audit log with their numbers", async () => {
    const signed = await send("POST", "/session", { name: "dara", password: PASSWORD });
    const cookie = signed.headers.get("set-cookie").split(";")[0];
    const { entries } = await (await send("GET", "/audit?limit=200", undefined, cookie)).json();
    const of = (action, outcome) => entries.filter((entry) => entry.action === action && entry.outcome === outcome && entry.subject.passkey !== undefined);
    const [added] = of("add_passkey", "allowed");
    assert.match(added.subject.passkey, /^[0-9a-f]{16}$/);
    assert.equal(of("remove_own_passkey", "allowed")[0].subject.passkey, added.subject.passkey);
    assert.ok(of("sign_in", "allowed").every((entry) => entry.subject.passkey === added.subject.passkey && entry.account === 1));
    const reasons = of("sign_in", "refused").map((entry) => entry.reason).join("\n");
    for (const why of [/was answered before/, /make sure that it is used by its holder/, /there may be a copy/, /nobody here has this passkey/]) assert.match(reasons, why);
  });

  it("nothing was complained about", () => {
    assert.deepEqual(world.complaints, []);
  });
});
