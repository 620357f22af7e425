import { afterEach, expect, it } from "vitest";
import { locale } from "../i18n";
import { impairedText } from "./impaired";

const lost = (count: number | null) => ({ start_utc_ms: 1, end_utc_ms: 2, lost: count });

afterEach(() => {
  locale.value = "en";
});

it("says how much was lost where that was counted, in both languages", () => {
  expect(impairedText(lost(7))).toMatch(/: 7$/);
  expect(impairedText(lost(null))).not.toMatch(/\d|null|\{/);
  locale.value = "km";
  expect(impairedText(lost(7))).toContain("7");
  expect(impairedText(lost(null))).not.toMatch(/\d|null|\{/);
});
