import { expect, it } from "vitest";
import { chosen, FILES_MAX, type Found } from "./chosen";

const file = (name: string, text = "x"): File => new File([text], name);
const at = (path: string, text?: string): Found => ({ path, file: file(path, text) });

it("takes what lies in the folder itself, and names what lies deeper without its bytes", async () => {
  const { files, archive, bytes } = await chosen([at("bundle/manifest.json", "{}"), at("bundle/checkpoint"), at("bundle/more/secret.mp4", "12345"), { path: "bundle/empty", file: null }]);
  expect(files.map(({ name, file }) => [name, file?.size ?? null])).toEqual([
    ["manifest.json", 2],
    ["checkpoint", 1],
    ["more", null],
    ["empty", null],
  ]);
  expect({ archive, bytes }).toEqual({ archive: false, bytes: 3 });
});

it("knows one ZIP by its bytes, whatever its name is", async () => {
  expect((await chosen([at("export", "PK\x03\x04")])).archive).toBe(true);
  expect((await chosen([at("export.zip", "%PDF")])).archive).toBe(false);
  expect((await chosen([at("export.zip", "P")])).archive).toBe(false);
  expect((await chosen([at("a", "PK"), at("b", "PK")])).archive).toBe(false);
  expect(await chosen([])).toEqual({ files: [], archive: false, stray: false, bytes: 0 });
});

it("tells one file by itself that is no ZIP from a folder with one file", async () => {
  const stray = async (...found: Found[]) => (await chosen(found)).stray;
  expect(await stray(at("letter.pdf", "%PDF"))).toBe(true);
  expect(await stray(at("empty", ""))).toBe(true);
  expect(await stray(at("export", "PK\x03\x04"))).toBe(false);
  expect(await stray(at("bundle/manifest.json", "{}"))).toBe(false);
  expect(await stray(at("manifest.json", "{}"), at("checkpoint"))).toBe(false);
  expect(await stray()).toBe(false);
});

it("takes no more files than its bound", async () => {
  const many = Array.from({ length: FILES_MAX + 5 }, (_, index) => at(`b/${index}`));
  expect((await chosen(many)).files.length).toBe(FILES_MAX);
});
