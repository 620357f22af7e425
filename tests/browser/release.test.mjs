/** Evidence on its way out, with two people: one marks a stretch and asks, another one looks at what is in it and releases it with a code, the first one downloads it. The station
 * is the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { choose, codeOf, setUpFactor } from "./lib/case.mjs";
import { playThrough, probe } from "./lib/clip.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
const PASSWORD = "seven quiet herons";

describe("evidence", { concurrency: 1 }, () => {
  let world;
  let page;
  let other;
  let key;
  let footage;
  const button = (on, name) => on.getByRole("button", { name, exact: true });
  const newest = async () => (await ask(page, "/exports")).exports[0];
  const card = (on, id) => on.locator(`[data-export="${id}"]`);

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    await send(page, "POST", "/accounts", { name: "bopha", password: PASSWORD, roles: ["approver"] });
    other = await openPage(world);
    await other.goto(BASE_URL);
    await other.getByLabel("Account name").fill("bopha");
    await other.getByLabel("Password").fill(PASSWORD);
    await button(other, "Sign in").click();
    await button(other, "Sign out").waitFor();
    key = await setUpFactor(other.request);
    const end = Date.now() + 2 * SOON_MS;
    for (;;) {
      const range = `from_utc_ms=${Date.now() - 3_600_000}&to_utc_ms=${Date.now() + 60_000}&role=main_video`;
      const { spans } = await ask(page, `/cameras/1/recordings?${range}`);
      footage = spans.find((span) => span.end_utc_ms - span.start_utc_ms > 15_000);
      if (footage !== undefined) break;
      assert.ok(Date.now() < end, "camera 1 has no footage");
    }
  });
  after(() => world?.browser.close());

  it("is asked for on the timeline, in a case", async () => {
    await page.goto(`${BASE_URL}#/camera/1?at=${footage.start_utc_ms + 1_000}`);
    await page.reload();
    await choose(page, "2026-100");
    await until(page, "a recorded picture", () => {
      const video = document.querySelector(".review .stage video");
      return video !== null && video.readyState >= 2 && !video.seeking && document.querySelector(".stage .cover") === null;
    });
    const line = page.locator(".timeline");
    await line.focus();
    await page.keyboard.press("i");
    const begin = Number(await page.locator(".export-range").getAttribute("data-start"));
    await button(page, "+10 s 10 seconds forward").click();
    await until(page, "ten seconds on", (from) => Number(document.querySelector(".now-time").dataset.utcMs) >= from + 9_900, begin);
    await line.focus();
    await page.keyboard.press("o");
    const form = page.getByRole("form", { name: "Ask for evidence" });
    await form.locator("[data-estimate]").waitFor();
    assert.ok(await button(form, "Ask for evidence").isDisabled(), "nobody receives it yet");
    await form.getByLabel("Who receives it").selectOption("court");
    await form.getByLabel("Name of the receiver").fill("Municipal court, room 4");
    await page.shot("60-ask");
    await button(form, "Ask for evidence").click();
    await form.locator("[data-asked]").waitFor();
    await form.getByRole("link", { name: "See how far it is" }).click();
    await card(page, (await newest()).id).and(page.locator('[data-state="ready"]')).waitFor({ timeout: 3 * SOON_MS });
    await card(page, (await newest()).id).getByText("nobody releases what they asked for themselves").waitFor();
    assert.equal(await button(page, "Release").count(), 0);
    await page.shot("61-ready");
  });

  it("is refused with a reason, or released with a code, by somebody else", async () => {
    const { id, made } = await newest();
    await other.goto(`${BASE_URL}#/exports`);
    await card(other, id).locator("summary").first().click();
    await card(other, id).getByText(made.manifest_sha256).last().waitFor();
    await button(card(other, id), "Refuse").click();
    assert.ok(await button(card(other, id), "Refuse").isDisabled(), "a reason is needed");
    await button(card(other, id), "Cancel").click();
    await other.shot("62-look");
    await button(card(other, id), "Release").click();
    // The code that set the factor up was shown less than five minutes ago, on a quick machine.
    const dialog = other.locator("dialog[data-second-factor]");
    const released = card(other, id).and(other.locator('[data-state="released"]'));
    await dialog.or(released).first().waitFor();
    if (await dialog.isVisible()) {
      await dialog.getByLabel("Code of six digits", { exact: true }).fill(codeOf(key, 1));
      await button(dialog, "Go on").click();
    }
    await released.getByText("Released by bopha").waitFor();
    await other.shot("63-released");
  });

  it("is downloaded by whoever asked, with the player in it, and its master plays anywhere", async () => {
    const { id } = await newest();
    const dir = await mkdtemp(join(tmpdir(), "evidence-"));
    const [file] = await Promise.all([page.waitForEvent("download"), card(page, id).getByRole("link", { name: "Download" }).click()]);
    await file.saveAs(join(dir, "bundle.zip"));
    const names = execFileSync("python3", ["-m", "zipfile", "-l", join(dir, "bundle.zip")], { encoding: "utf8" });
    for (const name of ["manifest.json", "proofs.json", "checkpoint", "camera-1.mp4", "certificate-en.txt", "certificate-km.txt", "player.html"]) assert.ok(names.includes(name), names);
    execFileSync("python3", ["-m", "zipfile", "-e", join(dir, "bundle.zip"), dir]);
    const master = await probe(join(dir, "camera-1.mp4"));
    assert.deepEqual([master.codec, master.width, master.complaints], ["h264", 1280, ""]);
    assert.ok((await playThrough(page.context(), join(dir, "camera-1.mp4"))) > 10, "any browser plays it");
    await rm(dir, { recursive: true });
    await page.goto(`${BASE_URL}#/audit`);
    for (const act of ["Asked for evidence", "Released evidence", "Took evidence out"]) await page.getByRole("row", { name: new RegExp(act) }).first().waitFor();
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
