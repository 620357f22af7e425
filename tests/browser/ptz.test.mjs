/** A camera beside its streams: its ONVIF address, events that it notices, masks that it must keep, another one in its place, and turning it by mouse, keyboard and finger.
 * The station is the one that the files before have set up and signed out of, or a new one; the camera is `tests/e2e/servers/onvif_camera.py`.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { startOnvifCamera } from "./lib/programs.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;

describe("a camera beside its streams", { concurrency: 1 }, () => {
  let world;
  let page;
  let camera;

  /** Something happens at the camera, or nothing (`look`); its state. */
  const control = (what) => fetch(`${camera.url}control/${what}`).then((answer) => answer.json());

  const until = async (what, holds) => {
    const end = Date.now() + 2 * SOON_MS;
    for (;;) {
      const state = await control("look/x");
      if (holds(state)) return state;
      assert.ok(Date.now() < end, `${what}: ${JSON.stringify(state)}`);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  };
  const settings = async (on = page) => {
    await on.goto(`${BASE_URL}#/wall`);
    await on.goto(`${BASE_URL}#/cameras/1`);
  };

  before(async () => {
    camera = await startOnvifCamera({ host: "10.255.0.1" });
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    const masks = [[{ x: 0.1, y: 0.1 }, { x: 0.4, y: 0.1 }, { x: 0.4, y: 0.5 }]];
    await send(page, "PATCH", "/cameras/1", { masks });
  });
  after(async () => {
    await send(page, "PATCH", "/cameras/1", { device: null, masks: [] }).catch(() => {});
    await world?.browser.close();
    await camera?.stop();
  });

  it("is connected to once its address is there, and gets its masks", async () => {
    await settings();
    await page.getByLabel("Address of the ONVIF service").fill(`${camera.url}onvif/device_service`);
    await page.getByLabel("Keep what the camera notices").check();
    await page.getByLabel("Set the masks in the camera, too").check();
    await page.getByLabel("While a mask is missing in the camera").waitFor();
    await page.getByRole("button", { name: "Save changes" }).first().click();
    await page.getByText("Saved.").first().waitFor();
    await page.goto(`${BASE_URL}#/health`);
    await page.locator('[data-device-state="connected"][data-device-masks="kept"]').waitFor();
    await page.getByText("Known here: Acme <b> Gate 7, serial number SN0001").waitFor();
    await until("a mask in the camera", (state) => state.masks.length === 1);
    await settings();
    await page.locator("[data-device] [data-device-state=connected]").scrollIntoViewIfNeeded();
    await page.shot("61-device-settings");
  });

  it("is turned while a button is held by mouse, key or finger, and stops when it is let go", async () => {
    await page.goto(`${BASE_URL}#/live/1`);
    await page.getByRole("heading", { name: "Turn the camera" }).waitFor();
    const right = page.getByRole("button", { name: "Right", exact: true });
    await right.hover();
    await page.mouse.down();
    await until("turns by mouse", (state) => state.moves && state.position[0] > 0);
    await page.shot("62-ptz");
    await page.mouse.up();
    await until("stops by mouse", (state) => !state.moves);
    await page.getByRole("group", { name: "Turn the camera" }).focus();
    await page.keyboard.down("ArrowUp");
    await until("turns by key", (state) => state.moves && state.position[1] > 0);
    await page.keyboard.up("ArrowUp");
    await until("stops by key", (state) => !state.moves);
    await page.getByRole("button", { name: "Zoom in", exact: true }).focus();
    await page.keyboard.down("Enter");
    await until("zooms by key", (state) => state.moves && state.position[2] > 0);
    // Whoever goes elsewhere has let go.
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.up("Enter");
    await until("stops when it is left", (state) => !state.moves);

    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, hasTouch: true, colorScheme: "dark", storageState: await page.context().storageState() });
    await phone.goto(`${BASE_URL}#/live/1`);
    const left = phone.getByRole("button", { name: "Left", exact: true });
    await left.scrollIntoViewIfNeeded();
    const box = await left.boundingBox();
    const point = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const touch = await phone.context().newCDPSession(phone);
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [point] });
    await until("turns by finger", (state) => state.moves);
    await phone.shot("63-ptz-phone");
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    await until("stops by finger", (state) => !state.moves);
    const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${over} pixels wider than the phone`);
    await phone.context().close();
  });

  it("goes to its presets, keeps new ones and forgets them", async () => {
    await page.getByRole("button", { name: "Gate", exact: true }).click();
    await until("at the gate", (state) => state.position[0] === 0.5);
    await page.getByLabel("Name of a new preset").fill("Door <1>");
    await page.getByRole("button", { name: "Keep this view" }).click();
    await page.getByRole("button", { name: "Door <1>", exact: true }).waitFor();
    await page.getByRole("button", { name: "Remove the preset Door <1>" }).click();
    await page.getByRole("button", { name: "Door <1>", exact: true }).waitFor({ state: "detached" });
    await until("forgotten", (state) => Object.keys(state.presets).length === 1);
  });

  it("tells of motion, which shows on the timeline as its own word", async () => {
    const began = Date.now();
    await control("motion/true");
    await control("input/true");
    await control("motion/false");
    const end = Date.now() + 2 * SOON_MS;
    let event;
    while (event === undefined) {
      const { events } = await ask(page, `/events?from_utc_ms=${began - 60_000}&to_utc_ms=${began + 600_000}&camera=1&kind=motion&limit=500`);
      event = events.find((each) => each.source.plugin === "camera");
      assert.ok(Date.now() < end, "no event of the camera");
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
    assert.ok(Math.abs(event.camera_clock_ms - event.start_utc_ms) < 5000, JSON.stringify(event));
    await page.goto(`${BASE_URL}#/camera/1?at=${event.start_utc_ms}`);
    const row = page.locator(`li[data-event="${event.id}"] > button`);
    await row.getByText("the camera says so").waitFor({ timeout: 2 * SOON_MS });
    await page.getByRole("searchbox", { name: "Search events" }).fill("digital");
    await page.locator(".event-kind", { hasText: "Digital input" }).first().waitFor();
    await page.shot("64-camera-events");
  });

  it("raises an alarm when it loses a mask, and gets it again", async () => {
    await page.goto(`${BASE_URL}#/health`);
    await control("masks/lose");
    await page.locator('[data-alarm="mask_missing"]').waitFor({ timeout: 2 * SOON_MS });
    await page.shot("65-mask-missing");
    await page.locator('[data-alarm="mask_missing"]').waitFor({ state: "detached", timeout: 2 * SOON_MS });
    await until("the mask again", (state) => state.masks.length === 1);
  });

  it("is another one once it is replaced, until an admin accepts it", async () => {
    await control("serial/SN0002");
    await control("subscriptions/forget");
    await page.locator('[data-alarm="camera_replaced"]').waitFor({ timeout: 2 * SOON_MS });
    await settings();
    await page.getByText("its serial number is SN0002, that of the camera known here is SN0001").waitFor();
    await page.getByRole("button", { name: "Accept this camera" }).scrollIntoViewIfNeeded();
    await page.shot("66-camera-replaced");
    await page.getByRole("button", { name: "Accept this camera" }).click();
    await page.getByRole("button", { name: "Accept this camera" }).waitFor({ state: "detached" });
    await page.goto(`${BASE_URL}#/health`);
    await page.locator('[data-device-state="connected"]').waitFor({ timeout: 2 * SOON_MS });
    await page.getByText("serial number SN0002").waitFor();
    assert.equal(await page.locator('[data-alarm="camera_replaced"]').count(), 0);
  });

  it("leaves an entry for each act, for the mask and for the other camera", async () => {
    await page.goto(`${BASE_URL}#/audit`);
    const row = (action, text) => page.getByRole("row").filter({ has: page.getByRole("cell", { name: action, exact: true }) }).filter({ hasText: text });
    await row("Turned a camera", "stop").first().waitFor();
    await row("Something happened at a camera", "a mask is missing").first().waitFor();
    await row("Something happened at a camera", "SN0002").first().waitFor();
    await row("Accepted another camera", "camera 1").first().waitFor();
    await page.shot("67-device-audit");
  });

  it("broke no rule on the way: no script error, no console error, no violated policy, no server fault", () => {
    assert.deepEqual(world.complaints, []);
  });
});
