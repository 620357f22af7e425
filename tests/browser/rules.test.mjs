/** A rule in JavaScript on a camera, and what it says about wrong settings. The station
 * is the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, WATCHBOOK_PLUGINS; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { send, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
const RULE = "org.watchbook.schedule";
/** The recorder compiles the rule's interpreter before it is asked for the first time. */
const COMPILED_MS = 3 * SOON_MS;

describe("rules on the page", { concurrency: 1 }, () => {
  let world;
  let page;
  const go = (hash) => page.goto(`${BASE_URL}${hash}`);
  const rule = () => page.locator(`.plugin[data-plugin="${RULE}"]`);
  const save = async () => {
    await rule().getByRole("button", { name: "Save plugin settings" }).click();
    await rule().getByText("Saved.").waitFor();
  };

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
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
    await send(page, "PUT", `/cameras/1/plugins/${RULE}`, { enabled: false, settings: {}, zones: [] });
  });

  it("broke no rule on the way: no script error, no console error, no violated policy, no server fault", () => {
    assert.deepEqual(world.complaints, []);
  });
});
