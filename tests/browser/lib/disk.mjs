/** Spoils bytes on the recorder's disk, as a bad block does. */

import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes that are changed at one place: less than a commit of half a second. */
const SPOILED_BYTES = 512;
/** Places that are tried on one disk before giving it up: some lie in the footage of another camera. */
const TRIES_MAX = 200;

/** Changes bytes in the footage of `camera` inside `span` until the recorder finds damage there, and returns the damaged run. Reading it is what finds it:
 * the download breaks off. A camera is recorded on any of the `rings`. */
export async function spoil(rings, context, api, camera, span) {
  for (const ring of rings) {
    const run = await spoilOn(join(ring, "segments"), context, api, camera, span);
    if (run !== undefined) return run;
  }
  throw new Error(`no byte of camera ${camera} was found in the newest segments of ${rings.join(" and ")}`);
}

async function spoilOn(dir, context, api, camera, span) {
  const newest = await newestSegment(dir);
  if (newest === undefined) return undefined;
  const file = await open(join(dir, newest.name), "r+");
  try {
    for (let tried = 0; tried < TRIES_MAX; tried += 1) {
      // From the newest bytes backwards, a step of a third of a commit of one camera at a time.
      const offset = newest.used - (tried + 4) * 64 * 1024;
      if (offset < 4096) break;
      const bytes = Buffer.alloc(SPOILED_BYTES);
      await file.read(bytes, 0, bytes.length, offset);
      await file.write(bytes.map((byte) => byte ^ 0xff), 0, bytes.length, offset);
      await file.sync();
      // What has come in since the span was asked for may be what was hit.
      const range = `from_utc_ms=${span.start_utc_ms}&to_utc_ms=${Date.now() + 1_000}`;
      await context.request.get(`${api}/cameras/${camera}/export.mp4?${range}`).catch(() => undefined);
      const { damaged } = await (await context.request.get(`${api}/cameras/${camera}/recordings?${range}`)).json();
      const run = damaged.find((each) => each.kind === "checksum");
      if (run !== undefined) return run;
      // It was another camera's: put it back, so that one place is spoiled and no more.
      await file.write(bytes, 0, bytes.length, offset);
    }
  } finally {
    await file.close();
  }
  return undefined;
}

/** The segment that was written last, and how far: the place behind its last bytes that are not zero. Nothing on a disk without footage. */
async function newestSegment(dir) {
  const names = (await readdir(dir)).filter((name) => name.endsWith(".seg"));
  const states = await Promise.all(names.map(async (name) => ({ name, written: await lastWritten(join(dir, name)) })));
  const [newest] = states.filter((state) => state.written.used > 0).sort((a, b) => b.written.mtimeMs - a.written.mtimeMs);
  return newest && { name: newest.name, used: newest.written.used };
}

async function lastWritten(path) {
  const file = await open(path, "r");
  try {
    const { mtimeMs, size } = await file.stat();
    const block = Buffer.alloc(1 << 20);
    for (let end = size; end > 0; end -= block.length) {
      const start = Math.max(0, end - block.length);
      await file.read(block, 0, end - start, start);
      const last = block.subarray(0, end - start).findLastIndex((byte) => byte !== 0);
      if (last >= 0) return { mtimeMs, used: start + last + 1 };
    }
    return { mtimeMs, used: 0 };
  } finally {
    await file.close();
  }
}
