/** A station to begin with: the one that an earlier file has set up and signed out of, or a new one with one person and one camera. */

import assert from "node:assert/strict";
import { haveCase } from "./case.mjs";

const { BASE_URL, CLAIM_CODE, RTSP_URL_1, RTSP_SUB_1 } = process.env;
const PASSWORD = "seven quiet herons";

/** What the API says in the page's session. */
export function ask(page, path) {
  return page.evaluate((to) => fetch(`/api/v1${to}`).then((answer) => answer.json()), path);
}

/** Sends JSON as the page does. */
export async function send(page, method, path, data) {
  const answer = await page.request.fetch(`${BASE_URL}api/v1${path}`, { method, data, headers: { "X-Watchbook": "1" } });
  assert.ok(answer.ok(), await answer.text());
}

/** Signs the administrator in, on a station that has one camera at least. */
export async function signIn(page) {
  await page.goto(BASE_URL);
  if (!(await ask(page, "/status")).claimed) {
    await send(page, "POST", "/claim", { code: CLAIM_CODE, name: "dara", password: PASSWORD, one_person_station: true });
    await send(page, "POST", "/cameras", { name: "Square", main: { url: RTSP_URL_1 }, sub: { url: RTSP_SUB_1 }, purpose: "Traffic on the square", contact: "Room 3" });
    await page.context().clearCookies();
    await page.reload();
  }
  await page.getByLabel("Account name").fill("dara");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("button", { name: "Sign out", exact: true }).waitFor();
  await haveCase(page);
}
