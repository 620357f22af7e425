/** Starts a camera server and a new recorder, runs the tests against them, and cleans up. Needs WATCHBOOK_BIN; WATCHBOOK_PLUGINS for events and plugins. Names of
 * test files as arguments run these alone. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { footage, startCamera, startRecorder } from "./lib/programs.mjs";

// Node runs them by their names, one after the other. Those that share the recorder go on where the one before ends: the first of them is `flow`, which claims it. The
// others begin with a recorder that is new.
const SHARED = [
  "audit.test.mjs",
  "every-page.test.mjs",
  "first-run.test.mjs",
  "flow.test.mjs",
  "jpeg.test.mjs",
  "log.test.mjs",
  "loss.test.mjs",
  "navigation.test.mjs",
  "open-case.test.mjs",
  "passkey.test.mjs",
  "plugins.test.mjs",
  "ptz.test.mjs",
  "rederive.test.mjs",
  "release.test.mjs",
  "report.test.mjs",
  "rules.test.mjs",
  "scene.test.mjs",
  "settings.test.mjs",
  "subject.test.mjs",
  "tls.test.mjs",
  "trust.test.mjs",
  "wall.test.mjs",
];
const GROUPS = process.argv.length > 2 ? [process.argv.slice(2)] : [SHARED, ["events.test.mjs"], ["transcode.test.mjs", "verify.test.mjs"]];

/** Runs the files against a new recorder; the code that they end with. */
async function run(files) {
  const dir = await footage();
  const camera = await startCamera(dir);
  const recorder = await startRecorder();
  const tests = spawn(process.execPath, ["--test", "--test-concurrency=1", "--test-reporter=spec", ...files], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    stdio: "inherit",
    env: {
      ...process.env,
      BASE_URL: recorder.page,
      CLAIM_CODE: recorder.code,
      RTSP_URL_1: `${camera.url}main`,
      RTSP_SUB_1: `${camera.url}sub`,
      RTSP_URL_2: `${camera.url}main2`,
      RTSP_SUB_2: `${camera.url}sub2`,
      FOOTAGE: dir,
      RING_DIR: recorder.ring,
      SECOND_DISK: recorder.secondDisk,
    },
  });
  const [code] = await once(tests, "exit");
  await recorder.stop();
  await camera.stop();
  if (code !== 0) console.error(`the recorder's last lines:\n${recorder.lines.join("\n")}`);
  await recorder.clean();
  return code ?? 1;
}

// All of them run, whatever fails.
for (const files of GROUPS) process.exitCode = (await run(files)) || process.exitCode;
