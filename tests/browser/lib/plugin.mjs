/** Signed packages of one plugin in two versions, made with the author's tool from the recorder's own motion plugin under another id. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** As long as the id that it replaces: then the component's own text can be changed in place. */
export const ID = "org.citylab.movement";
const OWN_ID = "org.watchbook.motion";
const OWN_VERSION = "0.1.0";

/** The component with other words about itself; `describe` must agree with the manifest. */
function renamed(component, version) {
  // The component holds its manifest.
  const said = (id, own) => Buffer.from(`id = "${id}"\nversion = "${own}"`);
  const [from, to] = [said(OWN_ID, OWN_VERSION), said(ID, version)];
  assert.equal(from.length, to.length);
  const at = component.indexOf(from);
  assert.ok(at >= 0 && component.indexOf(from, at + 1) < 0, "the component says its id and version once");
  const copy = Buffer.from(component);
  to.copy(copy, at);
  return copy;
}

/** Makes the packages, one that nobody has signed, and the example that asks a neural network. `plugins` is the recorder's plugin folder, `tool` the program watchbook-plugin. */
export async function makePackages(tool, plugins) {
  const dir = await mkdtemp(join(tmpdir(), "watchbook-plugin-"));
  const component = await readFile(join(plugins, "motion/plugin.wasm"));
  const manifest = await readFile(join(plugins, "motion/plugin.toml"), "utf8");
  await run(tool, ["keygen", "citylab", "--no-password"], { cwd: dir });
  const pack = async (version, change, name) => {
    const folder = join(dir, name);
    await mkdir(folder);
    const text = manifest.replace(OWN_ID, ID).replace(`version = "${OWN_VERSION}"`, `version = "${version}"`).replace('publisher = "Watchbook"', 'publisher = "City lab"');
    await writeFile(join(folder, "plugin.toml"), change(text));
    await writeFile(join(folder, "plugin.wasm"), renamed(component, version));
    await writeFile(join(folder, "LICENSE"), "Apache-2.0\n");
    await writeFile(join(folder, "README.md"), "# Movement\n\nSays when something moves.\n");
    const file = join(dir, `${name}.wbp`);
    await run(tool, ["pack", folder, "-o", file]);
    return file;
  };
  /** A folder as it is. */
  const packed = async (folder, name) => {
    await run(tool, ["pack", folder, "-o", join(dir, `${name}.wbp`)]);
    return join(dir, `${name}.wbp`);
  };
  const sign = async (file) => {
    await run(tool, ["sign", file, "--key", join(dir, "citylab.key")]);
    return file;
  };
  const same = (text) => text;
  const grown = (text) => text.replace("memory_mib = 8", "memory_mib = 16");
  const publicKey = await readFile(join(dir, "citylab.pub"), "utf8");
  return {
    first: await sign(await pack("1.0.0", same, "first")),
    second: await sign(await pack("1.1.0", grown, "second")),
    unsigned: await pack("1.2.0", same, "unsigned"),
    asking: await sign(await packed(`${plugins}.tried-out/vehicle`, "asking")),
    publicKey,
    /** What the publisher would say on the telephone. */
    keyId: keyId(publicKey),
    clean: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The id inside a minisign public key: bytes 2 to 9 of the base64 line, little-endian. */
function keyId(publicKey) {
  const line = publicKey.trim().split("\n").at(-1);
  return Buffer.from(Buffer.from(line, "base64").subarray(2, 10)).reverse().toString("hex").toUpperCase();
}

/** Where the author's tool is: beside the recorder, unless the environment says otherwise. */
export function toolPath() {
  return process.env.WATCHBOOK_PLUGIN_TOOL ?? join(dirname(process.env.WATCHBOOK_BIN), "watchbook-plugin");
}
