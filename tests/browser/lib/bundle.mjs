/**
 * Makes an evidence bundle of two cameras with pictures that a browser shows, by ffmpeg, ffprobe and node's own cryptography: a third program beside the recorder and the
 * verifiers that follows `appliance/evidence/FORMAT.md`. Camera 1 lacks three seconds in the midst, for which its log has a gap, and its master is sealed.
 */

import { execFileSync } from "node:child_process";
import { constants, createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** 2025-11-24 16:00 UTC. */
export const START_S = 1_764_000_000;
const ORIGIN = "station-7.example/log";
/** Pictures a second, and of a group that begins with a whole one. */
const RATE = 10;
const GROUP = 5;
const GAP_S = 3;
/** PKCS #8 around an Ed25519 seed (RFC 8410 §7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

const hash = (...parts) => {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return digest.digest();
};
const leafHash = (leaf) => hash(Buffer.of(0), leaf);
const nodeHash = (left, right) => hash(Buffer.of(1), left, right);
/** Largest power of two below `count` (RFC 6962 §2.1). */
const half = (count) => 2 ** Math.floor(Math.log2(count - 1));
const rootOf = (leaves) => (leaves.length === 1 ? leaves[0] : nodeHash(rootOf(leaves.slice(0, half(leaves.length))), rootOf(leaves.slice(half(leaves.length)))));

/** RFC 6962 §2.1.1. */
function pathOf(leaves, index) {
  if (leaves.length === 1) return [];
  const left = half(leaves.length);
  if (index < left) return [...pathOf(leaves.slice(0, left), index), rootOf(leaves.slice(left))];
  return [...pathOf(leaves.slice(left), index - left), rootOf(leaves.slice(0, left))];
}

/** The secret and the public key of a log, the latter as a person is given it. */
export function logKey(seed) {
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.alloc(32, seed)]), format: "der", type: "pkcs8" });
  const blob = Buffer.concat([Buffer.of(1), createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32)]);
  const id = hash(`${ORIGIN}\n`, blob).subarray(0, 4);
  return { secret, id, text: `${ORIGIN}+${id.toString("hex")}+${blob.toString("base64")}` };
}

function little(value, bytes) {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 4) buffer.writeUInt32LE(value);
  else buffer.writeBigInt64LE(BigInt(value));
  return buffer;
}

/** A master of moving pictures; from its third second on it goes on `pauseS` seconds later. */
function film(path, source, pauseS) {
  const pause = pauseS > 0 ? `,setpts=PTS+gte(N\\,${2 * RATE})*${pauseS}/TB` : "";
  const arguments_ = ["-v", "error", "-y", "-f", "lavfi", "-i", `${source}=size=320x180:rate=${RATE}:duration=${pauseS > 0 ? 6 : 9}`, "-vf", `format=yuv420p${pause}`];
  arguments_.push("-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-g", String(GROUP), "-keyint_min", String(GROUP), "-sc_threshold", "0", "-bf", "0");
  arguments_.push("-movflags", "+frag_keyframe+empty_moov+default_base_moof+skip_trailer", "-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1", path);
  execFileSync("ffmpeg", arguments_);
  withoutUserData(path);
}

/** Takes the last box out of `moov`, where ffmpeg puts a `udta` that a master may not have. Places of samples count from their fragments, so nothing else moves. */
function withoutUserData(path) {
  const bytes = readFileSync(path);
  const moov = bytes.indexOf("moov") - 4;
  const end = moov + bytes.readUInt32BE(moov);
  const udta = bytes.indexOf("udta", moov) - 4;
  if (udta + bytes.readUInt32BE(udta) !== end) throw new Error(`${path} has its udta elsewhere`);
  bytes.writeUInt32BE(udta - moov, moov);
  writeFileSync(path, Buffer.concat([bytes.subarray(0, udta), bytes.subarray(end)]));
}

function box(name, ...parts) {
  const whole = Buffer.concat([Buffer.from(`\0\0\0\0${name}`, "latin1"), ...parts]);
  whole.writeUInt32BE(whole.length);
  return whole;
}

/** Seals a master as the ONVIF Export File Format has it, with a key and a certificate of openssl and node's own RSASSA-PSS. */
function seal(path, folder) {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.der")];
  const options = ["-newkey", "rsa:3072", "-keyout", key, "-out", certificate, "-outform", "DER", "-subj", "/CN=station 7", "-days", "30"];
  execFileSync("openssl", ["req", "-x509", "-nodes", ...options], { stdio: "pipe" });
  const room = Buffer.alloc(384);
  const scheme = box("schi", box("sibo", room), box("cert", readFileSync(certificate)));
  const sealed = box("ipro", Buffer.from([0, 0, 0, 0, 0, 1]), box("sinf", box("schm", Buffer.alloc(4), Buffer.from("oeff"), Buffer.from([0, 1, 0, 0])), scheme));
  const file = Buffer.concat([readFileSync(path), box("meta", Buffer.alloc(4), box("hdlr", Buffer.alloc(8), Buffer.from("meta"), Buffer.alloc(13)), sealed)]);
  const signature = sign("sha256", file, { key: readFileSync(key, "utf8"), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 20 });
  signature.copy(file, file.lastIndexOf("sibo") + 4);
  writeFileSync(path, file);
  rmSync(key);
  rmSync(certificate);
}

/** Runs of a master: the pictures from one whole one to the next, as ffprobe finds them. */
function runsOf(path) {
  const told = execFileSync("ffprobe", ["-v", "error", "-select_streams", "v", "-show_packets", "-of", "json", path]).toString();
  const runs = [];
  for (const { pos, size, dts_time: dts, flags } of JSON.parse(told).packets) {
    if (flags.startsWith("K")) runs.push({ at: Number(pos), length: 0, samples: 0, seconds: Number(dts) });
    const run = runs.at(-1);
    run.length += Number(size);
    run.samples += 1;
  }
  return runs;
}

/** Writes the bundle into `folder`, with the player beside it. Returns what a test wants to know. */
export function makeBundle(folder, player) {
  mkdirSync(folder, { recursive: true });
  const key = logKey(1);
  const log = [];
  const enter = (afterS, body) => {
    log.push({ body: JSON.stringify(body), salt: hash(String(log.length)).subarray(0, 16), utc: BigInt(START_S + afterS) * 1_000_000_000n });
    return log.length - 1;
  };
  const ns = (seconds) => String(BigInt(START_S) * 1_000_000_000n + BigInt(Math.round(seconds * 1000)) * 1_000_000n);
  const streams = [];
  for (const [at, source] of ["testsrc2", "smptebars"].entries()) {
    const [file, stream, camera] = [`camera-${at + 1}.mp4`, 256 * (at + 1), at === 0 ? "ផ្សារ gate" : "yard"];
    film(join(folder, file), source, at === 0 ? GAP_S : 0);
    if (at === 0) seal(join(folder, file), folder);
    const bytes = readFileSync(join(folder, file));
    const table = Buffer.from(`table of ${file}`);
    const runs = runsOf(join(folder, file)).map(({ at: from, length, samples, seconds }) => ({
      clock: at === 0 ? "synchronised" : "free", file, first_dts: Math.round(seconds * 90_000), first_utc_ns: ns(seconds),
      length: (samples * 90_000) / RATE, ranges: [[from, length]], samples, sha256: hash(table, bytes.subarray(from, from + length)).toString("hex"),
      table: table.toString("base64"),
    }));
    const recording = 40 + at;
    const hashes = runs.map((run) => {
      const clock = run.clock === "free" ? 2 : 1;
      const said = [Buffer.of(1, clock), little(stream, 4), little(recording, 8), little(run.first_dts, 8), little(run.length, 4)];
      return leafHash(Buffer.concat([...said, little(run.first_utc_ns, 8), little(run.samples, 4), Buffer.from(run.sha256, "hex")]));
    });
    const gaps = at === 0 ? [enter(10, { kind: "gap", end_ns: ns(2 + GAP_S), reason: "camera_gone", start_ns: ns(2), stream })] : [];
    const leaf = enter(10, { kind: "segment", recording, root: rootOf(hashes).toString("hex"), runs: runs.length, stream });
    streams.push({ camera, gaps, segments: [{ leaf, runs }], stream });
  }
  writeFileSync(join(folder, "player.html"), player);
  writeFileSync(join(folder, "certificate-en.txt"), "I exported this.\n");
  const kinds = { "camera-1.mp4": "master", "camera-2.mp4": "master", "certificate-en.txt": "other", "player.html": "other" };
  const files = Object.entries(kinds).map(([name, kind]) => {
    const bytes = readFileSync(join(folder, name));
    return { bytes: bytes.length, kind, name, sha256: hash(bytes).toString("hex") };
  });
  const all = { end_ns: ns(9), start_ns: ns(0) };
  const manifest = JSON.stringify({
    case: "2025/1187", delivered: all, files, format: "watchbook-bundle/1", origin: ORIGIN, requested: all, software: "a test", streams,
  });
  const release = enter(20, { kind: "export", account: 3, approver: 4, manifest: hash(manifest).toString("hex") });
  const leaves = log.map(({ body, salt, utc }) => leafHash(Buffer.concat([Buffer.of(1), salt, little(utc, 8), Buffer.from(body)])));
  const proofs = log.map(({ body, salt, utc }, index) => ({
    body, index, path: pathOf(leaves, index).map((one) => one.toString("base64")), salt: salt.toString("hex"), utc_ns: String(utc),
  }));
  const text = `${ORIGIN}\n${leaves.length}\n${rootOf(leaves).toString("base64")}\n`;
  const signature = Buffer.concat([key.id, sign(null, Buffer.from(text), key.secret)]).toString("base64");
  writeFileSync(join(folder, "manifest.json"), manifest);
  writeFileSync(join(folder, "proofs.json"), JSON.stringify({ export: release, format: "watchbook-proofs/1", leaves: proofs }));
  writeFileSync(join(folder, "checkpoint"), `${text}\n— ${ORIGIN} ${signature}\n`);
  return { key: key.text, runs: streams.reduce((sum, { segments: [{ runs }] }) => sum + runs.length, 0) };
}
