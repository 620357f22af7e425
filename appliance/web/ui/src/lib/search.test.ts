import { expect, it } from "vitest";
import { found } from "./search";

it("finds by every word, in any text, case and order", () => {
  expect(found("", "Gate")).toBe(true);
  expect(found("  street GATE ", "Gate, street side", null)).toBe(true);
  expect(found("gate 20.5", "Gate", "rtsp://192.168.20.5/main")).toBe(true);
  expect(found("gate yard", "Gate", null)).toBe(false);
});

it("finds Khmer words", () => {
  expect(found("ច្រក", "ច្រកទ្វារ ខាងផ្លូវ")).toBe(true);
  expect(found("សុខា មើល", "សុខា", "អ្នកមើល")).toBe(true);
});
