import { describe, expect, it, vi } from "vitest";
import type { Role } from "../api/types";
import type { PageName } from "./router";

vi.stubGlobal("location", { hash: "" });
const { groupsOf, ROW_MAX } = await import("./nav");
const { PAGE_ROLES } = await import("./roles");

const ALL: readonly Role[] = ["viewer", "investigator", "approver", "auditor", "admin"];
const forRoles = (...roles: Role[]) => groupsOf((page) => PAGE_ROLES[page].length === 0 || PAGE_ROLES[page].some((role) => roles.includes(role)));
const pages = (groups: ReturnType<typeof groupsOf>) => groups.flatMap(({ entries }) => entries.map(({ page }) => page));

describe("the navigation", () => {
  it("has each page once, and only those that the roles open", () => {
    const all = pages(forRoles(...ALL));
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBe(19);
    for (const role of ALL) {
      const own = pages(forRoles(role));
      expect(own.length).toBeGreaterThan(0);
      expect(own.filter((page: PageName) => PAGE_ROLES[page].length > 0 && !PAGE_ROLES[page].includes(role))).toEqual([]);
    }
  });

  it("is one row for who may open few pages, and groups for who may open many", () => {
    expect(forRoles("viewer").map(({ id, entries }) => [id, entries.map(({ page }) => page)])).toEqual([[null, ["wall", "verify", "health"]]]);
    expect(forRoles(...ALL).map(({ id }) => id)).toEqual(["watch", "evidence", "station", "oversight"]);
    for (const role of ALL) if (pages(forRoles(role)).length > ROW_MAX) for (const { id, entries } of forRoles(role)) expect(entries.length > 1).toBe(id !== null);
    expect(groupsOf(() => false)).toEqual([]);
  });
});
