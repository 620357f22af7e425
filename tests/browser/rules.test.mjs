/** A rule on its way through the page: wrong settings, a proposal about a motion event with its reason, a hold for a case, one put aside, the audit log. The station
 * is the one that the files before have set up and signed out of, or a new one; the steps build on each other, in order.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, WATCHBOOK_PLUGINS; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { send, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
const RULE = "org.watchbook.schedule";
const MOTION = "org.watchbook.motion";
const CASE = "2026/114";
const WHY_NOT = "the guard on his round";
/** The recorder compiles the rule's interpreter before it is asked for the first time. */
const COMPILED_MS = 3 * SOON_MS;

describe("rules on the page", { concurrency: 1 }, () => {
  let world;
  let page;
  /** Reasons of the proposal that is accepted and of the one that is put aside, as the page shows them. */
  const reasons = {};
  const go = (hash) => page.goto(`${BASE_URL}${hash}`);
  const rule = () => page.locator(`.plugin[data-plugin="${RULE}"]`);
  const open = () => page.locator('[data-proposal][data-kind="hold"][data-state="open"]');
  const dialog = (name) => page.getByRole("dialog").getByRole("button", { name, exact: true });
  const save = async () => {
    await rule().getByRole("button", { name: "Save plugin settings" }).click();
    await rule().getByText("Saved.").waitFor();
  };

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    await send(page, "PUT", `/cameras/1/plugins/${MOTION}`, { enabled: true, settings: {}, zones: [] });
  });
  after(() => world?.browser.close());

  it("say what is wrong with their settings where they are set, and on the list of plugins", async () => {
    await go("#/cameras/1");
    await rule().getByRole("checkbox").first().check();
    await rule().getByLabel("Open from").fill("8");
    assert.equal(await rule().getByRole("button", { name: "Add a box" }).count(), 0, "a rule has no zones");
    await save();
    const sentence = 'open_from is "8"; a time such as 08:30 is expected';
    await rule().getByText(sentence).waitFor({ timeout: COMPILED_MS });
    await rule().scrollIntoViewIfNeeded();
    await page.shot("43-rule-settings");
    await go("#/plugins");
    await page.locator(`li[data-plugin="${RULE}"]`).getByText(sentence).waitFor();
    await page.shot("44-rule-refuses");
  });

  it("propose a hold for what happens while the place is closed, and say why", async () => {
    await go("#/cameras/1");
    // It never opens.
    await rule().getByLabel("Open from").fill("09:00");
    await rule().getByLabel("Open until").fill("09:00");
    await rule().getByLabel("What to propose").selectOption("hold");
    await rule().getByLabel("Footage after the event").fill("2");
    await rule().getByLabel("Shortest time between two proposals").fill("0");
    await save();
    await go("#/proposals");
    await open().nth(1).waitFor({ timeout: COMPILED_MS });
    assert.match(await open().first().locator(".quote").innerText(), /^motion at \d{4}-\d\d-\d\d \d\d:\d\d \(.+\), outside the opening hours$/);
    await page.shot("45-proposals");
  });

  it("fit a phone, in the dark", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, storageState: await page.context().storageState() });
    await phone.goto(`${BASE_URL}#/proposals`);
    await phone.locator("[data-proposal]").first().waitFor();
    await phone.shot("46-phone-proposals");
    const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${over} pixels wider than the phone`);
    await phone.context().close();
  });

  it("get a hold for the case that a person names, and none for what is put aside with a reason", async () => {
    const [accepted, dismissed] = await Promise.all([0, 1].map((nth) => open().nth(nth).getAttribute("data-proposal")));
    const card = (id) => page.locator(`[data-proposal="${id}"]`);
    for (const [id, name] of [[accepted, "accepted"], [dismissed, "dismissed"]]) reasons[name] = await card(id).locator(".quote").innerText();
    await card(accepted).getByRole("button", { name: "Accept" }).click();
    assert.ok(await dialog("Accept").isDisabled(), "a hold needs a case");
    await page.getByRole("dialog").getByLabel("Case number").fill(CASE);
    await page.shot("47-proposal-accept");
    await dialog("Accept").click();
    await card(accepted).waitFor({ state: "detached" });
    await card(dismissed).getByRole("button", { name: "Put aside" }).click();
    assert.ok(await dialog("Put aside").isDisabled(), "putting footage aside needs a reason");
    await page.getByRole("dialog").getByLabel("Reason").fill(WHY_NOT);
    await dialog("Put aside").click();
    await card(dismissed).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Decided", exact: true }).click();
    await card(accepted).getByRole("link", { name: /hold/i }).waitFor();
    await card(dismissed).getByText(WHY_NOT).waitFor();
    await page.shot("48-proposals-decided");
    await go("#/holds");
    const held = page.locator('[data-hold][data-state="held"]', { hasText: CASE });
    // The footage after the event must have been recorded before it can be held.
    await held.getByText(reasons.accepted).waitFor({ timeout: COMPILED_MS });
    await page.shot("49-hold-of-a-proposal");
  });

  it("leave their reasons in the audit log, word for word", async () => {
    await go("#/audit");
    const row = (action, text) => page.getByRole("row").filter({ has: page.getByRole("cell", { name: action, exact: true }) }).filter({ hasText: text });
    for (const reason of Object.values(reasons)) await row("A rule proposed", `“${reason}”`).first().waitFor();
    await row("Decided a proposal", `“${WHY_NOT}”`).first().waitFor();
    await page.shot("50-proposals-audit");
    await send(page, "PUT", `/cameras/1/plugins/${RULE}`, { enabled: false, settings: {}, zones: [] });
  });

  it("broke no rule on the way: no script error, no console error, no violated policy, no server fault", () => {
    assert.deepEqual(world.complaints, []);
  });
});
