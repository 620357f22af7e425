/** The head's list of pages: groups that open by pointer and by key, one button on a phone, the page that is open is marked, and nobody is offered what their role may not open.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage, until } from "./lib/browser.mjs";
import { follow } from "./lib/navigation.mjs";
import { send, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
const PASSWORD = "seven quiet herons";
const GROUPS = ["Watch", "Evidence", "Station", "Oversight"];

describe("the list of pages", { concurrency: 1 }, () => {
  let world;
  let page;
  const nav = (of = page) => of.getByRole("navigation", { name: "Pages" });
  const group = (name) => nav().getByRole("button", { name, exact: true });
  const offered = (of = page) => nav(of).getByRole("link").allInnerTexts();
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  const on = (hash) => until(page, hash, (wanted) => location.hash === wanted, hash);

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    await page.goto(`${BASE_URL}#/health`);
    await page.getByRole("heading", { name: "Health", exact: true }).waitFor();
  });
  after(() => world?.browser.close());

  it("shows four groups in one row, and the pages of the one that is opened", async () => {
    assert.deepEqual((await nav().getByRole("button").allInnerTexts()).map((text) => text.trim()), GROUPS);
    assert.deepEqual(await offered(), [], "all of them are shut");
    const { height } = await page.locator("header").boundingBox();
    assert.ok(height < 64, `one row: ${height} pixels`);
    await group("Station").click();
    assert.deepEqual(await offered(), ["Cameras", "Plugins", "Health", "Settings", "People"]);
    assert.equal(await nav().locator("[aria-current=page]").innerText(), "Health");
    await assertAccessible(page, "an open group");
    await page.shot("navigation-group");
    await group("Evidence").click();
    assert.deepEqual(await offered(), ["Cases", "Requests", "Holds", "Exports", "Proposals", "Check evidence"], "one group at a time");
    await page.getByRole("heading", { name: "Health", exact: true }).click();
    assert.deepEqual(await offered(), [], "a click elsewhere shuts it");
  });

  it("leads to a page, marks it, and leaves the focus at its group", async () => {
    await follow(page, "Audit log");
    await on("#/audit");
    assert.deepEqual(await offered(), []);
    assert.equal(await focused(), "Oversight");
    assert.equal(await group("Oversight").getAttribute("data-lit"), "true");
    // Alt+← is the browser's Back, as are the others with such a key. This browser hands no key to its own shell, so the list is asked whether it let it pass.
    await page.evaluate(() => {
      globalThis.taken = [];
      addEventListener("keydown", (event) => event.key.startsWith("Arrow") && globalThis.taken.push(event.defaultPrevented));
    });
    await press("Alt+ArrowLeft", "Control+ArrowRight", "Shift+ArrowLeft");
    assert.deepEqual(await page.evaluate(() => globalThis.taken), [false, false, false]);
    assert.equal(await focused(), "Oversight");
    await page.goBack();
    await on("#/health");
    await until(page, "the group of the page before", () => document.querySelector('nav [data-lit="true"]').textContent.trim() === "Station");
  });

  it("is used by keys alone", async () => {
    await group("Watch").focus();
    await press("ArrowRight");
    assert.equal(await focused(), "Evidence");
    await press("End");
    assert.equal(await focused(), "Oversight");
    await press("ArrowRight");
    assert.equal(await focused(), "Watch", "round to the first");
    await press("ArrowDown");
    await until(page, "the first entry", () => document.activeElement.textContent === "Live");
    await press("ArrowUp");
    assert.equal(await focused(), "Counts");
    await press("Home", "ArrowDown");
    assert.equal(await focused(), "Timeline");
    await press("Escape");
    assert.equal(await focused(), "Watch", "the focus returns");
    assert.deepEqual(await offered(), []);
    await press("Enter");
    assert.equal((await offered()).length, 5);
    await press("ArrowRight");
    assert.deepEqual([await focused(), await offered()], ["Evidence", []]);
    await press("ArrowUp");
    await until(page, "the last entry", () => document.activeElement.textContent === "Check evidence");
    await press("Enter");
    await on("#/verify");
    await group("Station").focus();
    await press("Enter", "Tab", "Tab", "Tab", "Tab", "Tab");
    assert.equal(await focused(), "People");
    await press("Tab");
    assert.deepEqual([await focused(), await offered()], ["Oversight", []], "who leaves it shuts it");
  });

  it("is one button on a phone, in Khmer and in the dark, too", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", storageState: await page.context().storageState() });
    await phone.goto(`${BASE_URL}#/settings`);
    const button = phone.locator("header nav button");
    for (const [language, label] of [["en", "Pages: Settings"], ["km", "ទំព័រ: ការកំណត់"]]) {
      await phone.evaluate((wanted) => localStorage.setItem("watchbook.locale", wanted), language);
      await phone.reload();
      await phone.getByRole("button", { name: label, exact: true }).click();
      assert.equal(await phone.locator("#nav-menu a:visible").count(), 19);
      await assertAccessible(phone, `the menu, ${language}`);
      await phone.shot(`navigation-phone-${language}`);
      assert.ok((await phone.evaluate(() => document.documentElement.scrollWidth)) <= 390, "nothing leaves the screen sideways");
      await phone.keyboard.press("Escape");
      assert.equal(await phone.locator("#nav-menu a:visible").count(), 0);
      assert.equal(await button.evaluate((it) => it === document.activeElement), true, "the focus returns");
    }
    await phone.evaluate(() => localStorage.setItem("watchbook.locale", "en"));
    await phone.reload();
    await follow(phone, "Policy");
    await until(phone, "the page", () => location.hash === "#/policy");
    assert.equal(await button.getAttribute("aria-expanded"), "false");
    // The last entry of a low screen can be reached.
    await phone.setViewportSize({ width: 390, height: 420 });
    await button.click();
    await phone.locator("#nav-menu a").last().scrollIntoViewIfNeeded();
    const box = await phone.locator("#nav-menu a").last().boundingBox();
    assert.ok(box.y + box.height <= 421, `it ends at ${box.y + box.height}`);
    await phone.context().close();
  });

  it("offers what the role may open, without groups where that is little", async () => {
    await send(page, "POST", "/accounts", { name: "navigator", password: PASSWORD, roles: ["viewer"] });
    const viewer = await openPage(world);
    await send(viewer, "POST", "/session", { name: "navigator", password: PASSWORD });
    await viewer.goto(BASE_URL);
    await nav(viewer).getByRole("link").first().waitFor();
    assert.deepEqual(await offered(viewer), ["Live", "Check evidence", "Health"]);
    assert.equal(await nav(viewer).getByRole("button").count(), 0);
    await viewer.context().close();
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
