/** Words for footage whose picture may be wrong because something was lost on its way. Pure. */

import type { ImpairedInterval } from "../api/types";
import { t } from "../i18n";

export function impairedText({ lost }: ImpairedInterval): string {
  return lost === null ? t("impaired.at_some") : t("impaired.at", { count: lost });
}
