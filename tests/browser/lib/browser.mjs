/** A browser whose every complaint is kept: console errors, uncaught exceptions, violations of the content security policy. */

import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ARGS = [
  "--no-sandbox",
  "--headless",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Longest wait for anything that the page or the recorder must do soon. Two cores encode, record, decode and draw here. */
export const SOON_MS = 30_000;

/** `more`: arguments for this browser alone. */
export async function openBrowser(more = []) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...ARGS, ...more] });
  const shots = process.env.SHOTS ?? join(tmpdir(), "watchbook-shots");
  await mkdir(shots, { recursive: true });
  return { browser, shots, complaints: [] };
}

/** A page in a fresh profile. Refusals that a test provokes are the browser's own lines `Failed to load resource`; they are told apart by status. */
export async function openPage({ browser, complaints, shots }, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "Asia/Phnom_Penh",
    acceptDownloads: true,
    ...options,
  });
  await context.exposeFunction("reportViolation", (text) => complaints.push(`content security policy: ${text}`));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      globalThis.reportViolation(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(SOON_MS);
  page.on("console", (message) => {
    const text = message.text();
    const refusal = /^Failed to load resource: the server responded with a status of 4\d\d/.test(text);
    if (message.type() === "error" && !refusal) complaints.push(`console: ${text}`);
  });
  page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error}`));
  page.on("response", (response) => {
    if (response.status() >= 500) complaints.push(`${response.status()} ${response.url()}`);
  });
  page.shot = (name) => page.screenshot({ path: join(shots, `${name}.png`) });
  return page;
}

/** Waits until `condition` holds in the page. */
export function until(page, what, condition, arg, timeout = SOON_MS) {
  return page.waitForFunction(condition, arg, { timeout, polling: 100 }).catch((error) => {
    throw new Error(`${what}: ${error.message}`);
  });
}

/** A small grey picture of what a video shows now. */
export function grab(page, selector) {
  return page.evaluate((wanted) => {
    const video = document.querySelector(wanted);
    const canvas = document.createElement("canvas");
    canvas.width = 64;
    canvas.height = 36;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, 64, 36);
    const { data } = context.getImageData(0, 0, 64, 36);
    return Array.from({ length: 64 * 36 }, (_, index) => data[index * 4 + 1]);
  }, selector);
}

/** Mean difference of two pictures, 0 to 255. */
export function difference(a, b) {
  return a.reduce((sum, value, index) => sum + Math.abs(value - b[index]), 0) / a.length;
}

/** Waits until a video's picture differs from `before`, and returns the new one. */
export async function changed(page, selector, before, what, timeout = SOON_MS) {
  const end = Date.now() + timeout;
  for (;;) {
    const now = await grab(page, selector);
    if (difference(before, now) > 0.3) return now;
    if (Date.now() > end) throw new Error(`${what}: the picture did not change in ${timeout} ms`);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  }
}

export function frames(page, selector) {
  return page.evaluate((wanted) => document.querySelector(wanted)?.getVideoPlaybackQuality().totalVideoFrames ?? 0, selector);
}
