/** The first set-up of a station: what was found, what is said about each camera, and how far a person has come. Pure; passwords and pictures have no place here, because this is what
 * a browser remembers. */

import type { CameraInput, FoundDevice, InspectedDevice, LocalCamera, TestInput } from "../api/types";
import { type CameraForm, filled, formOf, inputOf, localStreams, mainOf, subOf } from "../pages/camera-form";

export const STEPS = ["check", "find", "state", "person"] as const;
export type Step = (typeof STEPS)[number];

export interface Login {
  username: string;
  password: string;
}

export interface Draft {
  /** The address by which it was found or typed: tells drafts apart. */
  key: string;
  kind: "onvif" | "stream" | "local";
  /** What it calls itself. */
  label: string;
  place: string;
  chosen: boolean;
  /** The camera of the station that has this address. */
  recorded: number | null;
  /** It gave a picture, so it can be added. */
  ready: boolean;
  /** It was asked with an account, which is not kept: whoever goes on later is asked for it again. */
  secured: boolean;
  name: string;
  mainUrl: string;
  subUrl: string;
  deviceUrl: string;
  certificate: string;
  purpose: string;
  retentionDays: string;
  contact: string;
}

export interface Progress {
  step: Step;
  drafts: Draft[];
  /** Said for all cameras at once. */
  common: Statement;
}

export interface Statement {
  purpose: string;
  retentionDays: string;
  contact: string;
}

export const NOTHING_SAID: Statement = { purpose: "", retentionDays: "", contact: "" };
export const BEGINNING: Progress = { step: "check", drafts: [], common: NOTHING_SAID };
/** As many as a station has cameras at most. */
const DRAFTS_MAX = 400;
const NAME_CHARS_MAX = 64;
const TEXT_CHARS_MAX = 4096;

function draft(kind: Draft["kind"], key: string, label: string, place: string, recorded: number | null): Draft {
  const empty = { name: "", mainUrl: "", subUrl: "", deviceUrl: "", certificate: "", ...NOTHING_SAID };
  return { ...empty, kind, key, label, place, recorded, chosen: recorded === null, ready: false, secured: false };
}

export function ofDevice(device: FoundDevice): Draft {
  const place = device.hardware === "" ? device.address : `${device.hardware} · ${device.address}`;
  return draft("onvif", device.url, device.name === "" ? device.address : device.name, place, device.camera);
}

/** `null`: it offers nothing that can be recorded. */
export function ofLocal(camera: LocalCamera): Draft | null {
  const best = localStreams(camera)[0];
  return best === undefined ? null : { ...draft("local", camera.url, camera.name, camera.bus, camera.camera), mainUrl: best.value };
}

/** What a person typed: a stream's address, or that of a camera that is asked for its streams. */
export function ofTyped(typed: string): Draft | null {
  const address = typed.trim();
  if (address === "") return null;
  if (/^(rtsps?):\/\//i.test(address)) return { ...draft("stream", address, host(address), host(address), null), mainUrl: address };
  return draft("onvif", address, host(address), host(address), null);
}

/** Host and port, without what may be a secret. */
function host(address: string): string {
  const rest = address.replace(/^[a-z0-9]+:\/\//i, "").split(/[/?#]/, 1)[0] ?? "";
  return rest.slice(rest.lastIndexOf("@") + 1);
}

/** Those that were there, as they were, and then the new ones. */
export function merged(old: readonly Draft[], found: readonly Draft[]): Draft[] {
  const known = new Map(old.map((each) => [each.key, each]));
  const fresh = found.filter((each) => !known.has(each.key));
  const now = new Map(found.map((each) => [each.key, each.recorded]));
  return [...old.map((each) => ({ ...each, recorded: now.get(each.key) ?? each.recorded })), ...fresh].slice(0, DRAFTS_MAX);
}

/** A name that no other has. */
export function unique(wanted: string, taken: readonly string[]): string {
  const base = wanted.trim().slice(0, NAME_CHARS_MAX);
  for (let number = 1; number <= taken.length + 1; number += 1) {
    const name = number === 1 ? base : `${base.slice(0, NAME_CHARS_MAX - 4)} ${number}`;
    if (!taken.includes(name)) return name;
  }
  return base;
}

/** The draft with what the camera said of itself. */
export function answered(old: Draft, device: InspectedDevice, names: readonly string[]): Draft {
  const part = filled(formFrom(old, NO_LOGIN), device);
  // A camera that has no name of its own is called by its address: then its make says more.
  const make = `${device.manufacturer} ${device.model}`.trim();
  const name = old.name === "" ? unique(old.place.endsWith(old.label) && make !== "" ? make : old.label, names) : old.name;
  return { ...old, name, mainUrl: part.mainUrl ?? "", subUrl: part.subUrl ?? "", deviceUrl: device.url };
}

export const NO_LOGIN: Login = { username: "", password: "" };

/** The form that the page for one camera would have. */
export function formFrom(of: Draft, login: Login): CameraForm {
  const form = formOf(null);
  return {
    ...form,
    name: of.name,
    mainUrl: of.mainUrl,
    subUrl: of.subUrl,
    username: login.username,
    password: login.password,
    certificate: of.certificate,
    purpose: of.purpose,
    retentionDays: of.retentionDays,
    contact: of.contact,
    device: { ...form.device, url: of.deviceUrl },
  };
}

export function inputFrom(of: Draft, login: Login): CameraInput {
  return inputOf(formFrom(of, login), []);
}

/** The question whether it gives pictures, and for one of them. */
export function testFrom(of: Draft, login: Login): TestInput {
  const form = formFrom(of, login);
  const sub = subOf(form);
  return { main: mainOf(form), ...(sub === null ? {} : { sub }), ...loginFields(of, login), picture: true };
}

/** What goes along with a question to a camera. */
export function loginFields(of: Draft, login: Login): Pick<TestInput, "username" | "password" | "certificate_sha256"> {
  return {
    ...(login.username.trim() === "" ? {} : { username: login.username.trim() }),
    ...(login.password === "" ? {} : { password: login.password }),
    ...(of.certificate === "" ? {} : { certificate_sha256: of.certificate }),
  };
}

/** What is said for all, where nothing was said for one. */
export function stated(of: Draft, common: Statement): Draft {
  const or = (own: string, all: string) => (own.trim() === "" ? all : own);
  return { ...of, purpose: or(of.purpose, common.purpose), retentionDays: or(of.retentionDays, common.retentionDays), contact: or(of.contact, common.contact) };
}

/** What must be said before it is recorded, in this order. */
export function missing(of: Draft, daysMax: number): ("name" | "purpose" | "retention" | "contact")[] {
  const days = Number(of.retentionDays);
  return [
    ...(of.name.trim() === "" ? (["name"] as const) : []),
    ...(of.purpose.trim() === "" ? (["purpose"] as const) : []),
    ...(Number.isInteger(days) && days >= 1 && days <= daysMax ? [] : (["retention"] as const)),
    ...(of.contact.trim() === "" ? (["contact"] as const) : []),
  ];
}

/** Those that were chosen, answered and are not recorded yet. */
export function toAdd(drafts: readonly Draft[]): Draft[] {
  return drafts.filter((each) => each.chosen && each.ready && each.recorded === null);
}

/** What a browser may keep. An address may hold a password before its host or behind its path: then it is asked anew. */
export function kept(progress: Progress): string {
  const drafts = progress.drafts.map((each) => {
    const open = [each.mainUrl, each.subUrl].every((url) => !/[@?=&]/.test(url)) || each.kind === "local";
    return open ? each : { ...each, mainUrl: "", subUrl: "", ready: false };
  });
  return JSON.stringify({ ...progress, drafts: drafts.filter((each) => !/[@?=]/.test(each.key) || each.kind === "local") });
}

/** What a browser kept; the beginning where that is no such thing. */
export function restored(text: string | null): Progress {
  try {
    const value = JSON.parse(text ?? "null") as Partial<Progress> | null;
    const step = STEPS.find((each) => each === value?.step);
    if (value === null || step === undefined || !Array.isArray(value.drafts)) return BEGINNING;
    return { step, drafts: value.drafts.filter(isDraft).slice(0, DRAFTS_MAX).map((each) => ({ ...each, ready: each.ready && !each.secured })), common: isStatement(value.common) ? value.common : NOTHING_SAID };
  } catch {
    return BEGINNING;
  }
}

const isText = (value: unknown) => typeof value === "string" && value.length <= TEXT_CHARS_MAX;

function isStatement(value: unknown): value is Statement {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  return ["purpose", "retentionDays", "contact"].every((name) => isText(fields[name]));
}

function isDraft(value: unknown): value is Draft {
  if (!isStatement(value)) return false;
  const fields = value as unknown as Record<string, unknown>;
  const texts = ["key", "label", "place", "name", "mainUrl", "subUrl", "deviceUrl", "certificate"];
  const known = fields["kind"] === "onvif" || fields["kind"] === "stream" || fields["kind"] === "local";
  const recorded = fields["recorded"] === null || Number.isSafeInteger(fields["recorded"]);
  return known && recorded && texts.every((name) => isText(fields[name])) && typeof fields["chosen"] === "boolean" && typeof fields["ready"] === "boolean" && typeof fields["secured"] === "boolean";
}
