/** Cameras that send JPEG over HTTP, on the page: tested, live on the wall and alone, scrubbed and played on the timeline, downloaded with a word about the player. The
 * station is the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { changed, grab, openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { startHttpCamera } from "./lib/programs.mjs";
import { ask, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;

describe("cameras that send JPEG", { concurrency: 1 }, () => {
  let world;
  let page;
  let server;
  let id;
  const field = (name) => page.getByLabel(name, { exact: true });
  const button = (name) => page.getByRole("button", { name, exact: true });
  const canvas = ".review .stage .picture:not(.hidden) canvas.jpeg";

  before(async () => {
    server = await startHttpCamera();
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
  });
  after(async () => {
    await world?.browser.close();
    await server?.stop();
  });

  it("say in a test whether their pictures move", async () => {
    await page.goto(`${BASE_URL}#/cameras/new`);
    await field("Name").fill("Courtyard");
    await field("What the camera is there for").fill("Traffic at the gate");
    await field("Who answers for it").fill("Room 3");
    await field("Main stream").fill(`${server.url}snapshot`);
    await field("One picture every (s)").fill("0.5");
    await button("Test").click();
    await page.locator(".test-report", { hasText: "one picture every 0.5 s" }).waitFor();
    await field("Main stream").fill(`${server.url}stream`);
    await button("Test").click();
    await page.locator(".test-report", { hasText: "moving pictures" }).waitFor();
    await page.shot("jpeg-test");
    await button("Add camera").click();
    await page.getByRole("heading", { name: "Courtyard" }).waitFor();
    const { cameras } = await ask(page, "/cameras");
    id = cameras.find((camera) => camera.name === "Courtyard").id;
  });

  it("move on the wall and alone", async () => {
    await page.goto(`${BASE_URL}#/wall`);
    const tile = `.tile[data-camera="${id}"]`;
    await page.locator(`${tile} [data-live="true"]`).waitFor();
    assert.equal(await page.locator(`${tile} canvas.jpeg`).isVisible(), true);
    await changed(page, `${tile} canvas.jpeg`, await grab(page, `${tile} canvas.jpeg`), "the tile");
    await page.shot("jpeg-wall");
    await page.locator(`${tile} .tile-open`).click();
    await until(page, "the picture alone", () => document.querySelector(".stage canvas.jpeg")?.width === 160);
    await changed(page, ".stage canvas.jpeg", await grab(page, ".stage canvas.jpeg"), "the picture alone");
  });

  it("are scrubbed and played on the timeline", async () => {
    const range = () => `from_utc_ms=${Date.now() - 600_000}&to_utc_ms=${Date.now() + 60_000}&role=main_video`;
    const end = Date.now() + SOON_MS;
    for (;;) {
      const { spans } = await ask(page, `/cameras/${id}/recordings?${range()}`);
      if (spans.length > 0 && spans.at(-1).end_utc_ms - spans[0].start_utc_ms > 20_000) break;
      assert.ok(Date.now() < end, "nothing is recorded");
    }
    const { spans } = await ask(page, `/cameras/${id}/recordings?${range()}`);
    await page.goto(`${BASE_URL}#/camera/${id}?at=${spans[0].start_utc_ms + 3_000}`);
    await until(page, "a recorded picture", (wanted) => document.querySelector(wanted)?.width === 160 && document.querySelector(".spinner") === null, canvas);
    const shownMs = () => page.locator(".now-time").getAttribute("data-utc-ms").then(Number);
    const first = await grab(page, canvas);
    const from = await shownMs();
    assert.ok(Math.abs(from - spans[0].start_utc_ms - 3_000) < 1_000, `it opens where it was asked to: ${from}`);
    await button("1 min").click();
    await page.locator(".timeline").focus();
    await page.keyboard.press("Shift+ArrowRight");
    const second = await changed(page, canvas, first, "the arrow key");
    const moved = (await shownMs()) - from;
    assert.ok(moved > 2_000 && moved < 9_000, `some seconds on, not ${moved} ms`);
    await button("Play").click();
    await until(page, "two seconds are played", (start) => Number(document.querySelector(".now-time").dataset.utcMs) > start + 2_000, from + moved);
    await changed(page, canvas, second, "playing");
    await button("Pause").click();
    const still = await grab(page, canvas);
    const paused = await shownMs();
    await page.locator(".timeline").focus();
    await page.keyboard.press("ArrowLeft");
    await until(page, "it goes back", (before) => Number(document.querySelector(".now-time").dataset.utcMs) < before - 200, paused);
    await changed(page, canvas, still, "back again");
    await page.shot("jpeg-timeline");
    await page.locator(".timeline").focus();
    await page.keyboard.press("i");
    await page.getByText("Open it with a player such as VLC.").waitFor();
  });

  it("cost no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
