/** The audit log's checkpoint, on the page: read without signing in, shown, carried out as a QR code that another program reads and as a request that a witness
 * signs, and signed with another key. The station is the
 * one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1, WATCHBOOK_BIN; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import jsQR from "jsqr";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { setUpFactor } from "./lib/case.mjs";
import { ask, send, signIn } from "./lib/station.mjs";

const { BASE_URL, WATCHBOOK_BIN } = process.env;
/** What RFC 8410 puts before the 32 bytes of an Ed25519 key. */
const ED25519 = Buffer.from("302a300506032b6570032100", "hex");

/** Whether the note is signed with the key, by node's own cryptography. */
function isSigned(note, vkey) {
  const [text, signatures] = note.split("\n\n");
  const key = Buffer.from(vkey.split("+").slice(2).join("+"), "base64").subarray(1);
  const signature = Buffer.from(signatures.trim().split(" ")[2], "base64").subarray(4);
  return verify(null, Buffer.from(`${text}\n`), createPublicKey({ key: Buffer.concat([ED25519, key]), format: "der", type: "spki" }), signature);
}

describe("the audit log's checkpoint", { concurrency: 1 }, () => {
  let world;
  let page;

  before(async () => {
    world = await openBrowser();
    page = await openPage(world);
    await signIn(page);
    // Keys are changed and witnesses trusted with a second factor, by an account of its own: the first one sets its factor up elsewhere.
    await send(page, "POST", "/accounts", { name: "keeper", password: "seven quiet herons", roles: ["admin", "auditor"] });
    const { request } = page.context();
    const answer = await request.post(`${BASE_URL}api/v1/session`, { data: { name: "keeper", password: "seven quiet herons" }, headers: { "X-Watchbook": "1" } });
    assert.equal(answer.status(), 201);
    await setUpFactor(request);
    await page.reload();
  });
  after(async () => {
    await world?.browser.close();
  });

  it("is for anybody to keep", async () => {
    const end = Date.now() + SOON_MS;
    let stranger = await fetch(`${BASE_URL}api/v1/log/checkpoint`);
    // The first one of a new station comes with its first entries.
    while (stranger.status !== 200) {
      assert.ok(Date.now() < end, `the first checkpoint: ${stranger.status}`);
      stranger = await fetch(`${BASE_URL}api/v1/log/checkpoint`);
    }
    const { key } = await (await fetch(`${BASE_URL}api/v1/log`)).json();
    assert.ok(isSigned(await stranger.text(), key));
  });

  it("is carried out as a QR code", async () => {
    await page.goto(`${BASE_URL}#/audit`);
    const panel = page.getByRole("region", { name: "Checkpoint" });
    await panel.locator("summary").click();
    await panel.getByRole("button", { name: "Show as QR code" }).click();
    await panel.getByRole("img", { name: "The checkpoint as a QR code" }).waitFor();
    await page.shot("log-checkpoint");
    // The code may change under the reader, when the log grows: it must be one that the log had.
    const end = Date.now() + SOON_MS;
    for (;;) {
      const before = await ask(page, "/log");
      const picture = await page.evaluate(async () => {
        const svg = document.querySelector("svg.qr");
        const side = 4 * svg.viewBox.baseVal.width;
        const canvas = new OffscreenCanvas(side, side);
        const context = canvas.getContext("2d");
        context.scale(4, 4);
        context.fillStyle = "#fff";
        context.fillRect(0, 0, side, side);
        context.fillStyle = "#000";
        context.fill(new Path2D(svg.querySelector("path").getAttribute("d")));
        return { side, pixels: [...context.getImageData(0, 0, side, side).data] };
      });
      const code = jsQR(Uint8ClampedArray.from(picture.pixels), picture.side, picture.side);
      assert.notEqual(code, null, "another program reads it");
      const text = Buffer.from(code.binaryData).toString("utf8");
      assert.ok(isSigned(text, before.key), text);
      if (text === before.checkpoint) break;
      assert.ok(Date.now() < end, `${text} is not ${before.checkpoint}`);
    }
  });

  it("goes to a witness, and what they signed comes home", async () => {
    const dir = await mkdtemp(join(tmpdir(), "witness-"));
    const witness = (...args) => execFileSync(join(dirname(WATCHBOOK_BIN), "watchbook-witness"), args, { cwd: dir, encoding: "utf8" });
    const key = witness("keygen", "--name", "court.example/w1", "--key", "secret").trim();
    const log = await ask(page, "/log");
    witness("trust", "--state", "state", "--log", log.key, "--origin", log.origin);
    const panel = page.getByRole("region", { name: "Witnesses" });
    await panel.getByText("Nobody witnesses this log yet").waitFor();
    await panel.getByRole("button", { name: "Add a witness" }).click();
    const form = panel.getByRole("form", { name: "Add a witness" });
    await form.getByLabel("Public key of the witness").fill(log.key);
    await form.getByRole("button", { name: "Add a witness" }).click();
    await form.getByText("this is the key of a log, not of a witness").waitFor();
    await form.getByLabel("Public key of the witness").fill(key);
    await form.getByRole("button", { name: "Add a witness" }).click();
    const row = panel.getByRole("listitem").filter({ hasText: "court.example/w1" });
    await row.getByText("Has not signed yet").waitFor();
    const [file] = await Promise.all([page.waitForEvent("download"), row.getByRole("link", { name: "Download the request" }).click()]);
    await file.saveAs(join(dir, "request"));
    witness("cosign", "--state", "state", "--key", "secret", "--request", "request", "--out", "cosignature");
    await panel.getByLabel("Or paste it here").fill("nothing");
    await panel.getByRole("button", { name: "Check and keep" }).click();
    await panel.getByText("neither a checkpoint nor lines of cosignatures").waitFor();
    await panel.getByLabel("File").setInputFiles(join(dir, "cosignature"));
    await panel.getByRole("button", { name: "Check and keep" }).click();
    await panel.getByText(/court\.example\/w1 has signed \d+ entries\. Kept\./).waitFor();
    await row.getByText(/Signed \d+ entries/).waitFor();
    await page.shot("log-witness");
    const cosigned = await (await fetch(`${BASE_URL}api/v1/log/cosigned`)).text();
    assert.ok(isSigned(cosigned, log.key) && cosigned.includes("\u2014 court.example/w1 "), cosigned);
    await row.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await panel.getByText("Nobody witnesses this log yet").waitFor();
    await rm(dir, { recursive: true });
  });

  it("is signed with another key when an admin says so", async () => {
    const before = await ask(page, "/log");
    const panel = page.getByRole("region", { name: "Checkpoint" });
    await panel.getByRole("button", { name: "Change the key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Why").fill("A laptop was stolen");
    await dialog.getByRole("button", { name: "Change the key" }).click();
    await panel.getByText("Earlier keys: 1").waitFor();
    const after = await ask(page, "/log");
    assert.deepEqual([after.retired_keys, after.key === before.key], [[before.key], false]);
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
