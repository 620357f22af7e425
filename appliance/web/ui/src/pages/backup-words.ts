/** What is said of each part of a backup before it is restored. Pure. */

import type { BackupChange } from "../api";
import type { Key } from "../i18n";

/** Why this is left out; `null` where it is not. An account with nothing to compare it with is not here: it was removed, or made on another recorder. */
export function leftOut({ fate, part, fields }: Pick<BackupChange, "fate" | "part" | "fields">): Key | null {
  if (fate !== "left_out") return null;
  return part === "account" && fields.length === 0 ? "backup.left_out.gone" : "backup.left_out";
}
