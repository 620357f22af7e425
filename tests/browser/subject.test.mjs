/** Somebody asks for footage of themselves, with two people: one takes the request up, keeps the footage and looks for it; another one opens the case, releases the copy, and refuses
 * what cannot be answered. Then the sign of the camera: refused until the records answer seven questions, and printed. A station of its own, which has a name and a contact.
 *
 * From the environment: WATCHBOOK_BIN, RTSP_URL_1; SHOTS for where screenshots go. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import jsQR from "jsqr";
import { openBrowser, openPage, SOON_MS } from "./lib/browser.mjs";
import { codeOf } from "./lib/case.mjs";
import { follow } from "./lib/navigation.mjs";
import { startRecorder } from "./lib/programs.mjs";

const { RTSP_URL_1 } = process.env;
const PASSWORD = "seven quiet herons";
const HOSTILE = `Gate"><img src=x onerror=alert(1)><script>alert(2)</script>`;
const PUBLIC = `[public]
name = "District station 7 <b>"
contact = "Room 3, 023 000 000"
`;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

describe("a request for footage of oneself", { concurrency: 1 }, () => {
  let recorder;
  let world;
  let page;
  let other;
  let key;
  let camera;
  let request;
  const button = (on, name) => on.getByRole("button", { name, exact: true });
  const api = async (on, method, path, data) => {
    const answer = await on.request.fetch(`${recorder.page}api/v1${path}`, { method, data, headers: { "X-Watchbook": "1" } });
    assert.ok(answer.ok(), `${path}: ${await answer.text()}`);
    const text = await answer.text();
    return text === "" ? null : JSON.parse(text);
  };
  const signIn = async (on, name) => {
    await on.goto(recorder.page);
    await on.getByLabel("Account name").fill(name);
    await on.getByLabel("Password").fill(PASSWORD);
    await button(on, "Sign in").click();
    await button(on, "Sign out").waitFor();
  };
  /** Goes on with a code when one is asked for. */
  const withCode = async (on, done) => {
    const dialog = on.locator("dialog[data-second-factor]");
    await dialog.or(done).first().waitFor();
    if (await dialog.isVisible()) {
      await dialog.getByLabel("Code of six digits", { exact: true }).fill(codeOf(key, 1));
      await button(dialog, "Go on").click();
    }
    await done.waitFor();
  };
  const local = (ms) => new Date(ms + 7 * 3_600_000).toISOString().slice(0, 19);
  const deadline = (on) => on.locator("[data-deadline]").first().getAttribute("data-deadline");

  before(async () => {
    recorder = await startRecorder(PUBLIC);
    world = await openBrowser();
    page = await openPage(world);
    await page.goto(recorder.page);
    await api(page, "POST", "/claim", { code: recorder.code, name: "dara", password: PASSWORD, one_person_station: true });
    camera = await api(page, "POST", "/cameras", { name: HOSTILE, main: { url: RTSP_URL_1 }, purpose: "A test", contact: "Room 3" });
    await api(page, "POST", "/accounts", { name: "bopha", password: PASSWORD, roles: ["approver"] });
    await page.context().clearCookies();
    await signIn(page, "dara");
    other = await openPage(world);
    await signIn(other, "bopha");
    ({ key } = await api(other, "POST", "/session/second-factor/set-up", { password: PASSWORD }));
    await api(other, "POST", "/session/second-factor/confirm", { code: codeOf(key) });
    const end = Date.now() + 2 * SOON_MS;
    for (;;) {
      const range = `from_utc_ms=${Date.now() - 3_600_000}&to_utc_ms=${Date.now() + MINUTE_MS}&role=main_video`;
      const { spans } = await api(page, "GET", `/cameras/${camera.id}/recordings?${range}`);
      if (spans.some((span) => span.end_utc_ms - span.start_utc_ms > 6_000)) break;
      assert.ok(Date.now() < end, "the camera has no footage");
    }
  });
  after(async () => {
    await world?.browser.close();
    await recorder?.stop();
    await recorder?.clean();
  });

  it("is taken up at the counter, without a name", async () => {
    await follow(page, "Requests");
    await page.getByText("Nobody has asked yet").waitFor();
    await page.getByRole("link", { name: "Take up a request" }).click();
    await page.getByLabel("Number of the paper file").fill("Sok Dara");
    await page.getByLabel("Place and time as they were told").fill("North gate, about noon, a red bicycle");
    await page.getByText("it has a digit").waitFor();
    assert.ok(await button(page, "Take it up").isDisabled(), "a name is no reference");
    await page.getByLabel("Number of the paper file").fill("SR 12/2026");
    await page.getByLabel(HOSTILE).check();
    await page.getByText("28 days after it was received").waitFor();
    await page.shot("80-request-new");
    await button(page, "Take it up").click();
    request = Number(await page.locator("section[data-request]").getAttribute("data-request"));
    assert.equal(await deadline(page), "left");
    assert.equal(await page.locator("main img, script:not([src])").count(), 0, "the camera's name is text");
  });

  it("has its footage kept in one step", async () => {
    await page.getByText("erase the first of it").waitFor();
    await button(page, "Keep it now").click();
    await page.locator("[data-held]").waitFor();
    const { holds } = await api(page, "GET", "/holds");
    assert.deepEqual([holds[0].case, holds[0].cameras], [`request ${request}`, [camera.id]]);
    await page.shot("81-request");
  });

  it("is looked for in a case that another person opens for it", async () => {
    await other.goto(`${recorder.page}#/requests/${request}`);
    await other.getByRole("link", { name: "Open the case" }).click();
    await other.getByText(`This case is for request ${request}`).waitFor();
    assert.equal(await other.getByLabel("What for").inputValue(), "subject_request");
    await other.getByLabel("dara").check();
    await other.shot("82-case-for-request");
    await button(other, "Open the case").click();
    await withCode(other, other.locator('section[data-state="searching"]'));
    await page.getByRole("link", { name: "Play in this case" }).waitFor();
    await page.locator('section[data-state="searching"]').getByText("dara").first().waitFor();
  });

  it("is answered with a copy that the other person has released", async () => {
    const { cases } = await api(page, "GET", "/cases");
    const found = cases.find((each) => each.case === `request ${request}`);
    const to = Math.min(found.to_utc_ms, Date.now() - 1_000);
    const order = { case: found.case, cameras: [camera.id], from_utc_ms: found.from_utc_ms, to_utc_ms: to, recipient_class: "data_subject", recipient: "SR 12/2026" };
    const { id } = await api(page, "POST", "/exports", order);
    await page.getByText("An approver releases the export").waitFor();
    const form = page.getByRole("form", { name: "A copy was handed over" });
    await form.getByText("is released yet").waitFor();
    await other.goto(`${recorder.page}#/exports`);
    const card = other.locator(`[data-export="${id}"]`);
    await button(card, "Release").click({ timeout: 3 * SOON_MS });
    await withCode(other, other.locator(`[data-export="${id}"][data-state="released"]`));
    await form.getByLabel("Number of the receipt").fill("R 7");
    await page.shot("83-answer");
    await button(form, "Write it down").click();
    await page.locator(`[data-disclosed="${id}"]`).waitFor();
    assert.equal(await page.getByRole("form").count(), 0, "it is over");
    await page.goto(`${recorder.page}#/audit`);
    for (const act of ["Took up somebody's request", "Looks for somebody's own footage", "Answered a request with a copy"]) {
      await page.getByRole("row", { name: new RegExp(act) }).first().waitFor();
    }
    assert.ok(!(await page.locator("main").innerText()).includes("red bicycle"), "words stay out of the log");
  });

  it("is late, which the list, the health page and the report say, and is refused with a reason", async () => {
    await page.goto(`${recorder.page}#/requests/new`);
    await page.getByLabel("Number of the paper file").fill("SR 11/2026");
    await page.getByLabel("Place and time as they were told").fill("South gate");
    await page.getByLabel("When it was received").fill(local(Date.now() - 40 * DAY_MS));
    await page.getByLabel("When it was received").blur();
    await button(page, "Take it up").click();
    await page.locator('[data-deadline="late"]').waitFor();
    const late = await page.locator("section[data-request]").getAttribute("data-request");
    await page.goto(`${recorder.page}#/health`);
    await page.locator('[data-alarm="subject_request_overdue"]').waitFor();
    await page.shot("84-health");
    const stranger = await openPage(world);
    const end = Date.now() + SOON_MS;
    while (!(await (await fetch(`${recorder.page}api/v1/report`)).json()).subject_requests?.any_overdue) assert.ok(Date.now() < end, "the report says nothing of it");
    await stranger.goto(`${recorder.page}report`);
    await stranger.locator("[data-requests-overdue]").waitFor();
    await stranger.screenshot({ path: join(world.shots, "85-report.png"), fullPage: true });

    await other.goto(`${recorder.page}#/requests`);
    await other.locator("[data-overdue='1']").waitFor();
    await other.getByLabel("Search requests").fill("11/2026");
    await other.shot("86-requests");
    await other.locator(`[data-request="${late}"] a`).click();
    await other.locator("summary", { hasText: "Refuse the request" }).click();
    const form = other.getByRole("form", { name: "Refuse the request" });
    await form.getByLabel("In words").fill("Nothing was recorded at that gate then");
    await button(form, "Refuse").click();
    await other.locator('[data-refused="no_footage"]').waitFor();
    await page.goto(`${recorder.page}#/audit`);
    await page.goto(`${recorder.page}#/health`);
    await page.locator("h1").waitFor();
    await page.locator('[data-alarm="subject_request_overdue"]').waitFor({ state: "detached" });
  });

  it("reads in Khmer and on a phone", async () => {
    const phone = await openPage(world, { viewport: { width: 390, height: 844 } });
    await signIn(phone, "dara");
    await phone.evaluate(() => localStorage.setItem("watchbook.locale", "km"));
    await phone.goto(`${recorder.page}#/requests/${request}`);
    await phone.reload();
    await phone.locator("section[data-request]").waitFor();
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels too wide`);
    await phone.screenshot({ path: join(world.shots, "87-phone-km.png"), fullPage: true });
    await phone.context().close();
  });

  it("has a sign at the camera, once the records answer seven questions", async () => {
    await page.goto(`${recorder.page}#/cameras/${camera.id}`);
    await page.getByRole("link", { name: "Sign for this camera" }).click();
    await api(page, "PATCH", `/cameras/${camera.id}`, { purpose: "Collisions at the gate <script>" });
    await page.goto(`${recorder.page}#/cameras/${camera.id}/sign`);
    const sign = page.locator("[data-sign]");
    await sign.waitFor();
    for (const question of ["purpose", "accountable", "technology", "data", "processing", "storage", "access"]) {
      for (const language of ["km", "en"]) {
        const text = await sign.locator(`[data-question="${question}"] > [lang="${language}"] p`).allInnerTexts();
        assert.ok(text.length > 0 && text.every((line) => line.trim() !== ""), `${question} in ${language}`);
      }
    }
    const text = await sign.innerText();
    for (const said of ["District station 7 <b>", "Room 3, 023 000 000", HOSTILE, "7 days", "28 days", "DTPR", "CC BY 4.0"]) assert.ok(text.includes(said), said);
    assert.equal(await page.locator("main img, main script, main b").count(), 0, "names are text");
    await page.getByText("which only this machine reaches").waitFor();
    await page.screenshot({ path: join(world.shots, "89-sign.png"), fullPage: true });
  });

  it("prints on one sheet, with a code that leads to the public report", async () => {
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator("header.top").isVisible(), false);
    const pdf = await page.pdf({ preferCSSPageSize: true, path: join(world.shots, "90-sign.pdf") });
    assert.equal(pdf.toString("latin1").match(/\/Type\s*\/Page[^s]/g).length, 1, "one sheet");
    await page.emulateMedia({ media: "screen" });
    const picture = await page.evaluate(async () => {
      const svg = document.querySelector("[data-sign] .qr").cloneNode(true);
      svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      svg.setAttribute("width", "400");
      svg.setAttribute("height", "400");
      const image = new Image();
      image.src = `data:image/svg+xml,${encodeURIComponent(svg.outerHTML)}`;
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 400;
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0, 400, 400);
      return [...context.getImageData(0, 0, 400, 400).data];
    });
    const read = jsQR(Uint8ClampedArray.from(picture), 400, 400);
    assert.equal(read?.data, `${recorder.page}report`);
  });

  it("costs no complaint of the browser", () => {
    assert.deepEqual(world.complaints, []);
  });
});
