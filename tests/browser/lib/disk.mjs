/** Spoils bytes on the recorder's disk, as a bad block does. */

import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Bytes that are changed at one place: less than a commit of half a second. */
const SPOILED_BYTES = 512;
/** Places that are tried before giving up: some lie in the footage of another camera. */
const TRIES_MAX = 100;
/** How long a commit may take to come: they come twice a second. */
const COMMIT_MS = 10_000;

/** Changes bytes in the footage of `camera`, after the start of `span`, until the recorder finds damage there, and returns the damaged run. Reading it is what
 * finds it, inside the case of this number: the answer breaks off. Only a commit that has just been written is spoiled, because the recorder keeps what it has read and verified in memory, up to
 * 32 MiB, and would not look at it again. A camera is recorded on any of the `rings`. */
export async function spoil(rings, context, api, { camera, number }, span) {
  for (let tried = 0; tried < TRIES_MAX; tried += 1) {
    const newest = await nextCommit(rings.map((ring) => join(ring, "segments")));
    // A third of a commit of one camera further at each try.
    const offset = newest.used - (1 + (tried % 6)) * 64 * 1024;
    if (offset < 4096) continue;
    const file = await open(newest.path, "r+");
    try {
      const bytes = Buffer.alloc(SPOILED_BYTES);
      const spoiled = (place) => Buffer.from(place.map((byte) => byte ^ 0xff));
      await file.read(bytes, 0, bytes.length, offset);
      await file.write(spoiled(bytes), 0, bytes.length, offset);
      await file.sync();
      // What has come in since the span was asked for is what was hit.
      const range = `from_utc_ms=${span.start_utc_ms}&to_utc_ms=${Date.now() + 1_000}`;
      await context.request.get(`${api}/cameras/${camera}/playback.mp4?${range}&role=main_video&case=${number}`).catch(() => undefined);
      const { damaged } = await (await context.request.get(`${api}/cameras/${camera}/recordings?${range}`)).json();
      const run = damaged.find((each) => each.kind === "checksum");
      if (run !== undefined) return run;
      // It was another camera's: put it back, so that one place is spoiled and no more.
      await file.write(bytes, 0, bytes.length, offset);
    } finally {
      await file.close();
    }
  }
  throw new Error(`no byte of camera ${camera} was found in what was written to ${rings.join(" and ")}`);
}

/** Waits until a commit has been written to one of `dirs`: its segment, and the place behind its last byte. */
async function nextCommit(dirs) {
  const used = async (dir) => (await newestSegment(dir)) ?? { path: "", used: 0 };
  const before = await Promise.all(dirs.map(used));
  const end = Date.now() + COMMIT_MS;
  while (Date.now() < end) {
    const now = await Promise.all(dirs.map(used));
    const grown = now.find((state, index) => state.path !== before[index].path || state.used > before[index].used);
    if (grown !== undefined) return grown;
  }
  throw new Error(`nothing was written to ${dirs.join(" and ")} for ${COMMIT_MS} ms`);
}

/** The segment that was written last, and how far: the place behind its last bytes that are not zero. Nothing on a disk without footage. */
async function newestSegment(dir) {
  const names = (await readdir(dir)).filter((name) => name.endsWith(".seg"));
  const times = await Promise.all(names.map(async (name) => ({ path: join(dir, name), mtimeMs: (await stat(join(dir, name))).mtimeMs })));
  // Most segments are laid out and empty: only what was touched last is read, and what came before it while that is empty.
  for (const { path } of times.sort((a, b) => b.mtimeMs - a.mtimeMs)) {
    const used = await lastWritten(path);
    if (used > 0) return { path, used };
  }
  return undefined;
}

/** The place behind the last byte that is not zero. */
async function lastWritten(path) {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const block = Buffer.alloc(1 << 20);
    for (let end = size; end > 0; end -= block.length) {
      const start = Math.max(0, end - block.length);
      await file.read(block, 0, end - start, start);
      const last = block.subarray(0, end - start).findLastIndex((byte) => byte !== 0);
      if (last >= 0) return start + last + 1;
    }
    return 0;
  } finally {
    await file.close();
  }
}
