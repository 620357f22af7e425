// The rule on the plugin interface. `plugins/build.sh` puts sdk/js/watchbook.js beside it.
// @ts-check

import { configured, evaluated } from "./rule.js";
import { pluginOf } from "./watchbook.js";

export const { about, rule } = pluginOf({ id: "org.watchbook.case-guard", version: "0.1.0" }, { configured, evaluated });
