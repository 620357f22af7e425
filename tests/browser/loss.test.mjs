/** Packets that are lost on their way from a camera, on the page: where the picture may be wrong is listed under the timeline, told when the timeline is there, on the picture while it plays, and with a
 * file. The station is the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, FOOTAGE; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { startBadCamera } from "./lib/programs.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL, FOOTAGE } = process.env;

describe("packets that are lost on their way", { concurrency: 1 }, () => {
  let world;
  let page;
  let server;
  let id;
  let wrong;
  const list = '[data-list="impaired"]';
  const shownMs = () => page.locator(".now-time").getAttribute("data-utc-ms").then(Number);

  before(async () => {
    server = await startBadCamera(FOOTAGE);
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    await send(page, "POST", "/cameras", { name: "Behind a radio link", main: { url: `${server.url}lost`, transport: "udp" }, purpose: "A test", contact: "Room 3" });
    id = (await ask(page, "/cameras")).cameras.find((camera) => camera.name === "Behind a radio link").id;
    const end = Date.now() + 2 * SOON_MS;
    for (;;) {
      const range = `from_utc_ms=${Date.now() - 600_000}&to_utc_ms=${Date.now() + 60_000}&role=main_video`;
      const { spans, impaired } = await ask(page, `/cameras/${id}/recordings?${range}`);
      wrong = impaired.find((each) => each.end_utc_ms - each.start_utc_ms > 300);
      if (wrong !== undefined && spans.at(-1).end_utc_ms > wrong.end_utc_ms + 4_000) break;
      assert.ok(Date.now() < end, `nothing is impaired: ${JSON.stringify(impaired)}`);
    }
  });
  after(async () => {
    await world?.browser.close();
    await server?.stop();
  });

  it("are told where the picture may be wrong", async () => {
    const inside = Math.round((wrong.start_utc_ms + wrong.end_utc_ms) / 2);
    await page.goto(`${BASE_URL}#/camera/${id}?at=${inside}`);
    await until(page, "the moment", (at) => Math.abs(Number(document.querySelector(".now-time")?.dataset.utcMs) - at) < 1_500, inside);
    await page.locator(`${list} summary`, { hasText: "where the picture may be wrong" }).click();
    await page.locator(`${list} .hint`, { hasText: "to the next key frame" }).waitFor();
    assert.ok((await page.locator(`${list} li`).count()) > 0);
    // Playing from a second before it, the note comes and goes with the stretch.
    await page.locator(`${list} li button`).last().click();
    const from = await shownMs();
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await page.locator(".picture-impaired", { hasText: "The picture may be wrong" }).waitFor();
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    assert.ok((await shownMs()) >= from);
    await page.getByRole("button", { name: "1 min", exact: true }).click();
    await page.shot("loss-timeline");
  });

  it("are told to who cannot see the timeline, in both languages", async () => {
    const slider = page.locator(".timeline");
    await until(page, "the words of the slider", () => document.querySelector(".timeline").getAttribute("aria-valuetext").includes("may be wrong"));
    await page.evaluate(() => localStorage.setItem("watchbook.locale", "km"));
    await page.goto(`${BASE_URL}#/camera/${id}?at=${wrong.start_utc_ms + 100}`);
    await page.reload();
    await page.locator(`${list} summary`, { hasText: "ផ្នែកដែលរូបភាពអាចមិនត្រឹមត្រូវ" }).waitFor();
    await until(page, "the words in Khmer", () => document.querySelector(".timeline").getAttribute("aria-valuetext").includes("រូបភាពអាចមិនត្រឹមត្រូវ"));
    assert.equal(await slider.getAttribute("role"), "slider");
    await page.evaluate(() => localStorage.setItem("watchbook.locale", "en"));
    await page.reload();
  });

  it("cost no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
