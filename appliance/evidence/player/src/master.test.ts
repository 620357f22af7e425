import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { apart, covers, lookThrough, type Master, type Stretch } from "./master";

interface Packet {
  pos: number;
  size: number;
  seconds: number;
}

/** A film that ffmpeg makes, and where ffprobe finds its samples. */
function film(options: string[]): { bytes: Buffer; packets: Packet[] } {
  const folder = mkdtempSync(join(tmpdir(), "watchbook-film-"));
  const path = join(folder, "film.mp4");
  try {
    const source = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=3", "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-bf", "0"];
    execFileSync("ffmpeg", [...source, "-fflags", "+bitexact", "-flags", "+bitexact", ...options, path]);
    const told: unknown = JSON.parse(execFileSync("ffprobe", ["-v", "error", "-show_packets", "-of", "json", path]).toString());
    const { packets } = told as { packets: { pos: string; size: string; dts_time: string }[] };
    return { bytes: readFileSync(path), packets: packets.map(({ pos, size, dts_time: dts }) => ({ pos: Number(pos), size: Number(size), seconds: Number(dts) })) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** ffmpeg puts a `udta` at the end of `moov`; its length goes, and so does the box. */
function withoutUserData(bytes: Buffer): Buffer {
  const moov = bytes.indexOf("moov") - 4;
  const udta = bytes.indexOf("udta", moov) - 4;
  const length = bytes.readUInt32BE(udta);
  bytes.writeUInt32BE(bytes.readUInt32BE(moov) - length, moov);
  return Buffer.concat([bytes.subarray(0, udta), bytes.subarray(udta + length)]);
}

const look = (bytes: Buffer, runs: readonly Stretch[]): Promise<Master> => lookThrough(bytes.length, runs, async (at, length) => bytes.subarray(at, at + length));

describe("a master", () => {
  it("of fragments has its samples where ffprobe finds them, and when", async () => {
    const made = film(["-movflags", "+frag_keyframe+empty_moov+default_base_moof+skip_trailer"]);
    const length = made.bytes.length;
    const bytes = withoutUserData(made.bytes);
    // What was taken out lay before the first sample.
    const packets = made.packets.map((packet) => ({ ...packet, pos: packet.pos - (length - bytes.length) }));
    expect(packets).toHaveLength(30);
    await found(bytes, packets);
  });

  it("of tables has its samples where ffprobe finds them, and when", async () => {
    const { bytes, packets } = film([]);
    // A recorder writes no `free`; the box becomes one that means as little.
    bytes.write("styp", bytes.indexOf("free"));
    await found(withoutUserData(bytes), packets);
  });

  async function found(bytes: Buffer, packets: Packet[]): Promise<void> {
    const runs = apart(packets.map(({ pos, size }) => [pos, size] as const));
    if (runs === null) throw new Error("samples do not overlap");
    const master = await look(bytes, runs);
    expect(master.tracks.map(({ handler }) => handler)).toEqual(["vide"]);
    expect(covers(runs, master.media)).toBe(true);
    expect(packets.map(({ pos }) => master.places.get(pos)?.seconds.toFixed(4))).toEqual(packets.map(({ seconds }) => seconds.toFixed(4)));
    // A sample that is a byte longer than its run, and one that no run has.
    const [from, to] = runs[3] ?? [0, 0];
    await expect(look(bytes, runs.with(3, [from, to - 1]))).rejects.toThrow("lies in no run");
    await expect(look(bytes, runs.toSpliced(3, 1))).rejects.toThrow("lies in no run");
    expect(covers(runs.toSpliced(3, 1), master.media)).toBe(false);
  }

  it("is a sequence of boxes that may be there", async () => {
    const small = (name: string, content: string): Buffer => {
      const box = Buffer.from(`\0\0\0\0${name}${content}`, "latin1");
      box.writeUInt32BE(box.length);
      return box;
    };
    const long = Buffer.concat([Buffer.from("\0\0\0\u0001mdat", "latin1"), Buffer.from([0, 0, 0, 0, 0, 0, 0, 18]), Buffer.from("ab")]);
    const last = Buffer.from("\0\0\0\0mdatxyz", "latin1");
    const file = Buffer.concat([small("ftyp", "iso6"), small("mdat", "abc"), long, small("mdat", ""), last]);
    expect((await look(file, [])).media).toEqual([[20, 23], [39, 41], [57, 60]]);
    expect((await look(Buffer.alloc(0), [])).media).toEqual([]);
    for (const bad of ["\0\0\0", "\0\0\0\u0007mdat", "\0\0\0\u0009mdat", "\0\0\0\u0001mdat\0\0\0\0\0\0\0", "\0\0\0\u0001mdat\0\0\0\0\0\0\0\u000f", "\0\0\0\u0008free", "\0\0\0\u0008ftyp"]) {
      await expect(look(Buffer.concat([small("ftyp", ""), Buffer.from(bad, "latin1")]), []), bad).rejects.toThrow();
    }
    await expect(look(small("mdat", "abc"), [])).rejects.toThrow("ftyp");
  });
});

describe("ranges", () => {
  it("cover media data exactly once or not at all", () => {
    const media: Stretch[] = [[20, 23], [30, 40]];
    const isCovered = (ranges: [number, number][]): boolean => {
      const own = apart(ranges);
      return own !== null && covers(own, media);
    };
    expect(isCovered([[21, 2], [20, 1], [30, 10]])).toBe(true);
    for (const bad of [[[20, 3]], [[20, 3], [30, 9]], [[20, 3], [30, 10], [31, 1]], [[20, 3], [29, 11]], []] as [number, number][][]) expect(isCovered(bad)).toBe(false);
  });
});
