/** What the station says of itself, sessions, a backup and its restore, by the page alone: a recorder of its own is claimed, backed up and changed, restored with a look at what changes, and another one that is
 * fresh becomes the same station.
 *
 * From the environment: WATCHBOOK_BIN, RTSP_URL_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage } from "./lib/browser.mjs";
import { codeOf } from "./lib/case.mjs";
import { freePort, startRecorder } from "./lib/programs.mjs";
import { ask } from "./lib/station.mjs";

const { RTSP_URL_1 } = process.env;
const PASSWORD = "seven quiet herons";
const PASSPHRASE = "the river runs past the old mill";
/** A name that must appear as text and do nothing. */
const HOSTILE_STATION = `<script>alert(1)</script> & "7"`;
const HOSTILE = `Gate <img src=x onerror="alert(1)"> & "both"`;

describe("the settings", { concurrency: 1 }, () => {
  let recorder;
  let fresh;
  let world;
  let page;
  let key;
  let file;
  const field = (name, on = page) => on.getByLabel(name, { exact: true });
  const button = (name, on = page) => on.getByRole("button", { name, exact: true });
  const full = (name, on = page) => on.screenshot({ path: `${world.shots}/${name}.png`, fullPage: true });
  const send = async (to, method, path, data) => {
    const answer = await page.request.fetch(`${to.page}api/v1${path}`, { method, data, headers: { "X-Watchbook": "1" } });
    assert.ok(answer.ok(), `${path}: ${await answer.text()}`);
    const text = await answer.text();
    return text === "" ? null : JSON.parse(text);
  };
  const signIn = async (on) => {
    await field("Account name", on).fill("dara");
    await field("Password", on).fill(PASSWORD);
    await button("Sign in", on).click();
    await button("Sign out", on).waitFor();
  };
  const restoring = () => page.locator("[data-restore]");

  before(async () => {
    [recorder, fresh, world] = [await startRecorder('[public]\nname = "Station 7"\ncontact = "Room 3"\n', await freePort()), await startRecorder("", await freePort()), await openBrowser()];
    page = await openPage(world);
    await send(recorder, "POST", "/claim", { code: recorder.code, name: "dara", password: PASSWORD, one_person_station: true });
    await send(recorder, "POST", "/cameras", { name: HOSTILE, main: { url: RTSP_URL_1 }, purpose: "Traffic on the square", contact: "Room 3" });
    ({ key } = await send(recorder, "POST", "/session/second-factor/set-up", { password: PASSWORD }));
    await send(recorder, "POST", "/session/second-factor/confirm", { code: codeOf(key) });
  });
  after(async () => {
    await world?.browser.close();
    for (const one of [recorder, fresh]) {
      await one?.stop();
      await one?.clean();
    }
  });

  it("show who is signed in, and end a session at once", async () => {
    const other = await openPage(world, { userAgent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36" });
    await other.goto(recorder.page);
    await signIn(other);
    await page.goto(`${recorder.page}#/settings`);
    const telephone = page.locator("[data-sessions] li", { hasText: "Chrome on Android" });
    await telephone.waitFor();
    assert.match(await telephone.innerText(), /from 127\.0\.0\.1/);
    await assertAccessible(page, "settings");
    await full("settings");
    await button("End it", telephone).click();
    await button("End it", page.getByRole("dialog")).click();
    await telephone.waitFor({ state: "detached" });
    await other.reload();
    await button("Sign in", other).waitFor();
    await other.context().close();
  });

  const station = () => page.locator("[data-station]");
  const history = () => page.locator("[data-station-history]");
  const entries = () => history().locator("[data-entry]");
  const diff = () => station().locator("[data-diff]");
  const setting = (name) => station().locator(`[data-setting="${name}"]`);
  const save = async (reason) => {
    await field("Why", diff()).fill(reason);
    await button("Save changes", diff()).click();
  };

  it("show what the configuration file says, and what becomes different before it does", async () => {
    assert.equal(await field("Name of the station", station()).inputValue(), "Station 7");
    await setting("name").getByText("from the configuration file", { exact: true }).waitFor();
    await history().getByText("Nobody has changed them yet", { exact: false }).waitFor();
    await field("Name of the station", station()).fill(HOSTILE_STATION);
    await field("Time to answer a request (days)", station()).fill("14");
    const before = await diff().locator("dl").innerText();
    assert.match(before, /Station 7\s*→\s*<script>/);
    assert.match(before, /28\s*→\s*14/);
    assert.ok(await button("Save changes", diff()).isDisabled(), "without a reason nothing is saved");
    assert.equal((await ask(page, "/settings")).version, 0);
    await assertAccessible(page, "what becomes different");
    await full("settings-station-diff");
    await field("Why", diff()).fill("The station moved");
    await page.keyboard.press("Enter");
    await station().getByText("Saved.", { exact: false }).waitFor();
    await diff().waitFor({ state: "detached" });
    const { version, settings } = await ask(page, "/settings");
    assert.deepEqual([version, settings[0].value, settings[0].default, settings[3].value], [1, HOSTILE_STATION, "Station 7", "14"]);
    await setting("name").getByText("set here", { exact: true }).waitFor();
  });

  it("say who changed them, and find it", async () => {
    await entries().first().waitFor();
    const told = await entries().first().innerText();
    assert.match(told, /dara/);
    assert.match(told, /The station moved/);
    assert.match(told, /Name of the station\s*Station 7\s*→\s*<script>alert\(1\)<\/script>/);
    const search = history().getByRole("searchbox");
    await search.fill("nothing like it");
    await history().getByText("No change fits this search.").waitFor();
    await search.fill("MOVED dara");
    await entries().first().waitFor();
    await search.fill("");
    await page.goto(`${recorder.page}#/cameras/1/sign`);
    await page.getByText(HOSTILE_STATION, { exact: false }).first().waitFor();
    await page.goto(`${recorder.page}#/settings`);
    await entries().first().waitFor();
  });

  it("refuse what makes one name look like another, and what is out of bounds", async () => {
    await field("Name of the station", station()).fill("Station \u202E7");
    await save("A try");
    await station().getByRole("alert").getByText("text-direction", { exact: false }).waitFor();
    await field("Time to answer a request (days)", station()).fill("93");
    await setting("request_answer_days").getByText("A whole number of days from 1 to 92.").waitFor();
    assert.ok(await button("Save changes", diff()).isDisabled());
    await button("Leave it as it is", diff()).click();
    await diff().waitFor({ state: "detached" });
    assert.equal(await station().getByRole("alert").count(), 0);
    assert.equal((await ask(page, "/settings")).version, 1);
  });

  it("overwrite nothing that was not seen", async () => {
    await field("Whom to ask", station()).fill("Room 9");
    await send(recorder, "PATCH", "/settings", { version: 1, reason: "From elsewhere", changes: [{ setting: "contact", value: "Room 5" }] });
    await save("A new room");
    await station().getByRole("alert").getByText("changed by somebody else", { exact: false }).waitFor();
    await diff().getByText("Room 5").waitFor();
    await full("settings-station-conflict");
    await button("Save changes", diff()).click();
    await station().getByText("Saved.", { exact: false }).waitFor();
    assert.equal((await ask(page, "/settings")).settings[1].value, "Room 9");
    await entries().nth(2).waitFor();
  });

  it("put back what was there, with the same look before", async () => {
    const first = entries().last();
    await first.getByRole("button", { name: /^Put back what was before entry/ }).click();
    await diff().waitFor();
    assert.equal(await field("Name of the station", station()).inputValue(), "Station 7");
    assert.match(await diff().locator("dl").innerText(), /14\s*→\s*28/);
    await full("settings-station-put-back");
    await button("Save changes", diff()).click();
    await station().getByText("Saved.", { exact: false }).waitFor();
    await entries().nth(3).waitFor();
    assert.match(await entries().first().innerText(), /As before entry \d+ of the log/);
    await entries().last().getByRole("button", { name: /^Put back what was before entry/ }).click();
    await station().getByText("These values hold already.").waitFor();
    assert.equal(await diff().count(), 0, "there is nothing to save");
    const days = station().getByRole("button", { name: "Put back to default: Time to answer a request (days)", exact: true });
    await days.click();
    await diff().getByText("from the configuration file", { exact: false }).waitFor();
    await save("The file says it");
    await entries().nth(4).waitFor();
    const { settings } = await ask(page, "/settings");
    assert.deepEqual([settings[0].value, settings[3].set_here], ["Station 7", false]);
    await full("settings-station");
  });

  it("make a backup that is sealed", async () => {
    const making = page.locator("[data-backup]");
    await field("Passphrase", making).fill(PASSPHRASE);
    await field("The same password again", making).fill(PASSPHRASE);
    const [download] = await Promise.all([page.waitForEvent("download"), button("Make a backup", making).click()]);
    assert.match(download.suggestedFilename(), /^watchbook-\d{4}-\d\d-\d\d\.wbbackup$/);
    file = await download.path();
    await making.getByText("The file was made.").waitFor();
  });

  it("show what a restore changes, with names as text, and do it", async () => {
    const [camera] = (await ask(page, "/cameras")).cameras;
    await send(recorder, "PATCH", `/cameras/${camera.id}`, { purpose: "Something else" });
    await field("Backup", restoring()).setInputFiles({ name: "station.wbbackup", mimeType: "application/octet-stream", buffer: await (await import("node:fs/promises")).readFile(file) });
    await field("Passphrase of the backup", restoring()).fill("not this one at all");
    await button("Show what would change", restoring()).click();
    await restoring().getByRole("alert").getByText("The passphrase is not that of this backup", { exact: false }).or(restoring().getByRole("alert")).first().waitFor();
    await field("Passphrase of the backup", restoring()).fill(PASSPHRASE);
    await button("Show what would change", restoring()).click();
    const changed = restoring().locator('[data-fate="changed"]');
    await changed.getByText("Something else", { exact: false }).waitFor();
    assert.match(await changed.innerText(), /Something else\s*→\s*Traffic on the square/);
    assert.ok((await changed.innerText()).includes(HOSTILE));
    await assertAccessible(page, "what a restore changes");
    await full("settings-restore");
    await button("Restore", restoring()).click();
    await full("settings-restore-asks");
    await button("Restore", page.getByRole("dialog")).click();
    await button("Sign in").waitFor();
    await signIn(page);
    assert.equal((await ask(page, "/cameras")).cameras[0].purpose, "Traffic on the square");
  });

  it("speak Khmer, on a telephone and in the dark", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark", storageState: await page.context().storageState() });
    await phone.addInitScript(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.goto(`${recorder.page}#/settings`);
    await phone.locator("[data-sessions] li").first().waitFor();
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels too wide`);
    await assertAccessible(phone, "settings in Khmer on a telephone");
    await full("settings-km-phone", phone);
    await phone.getByLabel("ឈ្មោះស្ថានីយ", { exact: true }).fill("ប៉ុស្តិ៍នគរបាល ៧");
    const changes = phone.locator("[data-diff]");
    await changes.waitFor();
    assert.match(await changes.innerText(), /Station 7\s*→\s*ប៉ុស្តិ៍នគរបាល ៧/);
    const wider = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} pixels too wide`);
    await assertAccessible(phone, "a change in Khmer on a telephone");
    await full("settings-km-phone-diff", phone);
    await changes.getByLabel("ហេតុអ្វី", { exact: true }).fill("ប៉ុស្តិ៍បានផ្លាស់ប្តូរទីតាំង");
    await changes.locator("button.primary").click();
    await changes.waitFor({ state: "detached" });
    await phone.locator("[data-entry]", { hasText: "ប៉ុស្តិ៍បានផ្លាស់ប្តូរទីតាំង" }).waitFor();
    await phone.context().close();
  });

  it("make a fresh recorder the same station", async () => {
    const first = await openPage(world);
    await first.goto(fresh.page);
    await button("Restore from a backup", first).click();
    await field("One-time code", first).fill(fresh.code);
    await field("Backup", first).setInputFiles(file);
    await field("Passphrase of the backup", first).fill(PASSPHRASE);
    await assertAccessible(first, "a restore before anything else");
    await full("settings-first", first);
    await button("Restore", first).click();
    await signIn(first);
    assert.equal((await ask(first, "/cameras")).cameras[0].name, HOSTILE);
    const log = (await ask(first, "/audit?limit=50")).entries;
    assert.ok(log.some((entry) => entry.action === "restore_backup"));
    assert.ok(log.some((entry) => entry.action === "change_station_settings" && entry.subject.reason === "restored from a backup"));
    assert.equal((await ask(first, "/settings")).settings[1].value, "Room 9");
    await first.context().close();
  });

  it("leave no complaint in the browser", () => {
    assert.deepEqual(world.complaints.filter((text) => !text.includes("ERR_CONNECTION")), []);
  });
});
