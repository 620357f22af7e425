/** A plugin of somebody else on its way through the page: a key, a package, approval, a camera, an upgrade, back again, and away. The station is the one that
 * `flow.test.mjs` has set up and signed out of, or a new one; the steps build on each other, in order.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, WATCHBOOK_BIN, WATCHBOOK_PLUGINS; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage } from "./lib/browser.mjs";
import { ID, makePackages, toolPath } from "./lib/plugin.mjs";
import { ask as askOf, signIn } from "./lib/station.mjs";

const { BASE_URL, WATCHBOOK_PLUGINS } = process.env;

describe("plugins on the page", { concurrency: 1 }, () => {
  let world;
  let page;
  let packages;
  const go = (hash) => page.goto(`${BASE_URL}${hash}`);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const card = (id = ID) => page.locator(`li[data-plugin="${id}"]`);
  const upload = (file) => page.getByLabel("Choose a .wbp file").setInputFiles(file);
  const confirm = (name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
  const ask = (path) => askOf(page, path);

  /** Approves the version that waits. */
  const approve = async (version) => {
    await card().locator(`[data-waiting="${version}"]`).getByRole("button", { name: "Approve" }).click();
    await confirm("Approve");
    await page.locator(`li[data-plugin="${ID}"][data-version="${version}"]`).waitFor({ timeout: 60_000 });
  };

  /** Waits for an event that this version gave on camera 1. */
  const says = async (version) => {
    const end = Date.now() + 120_000;
    // The same question each time is one entry of the audit log.
    const range = `from_utc_ms=${end - 3_600_000}&to_utc_ms=${end + 3_600_000}`;
    for (;;) {
      const { events } = await ask(`/events?${range}&camera=1&limit=500`);
      if (events.some((event) => event.source.plugin === ID && event.source.version === version)) return;
      assert.ok(Date.now() < end, `no event of ${version} among ${events.length}: ${JSON.stringify(await ask("/plugins"))}`);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  };

  before(async () => {
    packages = await makePackages(toolPath(), WATCHBOOK_PLUGINS);
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
  });
  after(async () => {
    await world?.browser.close();
    await packages?.clean();
  });

  it("are listed: what came with the recorder is part of it and asks for nothing new", async () => {
    await go("#/plugins");
    const own = card("org.watchbook.motion");
    await own.getByText("part of the recorder").waitFor();
    await own.getByText("What it asks for").click();
    await own.getByText("640 × 360, at most 5 a second").waitFor();
    await own.getByText("It can never reach the network").waitFor();
    assert.equal(await own.getByRole("button", { name: "Remove" }).count(), 0);
    await page.shot("31-plugins");
  });

  it("of a stranger are refused, with what to do", async () => {
    await upload(packages.first);
    const alert = page.getByRole("alert");
    await alert.getByText("not trusted here").waitFor();
    await alert.getByText("Trust its publisher below first").waitFor();
    await page.shot("32-plugin-not-trusted");
  });

  it("are taken once their publisher's key is trusted, which a wrong id is not", async () => {
    await button("Trust a publisher").click();
    const form = page.getByRole("form", { name: "Trust a publisher" });
    await form.getByLabel("Name of the publisher").fill("City lab");
    await form.getByLabel("Public key").fill(packages.publicKey);
    const id = form.getByLabel("The key's 16 digits");
    await id.fill("1234");
    await form.getByText("there are 4").waitFor();
    await id.fill("0000 0000 0000 0000");
    await form.getByRole("button", { name: "Trust" }).click();
    await form.getByRole("alert").getByText("Do not trust it yet").waitFor();
    await page.shot("33-publisher-refused");
    await id.fill(packages.keyId);
    await form.getByRole("button", { name: "Trust" }).click();
    await page.locator(`[data-publisher="${packages.keyId}"]`).waitFor();
    await upload(packages.first);
    await page.getByText("1.0.0 is here and waits for approval.").waitFor();
    const waiting = card().locator('[data-waiting="1.0.0"]');
    await waiting.getByText("See pictures of the cameras that it is bound to, 640 × 360").waitFor();
    await waiting.getByText("signed by City lab").waitFor();
    await page.shot("34-plugin-waits");
    await go("#/cameras/1");
    await page.locator('.plugin[data-plugin="org.watchbook.motion"]').waitFor();
    assert.equal(await page.locator(`.plugin[data-plugin="${ID}"]`).count(), 0, "what is not approved cannot be bound");
  });

  it("run after approval on the camera that they are bound to, and are seen at work", async () => {
    await go("#/plugins");
    await approve("1.0.0");
    await go("#/cameras/1");
    const plugin = page.locator(`.plugin[data-plugin="${ID}"]`);
    await plugin.getByRole("checkbox").first().check();
    await plugin.getByRole("button", { name: "Save plugin settings" }).click();
    await plugin.getByText("Saved.").waitFor();
    await says("1.0.0");
    await go("#/plugins");
    await card().locator("[data-cost]", { hasText: "of processor time" }).waitFor();
    await card().getByText("Log", { exact: true }).click();
    await card().locator(".log, .muted").first().waitFor();
    await page.shot("35-plugin-runs");
  });

  it("show what an upgrade changes, run it, and go back", async () => {
    await upload(packages.second);
    const waiting = card().locator('[data-waiting="1.1.0"]');
    await waiting.locator("[data-changes] li", { hasText: "Memory on each camera (MiB): 8 → 16" }).getByText("asks for more").waitFor();
    await waiting.locator("[data-changes] li", { hasText: "1.0.0 → 1.1.0" }).waitFor();
    await page.shot("36-plugin-upgrade");
    await approve("1.1.0");
    await says("1.1.0");
    await card().getByRole("button", { name: "Back to 1.0.0" }).click();
    await page.shot("37-plugin-roll-back");
    await confirm("Bring it back");
    await page.locator(`li[data-plugin="${ID}"][data-version="1.0.0"]`).waitFor({ timeout: 60_000 });
  });

  it("are taken unsigned in developer mode alone, which everybody sees", async () => {
    await upload(packages.unsigned);
    await page.getByRole("alert").getByText("not signed").waitFor();
    await button("Take unsigned plugins").click();
    const banner = page.locator("[data-dev-mode]");
    await banner.waitFor();
    await upload(packages.unsigned);
    await card().locator('[data-waiting="1.2.0"]').getByText("not signed").waitFor();
    await go("#/wall");
    await banner.waitFor();
    await page.shot("38-developer-mode");
    await banner.getByRole("link", { name: "End it" }).click();
    await button("End developer mode").click();
    await banner.waitFor({ state: "detached" });
    await card().locator('[data-waiting="1.2.0"]').getByRole("button", { name: "Reject" }).click();
    await card().locator('[data-waiting="1.2.0"]').waitFor({ state: "detached" });
  });

  it("that ask a neural network are taken once that is switched on, and say what their model can see", async () => {
    const asking = "org.watchbook.vehicle";
    await upload(packages.asking);
    await page.getByRole("alert").getByText("which is being tried out").waitFor();
    const panel = page.locator("[data-tried-out]");
    await panel.getByRole("button", { name: "Switch on" }).click();
    await panel.getByText("Switched on").waitFor();
    await upload(packages.asking);
    const waiting = card(asking).locator("[data-waiting]");
    await waiting.getByText(/it can see: .*vehicle/i).waitFor();
    await waiting.getByText("do not rely on it for real traffic").waitFor();
    await page.shot("38-model-waits");
    await waiting.getByRole("button", { name: "Approve" }).click();
    await confirm("Approve");
    await page.locator(`li[data-plugin="${asking}"][data-version="0.1.0"]`).waitFor({ timeout: 60_000 });
    await panel.getByRole("button", { name: "Switch off" }).click();
    await card(asking).getByText("which is being tried out").waitFor({ timeout: 60_000 });
    await page.shot("38-model-stopped");
    await card(asking).getByRole("button", { name: "Remove" }).click();
    await confirm("Remove");
    await card(asking).waitFor({ state: "detached" });
  });

  it("stop when their publisher is trusted no more, and leave when they are removed", async () => {
    const publisher = page.locator(`[data-publisher="${packages.keyId}"]`);
    await publisher.getByRole("button", { name: "Trust no more" }).click();
    await confirm("Trust no more");
    await page.locator(`li[data-plugin="${ID}"][data-state="failed"]`).waitFor({ timeout: 60_000 });
    await card().getByText("does not run").waitFor();
    await page.shot("39-plugin-stopped");
    await card().getByRole("button", { name: "Remove" }).click();
    await confirm("Remove");
    await card().waitFor({ state: "detached" });
    const camera = await ask("/cameras/1");
    assert.ok(!camera.plugins.some((bound) => bound.plugin === ID), "no camera remembers it");
  });

  it("leave an entry for each step", async () => {
    await go("#/audit");
    for (const name of ["Trusted a plugin publisher", "Uploaded a plugin", "Approved a plugin", "Rolled a plugin back", "Rejected a plugin", "Switched developer mode", "Switched interfaces that are being tried out", "Trusts a plugin publisher no more", "Removed a plugin"]) {
      await page.getByRole("cell", { name, exact: true }).first().waitFor();
    }
    await page.shot("40-plugin-audit");
  });

  it("count what they saw, in charts and as a table", async () => {
    await go("#/counts");
    const chart = page.locator('.chart[data-camera="1"][data-kind="motion"]');
    await chart.waitFor();
    assert.ok(Number(await chart.getAttribute("data-total")) >= 2);
    await chart.getByText("As a table").click();
    await chart.locator("tbody tr").first().waitFor();
    await page.shot("41-counts");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download CSV" }).click()]);
    assert.match(download.suggestedFilename(), /\.csv$/);
    await page.getByLabel("Search cameras and kinds").fill("no such thing");
    await page.getByText("No camera or kind matches.").waitFor();
  });

  it("fit a phone, in Khmer, in the dark", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, storageState: await page.context().storageState() });
    await phone.goto(BASE_URL);
    await phone.getByRole("button", { name: "ខ្មែរ" }).click();
    for (const [hash, ready, name] of [
      ["#/plugins", "li[data-plugin]", "plugins"],
      ["#/counts", ".chart", "counts"],
    ]) {
      await phone.goto(`${BASE_URL}${hash}`);
      await phone.locator(ready).first().waitFor();
      await phone.shot(`42-phone-${name}`);
      const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${hash} is ${over} pixels wider than the phone`);
    }
    await phone.context().close();
  });

  it("broke no rule on the way: no script error, no console error, no violated policy, no server fault", () => {
    assert.deepEqual(world.complaints, []);
  });
});
