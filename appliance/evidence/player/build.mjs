/** Makes dist/player.html: one file with everything in it, whose policy lets nothing be loaded and no other script run. */

import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const made = await build({
  root: here("."),
  configFile: false,
  logLevel: "warn",
  build: { write: false, target: "es2022", minify: true, lib: { entry: here("src/main.ts"), formats: ["iife"], name: "player" } },
});
const chunks = [made].flat().flatMap((one) => one.output);
if (chunks.length !== 1) throw new Error(`one script was expected, not ${chunks.map((chunk) => chunk.fileName)}`);
// Within a script element these would end it, or begin a comment.
const script = chunks[0].code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const style = (await readFile(here("src/style.css"), "utf8")).trim();
const hash = (text) => `sha256-${createHash("sha256").update(text).digest("base64")}`;
const parts = { script, style, "script-hash": hash(script), "style-hash": hash(style) };
const page = (await readFile(here("page.html"), "utf8")).replace(/\{(script|style|script-hash|style-hash)\}/g, (_, name) => parts[name]);
await mkdir(here("dist"), { recursive: true });
// A page that stays the same keeps its time, or each build of the page would have the whole recorder built anew.
const before = await readFile(here("dist/player.html"), "utf8").catch(() => "");
if (page !== before) await writeFile(here("dist/player.html"), page);
console.log(`dist/player.html: ${(page.length / 1000).toFixed(0)} kB`);
