/** The page over TLS: a browser that knows the certificate signs in and plays live pictures, another one is warned; an admin compares, uploads and takes away what is served. On a recorder of its own.
 *
 * From the environment: WATCHBOOK_BIN, RTSP_URL_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { codeOf } from "./lib/case.mjs";
import { freePort, startRecorder } from "./lib/programs.mjs";

const { RTSP_URL_1 } = process.env;
const PASSWORD = "seven quiet herons";

/** The certificate that a server shows, and whether whoever trusts `ca` alone would take it. */
function shownBy(url, ca) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port, ca, rejectUnauthorized: false }, () => {
      resolve({ certificate: socket.getPeerX509Certificate(), authorized: socket.authorized, protocol: socket.getProtocol() });
      socket.end();
    });
    socket.once("error", reject);
  });
}

/** SHA-256 of a certificate's public key, as Chromium takes it. */
function pinOf(certificate) {
  return createHash("sha256").update(certificate.publicKey.export({ type: "spki", format: "der" })).digest("base64");
}

describe("the page over TLS", { concurrency: 1 }, () => {
  let recorder;
  let world;
  let page;
  let secure;
  let files;
  let cookie;
  let key;
  const field = (name, on = page) => on.getByLabel(name, { exact: true });
  const button = (name, on = page) => on.getByRole("button", { name, exact: true });
  const full = (name, on = page) => on.screenshot({ path: `${world.shots}/${name}.png`, fullPage: true });
  const panel = (on = page) => on.locator("[data-tls]");
  /** From this machine, in the open. */
  const send = async (method, path, data) => {
    const headers = { "X-Watchbook": "1", "Content-Type": "application/json", ...(cookie && { Cookie: cookie }) };
    const answer = await fetch(`${recorder.page}api/v1${path}`, { method, headers, body: JSON.stringify(data) });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    return answer.status === 204 ? null : answer.json();
  };

  before(async () => {
    recorder = await startRecorder("", await freePort());
    secure = recorder.page.replace("http://127.0.0.1", "https://localhost");
    await send("POST", "/claim", { code: recorder.code, name: "dara", password: PASSWORD, one_person_station: true });
    await send("POST", "/cameras", { name: "Gate", main: { url: RTSP_URL_1 }, purpose: "Traffic on the square", contact: "Room 3" });
    ({ key } = await send("POST", "/session/second-factor/set-up", { password: PASSWORD }));
    await send("POST", "/session/second-factor/confirm", { code: codeOf(key) });
    files = await mkdtemp(join(tmpdir(), "watchbook-tls-"));
    const make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout up.key -out up.pem -days 90 -subj /CN=up -addext subjectAltName=DNS:localhost";
    execFileSync("openssl", make.split(" "), { cwd: files, stdio: "ignore" });
    const { certificate } = await shownBy(secure);
    world = await openBrowser([`--ignore-certificate-errors-spki-list=${pinOf(certificate)}`]);
    page = await openPage(world);
  });
  after(async () => {
    await world?.browser.close();
    await recorder?.stop();
    await recorder?.clean();
    await rm(files, { recursive: true, force: true });
  });

  it("is vouched for by the authority that the recorder hands out, and by no other", async () => {
    const der = Buffer.from(await (await fetch(`${recorder.page}ca.crt`)).arrayBuffer());
    const pem = `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;
    const trusting = await shownBy(secure, pem);
    assert.deepEqual([trusting.authorized, trusting.protocol], [true, "TLSv1.3"]);
    assert.equal((await shownBy(secure)).authorized, false);
    const stranger = await openBrowser();
    await assert.rejects((await openPage(stranger)).goto(secure), /ERR_CERT_AUTHORITY_INVALID/);
    await stranger.browser.close();
  });

  it("signs in with a cookie that goes over TLS alone, and plays live pictures", async () => {
    const sockets = [];
    page.on("websocket", (socket) => sockets.push(socket.url()));
    await page.goto(secure);
    await field("Account name").fill("dara");
    await field("Password").fill(PASSWORD);
    await button("Sign in").click();
    await button("Sign out").waitFor();
    assert.equal(await page.evaluate(() => isSecureContext), true);
    await page.goto(`${secure}#/wall`);
    const [kept] = await page.context().cookies(secure);
    assert.deepEqual([kept.name, kept.secure, kept.httpOnly, kept.sameSite, kept.path], ["__Host-wb_session", true, true, "Strict", "/"]);
    await until(page, "twenty pictures", () => (document.querySelector(".tile video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0) >= 20, undefined, 2 * SOON_MS);
    assert.ok(sockets.length > 0 && sockets.every((url) => url.startsWith("wss://localhost:")), sockets.join(" "));
    await page.shot("tls-live");
  });

  it("shows what is served, in both languages and on a telephone", async () => {
    await page.goto(`${secure}#/settings`);
    const { certificate } = await shownBy(secure);
    await panel().getByText(certificate.fingerprint256, { exact: true }).waitFor();
    await panel().getByText("How to install it").click();
    await assertAccessible(page, "the page's certificate");
    await full("settings-tls");
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", storageState: await page.context().storageState() });
    await phone.addInitScript(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.goto(`${secure}#/settings`);
    await panel(phone).getByText(certificate.fingerprint256, { exact: true }).waitFor();
    await panel(phone).locator("summary").first().click();
    await assertAccessible(phone, "the page's certificate in Khmer on a telephone");
    assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    await panel(phone).screenshot({ path: `${world.shots}/settings-tls-km-phone.png` });
    await phone.context().close();
  });

  it("takes a certificate of somebody else and gives it up again", async () => {
    // By the machine itself, in the open: the browser does not know the other certificate.
    await page.goto(recorder.page);
    await field("Account name").fill("dara");
    await field("Password").fill(PASSWORD);
    await button("Sign in").click();
    await button("Sign out").waitFor();
    await page.goto(`${recorder.page}#/settings`);
    const upload = page.locator("[data-tls-upload]");
    await upload.getByText("Upload a certificate").click();
    await field("Certificate with its issuers (PEM)", upload).setInputFiles(join(files, "up.pem"));
    await field("Private key (PEM, without a passphrase)", upload).setInputFiles(join(files, "up.pem"));
    const factor = page.locator("dialog[data-second-factor]");
    await button("Serve it", upload).click();
    await field("Code of six digits", factor).fill(codeOf(key, 1));
    await button("Go on", factor).click();
    await upload.getByText("the file holds no private key", { exact: false }).waitFor();
    await field("Private key (PEM, without a passphrase)", upload).setInputFiles(join(files, "up.key"));
    await button("Serve it", upload).click();
    await page.locator("[data-tls=uploaded]").waitFor();
    assert.match((await shownBy(secure)).certificate.subject, /CN=up/);
    await full("settings-tls-uploaded");
    await button("Back to the own authority").click();
    await button("Back to the own authority", page.getByRole("dialog")).click();
    await page.locator("[data-tls=own_authority]").waitFor();
    assert.doesNotMatch((await shownBy(secure)).certificate.subject, /CN=up/);
  });

  it("nothing was complained about", () => {
    assert.deepEqual(world.complaints, []);
  });
});
