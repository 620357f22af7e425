import { describe, expect, it } from "vitest";
import { leftOut } from "./backup-words";

describe("what a restore leaves out", () => {
  const roles = { field: "roles", before: "viewer", after: "admin" };

  it("stays as it is where it is here", () => {
    expect(leftOut({ fate: "left_out", part: "account", fields: [roles] })).toBe("backup.left_out");
    expect(leftOut({ fate: "left_out", part: "cases", fields: [] })).toBe("backup.left_out");
    expect(leftOut({ fate: "left_out", part: "settings", fields: [] })).toBe("backup.left_out");
  });

  it("does not come back where it is an account that is not here", () => {
    expect(leftOut({ fate: "left_out", part: "account", fields: [] })).toBe("backup.left_out.gone");
  });

  it("is nothing else", () => {
    expect(leftOut({ fate: "stays", part: "account", fields: [] })).toBeNull();
    expect(leftOut({ fate: "changed", part: "camera", fields: [roles] })).toBeNull();
  });
});
