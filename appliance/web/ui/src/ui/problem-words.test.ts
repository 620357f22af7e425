import { afterEach, describe, expect, it } from "vitest";
import { locale, t } from "../i18n";
import { problemText } from "./problem-words";

const REFUSED = { status: 403, detail: "account 3 may not watch camera 7", nextStep: null, code: "denied" };

describe("what a failure says", () => {
  afterEach(() => void (locale.value = "en"));

  it("has a next step even where the recorder gave none", () => {
    expect(problemText(REFUSED)).toEqual({ title: REFUSED.detail, next: t("problem.denied.next"), details: [] });
    expect(problemText({ ...REFUSED, nextStep: "Ask Dara." }).next).toBe("Ask Dara.");
  });

  it("is told in Khmer, with the recorder's sentences below", () => {
    locale.value = "km";
    const told = problemText({ ...REFUSED, nextStep: "Ask Dara." });
    expect(told.title).toBe(t("problem.denied"));
    expect(told.title).toMatch(/^[\u1780-\u17ff\u200b\s]+$/u);
    expect(told.details).toEqual([REFUSED.detail, "Ask Dara."]);
  });

  it("takes a kind that it does not know for the recorder's mistake", () => {
    for (const code of ["", "details", "no such", "denied.next"]) expect(problemText({ ...REFUSED, code }).next).toBe(t("problem.internal.next"));
  });

  it("keeps the page's own words when the recorder was not reached", () => {
    locale.value = "km";
    const unreached = { status: 0, detail: t("error.unreachable"), nextStep: t("error.unreachable.next"), code: "" };
    expect(problemText(unreached)).toEqual({ title: unreached.detail, next: unreached.nextStep, details: [] });
  });
});
