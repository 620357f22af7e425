/** A newcomer's way through the page, against the real recorder and real streams. The steps build on each other, in order.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, RTSP_URL_2, RTSP_SUB_2, FOOTAGE; RING_DIR and SECOND_DISK, directories of the recorder's
 * machine; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { changed, frames, grab, openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { haveCase } from "./lib/case.mjs";
import { spoil } from "./lib/disk.mjs";
import { startCamera, startOnvifCamera } from "./lib/programs.mjs";

const { BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, RTSP_URL_2, RTSP_SUB_2, FOOTAGE, RING_DIR, SECOND_DISK } = process.env;
const PASSWORD = "seven quiet herons";
/** A name that must appear as text and do nothing. */
const HOSTILE = `Road <img src=x onerror="alert(1)"> & "both" ways`;

let world;
let page;
const programs = [];

const tile = (id) => `.tile[data-camera="${id}"]`;
const go = (hash) => page.goto(`${BASE_URL}${hash}`);
const field = (name) => page.getByLabel(name, { exact: true });
const button = (name) => page.getByRole("button", { name, exact: true });

/** Fills the form of a new camera; `Main stream` and so on are the words that a person reads. */
async function fillCamera({ name, main, sub, user, password }) {
  await go("#/cameras/new");
  await field("Name").fill(name);
  await field("What the camera is there for").fill("Traffic at the gate");
  await field("Who answers for it").fill("Room 3");
  await field("Main stream").fill(main);
  if (sub) await field("Sub stream").fill(sub);
  if (user) await field("User name at the camera").fill(user);
  if (password) await field("Password at the camera").fill(password);
}

/** Adds what the form holds and returns the new camera's number. */
async function addCamera() {
  await button("Add camera").click();
  await page.waitForURL(/#\/cameras\/\d+$/);
  return Number(/\d+$/.exec(page.url())[0]);
}

/** What the recorder answers, asked from the page. */
const ask = (path) => page.evaluate((to) => fetch(`/api/v1${to}`).then((answer) => answer.json()), path);

/** Waits until a camera has `seconds` of footage without a gap, and returns its newest span. */
async function recorded(id, seconds) {
  const end = Date.now() + SOON_MS + seconds * 1000;
  for (;;) {
    const now = Date.now();
    const { spans } = await ask(`/cameras/${id}/recordings?from_utc_ms=${now - 3_600_000}&to_utc_ms=${now + 60_000}&role=main_video`);
    const newest = spans.at(-1);
    if (newest !== undefined && newest.end_utc_ms - newest.start_utc_ms >= seconds * 1000) return newest;
    assert.ok(Date.now() < end, `camera ${id} has no ${seconds} s of footage: ${JSON.stringify(spans)}`);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  }
}

/** The moment that the timeline shows. */
const shownMs = () => page.locator(".now-time").getAttribute("data-utc-ms").then(Number);
const settled = () =>
  until(page, "the picture is there", () => {
    const video = document.querySelector(".review .stage video");
    return video !== null && video.readyState >= 2 && !video.seeking && document.querySelector(".spinner") === null;
  });

describe("the page", { concurrency: 1 }, () => {
  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
  });
  after(async () => {
    await world?.browser.close();
    for (const program of programs) await program.stop("SIGKILL");
  });

  it("is claimed with the one-time code, and only with it", async () => {
    await page.goto(BASE_URL);
    await field("One-time code").fill("AAAA-AAAA-AAAA");
    await field("Your account name").fill("dara");
    await field("Password").fill(PASSWORD);
    await field("The same password again").fill(PASSWORD);
    await field("This station has one person").check();
    await button("Claim").click();
    await page.getByRole("alert").waitFor();
    await page.shot("01-claim-refused");
    await field("One-time code").fill(CLAIM_CODE);
    await button("Claim").click();
    await page.getByRole("heading", { name: "Set up this station" }).waitFor();
    await go("#/wall");
    await page.getByText("There is no camera yet.").waitFor();
    await page.shot("02-no-cameras");
  });

  it("asks a camera what it is and fills in its streams", async () => {
    const rtsp = RTSP_URL_1.replace(/[^/]*$/, "");
    const camera = await startOnvifCamera({ user: "guard", password: "night watch", "clock-offset-s": 3600, rtsp });
    programs.push(camera);
    await go("#/cameras/new");
    await button("Search the network").click();
    await page.getByText(/cameras answered|No camera answered/).first().waitFor();
    await field("Address of the camera").fill(new URL(camera.url).host);
    await field("User name at the camera").fill("guard");
    await field("Password at the camera").fill("day watch");
    await button("Ask the camera").click();
    await page.getByText(/^The camera at \S+ refuses the user name or password\./).waitFor();
    await field("Password at the camera").fill("night watch");
    await button("Ask the camera").click();
    await page.getByText("Acme <b> Gate 7").waitFor();
    await page.getByText("The camera's clock is off by 36").waitFor();
    assert.equal(await field("Name").inputValue(), "Acme <b> Gate 7");
    await field("What the camera is there for").fill("Traffic at gate 7");
    const port = new URL(RTSP_URL_1.replace("rtsp:", "http:")).port;
    assert.equal(await field("Main stream").inputValue(), `rtsp://127.0.0.1:${port}/main`);
    assert.equal(await field("Sub stream").inputValue(), `rtsp://127.0.0.1:${port}/sub`);
    await field("Stream for small tiles and plugins").selectOption("");
    assert.equal(await field("Sub stream").inputValue(), "");
    await page.shot("03-camera-found");
  });

  it("adds cameras after a test that shows what was found", async () => {
    for (const [id, name, main, sub] of [
      [1, "Square", RTSP_URL_1, RTSP_SUB_1],
      [2, HOSTILE, RTSP_URL_2, RTSP_SUB_2],
    ]) {
      await fillCamera({ name, main, sub });
      await button("Test").click();
      const report = page.locator('[data-test-ok="true"]');
      await report.waitFor();
      assert.match(await report.innerText(), /avc1\.\w+ · 1280 × 720/);
      if (id === 1) await page.shot("03-camera-test");
      assert.equal(await addCamera(), id);
      assert.equal(await page.locator("h1").innerText(), name);
    }
  });

  it("says why a camera refuses, and what to do", async () => {
    const locked = await startCamera(FOOTAGE, { user: "cam", password: "right" });
    programs.push(locked);
    await fillCamera({ name: "Locked", main: `${locked.url}main`, user: "cam", password: "wrong" });
    await button("Test").click();
    const report = page.locator('[data-test-ok="false"]');
    await report.waitFor();
    assert.match(await report.innerText(), /refuses the user name or password/);
    assert.ok((await report.locator(".note-next").innerText()).length > 10, "the next step is said");
    await page.shot("04-camera-refuses");
    const id = await addCamera();
    await go("#/wall");
    await page.locator(`${tile(id)} .cover-lost`, { hasText: "refuses the user name or password" }).waitFor();
    await page.locator(`${tile(id)} .cover-lost`, { hasText: "since" }).waitFor();
  });

  it("switches the motion plugin on for a camera", async () => {
    await go("#/cameras/1");
    const plugin = page.locator('.plugin[data-plugin="org.watchbook.motion"]');
    await plugin.getByRole("checkbox").first().check();
    await plugin.getByRole("button", { name: "Add a box" }).waitFor();
    await page.shot("05-plugin-settings");
    await plugin.getByRole("button", { name: "Save plugin settings" }).click();
    await plugin.getByText("Saved.").waitFor();
  });

  it("shows moving pictures on the wall", async () => {
    await go("#/wall");
    for (const id of [1, 2]) {
      const video = `${tile(id)} video`;
      await page.locator(`${tile(id)} [data-live="true"]`).waitFor();
      const start = await frames(page, video);
      const picture = await grab(page, video);
      await until(page, `camera ${id} decodes frames`, ([wanted, from]) => document.querySelector(wanted).getVideoPlaybackQuality().totalVideoFrames > from + 20, [video, start]);
      await changed(page, video, picture, `camera ${id}`);
    }
    assert.equal(await page.locator(`${tile(2)} .tile-name`).innerText(), HOSTILE);
    await page.shot("06-wall");
  });

  it("shows one camera large, close to live", async () => {
    await page.locator(`${tile(1)} .tile-open`).click();
    await page.waitForURL(/#\/live\/1$/);
    await until(page, "the main stream is shown at the live edge", () => {
      const video = document.querySelector(".stage video");
      if (video === null || video.videoWidth !== 1280 || video.buffered.length === 0) return false;
      return video.buffered.end(video.buffered.length - 1) - video.currentTime < 0.7 && video.getVideoPlaybackQuality().totalVideoFrames > 30;
    });
    await page.shot("07-live-large");
  });

  it("keeps recorded footage shut until there is a case", async () => {
    await go("#/camera/1");
    await page.getByText("You have no open case, so recorded footage stays closed.").waitFor();
    await page.getByText("You are the only person of this station").waitFor();
    await page.locator(".stage .cover", { hasText: "Recorded footage is played inside a case." }).waitFor();
    await page.shot("08-no-case");
    await haveCase(page);
    await page.reload();
    await page.locator('.case-chooser[data-chosen="2026-100"]').waitFor();
  });

  it("scrubs recorded footage by mouse and keyboard", async () => {
    // It opens 20 s before the newest picture; there must be footage to go back to.
    const footage = await recorded(1, 32);
    await go("#/camera/1");
    // It was open already, where the footage began.
    await page.reload();
    await settled();
    await button("1 min").click();
    const line = page.locator(".timeline");
    await line.scrollIntoViewIfNeeded();
    const box = await line.boundingBox();
    const first = await grab(page, ".review .stage video");
    const before = await shownMs();
    assert.ok(before >= footage.start_utc_ms && before <= Date.now(), `opens inside the footage: ${before}`);
    // A minute is as wide as the timeline: eight seconds earlier is this far to the left of the playhead.
    const head = await page.evaluate(() => {
      const timeline = document.querySelector(".timeline");
      const [min, max, now] = ["min", "max", "now"].map((name) => Number(timeline.getAttribute(`aria-value${name}`)));
      return (now - min) / (max - min);
    });
    await page.mouse.move(box.x + head * box.width, box.y + 75);
    await page.mouse.down();
    await page.mouse.move(box.x + (head - 8 / 60) * box.width, box.y + 75, { steps: 8 });
    await page.mouse.up();
    await settled();
    const scrubbed = await shownMs();
    assert.ok(before - scrubbed > 5_000 && before - scrubbed < 11_000, `8 s back, not ${before - scrubbed} ms`);
    const picture = await changed(page, ".review .stage video", first, "scrubbing");
    await line.focus();
    await page.keyboard.press("Shift+ArrowRight");
    await until(page, "the arrow key moves", (from) => Number(document.querySelector(".now-time").dataset.utcMs) > from + 2_000, scrubbed);
    await settled();
    await changed(page, ".review .stage video", picture, "the arrow key");
    await page.shot("08-timeline");
  });

  it("plays on from there, and pauses", async () => {
    const from = await shownMs();
    await button("Play").click();
    await until(page, "two seconds are played", (start) => Number(document.querySelector(".now-time").dataset.utcMs) > start + 2_000, from);
    assert.ok((await frames(page, ".review .stage video")) > 20);
    await button("Pause").click();
    await until(page, "it stands", () => document.querySelector(".review .stage video").paused);
  });

  it("goes live and back", async () => {
    await button("Live").click();
    await page.locator('.stage[data-mode="live"] [data-live="true"]').waitFor();
    await page.getByRole("button", { name: "Live", pressed: true }).waitFor();
    const line = page.locator(".timeline");
    await line.focus();
    await page.keyboard.press("ArrowLeft");
    await page.locator('.stage[data-mode="recorded"]').waitFor();
    await settled();
  });

  it("lists motion events, finds them by word, and opens one", async () => {
    const row = page.locator(".event-row").first();
    await row.waitFor({ timeout: 60_000 });
    await page.getByLabel("Search events").fill("motion");
    await row.waitFor();
    await page.getByLabel("Search events").fill("no such thing");
    await page.getByText("No event matches.").waitFor();
    await page.getByLabel("Search events").fill("");
    const start = Date.parse(await row.locator("time").getAttribute("datetime"));
    await row.click();
    await until(page, "the event is shown from just before it", (at) => Math.abs(Number(document.querySelector(".now-time").dataset.utcMs) - at) < 2_500, start);
    await settled();
    await page.shot("09-event");
  });

  it("says what a marked range holds, and hands no file out by itself", async () => {
    const footage = await recorded(1, 20);
    const line = page.locator(".timeline");
    await go(`#/camera/1?at=${footage.start_utc_ms + 3_000}`);
    await page.reload();
    await settled();
    await button("1 min").click();
    await line.focus();
    await page.keyboard.press("i");
    const begin = Number(await page.locator(".export-range").getAttribute("data-start"));
    await button("+10 s: 10 seconds forward").click();
    await until(page, "ten seconds on", (from) => Number(document.querySelector(".now-time").dataset.utcMs) >= from + 9_900, begin);
    await line.focus();
    await page.keyboard.press("o");
    const range = page.locator(".export-range");
    const wanted = (Number(await range.getAttribute("data-end")) - Number(await range.getAttribute("data-start"))) / 1000;
    assert.ok(wanted > 9 && wanted < 11, `${wanted} s are marked`);
    assert.match(await page.locator(".export-size").innerText(), /of footage, about \d/);
    await page.getByRole("form", { name: "Ask for evidence" }).waitFor();
    assert.equal(await page.locator('a[href*=".mp4"], a[download]').count(), 0, "what is taken out is asked for, and released by somebody else");
    await page.shot("10-range");
  });

  it("holds the marked range for a case, finds it, and shows it on the timeline", async () => {
    await page.getByRole("link", { name: "Hold for a case" }).click();
    await page.getByRole("heading", { name: "Hold footage" }).waitFor();
    assert.ok(await page.getByRole("checkbox", { name: "Square", exact: true }).isChecked(), "the camera of the timeline is chosen");
    await page.locator('[data-estimate="fits"]').waitFor();
    assert.ok(await button("Hold it").isDisabled(), "a hold needs a case");
    await field("Case number").fill("2026-117");
    await field("Note").fill("van at the square");
    await page.shot("21-hold-new");
    await button("Hold it").click();
    const card = page.locator('[data-hold][data-state="held"]');
    // A range is over when the minute is in which it ends.
    await card.waitFor({ timeout: 120_000 });
    assert.match(await card.innerText(), /Case 2026-117[\s\S]*Square[\s\S]*van at the square[\s\S]*Placed by dara/);
    await page.getByLabel("Search holds").fill("no such case");
    await page.getByText("No hold matches.").waitFor();
    await button("Show all").click();
    await page.getByLabel("Search holds").fill("2026-117");
    await card.waitFor();
    await page.shot("22-holds");
    await page.getByRole("link", { name: "Show on the timeline" }).click();
    await page.locator('[data-list="held"] summary').click();
    await page.locator('[data-list="held"] li', { hasText: "Case 2026-117" }).waitFor();
    await page.shot("23-held-on-timeline");
  });

  it("releases a hold with a reason, which stays listed", async () => {
    await go("#/holds");
    await button("Release").click();
    const dialog = page.getByRole("dialog");
    assert.ok(await dialog.getByRole("button", { name: "Release" }).isDisabled(), "a release needs a reason");
    await dialog.getByLabel("Reason").fill("The court has closed the case");
    await page.shot("24-release");
    await dialog.getByRole("button", { name: "Release" }).click();
    await page.getByText("No hold matches.").waitFor();
    await button("Released").click();
    await page.locator('[data-hold][data-state="released"]', { hasText: "The court has closed the case" }).waitFor();
    await go("#/audit");
    await page.getByRole("cell", { name: "Released a hold" }).first().waitFor();
    await page.getByRole("row", { name: /Held footage for a case.*2026-117/ }).first().waitFor();
  });

  it("says how long a camera's footage stays, and what a smaller age would erase", async () => {
    await go("#/cameras/1");
    const panel = page.getByRole("region", { name: "How long footage stays" });
    await panel.getByText("Nothing has been erased yet.").waitFor();
    assert.match(await panel.innerText(), /Maximum age\s+7 d/);
    await field("Maximum age of footage (days)").fill("3");
    await page.getByText("older than 3 days is erased within an hour").waitFor();
    await field("Importance").selectOption("high");
    await page.shot("25-retention");
    await field("Maximum age of footage (days)").fill("7");
    await button("Save changes").click();
    await page.getByText("Saved.").waitFor();
    assert.equal((await ask("/cameras/1")).importance, "high");
    await go("#/health");
    await page.locator('[data-retention="1"]').waitFor();
    await page.getByText("When the disk is too slow").click();
    await page.locator(".order li").last().getByText("Square").waitFor();
  });

  it("adds a second disk, which records without a restart", async () => {
    await go("#/health");
    await page.getByText("Nothing is wrong with the storage.").waitFor();
    await button("Add a disk").click();
    const form = page.getByRole("form", { name: "Add a disk" });
    await form.getByLabel("Directory on the new disk").fill("/");
    await form.getByLabel("Room for recordings (GiB)").fill("1");
    await form.getByLabel("The directory is for the recorder alone").check();
    await form.getByRole("button", { name: "Add a disk" }).click();
    await form.getByRole("alert").waitFor();
    await form.getByLabel("Directory on the new disk").fill(SECOND_DISK);
    await page.shot("26-add-disk");
    await form.getByRole("button", { name: "Add a disk" }).click();
    await page.locator('[data-disk][data-state="recording"]', { hasText: SECOND_DISK }).waitFor();
    assert.equal(await page.locator("[data-disk]").count(), 2);
    await page.shot("27-two-disks");
  });

  it("names a damaged run: on the health page, on the timeline, and in a range that is marked", async () => {
    const span = await recorded(1, 20);
    const at = await spoil([RING_DIR, SECOND_DISK], page.context(), `${BASE_URL}api/v1`, { camera: 1, number: "2026-100" }, span);
    await go("#/health");
    // The list of alarms is gone over once a minute.
    await page.locator('[data-alarm="run_damaged"]').waitFor({ timeout: 120_000 });
    await page.locator('[data-damaged="1"]').first().waitFor();
    await page.shot("28-damage");
    await go(`#/camera/1?at=${at.start_utc_ms - 3_000}`);
    await page.reload();
    await settled();
    await button("1 min").click();
    await page.locator('[data-list="damaged"] summary').click();
    await page.locator('[data-list="damaged"] li', { hasText: "Damaged: its bytes are not what was recorded" }).first().waitFor();
    await page.shot("29-damage-on-timeline");
    const from = await shownMs();
    await button("Play").click();
    await until(page, "playing goes over it", ([start, end]) => Number(document.querySelector(".now-time").dataset.utcMs) > Math.max(start, end) + 500, [from, at.end_utc_ms]);
    await button("Pause").click();
    const line = page.locator(".timeline");
    await button("−10 s: 10 seconds back").click();
    await settled();
    await line.focus();
    await page.keyboard.press("i");
    await button("+10 s: 10 seconds forward").click();
    await settled();
    await line.focus();
    await page.keyboard.press("o");
    await page.locator(".export .gap-list li", { hasText: "Damaged: its bytes are not what was recorded" }).first().waitFor();
    await page.shot("30-damage-in-range");
  });

  it("says that a camera is lost, since when and why, and shows it again when it is back", async () => {
    const server = await startCamera(FOOTAGE);
    programs.push(server);
    await fillCamera({ name: "Yard", main: `${server.url}main`, sub: `${server.url}sub` });
    const id = await addCamera();
    await go("#/wall");
    await page.locator(`${tile(id)} [data-live="true"]`).waitFor();
    await server.stop("SIGKILL");
    const cover = page.locator(`${tile(id)} .cover-lost`);
    await cover.waitFor();
    await page.locator(`${tile(id)}[data-status="lost"]`).waitFor();
    const said = await cover.innerText();
    assert.match(said, /camera cannot be reached/i);
    assert.match(said, /since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
    assert.ok((await cover.locator(".cover-next").innerText()).length > 10, "the next step is said");
    await page.shot("11-lost");
    programs.push(await startCamera(FOOTAGE, { port: server.port }));
    await page.locator(`${tile(id)} [data-live="true"]`).waitFor({ timeout: 60_000 });
    await page.locator(`${tile(id)}[data-status="live"]`).waitFor();
    await go(`#/camera/${id}`);
    await page.getByText(/^Gaps shown: \d/).click();
    await page.locator(".gap-list li", { hasText: "The camera cannot be reached" }).first().waitFor();
    await page.shot("12-gap");
  });

  it("shows people, health, the audit log and the own account", async () => {
    await go("#/health");
    await page.getByRole("meter").first().waitFor();
    await page.shot("13-health");
    await go("#/audit");
    await page.getByRole("cell", { name: "Released a hold" }).first().waitFor();
    await page.shot("14-audit");
    await go("#/account");
    await page.getByText("What this account may do").waitFor();
    await go("#/cameras");
    await page.locator(".card").first().waitFor();
    await page.shot("15-cameras");
    await go("#/people");
    await button("Add a person").click();
    await field("Account name").fill("sokha");
    await field("First password").fill(PASSWORD);
    await button("Create account").click();
    await page.locator(".card-title", { hasText: "sokha" }).waitFor();
    await page.shot("16-people");
  });

  it("offers a viewer only what a viewer may do", async () => {
    const viewer = await openPage(world);
    await viewer.goto(BASE_URL);
    await viewer.getByLabel("Account name").fill("sokha");
    await viewer.getByLabel("Password").fill("not the password");
    await viewer.getByRole("button", { name: "Sign in" }).click();
    await viewer.getByRole("alert").waitFor();
    await viewer.getByLabel("Password").fill(PASSWORD);
    await viewer.getByRole("button", { name: "Sign in" }).click();
    await viewer.locator(`${tile(1)} [data-live="true"]`).waitFor();
    const offered = await viewer.getByRole("navigation").getByRole("link").allInnerTexts();
    assert.deepEqual(offered, ["Live", "Check evidence", "Health"]);
    await viewer.goto(`${BASE_URL}#/cameras`);
    await viewer.getByText("This page needs the role: Admin.").waitFor();
    await viewer.shot("17-not-yours");
    await viewer.context().close();
  });

  it("fits a phone, in Khmer, in the dark", async () => {
    const phone = await openPage(world, {
      viewport: { width: 390, height: 844 },
      colorScheme: "dark",
      hasTouch: true,
      storageState: await page.context().storageState(),
    });
    await phone.goto(BASE_URL);
    await phone.getByRole("button", { name: "ខ្មែរ" }).click();
    await phone.getByRole("heading", { name: "ផ្សាយផ្ទាល់" }).waitFor();
    for (const [hash, ready, name] of [
      ["#/wall", `${tile(1)} [data-live="true"]`, "wall"],
      ["#/camera/1", ".now-time", "timeline"],
      ["#/cameras/1", "form.panel", "camera"],
      ["#/holds", ".ring", "holds"],
      ["#/holds/new", "form.panel", "hold-new"],
      ["#/people", ".card", "people"],
      ["#/health", ".ring", "health"],
      ["#/audit", "table", "audit"],
    ]) {
      await phone.goto(`${BASE_URL}${hash}`);
      await phone.locator(ready).first().waitFor();
      await phone.shot(`20-phone-${name}`);
      const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${hash} is ${over} pixels wider than the phone`);
    }
    await phone.context().close();
  });

  it("signs out", async () => {
    await button("Sign out").click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  it("broke no rule on the way: no script error, no console error, no violated policy, no server fault", () => {
    assert.deepEqual(world.complaints, []);
  });
});
