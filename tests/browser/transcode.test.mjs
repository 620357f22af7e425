/** A camera that sends H.265, in a browser that does not play it and in one that says it does: live, on the timeline and in a scene, with a word on the picture. The station is the one that the files
 * before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, FOOTAGE; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { cpus } from "node:os";
import { after, before, describe, it } from "node:test";
import { assertAccessible } from "./lib/accessible.mjs";
import { changed, difference, grab, openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { startCamera } from "./lib/programs.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL, FOOTAGE } = process.env;
const NOTE = "Transcoded for this browser, not the recorded picture. The recorded original is the evidence.";
const NOTE_KM = "បម្លែងសម្រាប់កម្មវិធីរុករកនេះ មិនមែនជារូបភាពដែលបានថតទេ។ រូបភាពដើមដែលបានថតគឺជាភស្តុតាង។";
const LIVE = ".stage video";
const RECORDED = ".review .stage .picture:not(.hidden) video";

/** Requests for footage that a page has made, by whether they asked for it transcoded. */
function watchRequests(page) {
  const asked = { plain: [], transcoded: [] };
  const note = (url) => {
    if (!/\/(live|playback\.mp4)\?/.test(url)) return;
    (url.includes("as=h264") ? asked.transcoded : asked.plain).push(url);
  };
  page.on("request", (request) => note(request.url()));
  page.on("websocket", (socket) => note(socket.url()));
  return asked;
}

describe("a camera that sends H.265", { concurrency: 1 }, () => {
  let world;
  let page;
  let server;
  let id;
  let asked;
  let playsItself;
  const note = (scope = "") => page.locator(`${scope} .picture-transcoded`);
  const spans = async () => {
    const range = `from_utc_ms=${Date.now() - 600_000}&to_utc_ms=${Date.now() + 60_000}&role=main_video`;
    return (await ask(page, `/cameras/${id}/recordings?${range}`)).spans;
  };
  const recorded = async (seconds) => {
    const end = Date.now() + 2 * SOON_MS;
    for (;;) {
      const found = (await spans()).at(-1);
      if (found !== undefined && found.end_utc_ms - found.start_utc_ms > seconds * 1_000) return found;
      assert.ok(Date.now() < end, "nothing is recorded");
    }
  };

  before(async () => {
    server = await startCamera(FOOTAGE);
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    await send(page, "POST", "/cameras", { name: "Bridge", main: { url: `${server.url}hevc` }, purpose: "Traffic on the bridge", contact: "Room 3" });
    const { cameras } = await ask(page, "/cameras");
    id = cameras.find((camera) => camera.name === "Bridge").id;
    asked = watchRequests(page);
    await recorded(3);
    playsItself = await page.evaluate((codec) => MediaSource.isTypeSupported(`video/mp4; codecs="${codec}"`), (await spans())[0].codec_string);
    console.log(`# this browser ${playsItself ? "plays" : "does not play"} ${(await spans())[0].codec_string} by itself`);
  });
  after(async () => {
    await world?.browser.close();
    await server?.stop();
  });

  it("is live, transcoded, and the picture says so", async () => {
    if (playsItself) await page.addInitScript(() => (MediaSource.isTypeSupported = (mime) => !mime.includes("hvc1")));
    await page.goto(`${BASE_URL}#/live/${id}`);
    await page.reload();
    await page.locator('.stage [data-live="true"]').waitFor();
    await changed(page, LIVE, await grab(page, LIVE), "the live picture");
    assert.equal(await note(".stage").textContent(), NOTE);
    assert.ok(asked.transcoded.some((url) => url.includes("/live?")), "it was asked for");
    await assertAccessible(page, "one live picture");
    await page.shot("transcode-live");
  });

  it("has a short note on the wall, and the whole one for who listens", async () => {
    await page.goto(`${BASE_URL}#/wall`);
    const tile = `.tile[data-camera="${id}"]`;
    await page.locator(`${tile} [data-live="true"]`).waitFor();
    const mark = note(tile);
    await mark.waitFor();
    assert.ok((await mark.textContent()).includes(NOTE));
    await assertAccessible(page, "the wall");
    await page.shot("transcode-wall");
  });

  it("is played and scrubbed on the timeline", async () => {
    const span = await recorded(20);
    const at = span.start_utc_ms + 4_000;
    await page.goto(`${BASE_URL}#/camera/${id}?at=${at}`);
    await until(page, "a recorded picture", (wanted) => document.querySelector(wanted)?.readyState >= 2 && document.querySelector(".spinner") === null, RECORDED);
    const shownMs = () => page.locator(".now-time").getAttribute("data-utc-ms").then(Number);
    assert.ok(Math.abs((await shownMs()) - at) < 200, "it opens where it was asked to");
    assert.equal(await note(".review").textContent(), NOTE);
    const first = await grab(page, RECORDED);
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await until(page, "three seconds are played", (from) => Number(document.querySelector(".now-time").dataset.utcMs) > from + 3_000, at);
    const later = await changed(page, RECORDED, first, "playing");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    assert.ok(difference(first, later) > 0.3);
    await assertAccessible(page, "the timeline");
    await page.shot("transcode-timeline");
    assert.deepEqual(asked.plain.filter((url) => url.includes("playback.mp4") && url.includes(`/${id}/`)), [], "no recorded H.265 was fetched");
  });

  it("goes on in a scene, at four times and at eight times the speed", async () => {
    const span = await recorded(30);
    await page.goto(`${BASE_URL}#/scene?cameras=${id}&at=${span.start_utc_ms + 3_000}`);
    const tile = `.scene-tile[data-camera="${id}"]`;
    await page.locator(`${tile}[data-standing="shown"]`).waitFor();
    await note(tile).waitFor();
    const video = `${tile} video`;
    const first = await grab(page, video);
    await page.shot("transcode-scene");
    const select = page.locator(".transport select, .transport-panel select").first();
    for (const rate of ["4", "8"]) {
      await select.selectOption(rate);
      const from = Number(await page.locator(".now-time").getAttribute("data-utc-ms"));
      const began = Date.now();
      await page.getByRole("button", { name: "Play", exact: true }).click();
      await until(page, `six seconds at ${rate} times`, (start) => Number(document.querySelector(".now-time").dataset.utcMs) > start + 6_000, from);
      console.log(`# ${rate} times: 6 s of the scene in ${((Date.now() - began) / 1000).toFixed(1)} s`);
      await page.getByRole("button", { name: "Pause", exact: true }).click();
    }
    await changed(page, video, first, "the scene");
    await assertAccessible(page, "the scene");
  });

  it("is refused with a next step when the station transcodes as much as it can, and comes when there is room", async () => {
    const cap = Math.min(8, cpus().length);
    const others = await openPage(world);
    await signIn(others);
    // A page without live pictures: its own would take places.
    await others.goto(`${BASE_URL}#/health`);
    const takePlace = (camera) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/api/v1/cameras/${camera}/live?role=main_video&as=h264`);
        socket.onclose = () => resolve(false);
        socket.onmessage = ({ data }) => {
          const { type } = typeof data === "string" ? JSON.parse(data) : {};
          if (type === "format") (globalThis.held ??= []).push(socket);
          if (type === "format" || type === "refused") resolve(type === "format");
        };
      });
    const end = Date.now() + SOON_MS;
    for (let held = 0; held < cap; ) {
      if (await others.evaluate(takePlace, id)) held += 1;
      assert.ok(Date.now() < end, `only ${held} of ${cap} places can be had`);
    }
    await page.goto(`${BASE_URL}#/live/${id}`);
    const cover = page.locator('.stage [data-refused="transcode-full"]');
    await cover.waitFor();
    assert.match(await cover.textContent(), /The station transcodes as much as it can\..*close another view/);
    await assertAccessible(page, "a refused picture");
    await page.shot("transcode-full");
    await others.evaluate(() => globalThis.held.forEach((socket) => socket.close()));
    await page.locator('.stage [data-live="true"]').waitFor();
    await others.context().close();
  });

  it("says it in Khmer, on a phone and in the dark", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: "dark" });
    await phone.addInitScript(() => localStorage.setItem("watchbook.locale", "en"));
    await signIn(phone);
    await phone.addInitScript(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.goto(`${BASE_URL}#/live/${id}`);
    await phone.reload();
    await phone.locator('.stage [data-live="true"]').waitFor();
    assert.equal(await phone.locator(".stage .picture-transcoded").textContent(), NOTE_KM);
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `the page is ${wide} px too wide`);
    await assertAccessible(phone, "a phone, in Khmer, in the dark");
    await phone.shot("transcode-phone-km");
    await phone.context().close();
  });

  it("is asked for as it is by a browser that says it plays it, and transcoded when that fails", async () => {
    const other = await openPage(world);
    const requests = watchRequests(other);
    await other.addInitScript(() => {
      const real = MediaSource.isTypeSupported.bind(MediaSource);
      MediaSource.isTypeSupported = (mime) => mime.includes("hvc1") || real(mime);
    });
    await signIn(other);
    await other.goto(`${BASE_URL}#/live/${id}`);
    await other.reload();
    const of = (list, what) => list.filter((url) => url.includes(`/${id}/${what}`)).length;
    if (!playsItself) {
      await other.locator(".stage .picture-transcoded").waitFor();
      await changed(other, LIVE, await grab(other, LIVE), "the live picture");
    } else await other.locator('.stage [data-live="true"]').waitFor();
    assert.ok(of(requests.plain, "live?") > 0, "it was asked for as it is first");
    assert.equal(of(requests.transcoded, "live?") > 0, !playsItself);
    // The same on a page that has not tried yet.
    const span = await recorded(20);
    await other.goto(`${BASE_URL}#/camera/${id}?at=${span.start_utc_ms + 4_000}`);
    await other.reload();
    await until(other, "a recorded picture", (wanted) => document.querySelector(wanted)?.readyState >= 2, RECORDED);
    await other.locator(".review .picture-transcoded").waitFor({ state: playsItself ? "hidden" : "visible" });
    await other.context().close();
  });

  it("cost no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
