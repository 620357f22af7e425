/** The camera wall: sixteen cameras at once, how old a picture is when it is seen, layouts, places, pages, and what a lost camera's tile says. A recorder of its own.
 *
 * From the environment: WATCHBOOK_BIN, FOOTAGE, RTSP_SUB_1, RTSP_SUB_2; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertAccessible } from "./lib/accessible.mjs";
import { ages, quantile } from "./lib/barcode.mjs";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { startClockCamera, startRecorder } from "./lib/programs.mjs";

const { FOOTAGE, RTSP_SUB_1, RTSP_SUB_2 } = process.env;
/** A name that must appear as text and do nothing. */
const HOSTILE = `Gate <img src=x onerror="alert(1)"> & "both"`;
const CAMERAS = 16;
/** The goal of the page. */
const LATENCY_MS_MAX = 500;

describe("the camera wall", { concurrency: 1 }, () => {
  let recorder;
  let clock;
  let world;
  let page;
  const button = (name, on = page) => on.getByRole("button", { name, exact: true });
  const tile = (id) => page.locator(`.tile[data-camera="${id}"]`);
  const order = () => page.locator(".tile").evaluateAll((tiles) => tiles.map((each) => Number(each.dataset.camera)));
  /** Waits until the tiles stand so. */
  const stand = async (ids) => {
    const stands = until(page, `tiles ${ids}`, (wanted) => [...document.querySelectorAll(".tile")].map((each) => each.dataset.camera).join() === wanted, ids.join());
    await stands.catch(async (error) => assert.fail(`${error.message}; they stand ${await order()}`));
  };
  const live = (count) =>
    until(page, `${count} live tiles`, (wanted) => document.querySelectorAll('.tile [data-live="true"]').length === wanted, count, 2 * SOON_MS);
  const send = async (method, path, data) => {
    const answer = await page.request.fetch(`${recorder.page}api/v1${path}`, { method, data, headers: { "X-Watchbook": "1" } });
    assert.ok(answer.ok(), await answer.text());
    return answer.json();
  };
  const add = (name, main, sub) => send("POST", "/cameras", { name, main: { url: main }, sub: sub === null ? null : { url: sub }, purpose: "Traffic", contact: "Room 3" });

  before(async () => {
    recorder = await startRecorder();
    clock = await startClockCamera(FOOTAGE);
    world = await openBrowser();
    page = await openPage(world);
    await page.goto(recorder.page);
    await send("POST", "/claim", { code: recorder.code, name: "dara", password: "seven quiet herons", one_person_station: true });
    await add("Clock", `${clock.url}main`, `${clock.url}sub`);
    // What is recorded is small, so that the machine's two cores have time for sixteen pictures.
    for (let number = 2; number <= CAMERAS; number += 1) await add(`Street ${number}`, RTSP_SUB_2, RTSP_SUB_1);
    await page.goto(`${recorder.page}#/wall`);
    await page.reload();
  });
  after(async () => {
    await world?.browser.close();
    await clock?.stop("SIGKILL");
    await recorder?.stop();
    await recorder?.clean();
  });

  it("shows sixteen cameras live at once, each with its sub stream", async () => {
    await button("16: Sixteen cameras").click();
    await live(CAMERAS);
    assert.equal(await page.locator('.tile[data-stream="sub"]').count(), CAMERAS);
    // All of them go on: fifty pictures each are five seconds of a stream of ten a second.
    const before = await page.evaluate(() => performance.now());
    await until(page, "fifty pictures of each", () => [...document.querySelectorAll(".tile video")].every((video) => video.getVideoPlaybackQuality().totalVideoFrames >= 50), undefined, 2 * SOON_MS);
    const quality = await page.evaluate(() => [...document.querySelectorAll(".tile video")].map((video) => video.getVideoPlaybackQuality()).map(({ totalVideoFrames, droppedVideoFrames }) => [totalVideoFrames, droppedVideoFrames]));
    const dropped = quality.reduce((sum, [, lost]) => sum + lost, 0) / quality.reduce((sum, [all]) => sum + all, 0);
    console.log(`16 tiles: ${Math.round((await page.evaluate(() => performance.now())) - before)} ms until each had 50 pictures, ${(100 * dropped).toFixed(1)} % not drawn`);
    await live(CAMERAS);
    const wide = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]);
    assert.ok(wide[0] <= 1 && wide[1] <= 1, `all of the wall is on the screen: ${wide}`);
    await page.shot("wall-16");
  });

  it("shows a picture less than half a second after the camera gave it", async () => {
    const sub = await ages(page, ".tile[data-camera='1'] video", { count: 60, everyMs: 100 });
    await button("1 + 7: One large camera with its main stream, seven small ones").click();
    assert.deepEqual((await order())[0], 1);
    assert.equal(await tile(1).getAttribute("data-stream"), "main");
    await live(8);
    const main = await ages(page, ".tile[data-camera='1'] video", { count: 150, everyMs: 40 });
    const text = (values) => `middle ${Math.round(quantile(values, 0.5))} ms, 95 % below ${Math.round(quantile(values, 0.95))} ms`;
    console.log(`from camera to screen: sub stream among 16: ${text(sub)}; main stream among 8: ${text(main)}`);
    await page.shot("wall-focus");
    for (const values of [sub, main]) {
      assert.ok(quantile(values, 0) > 0, `a picture from the future: ${values}`);
      assert.ok(quantile(values, 0.5) < LATENCY_MS_MAX, text(values));
    }
  });

  it("makes another camera large and gives its tile the main stream", async () => {
    await button("Street 3: into the large tile").click();
    assert.equal((await order())[0], 3);
    assert.equal(await tile(3).getAttribute("data-stream"), "main");
    assert.equal(await tile(1).getAttribute("data-stream"), "sub");
    await live(8);
  });

  it("turns over when there are more cameras than tiles, and remembers the layout", async () => {
    await button("4: Four cameras").click();
    const seen = [];
    for (let turn = 1; turn <= 4; turn += 1) {
      await page.getByText(`Page ${turn} of 4`).waitFor();
      seen.push(...(await order()));
      if (turn < 4) await button("Next page").press("Enter");
    }
    assert.deepEqual(seen.toSorted((a, b) => a - b), Array.from({ length: CAMERAS }, (_, index) => index + 1));
    assert.ok(await button("Next page").isDisabled());
    await live(4);
    await page.reload();
    await page.getByText("Page 1 of 4").waitFor();
    assert.equal(await button("4: Four cameras").getAttribute("aria-pressed"), "true");
  });

  it("takes cameras to other places by arrow, by search and by dragging, and remembers them", async () => {
    await until(page, "four tiles", () => document.querySelectorAll(".tile").length === 4);
    const [a, b, c, d] = await order();
    await button("Arrange").click();
    const handle = page.getByRole("button", { name: /^Street 3: move from place 1/ });
    await handle.focus();
    await page.keyboard.press("ArrowRight");
    await stand([b, a, c, d]);
    await page.getByRole("button", { name: /^Street 3: move from place 2/ }).waitFor();
    await until(page, "the handle has the focus again", (begin) => document.activeElement?.getAttribute("aria-label")?.startsWith(begin), "Street 3: move from place 2");
    await page.keyboard.press("ArrowDown");
    await stand([b, d, c, a]);
    await assertAccessible(page, "arranging");
    await page.shot("wall-arrange");
    await tile(b).getByRole("button", { name: /choose another camera/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("searchbox").fill("street 16");
    await assertAccessible(page, "choosing a camera");
    await page.shot("wall-choose");
    await button("Street 16", dialog).click();
    await stand([16, d, c, a]);
    const from = await tile(16).locator(".tile-handle").boundingBox();
    const to = await tile(c).boundingBox();
    await page.mouse.move(from.x + 5, from.y + 5);
    await page.mouse.down();
    await page.mouse.move(to.x + to.width / 2, to.y + to.height / 2, { steps: 4 });
    await page.locator(".tile-target").waitFor();
    await page.mouse.up();
    await stand([c, d, 16, a]);
    await button("Done").click();
    await page.reload();
    await page.getByText("Page 1 of 4").waitFor();
    await stand([c, d, 16, a]);
  });

  it("says since when and why a camera is lost, and what to do, with its name as text", async () => {
    // Nobody listens on the discard port here.
    const { id } = await add(HOSTILE, "rtsp://127.0.0.1:9/main", null);
    await page.getByRole("searchbox").fill("gate");
    const lost = page.locator(`.tile[data-camera="${id}"][data-status="lost"]`);
    await lost.waitFor();
    assert.equal(await lost.locator(".tile-name").innerText(), HOSTILE);
    const { state } = await send("GET", `/cameras/${id}`);
    await lost.getByText(state.main.next_step).waitFor();
    assert.equal(await lost.locator("time").getAttribute("datetime"), new Date(state.main.since_utc_ms).toISOString());
    await lost.locator(".cover-title", { hasText: /\S/ }).waitFor();
    await page.shot("wall-lost");
    await page.getByRole("searchbox").fill("");
    await button("All: All cameras, as large as they fit").click();
    await live(CAMERAS);
    // Also where it is small: nothing of it is cut off.
    const cut = await lost.locator(".cover").evaluate((cover) => cover.scrollHeight - cover.clientHeight);
    assert.ok(cut <= 1, `${cut} px of what a small tile says are cut off`);
    await assertAccessible(page, "the wall with a lost camera");
    await page.shot("wall-lost-small");
  });

  it("fills the screen, and leaves it", async () => {
    await button("16: Sixteen cameras").click();
    await button("Full screen").click();
    await until(page, "full screen", () => document.fullscreenElement?.classList.contains("wall-frame"));
    await live(CAMERAS);
    await page.shot("wall-full");
    await button("Leave full screen").click();
    await until(page, "no full screen", () => document.fullscreenElement === null);
  });

  it("is there in Khmer, on a phone and in the dark", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: "dark", storageState: await page.context().storageState() });
    await page.close();
    await phone.goto(`${recorder.page}#/wall`);
    await button("ខ្មែរ", phone).click();
    await phone.getByRole("heading", { name: "ផ្សាយផ្ទាល់" }).waitFor();
    await button("៤: កាមេរ៉ាបួន", phone).click();
    await phone.locator('.tile [data-live="true"]').first().waitFor();
    await assertAccessible(phone, "on a phone");
    await phone.shot("wall-phone-km");
    await button("១៦: កាមេរ៉ាដប់ប្រាំមួយ", phone).click();
    await phone.locator('.tile [data-live="true"]').nth(3).waitFor();
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 1, `the page is ${wide} px wider than the screen`);
    await phone.shot("wall-phone-16-km");
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
