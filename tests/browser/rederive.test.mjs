/** An event on its way back from its footage: derived again on the page, with what came out in words and in the audit log; refused with what to install once its plugin is
 * gone, and derived again once that package is back. The station is the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, WATCHBOOK_BIN, WATCHBOOK_PLUGINS; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { ID, makePackages, toolPath } from "./lib/plugin.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL, WATCHBOOK_PLUGINS } = process.env;
const MOTION = "org.watchbook.motion";
/** Two minutes of footage are decoded on a machine that also encodes, records and draws. */
const DERIVED_MS = 6 * SOON_MS;

describe("events that are derived again on the page", { concurrency: 1 }, () => {
  let world;
  let page;
  let packages;
  let started_utc_ms;
  const outcome = (on = page) => on.locator("[data-outcome]");

  /** The newest event of this plugin on camera 1 that began after `since_utc_ms`, waited for. */
  const eventOf = async (plugin, since_utc_ms = 0) => {
    const end = Date.now() + 6 * SOON_MS;
    const range = `from_utc_ms=${end - 3_600_000}&to_utc_ms=${end + 3_600_000}`;
    for (;;) {
      const { events } = await ask(page, `/events?${range}&camera=1&limit=500`);
      const found = events.find((event) => event.source.plugin === plugin && event.start_utc_ms > since_utc_ms);
      if (found !== undefined) return found;
      assert.ok(Date.now() < end, `no event of ${plugin} among ${events.length}`);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  };

  /** Shows an event on the timeline and chooses it with the keyboard. */
  const choose = async (event, on = page) => {
    await on.goto(`${BASE_URL}#/wall`);
    await on.goto(`${BASE_URL}#/camera/1?at=${event.start_utc_ms}`);
    const row = on.locator(`li[data-event="${event.id}"] > button`);
    await row.waitFor({ timeout: 2 * SOON_MS });
    await row.focus();
    await on.keyboard.press("Enter");
    await on.locator("[data-rederive]").waitFor();
  };

  /** Sends a package as the page does, and approves it. */
  const install = async () => {
    await send(page, "POST", "/plugin-publishers", { name: "City lab", public_key: packages.publicKey, key_id: packages.keyId });
    await bring();
  };
  const bring = async () => {
    const headers = { "X-Watchbook": "1", "Content-Type": "application/octet-stream" };
    const answer = await page.request.fetch(`${BASE_URL}api/v1/plugins`, { method: "POST", data: await readFile(packages.first), headers });
    assert.ok(answer.ok(), await answer.text());
    const { waiting } = await answer.json();
    await send(page, "POST", `/plugins/${ID}/approve`, { package_sha256: waiting.package_sha256 });
  };

  before(async () => {
    packages = await makePackages(toolPath(), WATCHBOOK_PLUGINS);
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    // The files before leave it running for minutes; what it learnt then is not known any more.
    for (const enabled of [false, true]) await send(page, "PUT", `/cameras/1/plugins/${MOTION}`, { enabled, settings: {}, zones: [] });
    started_utc_ms = Date.now();
  });
  after(async () => {
    await world?.browser.close();
    await packages?.clean();
  });

  it("come out the same, or with each difference named, and say what to do next", async () => {
    await choose(await eventOf(MOTION, started_utc_ms));
    await page.getByText("Nobody sees a picture, and nothing is changed.").waitFor();
    await page.getByRole("button", { name: "Derive it again", exact: true }).focus();
    await page.keyboard.press("Enter");
    await outcome().waitFor({ timeout: DERIVED_MS });
    const came = await outcome().getAttribute("data-outcome");
    assert.ok(["same", "near"].includes(came), await outcome().textContent());
    await outcome().getByText(came === "same" ? "Nothing is left to do." : "Try it with more footage before the event.").waitFor();
    if (came === "near") assert.ok((await outcome().locator(".gap-list li").count()) > 0, "a difference is named");
    await outcome().getByText(/\d+ frames, \d+ of them known/).waitFor();
    await page.shot("51-rederived");
  });

  it("keep their result, on a phone, in Khmer, in the dark", async () => {
    const event = await eventOf(MOTION);
    const rows = page.locator("[data-rederive=done]");
    assert.equal(await rows.count(), 1);
    const chosen = await page.locator("li[data-event]", { has: rows }).getAttribute("data-event");
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, storageState: await page.context().storageState() });
    await phone.goto(BASE_URL);
    await phone.getByRole("button", { name: "ខ្មែរ" }).click();
    await phone.goto(`${BASE_URL}#/camera/1?at=${event.start_utc_ms}`);
    await phone.locator(`li[data-event="${chosen}"] > button`).click();
    await outcome(phone).waitFor();
    await outcome(phone).scrollIntoViewIfNeeded();
    await phone.shot("52-phone-rederived");
    const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${over} pixels wider than the phone`);
    await phone.context().close();
  });

  it("say which version with which digest to install when their plugin is gone, and work again with it", async () => {
    await install();
    const since_utc_ms = Date.now();
    await send(page, "PUT", `/cameras/1/plugins/${ID}`, { enabled: true, settings: {}, zones: [] });
    // Files before may have had other versions of it.
    const event = await eventOf(ID, since_utc_ms);
    await send(page, "DELETE", `/plugins/${ID}`);
    await choose(event);
    await page.getByRole("button", { name: "Derive it again", exact: true }).click();
    await page.locator('[data-outcome="refused"]').waitFor({ timeout: DERIVED_MS });
    await outcome().locator("strong").getByText(`Version 1.0.0 of ${ID} with the component ${event.source.component_sha256.slice(0, 16)}`).waitFor();
    await outcome().getByText("Ask an admin to install and approve that package again").waitFor();
    await page.shot("53-rederive-refused");
    await bring();
    await page.getByRole("button", { name: "Derive it once more", exact: true }).click();
    await page.locator('[data-outcome="same"], [data-outcome="near"]').waitFor({ timeout: DERIVED_MS });
    await send(page, "DELETE", `/plugins/${ID}`);
  });

  it("leave an entry for the request and one for what came out", async () => {
    await page.goto(`${BASE_URL}#/audit`);
    const row = (action, text) => page.getByRole("row").filter({ has: page.getByRole("cell", { name: action, exact: true }) }).filter({ hasText: text });
    await row("Derived an event again", "camera 1").first().waitFor();
    await row("An event was derived again", "could not be tried").first().waitFor();
    await page.shot("54-rederive-audit");
  });

  it("broke no rule on the way: no script error, no console error, no violated policy, no server fault", () => {
    assert.deepEqual(world.complaints, []);
  });
});
