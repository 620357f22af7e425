/** What a person chose or dropped, as the files of one bundle. */

/** Files that are taken from one folder; a bundle has at most a thousand. */
export const FILES_MAX = 4_096;

export interface Chosen {
  files: { name: string; file: File | null }[];
  /** It is one ZIP. */
  archive: boolean;
  /** It is one file by itself that is no ZIP: no bundle. */
  stray: boolean;
  bytes: number;
}

/** A path and its file; a folder has none. */
export interface Found {
  path: string;
  file: File | null;
}

const ZIP: readonly number[] = [0x50, 0x4b];

/** The bundle in what was found: what lies in the folder itself, and the names of folders in it, which a bundle does not have. */
export async function chosen(found: readonly Found[]): Promise<Chosen> {
  const files = new Map<string, File | null>();
  for (const { path, file } of found.slice(0, FILES_MAX)) {
    const parts = path.split("/").filter((part) => part !== "");
    const [name, ...deeper] = parts.length > 1 ? parts.slice(1) : parts;
    if (name !== undefined) files.set(name, deeper.length > 0 ? null : file);
  }
  const listed = [...files].map(([name, file]) => ({ name, file }));
  const only = listed.length === 1 ? listed[0]?.file : undefined;
  const head = only === undefined || only === null ? [] : [...new Uint8Array(await only.slice(0, ZIP.length).arrayBuffer())];
  const archive = head.length === ZIP.length && head.every((byte, at) => byte === ZIP[at]);
  const stray = found.length === 1 && listed.length === 1 && !archive && only !== null && found[0]?.path.includes("/") === false;
  return { files: listed, archive, stray, bytes: listed.reduce((sum, { file }) => sum + (file?.size ?? 0), 0) };
}

/** What an input of files has; the browser gives paths only when a folder was chosen. */
export function ofInput(list: FileList): Found[] {
  return [...list].map((file) => ({ path: file.webkitRelativePath === "" ? file.name : file.webkitRelativePath, file }));
}

/** What was dropped: files, or one folder with what lies in it. Call it in the event itself; the browser forgets afterwards. */
export function ofDrop(data: DataTransfer): Promise<Found[]> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && isFolder(first)) return inFolder(first);
  return Promise.all(entries.slice(0, FILES_MAX).map(oneOf));
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

async function oneOf(entry: FileSystemEntry): Promise<Found> {
  const file = entry.isFile ? await new Promise<File>((got, lost) => (entry as FileSystemFileEntry).file(got, lost)) : null;
  return { path: entry.name, file };
}

async function inFolder(folder: FileSystemDirectoryEntry): Promise<Found[]> {
  const reader = folder.createReader();
  const found: Found[] = [];
  // The browser gives them a hundred at a time.
  while (found.length < FILES_MAX) {
    const some = await new Promise<FileSystemEntry[]>((got, lost) => reader.readEntries(got, lost));
    if (some.length === 0) break;
    found.push(...(await Promise.all(some.map(oneOf))).map(({ path, file }) => ({ path: `${folder.name}/${path}`, file })));
  }
  return found;
}
