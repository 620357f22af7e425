import { describe, expect, it } from "vitest";
import { keyAct } from "./keys";
import { HOUR, span, viewAround } from "./scale";

const NOON = Date.UTC(2026, 0, 15, 12);
const VIEW = viewAround(NOON, HOUR);
const press = (key: string, more: Partial<Record<"shiftKey" | "ctrlKey" | "altKey" | "metaKey", boolean>> = {}) =>
  keyAct({ key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...more }, VIEW, NOON);

describe("keys of the timeline", () => {
  it("moves with the arrows, ten times as far with shift", () => {
    const one = press("ArrowRight");
    const ten = press("ArrowRight", { shiftKey: true });
    expect(one).toEqual({ kind: "seek", to: NOON + 30_000 });
    expect(ten).toEqual({ kind: "seek", to: NOON + 300_000 });
    expect(press("ArrowLeft")).toEqual({ kind: "seek", to: NOON - 30_000 });
  });

  it("pages, zooms, marks and plays", () => {
    const later = press("PageDown");
    expect(later?.kind === "view" && later.view.start).toBe(VIEW.start + 0.8 * HOUR);
    const closer = press("+");
    expect(closer?.kind === "view" && span(closer.view)).toBe(HOUR / 2);
    expect(press("i")).toEqual({ kind: "mark", end: "in" });
    expect(press("O")).toEqual({ kind: "mark", end: "out" });
    expect(press(" ")).toEqual({ kind: "toggle" });
    expect(press("Home")).toEqual({ kind: "seek", to: VIEW.start });
  });

  it("leaves the browser's own keys alone", () => {
    expect(press("ArrowLeft", { altKey: true })).toBeNull();
    expect(press("+", { ctrlKey: true })).toBeNull();
    expect(press("Tab")).toBeNull();
  });
});
