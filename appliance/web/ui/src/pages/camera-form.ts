/** The fields of a camera as they are typed, and what the recorder gets from them. Pure. */

import { t } from "../i18n";
import type { Camera, CameraInput, CameraPatch, DeviceProfile, DeviceSettings, Importance, InspectedDevice, LocalCamera, Point, StreamSource, Transport } from "../api/types";

export interface CameraForm {
  name: string;
  mainUrl: string;
  mainTransport: Transport;
  /** Seconds between two pictures of an address that gives one for each request; as typed. */
  interval: string;
  /** The same of the second stream where that has another one, in ms; `null`: as `interval`. */
  subIntervalMs: number | null;
  subUrl: string;
  subTransport: Transport;
  username: string;
  /** Empty: keep the stored one. */
  password: string;
  recordAudio: boolean;
  /** What the sound is recorded for. */
  audioPurpose: string;
  purpose: string;
  /** Who answers for it. */
  contact: string;
  /** SHA-256 of the certificate that is trusted; empty: none. */
  certificate: string;
  enabled: boolean;
  retentionDays: string;
  importance: Importance;
  /** An empty address: nothing is wanted of the camera beside its streams. */
  device: DeviceSettings;
}

/** The same when nothing is said, in ms. */
const INTERVAL_MS_DEFAULT = 1_000;
const NO_DEVICE: DeviceSettings = { url: "", events: false, set_clock: false, masks: false, without_masks: "go_on" };

/** What the recorder sets when nothing is said, and the most it takes. */
export const RETENTION_DAYS_DEFAULT = 7;
export const RETENTION_DAYS_MAX = 30;

export function formOf(camera: Camera | null): CameraForm {
  return {
    name: camera?.name ?? "",
    mainUrl: camera?.main.url ?? "",
    mainTransport: camera?.main.transport ?? "tcp",
    interval: String((camera?.main.interval_ms ?? camera?.sub?.interval_ms ?? INTERVAL_MS_DEFAULT) / 1_000),
    subIntervalMs: ownInterval(camera),
    subUrl: camera?.sub?.url ?? "",
    subTransport: camera?.sub?.transport ?? "tcp",
    username: camera?.username ?? "",
    password: "",
    recordAudio: camera?.record_audio ?? false,
    audioPurpose: camera?.audio_purpose ?? "",
    purpose: camera?.purpose ?? "",
    contact: camera?.contact ?? "",
    certificate: camera?.certificate_sha256 ?? "",
    enabled: camera?.enabled ?? true,
    retentionDays: String(camera?.retention_days_max ?? RETENTION_DAYS_DEFAULT),
    importance: camera?.importance ?? "normal",
    device: camera?.device ?? NO_DEVICE,
  };
}

function ownInterval(camera: Camera | null): number | null {
  if (camera === null || !isHttp(camera.main.url ?? "")) return null;
  const sub = camera.sub?.interval_ms ?? null;
  return sub === (camera.main.interval_ms ?? INTERVAL_MS_DEFAULT) ? null : sub;
}

export function mainOf(form: CameraForm): StreamSource {
  return source(form.mainUrl, form.mainTransport, intervalMs(form));
}

export function subOf(form: CameraForm): StreamSource | null {
  return form.subUrl.trim() === "" ? null : source(form.subUrl, form.subTransport, form.subIntervalMs ?? intervalMs(form));
}

function intervalMs(form: CameraForm): number {
  return Math.round((Number(form.interval) || 1) * 1_000);
}

function source(url: string, transport: Transport, interval_ms: number): StreamSource {
  return { url: url.trim(), transport, ...(isHttp(url) ? { interval_ms } : {}) };
}

/** An address that may give one picture for each request. */
export function isHttp(url: string): boolean {
  return /^https?:/i.test(url.trim());
}

/** A password goes along only when one was typed: the stored one is never read back, so it cannot be sent back. */
export function inputOf(form: CameraForm, masks: Point[][]): CameraInput {
  return {
    name: form.name.trim(),
    main: mainOf(form),
    sub: subOf(form),
    username: form.username.trim() === "" ? null : form.username.trim(),
    ...(form.password === "" ? {} : { password: form.password }),
    record_audio: form.recordAudio,
    audio_purpose: form.recordAudio ? form.audioPurpose.trim() : "",
    purpose: form.purpose.trim(),
    contact: form.contact.trim(),
    certificate_sha256: form.certificate.trim() === "" ? null : form.certificate.trim(),
    enabled: form.enabled,
    masks,
    retention_days_max: Number(form.retentionDays) || RETENTION_DAYS_DEFAULT,
    importance: form.importance,
    device: form.device.url.trim() === "" ? null : { ...form.device, url: form.device.url.trim() },
  };
}

/** What was typed otherwise than it is stored: what stays is not sent, so that nobody is said to have changed it and no change of somebody else is undone. */
export function changesOf(form: CameraForm, camera: Camera): CameraPatch {
  const stored = Object.entries(inputOf(formOf(camera), camera.masks));
  const same = new Map(stored.map(([name, value]) => [name, JSON.stringify(value)]));
  return Object.fromEntries(Object.entries(inputOf(form, camera.masks)).filter(([name, value]) => same.get(name) !== JSON.stringify(value)));
}

/** The form with what was typed. The recorder forgets a trusted certificate when the camera's address becomes that of another machine: so does the form. */
export function typed(form: CameraForm, part: Partial<CameraForm>, camera: Camera | null): CameraForm {
  const next = { ...form, ...part };
  const stored = camera?.certificate_sha256 ?? null;
  if (camera === null || stored === null || !("mainUrl" in part || "subUrl" in part)) return next;
  const before = places(formOf(camera));
  const moved = places(next).some((place) => !before.includes(place));
  if (moved && next.certificate === stored) return { ...next, certificate: "" };
  return !moved && next.certificate === "" && form.certificate === "" ? { ...next, certificate: stored } : next;
}

/** Scheme, host and port of both streams. */
function places(form: CameraForm): string[] {
  const place = (url: string) => /^[a-z0-9]+:\/\/(?:[^/@]*@)?[^/?#]*/i.exec(url.trim())?.[0].replace(/\/\/.*@/, "//").toLowerCase();
  return [form.mainUrl, form.subUrl].flatMap((url) => place(url) ?? []);
}

/** The key of what is wrong with a stream address, or `null`. An empty one is judged by `required`. */
export function urlProblem(url: string): "camera.url.bad" | null {
  const trimmed = url.trim();
  if (trimmed === "") return null;
  return /^((rtsps?|https?):\/\/[^\s/]+|v4l2:[\w.:-]+)/i.test(trimmed) ? null : "camera.url.bad";
}

/** Whether an address is encrypted, so that a certificate matters. */
export function isEncrypted(form: CameraForm): boolean {
  return [form.mainUrl, form.subUrl, form.device.url].some((url) => /^(rtsps|https):/i.test(url.trim()));
}

/** The fields that a camera fills in; a name that was typed stays. */
export function filled(form: CameraForm, device: InspectedDevice): Partial<CameraForm> {
  const urlOf = (token: string | null) => device.profiles.find((profile) => profile.token === token)?.url ?? "";
  const name = `${device.manufacturer} ${device.model}`.trim().slice(0, 64);
  return {
    ...(form.name.trim() === "" ? { name } : {}),
    mainUrl: urlOf(device.main),
    subUrl: urlOf(device.sub),
    device: { ...form.device, url: device.url },
  };
}

/** What makes a device's masks black in the record, too. */
export const PERMANENT_MASKS = "&masks=permanent";

/** What can be taken from a camera of this machine: the address of each format, size and rate that can be recorded, best first. */
export function localStreams(camera: LocalCamera): { value: string; text: string; encoded: boolean }[] {
  return camera.formats
    .filter((format) => format.recordable)
    // JPEG is recorded as it is, or encoded to make it small.
    .flatMap((format) => (format.coding === "jpeg" ? [{ ...format, more: "" }, { ...format, encoded: true, more: "&encode=h264" }] : [{ ...format, more: "" }]))
    .flatMap((format) =>
      format.sizes.flatMap(({ width, height, fps }) =>
        (fps.length === 0 ? [null] : fps).map((rate) => ({
          encoded: format.encoded,
          value: `${camera.url}?format=${format.letters}&size=${width}x${height}${rate === null ? "" : `&fps=${rate}`}${format.more}`,
          text: `${format.letters} · ${width} × ${height}${rate === null ? "" : ` · ${rate}/s`}${format.encoded ? ` · ${t("local.encoded")}` : ""}`,
        })),
      ),
    );
}

export function profileText(profile: DeviceProfile): string {
  const size = profile.width === 0 ? "" : ` · ${profile.width} × ${profile.height}`;
  const rate = profile.fps === 0 ? "" : ` · ${profile.fps}/s`;
  const bits = profile.bitrate_kbps === 0 ? "" : ` · ${profile.bitrate_kbps} kbit/s`;
  return `${profile.name === "" ? profile.token : profile.name} · ${profile.encoding.toUpperCase().replace("H26", "H.26")}${size}${rate}${bits}`;
}
