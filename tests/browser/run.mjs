/** Starts a camera server and a new recorder, runs the tests against them, and cleans up. Needs WATCHBOOK_BIN; WATCHBOOK_PLUGINS for events and plugins. Names of
 * test files as arguments run these alone. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { footage, startCamera, startRecorder } from "./lib/programs.mjs";

// In this order: each goes on where the one before ends, or begins anew by itself.
const ALL = [
  "flow.test.mjs",
  "scene.test.mjs",
  "plugins.test.mjs",
  "rules.test.mjs",
  "events.test.mjs",
  "rederive.test.mjs",
  "jpeg.test.mjs",
  "transcode.test.mjs",
  "loss.test.mjs",
  "log.test.mjs",
  "audit.test.mjs",
  "report.test.mjs",
  "open-case.test.mjs",
  "release.test.mjs",
  "subject.test.mjs",
  "ptz.test.mjs",
  "trust.test.mjs",
  "verify.test.mjs",
  "wall.test.mjs",
  "first-run.test.mjs",
  "settings.test.mjs",
  "every-page.test.mjs",
];
const files = process.argv.length > 2 ? process.argv.slice(2) : ALL;
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
process.exitCode = code ?? 1;
