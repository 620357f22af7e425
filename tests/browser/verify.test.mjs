/** Evidence is checked in the browser: an export of this recorder is verified line for line as `watchbook-verify` does it, a changed byte is found with the same code, no byte of
 * it is sent anywhere, and everybody who is signed in may do so. The station is the one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, WATCHBOOK_BIN (`watchbook-verify` lies beside it); SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertAccessible } from "./lib/accessible.mjs";
import { openBrowser, openPage, SOON_MS, until } from "./lib/browser.mjs";
import { setUpFactor } from "./lib/case.mjs";
import { logKey } from "./lib/bundle.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL, WATCHBOOK_BIN } = process.env;
const VERIFY = join(dirname(WATCHBOOK_BIN), "watchbook-verify");
const PASSWORD = "seven quiet herons";
const HOSTILE = "<img src=x onerror=alert(1)>\u202e.txt";
const CASE = "2026-100";
/** What the page asks the recorder for all the time, wherever a person is. */
const POLLED = /^\/api\/v1\/(status|session|cameras|log|plugins|health|dev)\b/;

describe("evidence is checked in the browser", { concurrency: 1 }, () => {
  let world;
  let page;
  let dir;
  let zip;
  let folder;
  let key;
  let id;
  const button = (name) => page.getByRole("button", { name, exact: true });
  const result = () => page.locator("[data-verify]:not([data-verify=busy])");
  const program = (bundle, ...more) => spawnSync(VERIFY, [bundle, "--log", key, ...more], { encoding: "utf8" });

  /** Chooses a bundle, checks it, and what the page says. */
  const judged = async (input, paths) => {
    await page.locator(`input[name=${input}]`).setInputFiles(paths);
    await page.locator("[data-chosen]").waitFor();
    await button("Check").click();
    await result().waitFor();
    return page.evaluate(() => {
      const panel = document.querySelector("[data-verify]");
      const failed = [...panel.querySelectorAll("[data-code]")].map((row) => `${row.dataset.code} ${row.dataset.subject}`);
      return { verdict: panel.dataset.verify, exit: Number(panel.dataset.exit), failed: failed.sort() };
    });
  };
  /** What `watchbook-verify` says, in the same form. */
  const judgedByProgram = (bundle) => {
    const { status, stdout } = program(bundle);
    const failed = stdout.split("\n").flatMap((line) => /^FAIL ([^:]*):/.exec(line)?.[1] ?? []);
    return { verdict: status === 0 ? "verified" : "not", exit: status, failed: failed.sort() };
  };
  const savedText = async () => {
    const [file] = await Promise.all([page.waitForEvent("download"), button("Save the text").click()]);
    return readFile(await file.path(), "utf8");
  };
  const fresh = async () => {
    await page.goto(`${BASE_URL}#/verify`);
    await page.reload();
    await page.waitForFunction((wanted) => document.querySelector("textarea[name=log]")?.value.includes(wanted), key);
  };

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    dir = await mkdtemp(join(tmpdir(), "watchbook-verify-"));
    const end = Date.now() + 3 * SOON_MS;
    const late = (what) => assert.ok(Date.now() < end, what);
    let footage;
    while (footage === undefined) {
      const range = `from_utc_ms=${Date.now() - 3_600_000}&to_utc_ms=${Date.now() + 60_000}&role=main_video`;
      const { spans } = await ask(page, `/cameras/1/recordings?${range}`);
      footage = spans.find((span) => span.end_utc_ms - span.start_utc_ms > 15_000);
      late("camera 1 has no footage");
    }
    await send(page, "POST", "/exports", { case: CASE, cameras: [1], from_utc_ms: footage.start_utc_ms + 1_000, to_utc_ms: footage.start_utc_ms + 11_000, recipient_class: "court", recipient: "Municipal court" });
    await send(page, "POST", "/accounts", { name: "sokha", password: PASSWORD, roles: ["approver"] });
    const other = await openPage(world);
    await send(other, "POST", "/session", { name: "sokha", password: PASSWORD });
    await setUpFactor(other.request);
    const newest = async (state) => {
      for (;;) {
        const [item] = (await ask(page, "/exports")).exports;
        if (item.state === state) return item;
        late(`the export is ${item.state}`);
      }
    };
    const { id: made, made: { manifest_sha256 } } = await newest("ready");
    id = made;
    await send(other, "POST", `/exports/${id}/release`, { manifest_sha256 });
    await other.context().close();
    await newest("released");
    ({ key } = await ask(page, "/log"));
  });
  after(async () => {
    await world?.browser.close();
    if (dir !== undefined) await rm(dir, { recursive: true });
  });

  it("is offered beside the export that was downloaded", async () => {
    await page.goto(`${BASE_URL}#/exports`);
    const card = page.locator(`[data-export="${id}"]`);
    const [file] = await Promise.all([page.waitForEvent("download"), card.getByRole("link", { name: "Download" }).click()]);
    assert.equal(file.suggestedFilename(), `watchbook-export-${id}.zip`);
    zip = join(dir, `watchbook-export-${id}.zip`);
    await file.saveAs(zip);
    folder = join(dir, "folder");
    await mkdir(folder);
    execFileSync("python3", ["-m", "zipfile", "-e", zip, folder]);
    await page.shot("90-exports");
    await card.getByRole("link", { name: "Check this bundle" }).click();
    await page.getByText(`Choose that file`).waitFor();
    assert.ok(await button("Check").isDisabled(), "nothing was chosen");
  });

  it("says of a real export what watchbook-verify says, and asks nobody", async () => {
    await fresh();
    await assertAccessible(page, "the page before anything was chosen");
    const asked = [];
    const note = (request) => asked.push({ method: request.method(), url: request.url(), body: request.postData() });
    const policies = [];
    const policy = (response) => /bundle\.worker/.test(response.url()) && policies.push(response.headers()["content-security-policy"]);
    page.on("request", note);
    page.on("response", policy);
    assert.deepEqual(await judged("files", zip), { verdict: "verified", exit: 0, failed: [] });
    page.off("request", note);
    page.off("response", policy);
    // The recorder's own page goes on; beside that the program was fetched, and nothing was sent.
    assert.deepEqual(asked.filter(({ method, body }) => method !== "GET" || body !== null), []);
    const { origin } = new URL(BASE_URL);
    // Whole addresses: the same path at another host is another host.
    const more = asked.map(({ url }) => url).filter((url) => !(url.startsWith(`${origin}/`) && POLLED.test(url.slice(origin.length))));
    assert.deepEqual(more.map((url) => url.replace(/-[\w-]+\.(wasm|js)$/, ".$1")).sort(), [`${origin}/assets/bundle.worker.js`, `${origin}/assets/verify.wasm`], more.join(" "));
    assert.deepEqual([...new Set(policies)], ["default-src 'none'; script-src 'wasm-unsafe-eval'"]);
    const { status, stdout } = program(folder);
    assert.equal(status, 0, stdout);
    assert.equal(await savedText(), stdout, "each line is the program's");
    assert.equal(program(zip).stdout, stdout, "the program reads the ZIP, too");
    await page.getByText(/\d+ runs of footage are as they were recorded/).waitFor();
    await page.getByText("Every line, as watchbook-verify prints it").first().click();
    await page.getByLabel("Search the lines").fill("ok witness");
    await page.getByLabel("Search the lines").fill("verified:");
    await until(page, "the last line alone", () => /^VERIFIED: \d+ runs$/.test(document.querySelector(".verify-lines").textContent));
    await assertAccessible(page, "a verdict");
    await page.shot("91-verified");
    assert.deepEqual(await judged("folder", folder), { verdict: "verified", exit: 0, failed: [] });
  });

  it("finds one changed byte, with the code of watchbook-verify and what to do", async () => {
    for (const name of ["camera-1.mp4", "manifest.json", "proofs.json", "checkpoint"]) {
      const copy = join(dir, "changed");
      await cp(folder, copy, { recursive: true });
      const bytes = await readFile(join(copy, name));
      bytes[Math.floor(bytes.length / 2)] ^= 1;
      await writeFile(join(copy, name), bytes);
      const want = judgedByProgram(copy);
      assert.notEqual(want.exit, 0, name);
      assert.deepEqual(await judged("folder", copy), want, name);
      if (name === "camera-1.mp4") {
        assert.ok(want.failed.some((what) => what.startsWith("run-altered ")), want.failed.join());
        await page.getByText("Do not use the footage of this place").waitFor();
        await assertAccessible(page, "what is wrong");
        await page.shot("92-altered");
      }
      await rm(copy, { recursive: true });
    }
    const bytes = await readFile(zip);
    bytes[Math.floor(bytes.length / 2)] ^= 1;
    const path = join(dir, "changed.zip");
    await writeFile(path, bytes);
    assert.deepEqual(await judged("files", path), judgedByProgram(path));
  });

  it("says what cannot be used and what to do", async () => {
    await fresh();
    const deflated = join(dir, "packed.zip");
    execFileSync("python3", ["-c", "import shutil,sys; shutil.make_archive(sys.argv[1][:-4],'zip',sys.argv[2])", deflated, folder]);
    assert.deepEqual(await judged("files", deflated), { verdict: "refused", exit: 2, failed: [] });
    await page.getByText("unpack it and give the folder").waitFor();
    const field = page.getByLabel("Public key of the log");
    await field.fill("not a key");
    assert.deepEqual(await judged("files", zip), { verdict: "refused", exit: 2, failed: [] });
    await field.fill(logKey(2).text);
    assert.deepEqual(await judged("files", zip), { verdict: "not", exit: 15, failed: ["checkpoint-unsigned checkpoint"] });
    await page.getByText("Compare the key with one that you got another way").waitFor();
    await button("Use this recorder's keys").click();
    assert.equal(await page.locator("[data-verify]").count(), 0, "a verdict does not outlive what it was given for");
    assert.deepEqual(await judged("files", zip), { verdict: "verified", exit: 0, failed: [] });
  });

  it("shows hostile names as text", async () => {
    const copy = join(dir, "hostile");
    await cp(folder, copy, { recursive: true });
    await writeFile(join(copy, HOSTILE), "look here");
    const { verdict, failed } = await judged("folder", copy);
    assert.deepEqual({ verdict, failed }, { verdict: "not", failed: ["file-unlisted <img src=x onerror=alert(1)>\\u{202e}.txt"] });
    assert.equal(await page.locator("main img").count(), 0);
    await page.locator("input[name=files]").setInputFiles(join(copy, HOSTILE));
    await until(page, "its name as text", () => document.querySelector("[data-chosen]").textContent.includes("<img src=x onerror=alert(1)>"));
    assert.equal(await page.locator("main img").count(), 0);
  });

  /** Drops what lies at these paths on the page, as a hand with a mouse does. */
  const drop = async (...files) => {
    const client = await page.context().newCDPSession(page);
    const { x, y, width, height } = await page.locator(".verify-drop").boundingBox();
    const at = { x: x + width / 2, y: y + height / 2, data: { items: [], files, dragOperationsMask: 1 } };
    for (const type of ["dragEnter", "dragOver", "drop"]) await client.send("Input.dispatchDragEvent", { type, ...at });
    await client.detach();
  };

  it("takes a bundle that is dropped: the folder, the ZIP, or all of its files", async () => {
    for (const [what, paths] of [["the folder", [folder]], ["the ZIP", [zip]], ["its files", (await readdir(folder)).map((name) => join(folder, name))]]) {
      await fresh();
      await drop(...paths);
      await page.locator("[data-chosen]").waitFor();
      await button("Check").click();
      await page.locator("[data-verify=verified]").waitFor();
      assert.equal(await page.locator("[data-verify]").getAttribute("data-exit"), "0", what);
    }
    // What lies in the folder is what is checked.
    const copy = join(dir, "dropped");
    await cp(folder, copy, { recursive: true });
    await writeFile(join(copy, HOSTILE), "look here");
    await fresh();
    await drop(copy);
    await page.locator("[data-chosen]").waitFor();
    await button("Check").click();
    await page.locator('[data-verify=not] [data-code="file-unlisted"]').waitFor();
    await rm(copy, { recursive: true });
  });

  it("says of one file that is no ZIP that it is no bundle", async () => {
    await fresh();
    const letter = join(dir, "letter.pdf");
    await writeFile(letter, "%PDF-1.7");
    for (const give of [() => drop(letter), () => page.locator("input[name=files]").setInputFiles(letter)]) {
      await page.reload();
      await page.waitForFunction((wanted) => document.querySelector("textarea[name=log]")?.value.includes(wanted), key);
      await give();
      await page.getByText("This one file is no ZIP").waitFor();
      assert.ok(await button("Check").isDisabled(), "there is nothing to check");
    }
    await assertAccessible(page, "a file that is no bundle");
    await page.shot("93-stray");
    await drop(zip);
    await page.getByText("This one file is no ZIP").waitFor({ state: "detached" });
    assert.ok(await button("Check").isEnabled());
  });

  it("tells how far it is with gigabytes, in little memory, and stops when asked", async () => {
    const copy = join(dir, "large");
    await cp(folder, copy, { recursive: true });
    // Sparse: it costs no disk. Its name comes behind all others.
    const bytes = 6 * 2 ** 30;
    await (await open(join(copy, "zz.bin"), "w")).close();
    await truncate(join(copy, "zz.bin"), bytes);
    const manifest = JSON.parse(await readFile(join(copy, "manifest.json"), "utf8"));
    manifest.files.push({ bytes, kind: "other", name: "zz.bin", sha256: "0".repeat(64) });
    await writeFile(join(copy, "manifest.json"), JSON.stringify(manifest));
    assert.equal((await stat(join(copy, "zz.bin"))).size, bytes);
    await page.locator("input[name=folder]").setInputFiles(copy);
    await until(page, "six gigabytes are chosen", () => /GB|GiB/.test(document.querySelector("[data-chosen]").textContent));
    await button("Check").click();
    await until(page, "a part is read", () => Number(document.querySelector("[data-verify=busy] [role=progressbar]")?.getAttribute("aria-valuenow")) >= 2);
    await page.shot("93-busy");
    await button("Stop").click();
    await page.getByText("Stopped. Nothing is known of this bundle.").waitFor();
    await rm(copy, { recursive: true });
    assert.deepEqual(await judged("files", zip), { verdict: "verified", exit: 0, failed: [] }, "another one can be checked afterwards");
  });

  it("lets the page itself compile nothing", async () => {
    const before = world.complaints.length;
    const refusal = await page.evaluate(() => WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)).then(String, (error) => error.name));
    assert.equal(refusal, "CompileError");
    const end = Date.now() + SOON_MS;
    while (world.complaints.length === before) {
      assert.ok(Date.now() < end, "the violation is told");
      await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
    }
    // That one was asked for, and no other.
    const told = world.complaints.splice(before);
    assert.ok(told.every((line) => /script-src|WebAssembly/.test(line)), told.join("\n"));
  });

  it("is there in Khmer, on a phone and in the dark, for somebody who may see nothing else", async () => {
    await send(page, "POST", "/accounts", { name: "vanna", password: PASSWORD, roles: ["viewer"] });
    const phone = await openPage(world, { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await send(phone, "POST", "/session", { name: "vanna", password: PASSWORD });
    await phone.goto(`${BASE_URL}#/verify`);
    await phone.getByRole("button", { name: "ខ្មែរ" }).or(phone.getByRole("combobox")).first().waitFor();
    await phone.evaluate(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.reload();
    await phone.getByRole("heading", { name: "ពិនិត្យភស្តុតាង" }).waitFor();
    await phone.waitForFunction((wanted) => document.querySelector("textarea[name=log]")?.value.includes(wanted), key);
    await phone.locator("input[name=files]").setInputFiles(zip);
    await phone.getByRole("button", { name: "ពិនិត្យ", exact: true }).click();
    await phone.locator("[data-verify=verified]").waitFor();
    await assertAccessible(phone, "a phone, in Khmer, in the dark");
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `${wide} px`);
    await phone.screenshot({ path: join(world.shots, "94-phone-km.png"), fullPage: true });
    await phone.getByText("គ្រប់បន្ទាត់", { exact: false }).first().click();
    await phone.locator("input[name=files]").setInputFiles(join(dir, "changed.zip"));
    await phone.getByRole("button", { name: "ពិនិត្យ", exact: true }).click();
    await phone.locator("[data-verify=not]").waitFor();
    await phone.screenshot({ path: join(world.shots, "95-phone-km-altered.png"), fullPage: true });
    await assertAccessible(phone, "what is wrong, in Khmer, in the dark");
    await phone.context().close();
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
