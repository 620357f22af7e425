/** The head's list of pages, as a person uses it. */

/** Follows the entry with this name, out of its group. */
export async function follow(page, name) {
  const entry = page.locator("header nav a").filter({ hasText: new RegExp(`^${name}$`) });
  if (!(await entry.isVisible())) {
    const list = await entry.evaluate((link) => link.closest("[id]:not(#page)").id);
    await page.locator(`header nav [aria-controls="${list}"]`).click();
  }
  await entry.click();
}
