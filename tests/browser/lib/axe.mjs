/** What axe-core finds wrong with a page for people who do not see it, or not well: rules of WCAG 2.2, levels A and AA. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Fails with each rule that is broken, and where. The program is evaluated by the test's own channel, which the content security policy does not concern. */
export async function accessible(page, what) {
  await page.evaluate(SOURCE);
  const broken = await page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} (${node.failureSummary})`).join("; ")}`);
  }, TAGS);
  assert.deepEqual(broken, [], what);
}
