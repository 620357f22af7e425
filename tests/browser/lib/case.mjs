/** What a page needs before it may play footage: a second factor, and an open case. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";

const { BASE_URL } = process.env;
const PASSWORD = "seven quiet herons";
const APPROVER = "chenda";
const DAY_MS = 86_400_000;

/** What an authenticator with this key (base 32) shows (RFC 6238: SHA-1, six digits, 30 s), so many steps from now. */
export function codeOf(key, steps = 0) {
  const bits = [...key].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", secret).update(counter).digest();
  const value = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(value % 1_000_000).padStart(6, "0");
}

async function post(request, path, data) {
  const answer = await request.post(`${BASE_URL}api/v1${path}`, { data, headers: { "X-Watchbook": "1" } });
  assert.ok(answer.ok(), `${path}: ${await answer.text()}`);
  const text = await answer.text();
  return text === "" ? null : JSON.parse(text);
}

/** Sets up a second factor for whoever is signed in; the key. The session has shown it afterwards. */
export async function setUpFactor(request, password = PASSWORD) {
  const { key } = await post(request, "/session/second-factor/set-up", { password });
  await post(request, "/session/second-factor/confirm", { code: codeOf(key) });
  return key;
}

/** A case in which whoever is signed in to `page` may play everything: a second person is there to open it, an approver. The page's account is an admin. */
export async function haveCase(page) {
  const { request } = page.context();
  const own = (await (await request.get(`${BASE_URL}api/v1/session`)).json()).account.id;
  const { cases } = await (await request.get(`${BASE_URL}api/v1/cases`)).json();
  if (cases.some((each) => each.open && !each.emergency && each.investigators.some((person) => person.account === own))) return;
  await post(request, "/accounts", { name: APPROVER, password: PASSWORD, roles: ["approver"] });
  const other = await page.context().browser().newContext();
  await post(other.request, "/session", { name: APPROVER, password: PASSWORD });
  await setUpFactor(other.request);
  const now = Date.now();
  await post(other.request, "/cases", {
    case: "2026-100",
    purpose: "equipment_check",
    // Also those that a test adds later.
    cameras: Array.from({ length: 20 }, (_, index) => index + 1),
    from_utc_ms: now - DAY_MS,
    to_utc_ms: now + DAY_MS,
    expires_utc_ms: now + 2 * DAY_MS,
    investigators: [own],
  });
  await other.close();
}

/** Chooses a case above the timeline that shows. */
export async function choose(page, number) {
  await page.locator(".case-chooser select").selectOption(number);
  await page.locator(`.case-chooser[data-chosen="${number}"]`).waitFor();
}
