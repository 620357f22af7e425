/** The page of events: real ones of the motion plugin, their pictures inside a case, filters, new ones as they come, names that would be markup, a phone, Khmer. The station is
 * the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, WATCHBOOK_PLUGINS; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
const MOTION = "org.watchbook.motion";
const ZONE = '<b onclick="alert(1)">gate</b>';
const NAME = '<img src=x onerror="alert(1)">';
/** The plugin learns the scene before it speaks. */
const LEARNED_MS = 4 * SOON_MS;
/** Two decoders, two scalers and one more coding lie between the two: mean difference of a channel, 0 to 255. The key frame before it differs by more. */
const SAME_MAX = 6;
const MORE = 1;
const [WIDTH, HEIGHT] = [320, 180];

/** Red, green and blue of the first picture of a file, as ffmpeg decodes and scales it. */
async function pixels(file) {
  const args = ["-v", "error", "-i", file, "-frames:v", "1", "-vf", `scale=${WIDTH}:${HEIGHT}`, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
  const { stdout } = await promisify(execFile)("ffmpeg", args, { encoding: "buffer", maxBuffer: 1 << 24 });
  assert.equal(stdout.length, WIDTH * HEIGHT * 3, file);
  return stdout;
}

const differ = (a, b) => a.reduce((sum, value, at) => sum + Math.abs(value - b[at]), 0) / a.length;

describe("the page of events", { concurrency: 1 }, () => {
  let world;
  let page;
  let since;
  const go = (hash) => page.goto(`${BASE_URL}${hash}`);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const rows = () => page.locator("[data-event]");
  const away = () => page.mouse.move(4, 4);
  const inCase = async () => (await ask(page, "/cases")).cases.find((each) => each.open && !each.emergency && each.cameras.includes(1)).case;
  const found = async (more = "") => (await ask(page, `/events?from_utc_ms=${since - 3_600_000}&to_utc_ms=${since + 86_400_000}&camera=1&limit=100${more}`)).events;

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    since = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    const corner = (x, y) => ({ x, y });
    const zones = [{ name: ZONE, outline: [corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)] }];
    await send(page, "PUT", `/cameras/1/plugins/${MOTION}`, { enabled: true, settings: {}, zones });
  });
  after(() => world?.browser.close());

  it("shows what was noticed, with its picture, and plays it in one click", async () => {
    await go("#/events");
    await page.locator('[data-feed="live"]').waitFor();
    await rows().first().waitFor({ timeout: LEARNED_MS });
    await page.locator('.event-picture[data-state="shown"] canvas').first().waitFor();
    await assertAccessible(page, "the list of events");
    await page.shot("events-list");
    const [event] = await found();
    const shown = page.locator(`[data-event="${event.id}"]`);
    assert.match(await shown.locator(".event-said").innerText(), /Motion/);
    await shown.locator("a.event-main").click();
    await page.locator(".review").waitFor();
    assert.equal(new URL(page.url()).hash, `#/camera/1?at=${event.start_utc_ms - 2_000}`);
    await until(page, "the picture of the event", () => document.querySelector(".review video")?.readyState >= 2);
  });

  it("shows new ones at the top as they happen, and moves nothing that is being read", async () => {
    await go("#/events");
    await page.locator('[data-feed="live"]').waitFor();
    await rows().first().waitFor();
    await away();
    await page.locator('[data-event][data-new="true"]').first().waitFor({ timeout: LEARNED_MS });
    await rows().first().locator("a.event-main").focus();
    const top = await rows().first().getAttribute("data-event");
    await page.locator(".event-waiting button").waitFor({ timeout: LEARNED_MS });
    assert.equal(await rows().first().getAttribute("data-event"), top, "what is read stays");
    await page.shot("events-waiting");
    await page.locator(".event-waiting button").click();
    await until(page, "the new one on top", (id) => document.querySelector("[data-event]").getAttribute("data-event") !== id, top);
  });

  it("finds by kind, zone, plugin and camera, and says what to do when nothing fits", async () => {
    await go("#/events");
    await rows().first().waitFor();
    const type = async (label, value) => {
      await page.getByLabel(label, { exact: true }).fill(value);
      await page.getByLabel(label, { exact: true }).press("Enter");
    };
    await type("Kind", "no-such-kind");
    await page.getByText("No event matches.").waitFor();
    await page.shot("events-none");
    await page.locator(".empty button").click();
    await rows().first().waitFor();
    await type("Zone", ZONE);
    await type("Noticed by", MOTION);
    await rows().first().waitFor();
    assert.match(await rows().first().locator(".event-said").innerText(), /<b onclick="alert\(1\)">gate<\/b>/);
    assert.deepEqual([...new Set((await found(`&zone=${encodeURIComponent(ZONE)}&plugin=${MOTION}`)).map((event) => event.zone))], [ZONE]);
    await type("Noticed by", "recorder");
    await page.getByText("No event matches.").waitFor();
    await page.locator(".empty button").click();
    await page.locator(".event-cameras summary").click();
    await page.locator(".event-cameras input").first().check();
    await rows().first().waitFor();
    // Thirty letters, ninety bytes: said, and not asked with.
    await type("Zone", "ក".repeat(30));
    await page.getByRole("alert").getByText("Zone: too long, at most 64 bytes.", { exact: false }).waitFor();
    await rows().first().waitFor({ state: "detached" });
    assert.equal(await page.getByLabel("Zone", { exact: true }).inputValue(), "ក".repeat(30), "it stays in its field");
    await type("Zone", "");
    await rows().first().waitFor();
    await button("Exact time").click();
    await page.getByLabel("To", { exact: true }).fill("2020-01-01T00:00:00");
    await page.getByText("The end must come after the beginning.").waitFor();
    await assertAccessible(page, "filters with a fault");
  });

  it("leaves what is being typed alone while new events come", async () => {
    await go("#/events");
    await rows().first().waitFor();
    const top = await rows().first().getAttribute("data-event");
    await page.getByLabel("Kind", { exact: true }).fill("half a w");
    await until(page, "a new one", (id) => document.querySelector("[data-event]").getAttribute("data-event") !== id || document.querySelector(".event-waiting button") !== null, top, LEARNED_MS);
    assert.equal(await page.getByLabel("Kind", { exact: true }).inputValue(), "half a w");
    await page.getByLabel("Kind", { exact: true }).fill("");
  });

  it("keeps its filters in the address: over a reload, by Back, and for somebody else", async () => {
    const hash = () => new URL(page.url()).hash;
    const value = (label, of = page) => of.getByLabel(label, { exact: true }).inputValue();
    const asked = [];
    const note = (request) => /\/api\/v1\/events\?/.test(request.url()) && asked.push(new URL(request.url()).searchParams);
    await go("#/events");
    await rows().first().waitFor();
    assert.equal(await value("Zone"), "", "the plain address narrows nothing");
    await page.locator(".event-filters .segmented button").nth(3).click();
    await page.getByLabel("Zone", { exact: true }).fill(ZONE);
    await page.getByLabel("Zone", { exact: true }).press("Enter");
    await page.locator(".event-cameras").evaluate((details) => (details.open = true));
    await page.locator(".event-cameras input").first().check();
    await page.getByLabel("Kind", { exact: true }).fill("no-such-kind");
    await page.getByLabel("Kind", { exact: true }).press("Enter");
    await page.getByText("No event matches.").waitFor();
    const full = hash();
    assert.deepEqual(Object.fromEntries(new URLSearchParams(full.split("?")[1])), { time: "month", cameras: "1", kind: "no-such-kind", zone: ZONE });
    await page.reload();
    await page.getByText("No event matches.").waitFor();
    assert.deepEqual([hash(), await value("Kind"), await value("Zone")], [full, "no-such-kind", ZONE]);
    assert.equal(await page.locator('.event-filters .segmented [aria-pressed="true"]').innerText(), await page.locator(".event-filters .segmented button").nth(3).innerText());
    page.on("request", note);
    await page.goBack();
    await rows().first().waitFor();
    assert.deepEqual([await value("Kind"), await value("Zone")], ["", ZONE]);
    assert.deepEqual([asked.at(-1).get("kind"), asked.at(-1).get("zone"), asked.at(-1).get("cameras")], [null, ZONE, "1"], "the recorder is asked the same");
    await page.goForward();
    await page.getByText("No event matches.").waitFor();
    page.off("request", note);
    await page.goBack();
    // To another page and back.
    await rows().first().locator("a.event-main").click();
    await page.locator(".review").waitFor();
    await page.goBack();
    await rows().first().waitFor();
    assert.equal(await value("Zone"), ZONE);
    const other = await openPage(world, { storageState: await page.context().storageState() });
    await other.goto(`${BASE_URL}${full}`);
    await other.getByText("No event matches.").waitFor();
    assert.deepEqual([await value("Kind", other), await value("Zone", other)], ["no-such-kind", ZONE]);
    for (const hostile of ["time=exact&from=x&to=-1", `kind=${"y".repeat(9_000)}&cameras=0,a,,99999999999`, "zone=%00%ff&plugin=%0a", "time=<b>&kind=&cameras=", "cameras=%"]) {
      await other.goto("about:blank");
      await other.goto(`${BASE_URL}#/events?${hostile}`);
      await (hostile.startsWith("time=exact") ? other.locator(".event-exact") : other.locator("[data-event]").first()).waitFor();
      assert.equal(await other.locator(".note.note-bad, .empty").count(), 0, hostile);
    }
    await other.context().close();
  });

  it("hands an event to an export and a hold in two clicks", async () => {
    // Without what the filters were set to.
    await go("#/events");
    await rows().first().getByRole("button", { name: /^More/ }).click();
    await page.shot("events-more");
    await assertAccessible(page, "what can be done with an event");
    await page.getByRole("link", { name: "Keep for a case" }).click();
    assert.match(new URL(page.url()).hash, /^#\/holds\/new\?cameras=1&from=\d+&to=\d+$/);
    await go("#/events");
    await rows().first().getByRole("button", { name: /^More/ }).click();
    await page.getByRole("link", { name: "Ask for an export" }).click();
    assert.match(new URL(page.url()).hash, /^#\/camera\/1\?at=\d+&from=\d+&to=\d+$/);
  });

  it("shows the key frame that is played, and the log has the look before it", async () => {
    const dir = await mkdtemp(join(tmpdir(), "watchbook-thumb-"));
    try {
      const number = await inCase();
      const [{ start_utc_ms: at }] = await found();
      const get = async (path) => {
        const answer = await page.request.get(`${BASE_URL}api/v1${path}`);
        assert.equal(answer.status(), 200, await answer.text().catch(() => path));
        return answer;
      };
      const still = await get(`/cameras/1/thumbnail.jpg?at_utc_ms=${at}&case=${number}`);
      const key = Number(still.headers()["watchbook-start-utc-ms"]);
      assert.ok(key <= at && at - key <= 30_000, `${at - key} ms before the moment`);
      const played = await get(`/cameras/1/playback.mp4?from_utc_ms=${at}&to_utc_ms=${at + 1}&case=${number}`);
      assert.equal(Number(played.headers()["watchbook-start-utc-ms"]), key, "the same key frame");
      const other = await get(`/cameras/1/thumbnail.jpg?at_utc_ms=${key - 1}&case=${number}`);
      const files = { still, played, other };
      const decoded = {};
      for (const [name, answer] of Object.entries(files)) {
        const file = join(dir, `${name}.${name === "played" ? "mp4" : "jpg"}`);
        await writeFile(file, await answer.body());
        decoded[name] = await pixels(file);
      }
      const [same, different] = [differ(decoded.still, decoded.played), differ(decoded.other, decoded.played)];
      console.log(`thumbnail and key frame differ by ${same.toFixed(2)}, the key frame before it by ${different.toFixed(2)}`);
      assert.ok(same <= SAME_MAX, `${same}`);
      assert.ok(different > same + MORE, `another picture is told apart: ${different}`);
      const { entries } = await ask(page, "/audit?limit=100");
      const looks = entries.filter((entry) => entry.action === "playback" && entry.subject.camera === 1 && entry.subject.case === number);
      assert.ok(looks.some(({ subject: { range } }) => range.start / 1e6 <= key && range.end / 1e6 > at), "an entry names camera, case and time");
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("shows a picture under the pointer on the timeline", async () => {
    const [{ start_utc_ms: at }] = await found();
    await go(`#/camera/1?at=${at}`);
    await page.locator(".timeline").waitFor();
    await button("1 min").click();
    const { width } = await page.locator(".timeline").boundingBox();
    await page.locator(".timeline").hover({ position: { x: width * 0.45, y: 40 } });
    await page.locator('.tip [data-thumb="1"]').waitFor();
    await page.shot("timeline-thumb");
    await away();
    await page.locator(".tip").waitFor({ state: "detached" });
  });

  it("shows names as text", async () => {
    await send(page, "PATCH", "/cameras/1", { name: NAME });
    await go("#/events");
    await page.reload();
    await rows().first().waitFor();
    assert.match(await rows().first().locator(".event-said").innerText(), /<img src=x onerror="alert\(1\)">/);
    assert.equal(await page.locator(".event-lines img, .event-lines b").count(), 0);
    await page.shot("events-hostile");
  });

  it("says what is needed where no case lets a picture be seen, and the recorder gives none", async () => {
    await send(page, "POST", "/accounts", { name: "sophal", password: "nine slow herons", roles: ["investigator"] });
    const other = await openPage(world);
    await other.goto(BASE_URL);
    await other.getByLabel("Account name").fill("sophal");
    await other.getByLabel("Password").fill("nine slow herons");
    await other.getByRole("button", { name: "Sign in", exact: true }).click();
    await other.getByRole("button", { name: "Sign out", exact: true }).waitFor();
    await other.goto(`${BASE_URL}#/events`);
    await other.locator('.event-picture[data-state="shut"]').first().waitFor();
    await other.getByText("inside an open case that names you").waitFor();
    await assertAccessible(other, "events without a case");
    await other.shot("events-no-case");
    const refused = await other.request.get(`${BASE_URL}api/v1/cameras/1/thumbnail.jpg?at_utc_ms=${Date.now() - 60_000}&case=${await inCase()}`);
    assert.equal(refused.status(), 403);
    await other.context().close();
  });

  it("fits a phone, in Khmer and in the dark", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, storageState: await page.context().storageState() });
    await phone.goto(`${BASE_URL}#/events`);
    await phone.evaluate(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.reload();
    await phone.locator("[data-event]").first().waitFor();
    await phone.getByText("ចុចមួយដងដើម្បីចាក់").waitFor();
    await phone.locator(".event-picture canvas").first().waitFor();
    await assertAccessible(phone, "on a phone, in Khmer");
    await phone.shot("events-phone");
    const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${over} pixels wider than the phone`);
    await phone.context().close();
  });

  it("leaves nothing to complain about", async () => {
    await button("Sign out").click();
    await page.getByLabel("Account name").waitFor();
    assert.deepEqual(world.complaints, []);
  });
});
