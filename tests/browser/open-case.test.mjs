/** Cases on the page: a second factor set up, an emergency with its alarm, a case that a second person opens, changes and closes, and what the audit log says. The station is the
 * one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { choose, codeOf } from "./lib/case.mjs";
import { ask, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
const PASSWORD = "seven quiet herons";

describe("cases", { concurrency: 1 }, () => {
  let world;
  let page;
  let other;
  let key;
  let emergency;
  const go = (on, hash) => on.goto(`${BASE_URL}${hash}`);
  const button = (on, name) => on.getByRole("button", { name, exact: true });
  const picture = (on) =>
    until(on, "a recorded picture", () => {
      const video = document.querySelector(".review .stage video");
      return video !== null && video.readyState >= 2 && !video.seeking && document.querySelector(".stage .cover") === null;
    });
  /** Signs an account in on a page of its own. */
  const person = async (name) => {
    const on = await openPage(world);
    await on.goto(BASE_URL);
    await on.getByLabel("Account name").fill(name);
    await on.getByLabel("Password").fill(PASSWORD);
    await button(on, "Sign in").click();
    await button(on, "Sign out").waitFor();
    return on;
  };

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    const end = Date.now() + 2 * SOON_MS;
    for (;;) {
      const range = `from_utc_ms=${Date.now() - 3_600_000}&to_utc_ms=${Date.now() + 60_000}&role=main_video`;
      const { spans } = await ask(page, `/cameras/1/recordings?${range}`);
      if (spans.some((span) => span.end_utc_ms - span.start_utc_ms > 8_000)) break;
      assert.ok(Date.now() < end, "camera 1 has no footage");
    }
  });
  after(() => world?.browser.close());

  it("ask for a second factor, which is set up on the own page", async () => {
    await go(page, "#/camera/1");
    await button(page, "Emergency: play now").click();
    await page.getByRole("dialog").getByText("It raises an alarm that everybody here sees").waitFor();
    await page.shot("40-emergency");
    await button(page, "Open the emergency").click();
    await page.locator("dialog[data-second-factor]").getByText("your account has none yet").waitFor();
    await page.shot("41-no-factor");
    await button(page, "Go to my account").click();
    await button(page, "Set up the second factor").click();
    await page.getByLabel("Your password", { exact: true }).fill(PASSWORD);
    await button(page, "Show the key").click();
    key = await page.locator("[data-factor-key]").getAttribute("data-factor-key");
    await page.shot("42-factor-key");
    const wrong = codeOf(key) === "000000" ? "000001" : "000000";
    await page.getByLabel("Code of six digits", { exact: true }).fill(wrong);
    await button(page, "Put it in force").click();
    await page.getByText("this code is not right, or was used before").waitFor();
    await page.getByLabel("Code of six digits", { exact: true }).fill(codeOf(key));
    await button(page, "Put it in force").click();
    await page.getByText("The second factor is in force.").waitFor();
    await page.shot("43-factor");
  });

  it("are opened alone in an emergency, for half an hour and loudly", async () => {
    await go(page, "#/camera/1");
    await button(page, "Emergency: play now").click();
    await page.getByLabel("What for", { exact: true }).selectOption("fire_or_rescue");
    await button(page, "Open the emergency").click();
    await until(page, "the emergency is chosen", () => /^E\d/.test(document.querySelector(".case-chooser").dataset.chosen));
    emergency = await page.locator(".case-chooser").getAttribute("data-chosen");
    await picture(page);
    await page.shot("44-emergency-plays");
    const { expires_utc_ms } = (await ask(page, "/cases")).cases.find((each) => each.case === emergency);
    assert.ok(expires_utc_ms - Date.now() < 30 * 60_000);
    await go(page, "#/health");
    const alarm = page.locator('[data-alarm="emergency"]');
    await alarm.getByText(emergency).waitFor();
    await page.shot("45-emergency-alarm");
    await go(page, "#/cases");
    const card = page.locator(`[data-case="${emergency}"]`);
    await card.getByText("to be reviewed").waitFor();
    await button(card, "Close").click();
    await page.getByRole("dialog").getByRole("button", { name: "Close", exact: true }).click();
    await card.waitFor({ state: "detached" });
  });

  it("are opened by an approver with a code, for somebody else", async () => {
    other = await person("chenda");
    // Another factor in the place of the first one needs that first; an admin takes it away, as when a telephone is lost.
    await go(page, "#/people");
    const card = page.locator("li.card", { has: page.locator(".card-title", { hasText: "chenda" }) });
    await button(card, "Take the second factor away").click();
    await page.getByRole("dialog").getByRole("button", { name: "Take the second factor away" }).click();
    await card.getByText("second factor", { exact: true }).waitFor({ state: "detached" });
    await go(page, "#/health");
    await page.locator('[data-alarm="second_factor_removed"]').waitFor();
    await other.context().close();
    other = await person("chenda");
    await go(other, "#/account");
    await button(other, "Set up the second factor").click();
    await other.getByLabel("Your password", { exact: true }).fill(PASSWORD);
    await button(other, "Show the key").click();
    const own = await other.locator("[data-factor-key]").getAttribute("data-factor-key");
    await other.getByLabel("Code of six digits", { exact: true }).fill(codeOf(own));
    await button(other, "Put it in force").click();
    await other.getByText("The second factor is in force.").waitFor();
    // A session that has not shown the factor is asked for it in the act.
    await other.context().close();
    other = await person("chenda");
    await go(other, "#/cases/new");
    await other.getByLabel("Number of the case", { exact: true }).fill("PP 7/26");
    await other.getByLabel("What for", { exact: true }).selectOption("theft");
    assert.ok(await button(other, "Open the case").isDisabled());
    await other.locator(".choice-list").getByRole("checkbox").first().check();
    await other.getByRole("checkbox", { name: "dara", exact: true }).check();
    await other.shot("46-case-new");
    await button(other, "Open the case").click();
    const dialog = other.locator("dialog[data-second-factor]");
    // The code of the step that set it up has been used.
    await dialog.getByLabel("Code of six digits", { exact: true }).fill(codeOf(own, 1));
    await other.shot("47-second-factor");
    await button(dialog, "Go on").click();
    await other.locator('[data-case="PP 7/26"][data-state="open"]').getByText("Opened by chenda").waitFor();
    await other.shot("48-cases");
  });

  it("are chosen above the timeline and end when they are closed", async () => {
    await go(page, "#/camera/1");
    await choose(page, "PP 7/26");
    await picture(page);
    await page.shot("49-case-plays");
    await go(other, "#/cases");
    const card = other.locator('[data-case="PP 7/26"]');
    await button(card, "Change").click();
    await other.shot("50-case-change");
    await button(card, "Change").click();
    await button(card, "Close").click();
    await other.getByRole("dialog").getByRole("button", { name: "Close", exact: true }).click();
    await card.waitFor({ state: "detached" });
    await page.reload();
    await page.locator('.case-chooser[data-chosen="2026-100"]').waitFor();
    const refused = await page.evaluate(async () => {
      const range = `from_utc_ms=${Date.now() - 600_000}&to_utc_ms=${Date.now() - 590_000}`;
      const answer = await fetch(`/api/v1/cameras/1/playback.mp4?${range}&case=${encodeURIComponent("PP 7/26")}`);
      return { status: answer.status, detail: (await answer.json()).detail };
    });
    assert.deepEqual(refused, { status: 403, detail: "case PP 7/26 is closed" });
  });

  it("leave entries that say who opened, played and closed", async () => {
    await go(page, `#/audit?search=${encodeURIComponent("PP 7/26")}`);
    await page.getByRole("row", { name: /Opened a case.*Case PP 7\/26.*Theft/ }).first().waitFor();
    await page.getByRole("row", { name: /Played footage.*Case PP 7\/26/ }).first().waitFor();
    await page.getByRole("row", { name: /Closed a case.*Case PP 7\/26/ }).first().waitFor();
    await page.getByRole("row", { name: /Played footage.*is closed/ }).first().waitFor();
    await page.shot("51-case-log");
    await button(page, "ខ្មែរ").click();
    await go(page, "#/cases");
    await page.getByRole("heading", { name: "សំណុំរឿង" }).waitFor();
    await page.shot("52-cases-khmer");
    await go(page, "#/camera/1");
    await page.locator(".case-chooser").waitFor();
    await page.shot("53-timeline-khmer");
    await button(page, "English").click();
    assert.deepEqual(world.complaints, []);
  });

  it("are left signed out", async () => {
    await button(page, "Sign out").click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });
});
