/** Sessions, a backup and its restore, by the page alone: a recorder of its own is claimed, backed up and changed, restored with a look at what changes, and another one that is
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
    [recorder, fresh, world] = [await startRecorder("", await freePort()), await startRecorder("", await freePort()), await openBrowser()];
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
    const { entries } = await ask(first, "/audit?limit=50");
    assert.ok(entries.some((entry) => entry.action === "restore_backup"));
    await first.context().close();
  });

  it("leave no complaint in the browser", () => {
    assert.deepEqual(world.complaints.filter((text) => !text.includes("ERR_CONNECTION")), []);
  });
});
