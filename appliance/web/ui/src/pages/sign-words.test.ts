import { describe, expect, it } from "vitest";
import type { Sign } from "../api/types";
import { answerOf, isLocal, QUESTIONS, SIGN_LOCALES, signText } from "./sign-words";

const SIGN: Sign = {
  name: "Gate",
  purpose: "Collisions",
  station: "Station 7",
  contact: "Room 3",
  turns: false,
  plugged_in: false,
  accountable: null,
  audio_purpose: null,
  masks: 0,
  masks_in_record: false,
  plugins: [],
  retention_days_max: 7,
  answer_days: 28,
  address: null,
};

describe("a sign", () => {
  it("answers seven questions in both languages, whatever the records say", () => {
    expect(QUESTIONS).toHaveLength(7);
    const plugin = { id: "org.a", summary: "Says when something moves.", purpose: "motion-detection", reports: [] };
    for (const sign of [SIGN, { ...SIGN, turns: true, plugged_in: true, audio_purpose: "Calls for help", masks: 2, masks_in_record: true, plugins: [plugin] }]) {
      for (const locale of SIGN_LOCALES) {
        for (const question of QUESTIONS) {
          const answer = answerOf(locale, question, sign);
          expect(answer.length, question).toBeGreaterThan(0);
          for (const line of answer) expect(line.trim(), question).not.toBe("");
          expect(answer.join(), question).not.toMatch(/\{\w+\}/);
          expect(signText(locale, question)).not.toBe("");
        }
      }
    }
    expect(answerOf("en", "processing", { ...SIGN, plugins: [plugin] }).join()).toContain("org.a (motion-detection)");
    expect(answerOf("en", "storage", SIGN).join()).toContain("7 days");
    expect(answerOf("km", "access", SIGN).join()).toContain("Room 3");
  });

  it("fills in a record's words once", () => {
    const sign = { ...SIGN, name: "{name} {days}", contact: "{days} <b>", answer_days: 28 };
    expect(answerOf("en", "technology", sign)[0]).toBe("A video camera ({name} {days}).");
    expect(answerOf("en", "access", sign)[1]).toBe("If you may be in the pictures, ask for yours: {days} <b>. You are answered within 28 days.");
  });

  it("knows an address that leads nowhere", () => {
    for (const address of ["http://127.0.0.1:8080", "http://localhost/report", "http://[::1]:80"]) expect(isLocal(address), address).toBe(true);
    for (const address of ["http://192.168.1.2:8080", "https://station.example"]) expect(isLocal(address), address).toBe(false);
  });
});
