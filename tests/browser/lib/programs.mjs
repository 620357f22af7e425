/** Starts and stops the programs that a browser test needs: camera servers and the recorder. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SERVERS = join(dirname(fileURLToPath(import.meta.url)), "../../e2e/servers");

/** Log lines of a program that are kept to be shown when a test fails. */
const LINES_KEPT = 60;
/** Longest wait for a program to say that it is ready. The recorder may compile plugins at its first start. */
const READY_MS = 60_000;

/** Runs a program to its end. */
async function run(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
}

/** Where the footage lies that the camera servers play; makes it once. */
export async function footage() {
  const dir = process.env.FOOTAGE ?? join(process.env.WATCHBOOK_CACHE ?? join(homedir(), ".cache/watchbook"), "footage");
  await run(join(SERVERS, "prepare_footage.sh"), [dir]);
  return dir;
}

/** A running program and the end of its output. */
class Program {
  constructor(name, child) {
    this.name = name;
    this.child = child;
    this.lines = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        if (this.lines.length > LINES_KEPT) this.lines.shift();
        this.onLine?.(line);
      });
    }
  }

  /** Waits for a line that `find` takes, and returns what it made of it. */
  line(find) {
    return new Promise((resolve, reject) => {
      const give = (act, value) => {
        clearTimeout(timer);
        this.onLine = undefined;
        act(value);
      };
      const timer = setTimeout(() => give(reject, new Error(`${this.name} was not ready in ${READY_MS} ms:\n${this.lines.join("\n")}`)), READY_MS);
      this.child.once("exit", (code) => give(reject, new Error(`${this.name} ended with ${code}:\n${this.lines.join("\n")}`)));
      this.onLine = (line) => {
        const found = find(line);
        if (found !== undefined) give(resolve, found);
      };
    });
  }

  /** Ends it; `SIGKILL` as a power cut would. */
  async stop(signal = "SIGTERM") {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill(signal);
    await gone;
  }
}

/** A camera server. `options`: `port`, `user`, `password`. */
export async function startCamera(dir, options = {}) {
  const args = [join(SERVERS, "gst_camera.py"), "--footage", dir];
  for (const [name, value] of Object.entries(options)) args.push(`--${name}`, String(value));
  const program = new Program("camera server", spawn("/usr/bin/python3", args));
  program.url = await program.line((line) => /^READY (rtsps?:\S+)/.exec(line)?.[1]);
  program.port = Number(new URL(program.url).port);
  return program;
}

/** A camera that says over ONVIF what it is; options as those of the program. */
export async function startOnvifCamera(options) {
  const args = [join(SERVERS, "onvif_camera.py")];
  for (const [name, value] of Object.entries(options)) args.push(`--${name}`, String(value));
  const program = new Program("ONVIF camera", spawn("/usr/bin/python3", args));
  program.url = await program.line((line) => /^READY (http:\S+)/.exec(line)?.[1]);
  return program;
}

/** A camera whose pictures tell when they were given out. */
export async function startClockCamera(dir) {
  const program = new Program("clock camera", spawn("/usr/bin/python3", [join(SERVERS, "clock_camera.py"), "--footage", dir]));
  program.url = await program.line((line) => /^READY (rtsp:\S+)/.exec(line)?.[1]);
  return program;
}

/** A camera that sends JPEG over HTTP. */
export async function startHttpCamera() {
  const program = new Program("HTTP camera", spawn("/usr/bin/python3", [join(SERVERS, "http_camera.py")]));
  program.url = await program.line((line) => /^READY (http:\S+)/.exec(line)?.[1]);
  return program;
}

/** A camera that misbehaves in the way that the last part of its address names. */
export async function startBadCamera(dir) {
  const program = new Program("bad camera", spawn("/usr/bin/python3", [join(SERVERS, "bad_camera.py"), "--video", join(dir, "sub.264")]));
  program.url = await program.line((line) => /^READY (rtsp:\S+)/.exec(line)?.[1]);
  return program;
}

/** A port that nobody uses now. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** The recorder with an empty station in a new directory. `more`: what else stands in its configuration file; `port`: of the page, for one that starts again by itself. */
export async function startRecorder(more = "", port = 0) {
  const bin = process.env.WATCHBOOK_BIN;
  if (bin === undefined) throw new Error("WATCHBOOK_BIN is not set: the path of the program watchbook");
  const dir = await mkdtemp(join(tmpdir(), "watchbook-browser-"));
  const plugins = process.env.WATCHBOOK_PLUGINS ?? join(dir, "plugins");
  const config = `
[web]
listen = "127.0.0.1:${port}"
[storage]
state_dir = "${dir}/state"
ring_dir = "${dir}/ring"
disk_roots = ["${dir}"]
ring_gib = 1.0
segment_mib = 64
[plugins]
dir = "${plugins}"
[cameras]
networks = ["127.0.0.1"]
${more}`;
  await writeFile(join(dir, "watchbook.toml"), config);
  // Where a second disk would be mounted.
  await mkdir(join(dir, "disk2"));
  const program = new Program("recorder", spawn(bin, ["run", "--config", join(dir, "watchbook.toml")]));
  let code;
  program.page = await program.line((line) => {
    code = /^claim code: (\S.*)$/.exec(line)?.[1] ?? code;
    return /^page: (http:\S+)/.exec(line)?.[1];
  });
  program.code = code;
  program.ring = join(dir, "ring");
  program.secondDisk = join(dir, "disk2");
  program.clean = () => rm(dir, { recursive: true, force: true });
  return program;
}
