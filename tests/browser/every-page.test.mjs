/** Every page there is, empty and with something in it, in both languages, at a desk and on a phone, by day and by night: nothing is left loading, nothing is cut off, axe-core finds
 * nothing, every empty list and every refusal says what comes next, and no sentence of the other language is left. A recorder of its own.
 *
 * From the environment: WATCHBOOK_BIN, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage, until } from "./lib/browser.mjs";
import { startRecorder } from "./lib/programs.mjs";

const { RTSP_URL_1, RTSP_SUB_1 } = process.env;
const PASSWORD = "seven quiet herons";
/** Must appear as text and do nothing; in no language. */
const HOSTILE = `<img src=x onerror="alert(1)"> & "1"`;
/** Pages that the navigation does not name. `1` is the camera. */
const OTHERS = ["#/account", "#/cameras/new", "#/first-run", "#/cases/new", "#/holds/new", "#/requests/new", "#/nowhere"];
const OF_CAMERA = ["#/live/1", "#/camera/1", "#/cameras/1", "#/cameras/1/sign", "#/scene?cameras=1"];
const VIEWS = [
  { name: "desk", viewport: { width: 1440, height: 900 }, colorScheme: "light" },
  { name: "phone", viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true },
];
/** Text of a line that is the same in both languages: names, codes, units, what the recorder says in English and is marked so. */
const SAME_IN_BOTH = /^(English|Watchbook|org\.watchbook|watchbook|rtsps?:|https?:|\/|[0-9A-F:]+$|SHA-256)/i;
/** Two words of the Latin alphabet make a sentence that should have been translated. */
const SENTENCE = /\b[a-z]{3,}\b.*\b[a-z]{3,}\b/;

describe("every page", { concurrency: 1 }, () => {
  let recorder;
  let world;
  let first;
  const send = async (path, data) => {
    const answer = await first.request.post(`${recorder.page}api/v1${path}`, { data, headers: { "X-Watchbook": "1" } });
    assert.ok(answer.ok(), await answer.text());
  };

  before(async () => {
    recorder = await startRecorder();
    world = await openBrowser();
    first = await openPage(world);
    await first.goto(recorder.page);
    await send("/claim", { code: recorder.code, name: "dara", password: PASSWORD, one_person_station: true });
  });
  after(async () => {
    await world?.browser.close();
    await recorder?.stop();
    await recorder?.clean();
  });

  /** Signed in, in this language; the addresses in the navigation. */
  async function enter(view, language) {
    const page = await openPage(world, { ...view, storageState: await first.context().storageState() });
    await page.addInitScript((wanted) => localStorage.setItem("watchbook.locale", wanted), language);
    await page.goto(recorder.page);
    await page.locator("nav a").first().waitFor({ state: "attached" });
    return { page, addresses: await page.locator("header nav a").evaluateAll((links) => links.map((link) => link.getAttribute("href"))) };
  }

  /** Every line of text that a reader sees and that is not marked as English, without what is a name or typed. */
  const lines = (page) =>
    page.evaluate(() => {
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const found = new Set();
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        const parent = node.parentElement;
        const text = node.textContent.trim();
        if (text !== "" && parent.closest("[lang=en], code, pre, script, style, .path, option") === null && parent.checkVisibility()) found.add(text);
      }
      return [...found];
    });

  /** Opens an address and adds whatever is wrong with it to `faults`. */
  async function look(page, address, what, faults) {
    await page.goto(`${recorder.page}${address}`);
    await page.locator("main h1, main .empty").first().waitFor();
    await until(page, `${what} has loaded`, () => document.querySelector("main .loading") === null);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 1) faults.push(`${what}: ${wide} px wider than the screen`);
    await assertAccessible(page, what).catch((error) => faults.push(error.message));
    const mute = await page.locator(".empty").evaluateAll((all) => all.filter((one) => one.children.length < 2).map((one) => one.textContent));
    faults.push(...mute.map((text) => `${what}: an empty list that says no next step: ${text}`));
    const helpless = await page.locator('[role="alert"]').evaluateAll((all) => all.filter((one) => one.querySelector(".note-next, button, a") === null).map((one) => one.textContent));
    faults.push(...helpless.map((text) => `${what}: an error that says no next step: ${text}`));
    await page.shot(`every-${what.replaceAll(/[^a-z0-9]+/gi, "-")}`);
    return lines(page);
  }

  async function lookAtAll(view, when, more) {
    const english = new Map();
    const faults = [];
    for (const language of ["en", "km"]) {
      const { page, addresses } = await enter(view, language);
      assert.ok(addresses.length >= 16, `${addresses}`);
      for (const address of [...addresses, ...more]) {
        const seen = await look(page, address, `${when} ${view.name} ${language} ${address}`, faults);
        if (language === "en") {
          english.set(address, new Set(seen));
          continue;
        }
        const left = seen.filter((line) => english.get(address).has(line) && SENTENCE.test(line) && !SAME_IN_BOTH.test(line) && !line.includes("onerror"));
        faults.push(...left.map((line) => `${when} ${view.name} ${address}: not in Khmer: ${line}`));
      }
      await page.context().close();
    }
    assert.deepEqual(faults, []);
  }

  for (const view of VIEWS) it(`is there on a new station, ${view.name}`, () => lookAtAll(view, "new", OTHERS));

  for (const view of VIEWS) {
    it(`is there with a camera, ${view.name}`, async () => {
      const { cameras } = await (await first.request.get(`${recorder.page}api/v1/cameras`)).json();
      if (cameras.length === 0) {
        await send("/cameras", { name: HOSTILE, main: { url: RTSP_URL_1 }, sub: { url: RTSP_SUB_1 }, purpose: HOSTILE, contact: HOSTILE });
        await until(first, "the camera is live", async () => (await (await fetch("/api/v1/cameras")).json()).cameras[0]?.state.main.status === "live");
      }
      await lookAtAll(view, "camera", [...OTHERS, ...OF_CAMERA]);
    });
  }

  it("costs no complaint of the browser", () => assert.deepEqual(world.complaints, []));
});
