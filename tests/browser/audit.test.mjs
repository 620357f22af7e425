/** The audit log on the page: searched whole, by the recorder and by words, narrowed to one person, and an entry taken out with its proof, which another program checks. A recorder of
 * its own.
 *
 * From the environment: WATCHBOOK_BIN, beside which `watchbook-verify` lies; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { startRecorder } from "./lib/programs.mjs";

const PASSWORD = "seven quiet herons";
/** More than one page of the log. */
const ATTEMPTS = 130;

describe("the audit log on the page", { concurrency: 1 }, () => {
  let recorder;
  let world;
  let page;
  let dir;
  const rows = () => page.locator("tbody tr");
  const filter = () => page.locator("details", { has: page.locator("summary", { hasText: "Search the whole log" }) });
  const post = async (path, data) => page.request.post(`${recorder.page}api/v1${path}`, { data, headers: { "X-Watchbook": "1" } });

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "watchbook-entry-"));
    recorder = await startRecorder();
    world = await openBrowser();
    page = await openPage(world);
    await page.goto(recorder.page);
    await post("/claim", { code: recorder.code, name: "dara", password: PASSWORD, one_person_station: true });
    await post("/accounts", { name: "sok", password: PASSWORD, roles: ["auditor"] });
    // Each asks for another time, and is an entry.
    for (let second = 0; second < ATTEMPTS; second += 1) {
      const answer = await page.request.get(`${recorder.page}api/v1/events?from_utc_ms=${second * 1_000}&to_utc_ms=${second * 1_000 + 1_000}`);
      assert.ok(answer.ok(), await answer.text());
    }
    await page.goto(`${recorder.page}#/audit`);
    await page.reload();
    await rows().first().waitFor();
  });
  after(async () => {
    await world?.browser.close();
    await recorder?.stop();
    await recorder?.clean();
    await rm(dir, { recursive: true, force: true });
  });

  it("finds by words what is older than what is shown", async () => {
    await page.getByRole("searchbox").fill("claimed");
    await page.getByText("No entry matches.").waitFor();
    await page.getByRole("button", { name: "Search older entries" }).click();
    await page.getByRole("row", { name: /Claimed the recorder/ }).waitFor();
    await page.getByText("This is the beginning of the log.").waitFor();
    await assertAccessible(page, "words found");
    await page.shot("audit-words");
  });

  it("has the recorder look for one action and one person", async () => {
    await page.getByRole("searchbox").fill("");
    await filter().locator("summary").click();
    const action = filter().getByLabel("What was done");
    const { entries } = await (await page.request.get(`${recorder.page}api/v1/audit?action=claim`)).json();
    await action.selectOption("claim");
    await page.locator("tbody tr:only-child", { hasText: String(entries[0].index) }).waitFor();
    await action.selectOption("");
    await page.getByRole("button", { name: "dara (#1)" }).first().click();
    await page.locator("tbody tr").nth(5).waitFor();
    assert.equal(await filter().getByLabel("Account number").inputValue(), "1");
    for (const who of await page.locator("tbody tr td:nth-child(3)").allInnerTexts()) assert.equal(who.trim(), "dara (#1)");
    await assertAccessible(page, "narrowed");
    await page.shot("audit-narrowed");
    await page.getByRole("button", { name: "Show everything" }).click();
  });

  it("gives an entry with its proof, and another program believes it", async () => {
    await filter().getByLabel("What was done").selectOption("claim");
    const link = page.locator("tbody tr:only-child a[download]");
    await link.waitFor();
    // It is signed within seconds.
    const address = new URL(await link.getAttribute("href"), recorder.page).href;
    const end = Date.now() + SOON_MS;
    while (!(await page.request.get(address)).ok()) assert.ok(Date.now() < end, "the entry is not signed");
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    const file = join(dir, download.suggestedFilename());
    await download.saveAs(file);
    const { key } = await (await page.request.get(`${recorder.page}api/v1/log`)).json();
    const { stdout } = await promisify(execFile)(join(dirname(process.env.WATCHBOOK_BIN), "watchbook-verify"), ["--entry", file, "--log", key]);
    assert.match(stdout, /"claim"[^]*VERIFIED/);
  });

  it("is there in Khmer, on a phone and in the dark", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", storageState: await page.context().storageState() });
    await phone.addInitScript(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.goto(`${recorder.page}#/audit`);
    await phone.locator("tbody tr").first().waitFor();
    await phone.getByText("ស្វែងរកក្នុងកំណត់ហេតុទាំងមូល").click();
    await assertAccessible(phone, "in Khmer");
    await phone.shot("audit-khmer-phone");
  });

  it("costs no complaint of the browser", () => assert.deepEqual(world.complaints, []));
});
