/** From a new recorder to ten cameras that are recorded and a second person, as a newcomer does it: by the page alone, left once in between, and in less than five minutes. A recorder of
 * its own, ten ONVIF cameras and real streams. The answer of the network search is the test's: ten cameras on one machine share one address, where multicast cannot tell them apart.
 *
 * From the environment: WATCHBOOK_BIN, RTSP_URL_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { startOnvifCamera, startRecorder } from "./lib/programs.mjs";
import { ask } from "./lib/station.mjs";

const { RTSP_URL_1 } = process.env;
const CAMERAS = 10;
const MINUTES_MAX = 5;
const PASSWORD = "seven quiet herons";
const LOGIN = { user: "guard", password: "night watch" };
/** Names that must appear as text and do nothing. */
const HOSTILE = `Gate <img src=x onerror="alert(1)"> & "both"`;

describe("the first set-up", { concurrency: 1 }, () => {
  const programs = [];
  let recorder;
  let world;
  let page;
  let began;
  const field = (name, on = page) => on.getByLabel(name, { exact: true });
  const button = (name, on = page) => on.getByRole("button", { name, exact: true });
  const draft = (number) => page.locator(`[data-draft="${programs[number - 1].url}onvif/device_service"]`);
  const full = (name, on = page) => on.screenshot({ path: `${world.shots}/${name}.png`, fullPage: true });

  before(async () => {
    const rtsp = RTSP_URL_1.replace(/[^/]*$/, "");
    for (let number = 1; number <= CAMERAS; number += 1) programs.push(await startOnvifCamera({ user: LOGIN.user, password: number === CAMERAS ? "day watch" : LOGIN.password, rtsp }));
    recorder = await startRecorder();
    world = await openBrowser();
    page = await openPage(world);
    await page.route("**/api/v1/cameras/search", (route) =>
      route.fulfill({
        json: { devices: programs.map(({ url }, at) => ({ address: new URL(url).host, camera: null, hardware: "Gate 7", name: at === 0 ? HOSTILE : `Camera ${at + 1}`, url: `${url}onvif/device_service` })) },
      }),
    );
    began = Date.now();
  });
  after(async () => {
    await world?.browser.close();
    for (const program of programs) await program.stop("SIGKILL");
    await recorder?.stop();
    await recorder?.clean();
  });

  it("begins with the one-time code and leads on by itself", async () => {
    await page.goto(recorder.page);
    await field("One-time code").fill(recorder.code);
    await field("Your account name").fill("dara");
    await field("Password").fill(PASSWORD);
    await field("The same password again").fill(PASSWORD);
    await assertAccessible(page, "claiming");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Set up this station" }).waitFor();
    await page.locator('.first[data-step="check"]').waitFor();
  });

  it("checks the time and the network", async () => {
    await page.locator("[data-checked]").waitFor();
    const [{ now_utc_ms: told }, shown] = await Promise.all([ask(page, "/status"), page.locator('[data-check="clock"] time').getAttribute("datetime")]);
    assert.ok(Math.abs(told - Date.parse(shown)) < SOON_MS, `${shown} is not ${told}`);
    // The browser and the recorder are on one machine, with one clock.
    await page.getByText("The recorder's clock agrees with this device's.").waitFor();
    await page.getByText(`The recorder answers at ${new URL(recorder.page).host} within`).waitFor();
    await assertAccessible(page, "time and network");
    await full("first-1-check");
    await button("Next").click();
  });

  it("finds the cameras and shows a picture of each, and records nothing", async () => {
    await button("Search for cameras").click();
    await page.getByText(`${CAMERAS} cameras in the list, 0 gave a picture.`).waitFor();
    await draft(1).getByText(HOSTILE).waitFor();
    await field("User name at the camera").fill(LOGIN.user);
    await field("Password at the camera").fill(LOGIN.password);
    await button(`Ask ${CAMERAS} cameras for a picture`).click();
    await page.getByText(`${CAMERAS} cameras in the list, ${CAMERAS - 1} gave a picture.`).waitFor({ timeout: 3 * SOON_MS });
    await page.locator('canvas[data-drawn="true"]').nth(CAMERAS - 2).waitFor();
    // A picture of the square is not one grey.
    const colours = await draft(2).locator("canvas").evaluate((canvas) => new Set(canvas.getContext("2d").getImageData(0, 0, 320, 180).data).size);
    assert.ok(colours > 50, `${colours} values of colour`);
    // The last one has another password.
    await draft(CAMERAS).getByText(/refuses the user name or password/).first().waitFor();
    await field("User name at the camera", draft(CAMERAS)).fill(LOGIN.user);
    await field("Password at the camera", draft(CAMERAS)).fill("day watch");
    await button("Try again", draft(CAMERAS)).click();
    await page.getByText(`${CAMERAS} cameras in the list, ${CAMERAS} gave a picture.`).waitFor();
    await assertAccessible(page, "found cameras");
    await full("first-2-find");
    assert.deepEqual((await ask(page, "/cameras")).cameras, []);
    const log = await ask(page, "/health");
    assert.deepEqual(log.cameras, []);
  });

  it("is left and gone on with, without a password in the browser's memory", async () => {
    const memory = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.ok(memory.includes("onvif/device_service"), memory);
    for (const secret of [LOGIN.password, "day watch"]) assert.ok(!memory.includes(secret), memory);
    await page.getByRole("link", { name: "Leave; go on later" }).click();
    await page.getByRole("heading", { name: "Cameras", exact: true }).waitFor();
    await page.reload();
    await page.getByRole("link", { name: "Add several" }).click();
    await page.getByText(`${CAMERAS} cameras in the list, 0 gave a picture.`).waitFor();
    await field("User name at the camera").fill(LOGIN.user);
    await field("Password at the camera").fill(LOGIN.password);
    await button(`Ask ${CAMERAS} cameras for a picture`).click();
    await field("User name at the camera", draft(CAMERAS)).fill(LOGIN.user);
    await field("Password at the camera", draft(CAMERAS)).fill("day watch");
    await page.getByText(`${CAMERAS} cameras in the list, ${CAMERAS - 1} gave a picture.`).waitFor({ timeout: 3 * SOON_MS });
    await button("Try again", draft(CAMERAS)).click();
    await page.getByText(`${CAMERAS} cameras in the list, ${CAMERAS} gave a picture.`).waitFor();
    await button("Next").click();
  });

  it("asks what each camera is for, and takes one answer for many", async () => {
    const common = page.locator("[data-common]");
    await page.getByText(`${CAMERAS} cameras lack something.`).waitFor();
    assert.ok(await button(`Add ${CAMERAS} cameras and record`).isDisabled());
    await field("What the camera is there for", common).fill("Traffic at the market");
    await field("Maximum age of footage (days)", common).fill("5");
    await field("Whom to ask about this camera", common).fill("Room 3, 023 000 000");
    await button("Fill in where nothing is said").click();
    await field("Name", draft(1)).fill(HOSTILE);
    for (const number of [2, 3]) await draft(number).getByRole("checkbox").check();
    await field("What the camera is there for", common).fill("Theft in the yard");
    await button("Set for 2 marked").click();
    await assertAccessible(page, "what cameras are for");
    await full("first-3-state");
    await button(`Add ${CAMERAS} cameras and record`).click();
    await page.locator('.first[data-step="person"]').waitFor({ timeout: 2 * SOON_MS });
    const { cameras } = await ask(page, "/cameras");
    assert.equal(cameras.length, CAMERAS);
    assert.equal(cameras[0].name, HOSTILE);
    assert.deepEqual(
      cameras.map((camera) => camera.purpose),
      cameras.map((_, at) => (at === 1 || at === 2 ? "Theft in the yard" : "Traffic at the market")),
    );
    assert.ok(cameras.every((camera) => camera.retention_days_max === 5 && camera.contact === "Room 3, 023 000 000" && camera.has_password && camera.enabled));
    assert.equal(new Set(cameras.map((camera) => camera.name)).size, CAMERAS);
  });

  it("ends with a second person, within five minutes", async () => {
    await page.getByText(`${CAMERAS} of ${CAMERAS} cameras are recorded.`).waitFor({ timeout: 2 * SOON_MS });
    await field("Account name").fill("chenda <b>");
    await field("First password").fill(PASSWORD);
    await page.getByRole("checkbox", { name: "Viewer" }).uncheck();
    await page.getByRole("checkbox", { name: "Approver" }).check();
    await assertAccessible(page, "a second person");
    await full("first-4-person");
    await button("Create account").click();
    await page.getByText("Other people of this station: chenda <b>.").waitFor();
    await button("Finish").click();
    await page.getByRole("link", { name: HOSTILE }).waitFor();
    const minutes = (Date.now() - began) / 60_000;
    console.log(`ten cameras and a second person: ${minutes.toFixed(1)} minutes, asked twice`);
    assert.ok(minutes < MINUTES_MAX, `${minutes} minutes`);
    assert.equal(await page.evaluate(() => localStorage.getItem("watchbook.first-run")), null);
  });

  it("is there in Khmer and on a phone", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, storageState: await page.context().storageState() });
    await phone.goto(`${recorder.page}#/first-run`);
    await button("ខ្មែរ", phone).click();
    await phone.getByRole("heading", { name: "រៀបចំស្ថានីយនេះ" }).waitFor();
    await phone.locator("[data-checked]").waitFor();
    for (const [step, name] of [
      ["check", "ម៉ោង និងបណ្ដាញ"],
      ["find", "ស្វែងរកកាមេរ៉ា"],
      ["state", "សម្រាប់អ្វី"],
      ["person", "មនុស្សទីពីរ"],
    ]) {
      await phone.locator(".first-steps").getByRole("button", { name }).click();
      await phone.locator(`.first[data-step="${step}"]`).waitFor();
      if (step === "find") {
        await phone.getByLabel("កាមេរ៉ាដែលរកមិនឃើញ").fill(programs[0].url);
        await button("បន្ថែមក្នុងបញ្ជី", phone).click();
        await phone.locator("[data-draft]").waitFor();
      }
      await assertAccessible(phone, `${step} on a phone`);
      const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 1, `${step} is ${wide} px wider than the screen`);
      await full(`first-phone-${step}-km`, phone);
    }
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
