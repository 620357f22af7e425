/** The public report in a browser that nobody has signed in with, in both languages and as it prints; the auditor's reviews. The station is the one that the files
 * before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
const PURPOSE = "Traffic at the bridge <b>";

describe("the public report", { concurrency: 1 }, () => {
  let world;
  let page;
  let stranger;

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    const { cameras } = await ask(page, "/cameras");
    await send(page, "PATCH", `/cameras/${cameras[0].id}`, { purpose: PURPOSE });
    // The recorder writes what has changed into the log within ten seconds, and counts that.
    const end = Date.now() + SOON_MS;
    for (;;) {
      const answer = await fetch(`${BASE_URL}api/v1/report`);
      const text = await answer.text();
      if (text.includes(PURPOSE)) break;
      assert.ok(Date.now() < end, `${answer.status} ${text}`);
    }
    stranger = await openPage(world);
  });
  after(async () => {
    await world?.browser.close();
  });

  it("is read without signing in, and names nobody", async () => {
    await stranger.goto(`${BASE_URL}report`);
    await stranger.getByRole("heading", { name: "What this station does with its cameras" }).waitFor();
    await stranger.getByRole("cell", { name: PURPOSE }).first().waitFor();
    await stranger.getByText("The station has not said whom to ask.").waitFor();
    await stranger.locator("pre").waitFor();
    const { account } = await ask(page, "/session");
    const text = await stranger.locator("main").innerText();
    assert.ok(!text.includes(account.name), text);
    await stranger.screenshot({ path: `${world.shots}/report.png`, fullPage: true });
  });

  it("shows the fingerprint of the bytes that it gives out", async () => {
    const { months } = await ask(stranger, "/reports");
    const [{ month }] = months;
    // The log may grow between the two.
    const end = Date.now() + SOON_MS;
    for (;;) {
      const bytes = Buffer.from(await (await fetch(`${BASE_URL}api/v1/report?month=${month}`)).arrayBuffer());
      const { months: now } = await ask(stranger, "/reports");
      if (createHash("sha256").update(bytes).digest("hex") === now[0].report_sha256) break;
      assert.ok(Date.now() < end, JSON.stringify(now));
    }
  });

  it("is there in Khmer, on a phone and on paper", async () => {
    await stranger.setViewportSize({ width: 390, height: 844 });
    await stranger.getByRole("button", { name: "ខ្មែរ" }).click();
    await stranger.getByRole("heading", { name: "ស្ថានីយនេះប្រើកាមេរ៉ារបស់ខ្លួនយ៉ាងដូចម្តេច" }).waitFor();
    await stranger.getByRole("cell", { name: PURPOSE }).first().waitFor();
    const wide = await stranger.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 1, `the page is ${wide} px wider than the screen`);
    await stranger.screenshot({ path: `${world.shots}/report-km.png`, fullPage: true });
    await stranger.emulateMedia({ media: "print" });
    assert.equal(await stranger.locator(".no-print:visible").count(), 0);
    await stranger.screenshot({ path: `${world.shots}/report-print.png`, fullPage: true });
  });

  it("shows the policy, and a looser one waits for a second person", async () => {
    await stranger.locator('[data-policy="kh-default"]').waitFor();
    await page.goto(`${BASE_URL}#/policy`);
    await page.locator('[data-policy-now="kh-default"]').waitFor();
    await page.getByLabel("Search policies").fill("kingdom");
    const uk = page.locator('[data-policy="uk"]');
    await uk.locator("summary").click();
    assert.match(await uk.locator('[data-rule="retention_days_max"]').innerText(), /30[^]*31[^]*looser/);
    await uk.getByRole("button", { name: "Propose" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Propose" }).click();
    const proposed = page.locator('[data-policy-proposed="uk"]');
    await proposed.getByText("nobody loosens the policy alone").waitFor();
    assert.equal(await proposed.getByRole("button", { name: "Accept" }).count(), 0, "not by whoever proposed it");
    await page.shot("policy");
    await proposed.getByRole("button", { name: "Put aside" }).click();
    await proposed.waitFor({ state: "detached" });
  });

  it("has a queue of reviews for the auditor, and a list of what stands out", async () => {
    await page.goto(`${BASE_URL}#/reviews`);
    // Where the files before have opened an emergency, it waits for an answer.
    const waiting = page.locator("[data-review]");
    await page.getByText("Nothing waits for an answer.").or(waiting).first().waitFor();
    for (const each of await waiting.all()) assert.ok(await each.getByRole("button", { name: "Answer" }).isDisabled(), "nothing is chosen yet");
    await page.getByRole("heading", { name: "What stands out" }).waitFor();
    await page.shot("reviews");
  });

  it("left no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
