/** The page that lies in every evidence bundle, opened from a disk without a network: its verdict on good bundles and on every spoilt one is that of `watchbook-verify`, and it
 * plays all cameras on one clock.
 *
 * From the environment: WATCHBOOK_MATRIX, the bundles of the Rust tests with what both other verifiers say of each (`appliance/evidence/tests/it/two_verifiers.rs`);
 * WATCHBOOK_PLAYER, the page; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { logKey, makeBundle, START_S } from "./lib/bundle.mjs";

const PLAYER = process.env.WATCHBOOK_PLAYER ?? fileURLToPath(new URL("../../appliance/evidence/player/dist/player.html", import.meta.url));
const MATRIX = process.env.WATCHBOOK_MATRIX;
/** Bundles of the matrix; with fewer something has not been written. */
const MATRIX_MIN = 100;
/** Words of the options of `watchbook-verify`, and the fields of the page. */
const FIELDS = { "--log": "log", "--witness": "witness", "--quorum": "quorum", "--known": "known", "--consistency": "consistency" };
/** Exit code of a redacted copy of which nothing is wrong. */
const REDACTED = 20;
/** Files that a verdict may need beside a bundle, as the Rust tests name them. */
const FILES = { "--known": "known", "--consistency": "proof" };
/** The browser's own line for each camera that is looked for beside the page and is not there. */
const MISSING = /ERR_FILE_NOT_FOUND/;

/** The arguments of `watchbook-verify` as text for the fields. */
async function fieldsOf(place, options) {
  const fields = {};
  for (let at = 0; at < options.length; at += 2) {
    const option = options[at];
    const text = FILES[option] === undefined ? options[at + 1] : await readFile(join(place, FILES[option]), "utf8");
    const field = FIELDS[option];
    fields[field] = fields[field] === undefined ? text : `${fields[field]}\n${text}`;
  }
  return fields;
}

/** What the page says of a folder, as `watchbook-verify` would: exit code and what failed, sorted. */
async function judged(page, folder, fields) {
  await page.evaluate((given) => {
    for (const field of document.querySelectorAll("form [name]")) field.value = given[field.name] ?? "";
  }, fields);
  await page.locator("input[name=folder]").setInputFiles(folder);
  return verdict(page);
}

async function verdict(page) {
  const panel = "section.verdict:not([data-verdict=none], [data-verdict=busy])";
  await page.locator(panel).waitFor();
  return page.evaluate((redacted) => {
    const of = document.querySelector("section.verdict").dataset.verdict;
    const rows = [...document.querySelectorAll(".findings li")];
    const failed = rows.map((row) => `${row.dataset.code} ${row.dataset.subject}`).sort();
    const codes = rows.map((row) => Number(/, (\d+)(?:៖|:)/.exec(row.querySelector("small").textContent)[1]));
    return { verdict: of, code: codes.length > 0 ? Math.min(...codes) : of === "redacted" ? redacted : 0, failed };
  }, REDACTED);
}

/** The word of the page for the last line of `watchbook-verify`. */
function wordOf({ code, verdict }) {
  if (verdict.startsWith("REDACTED WORKING COPY")) return code === REDACTED ? "redacted" : "redacted-altered";
  return code === 0 ? "verified" : "not-verified";
}

describe("the player of an evidence bundle", { concurrency: 1 }, () => {
  let world;
  let page;
  let folder;
  let bundle;
  const asked = [];

  const fresh = async (url = pathToFileURL(PLAYER).href) => {
    await page.goto(url);
    await page.locator("section.verdict").waitFor();
  };

  before(async () => {
    assert.ok((await stat(PLAYER)).size > 0, "make page builds the player");
    world = await openBrowser();
    page = await openPage(world, { offline: true });
    page.on("request", (request) => asked.push(request.url()));
    folder = await mkdtemp(join(tmpdir(), "watchbook-bundle-"));
    bundle = makeBundle(folder, await readFile(PLAYER));
  });
  after(async () => {
    await world?.browser.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it("says of every bundle what watchbook-verify says", async () => {
    assert.ok(MATRIX, "WATCHBOOK_MATRIX names the bundles; make test-browser has them written");
    const places = (await readdir(MATRIX)).sort();
    assert.ok(places.length >= MATRIX_MIN, `${places.length} bundles`);
    let spoilt = 0;
    await fresh();
    for (const name of places) {
      const place = join(MATRIX, name);
      const said = JSON.parse(await readFile(join(place, "said.json"), "utf8"));
      const found = await judged(page, join(place, "bundle"), await fieldsOf(place, said.arguments));
      const want = { verdict: wordOf(said), code: said.code, failed: said.failed };
      assert.deepEqual(found, want, `${name}: ${said.arguments.join(" ")}`);
      spoilt += Number(said.code !== 0);
    }
    assert.ok(spoilt > places.length / 2, `${spoilt} of ${places.length} are spoilt`);
  });

  it("plays what lies beside it before anything was chosen", async () => {
    await fresh(pathToFileURL(join(folder, "player.html")).href);
    await page.getByText("Not checked: the times and the gaps").waitFor();
    assert.equal(await page.locator("video").count(), 2);
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await until(page, "both cameras play", () => [...document.querySelectorAll("video")].every((video) => video.currentTime > 0.5));
    assert.equal(await page.locator("section.verdict").getAttribute("data-verdict"), "none");
  });

  it("vouches for nothing without a key, and for all with the right one", async () => {
    assert.deepEqual(await judged(page, folder, {}), { verdict: "unknown-key", code: 0, failed: [] });
    await page.getByText("Consistent in itself, but the key is not known to you").waitFor();
    const check = async (log) => {
      await page.getByLabel("Public key of the log").fill(log);
      await page.getByRole("button", { name: "Check", exact: true }).click();
      return verdict(page);
    };
    const unsigned = { verdict: "not-verified", code: 15, failed: ["checkpoint-unsigned checkpoint"] };
    assert.deepEqual(await check(logKey(2).text), unsigned);
    assert.equal((await check("not a key")).verdict, "asked-wrongly");
    assert.deepEqual(await check(bundle.key), { verdict: "verified", code: 0, failed: [] });
    await page.getByText(`${bundle.runs} runs are as they were recorded`).waitFor();
    assert.equal(await page.locator("[data-seal=good]").count(), 1);
    await page.shot("player-verified");
  });

  it("shows both cameras at one time, and why one has a gap", async () => {
    const state = () =>
      page.evaluate(() => ({
        seconds: [...document.querySelectorAll("video")].map((video) => video.currentTime),
        veils: [...document.querySelectorAll(".veil")].map((veil) => (veil.hidden ? "" : veil.textContent)),
        time: document.querySelector(".times").textContent,
        clocks: [...document.querySelectorAll(".clock")].map((clock) => clock.dataset.clock),
      }));
    const slider = page.getByRole("slider", { name: "Position" });
    const seek = (ms) => slider.evaluate((input, value) => ((input.value = value), input.dispatchEvent(new Event("input"))), String(ms));
    await seek(500);
    await until(page, "both are there", () => [...document.querySelectorAll("video")].every((video) => !video.seeking && Math.abs(video.currentTime - 0.5) < 0.01));
    const utc = (ms) => new Date(START_S * 1000 + ms).toISOString().replace("T", " ").replace("Z", " UTC");
    assert.ok((await state()).time.startsWith(`${utc(500)} · 2025-11-24 23:00:00.500 UTC+07:00`), (await state()).time);
    assert.deepEqual((await state()).clocks, ["synchronised", "free"]);
    await page.getByRole("button", { name: "One picture on" }).click();
    await until(page, "one picture on", () => [...document.querySelectorAll("video")].every((video) => !video.seeking && Math.abs(video.currentTime - 0.6) < 0.01));
    await page.getByRole("button", { name: "Play", exact: true }).click();
    // Into the gap: camera 1 stops and says why, camera 2 goes on.
    await until(page, "the gap has a reason", () => [...document.querySelectorAll(".veil")].some((veil) => !veil.hidden && veil.textContent.startsWith("No footage: The camera cannot be reached")));
    await page.shot("player-gap");
    const [before] = [(await state()).seconds[1]];
    await until(page, "the other camera goes on", (then) => document.querySelectorAll("video")[1].currentTime > then + 0.5, before);
    assert.equal((await state()).veils[1], "");
    // Behind it both go on together.
    await until(page, "both play again", () => {
      const [one, other] = document.querySelectorAll("video");
      return document.querySelector(".veil").hidden && one.currentTime > 5.5 && Math.abs(one.currentTime - other.currentTime) < 0.2;
    });
    await page.keyboard.press("Space");
    assert.match(await page.locator(".gaps ul").textContent(), /2025-11-24 16:00:02\.000 – 2025-11-24 16:00:05\.000 UTC/);
  });

  it("is there in Khmer, on a phone, in the dark and on paper", async () => {
    await page.getByRole("button", { name: "ភាសាខ្មែរ" }).click();
    await page.getByText("បានបញ្ជាក់ថាត្រឹមត្រូវ", { exact: true }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), "km");
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: "dark" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${wide} px`);
    await page.shot("player-phone-km");
    await page.emulateMedia({ media: "print", colorScheme: "light" });
    await page.setViewportSize({ width: 800, height: 1100 });
    assert.equal(await page.locator("video").first().isVisible(), false);
    assert.equal(await page.locator(".banner").isVisible(), true);
    await page.shot("player-print-km");
    await page.emulateMedia({ media: "screen" });
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByRole("button", { name: "English" }).click();
  });

  it("lets no changed byte of real footage pass", async () => {
    const names = await readdir(folder);
    const files = await Promise.all(names.map(async (name) => ({ name, mimeType: "application/octet-stream", buffer: await readFile(join(folder, name)) })));
    await fresh();
    await page.locator("[name=log]").fill(bundle.key);
    let marked = 0;
    for (const { name, buffer } of files) {
      // One byte in each quarter of each file.
      for (let quarter = 0; quarter < 4; quarter += 1) {
        const at = Math.floor(((quarter + 0.5) * buffer.length) / 4);
        const changed = Buffer.from(buffer);
        changed[at] ^= 1;
        await page.locator("input[name=files]").setInputFiles(files.map((file) => (file.name === name ? { ...file, buffer: changed } : file)));
        const { verdict: found, failed } = await verdict(page);
        assert.equal(found, "not-verified", `byte ${at} of ${name}`);
        if (!name.startsWith("camera")) continue;
        const isFootage = failed.some((what) => what.startsWith("run-altered"));
        assert.equal(await page.locator(".row .altered").count(), Number(isFootage), `marks for byte ${at} of ${name}`);
        marked += Number(isFootage);
        if (name === "camera-1.mp4") assert.equal(await page.locator("[data-seal=bad]").count(), 1, `byte ${at} under the seal`);
      }
    }
    assert.ok(marked > 0, "some of the bytes are footage");
  });

  it("takes no text of a bundle for its own", async () => {
    const copy = await mkdtemp(join(tmpdir(), "watchbook-hostile-"));
    await cp(folder, copy, { recursive: true });
    const forged = "<img src=x onerror=alert(1)>\u202eVERIFIED";
    await writeFile(join(copy, "checkpoint"), (await readFile(join(copy, "checkpoint"), "utf8")).replace("station-7.example/log\n", `${forged}\n`));
    await writeFile(join(copy, "<b>note\u202e.txt"), "look here");
    await fresh();
    const { failed } = await judged(page, copy, { log: bundle.key });
    assert.ok(failed.includes("file-unlisted <b>note\\u{202e}.txt"), failed.join("\n"));
    assert.ok(failed.includes("checkpoint-origin checkpoint"), failed.join("\n"));
    assert.equal(await page.locator("img, .verdict b b").count(), 0);
    assert.match(await page.locator(".findings").textContent(), /\\u\{202e\}VERIFIED/);
    await rm(copy, { recursive: true });
  });

  it("asks for nothing but files, and costs no complaint of the browser", () => {
    assert.deepEqual(asked.filter((url) => !/^(?:file|blob|data):/.test(url)), []);
    assert.deepEqual(world.complaints.filter((complaint) => !MISSING.test(complaint)), []);
  });
});
