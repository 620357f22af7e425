/** A camera with an encrypted address, on the page: its certificate is shown, trusted by a person and then the only one; another one is refused until somebody trusts it, and
 * the audit log says who did. The station is the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, FOOTAGE; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { startCamera } from "./lib/programs.mjs";
import { ask, signIn } from "./lib/station.mjs";

const { BASE_URL, FOOTAGE } = process.env;
const LOGIN = { user: "guard", password: "night watch" };

describe("a camera with a certificate", { concurrency: 1 }, () => {
  let world;
  let page;
  let camera;
  let id;
  const folders = [];
  const field = (name) => page.getByLabel(name, { exact: true });
  const button = (name) => page.getByRole("button", { name, exact: true });

  /** A camera that makes itself a certificate, and its fingerprint as node computes it. */
  const start = async (port) => {
    const tls = await mkdtemp(join(tmpdir(), "watchbook-certificate-"));
    folders.push(tls);
    camera = await startCamera(FOOTAGE, { ...LOGIN, tls, port });
    return new X509Certificate(await readFile(join(tls, "camera.pem"))).fingerprint256;
  };
  const changes = async () => {
    const { entries } = await ask(page, "/audit?limit=50");
    return entries.filter((entry) => entry.action === "change_config").map((entry) => entry.subject.what);
  };

  let first;
  before(async () => {
    first = await start(0);
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
  });
  after(async () => {
    await world?.browser.close();
    await camera?.stop();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });

  it("is tested, looked at and trusted", async () => {
    await page.goto(`${BASE_URL}#/cameras/new`);
    await field("Name").fill("Counter");
    await field("What the camera is there for").fill("Traffic at the gate");
    await field("Who answers for it").fill("Room 3");
    await field("Main stream").fill(`${camera.url}main`);
    await field("User name at the camera").fill(LOGIN.user);
    await field("Password at the camera").fill(LOGIN.password);
    await button("Test").click();
    await page.locator(".test-report [data-certificate]", { hasText: first }).waitFor();
    await page.shot("trust-first");
    await button("Trust this certificate").click();
    assert.equal(await field("Trusted certificate (SHA-256)").inputValue(), first);
    await button("Test").click();
    await page.locator('.test-report[data-test-ok="true"]').waitFor();
    await button("Add camera").click();
    await page.getByRole("heading", { name: "Counter" }).waitFor();
    const { cameras } = await ask(page, "/cameras");
    id = cameras.find((one) => one.name === "Counter").id;
    await page.goto(`${BASE_URL}#/wall`);
    await page.locator(`.tile[data-camera="${id}"] [data-live="true"]`).waitFor();
    const [made] = await changes();
    assert.match(made, new RegExp(`^new camera: "Counter" at rtsps://.*; trusted certificate: ${first}$`));
  });

  it("is refused with another certificate, until a person trusts that", async () => {
    const { port } = camera;
    await camera.stop();
    const second = await start(port);
    assert.notEqual(second, first);
    const end = Date.now() + 3 * SOON_MS;
    for (;;) {
      const { state } = await ask(page, `/cameras/${id}`);
      if (state.main.reason === "camera_untrusted") break;
      assert.ok(Date.now() < end, JSON.stringify(state));
    }
    await page.goto(`${BASE_URL}#/cameras/${id}`);
    await page.getByText("another certificate than the one that is trusted").first().waitFor();
    await button("Test").click();
    await page.locator(".test-report [data-certificate]", { hasText: second }).waitFor();
    await page.shot("trust-other");
    await button("Trust this certificate").click();
    await button("Save changes").first().click();
    await page.getByText("Saved.").first().waitFor();
    assert.equal((await changes())[0], `trusted certificate: ${first} -> ${second}`);
    await page.goto(`${BASE_URL}#/wall`);
    await page.locator(`.tile[data-camera="${id}"] [data-live="true"]`).waitFor();
  });

  it("is trusted no more once its address is that of another machine", async () => {
    await page.goto(`${BASE_URL}#/cameras/${id}`);
    await field("Main stream").fill("rtsps://127.0.0.1:9/main");
    await button("Save changes").first().click();
    await page.getByText("Saved.").first().waitFor();
    assert.match((await changes())[0], /^main: rtsps:\/\/127\.0\.0\.1:\d+ by tcp -> rtsps:\/\/127\.0\.0\.1:9 by tcp; trusted certificate: .* -> none; password forgotten$/);
    assert.equal((await ask(page, `/cameras/${id}`)).certificate_sha256, null);
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
