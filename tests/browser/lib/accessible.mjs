/** What axe-core finds wrong with a page, against WCAG 2.2 AA. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Fails with what is wrong and where. The script comes through the debugger, which the page's content security policy does not bind. */
export async function assertAccessible(page, what) {
  await page.evaluate(SOURCE);
  // The head of the page stays where it is and covers what is scrolled under it.
  await page.evaluate(() => scrollTo(0, 0));
  // A button that is on its way from dim to plain has neither colour.
  await page.evaluate(async () => {
    const ending = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map((one) => one.finished));
  });
  const violations = await page.evaluate(async (tags) => {
    const found = await globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } });
    return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`));
  }, TAGS);
  assert.deepEqual(violations, [], what);
}
