/** The audit log's checkpoint, on the page: read without signing in, shown, carried out as a QR code that another program reads, and as a witness' request. The station is the
 * one that the files before have set up and signed out of, or a new one.
 *
 * From the environment: BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { after, before, describe, it } from "node:test";
import jsQR from "jsqr";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { ask, signIn } from "./lib/station.mjs";

const { BASE_URL } = process.env;
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

  it("goes to a witness with the proof that it continues the last one", async () => {
    const panel = page.getByRole("region", { name: "Checkpoint" });
    await panel.getByLabel("Entries that the witness saw last").fill("1");
    const [file] = await Promise.all([page.waitForEvent("download"), panel.getByRole("link", { name: "Download the request" }).click()]);
    const chunks = [];
    for await (const chunk of await file.createReadStream()) chunks.push(chunk);
    const [head, text] = Buffer.concat(chunks).toString("utf8").split("\n\n");
    assert.match(head, /^old 1\n/);
    const { origin } = await ask(page, "/log");
    assert.ok(text.startsWith(`${origin}\n`), text);
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
