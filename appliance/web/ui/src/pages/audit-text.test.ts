import { expect, it } from "vitest";
import type { AuditEntry } from "../api";
import { detailText, whoText } from "./audit-text";

it("tells who did something to an account apart from that account", () => {
  const entry: AuditEntry = {
    index: 7, at_utc_ms: 0, account: 1, account_name: "Chief", action: "remove_second_factor", subject: { of_account: 5 }, outcome: "allowed", reason: null,
  };
  expect(whoText(entry)).toBe("Chief (#1)");
  expect(detailText(entry)).toContain("#5");
});
