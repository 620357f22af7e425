/** One line of the audit log in words. Pure. */

import type { AuditEntry } from "../api/types";
import { t, word } from "../i18n";
import { clockText, dateTimeText } from "../lib/time";

/** The account's number is what the log holds; its present name is a help for reading. */
export function whoText({ account, account_name, action }: AuditEntry): string {
  if (action.startsWith("footage_") || action === "erase" || action === "propose" || action === "rederived" || action === "note_camera") return t("audit.recorder");
  if (account === null) return t("audit.nobody");
  return account_name === null ? `#${account}` : `${account_name} (#${account})`;
}

export function actionText(entry: AuditEntry): string {
  return word("action", entry.action);
}

/** What it was done to: the camera, the interval, the thing that was changed. */
export function detailText(entry: AuditEntry): string {
  const { subject } = entry;
  const { camera, cameras, of_account: account, what, range, hold, dir, disk, found } = subject;
  const parts: string[] = [];
  if (entry.action === "footage_segment") parts.push(footageText(subject));
  if (typeof camera === "number") parts.push(t("audit.camera", { id: camera }));
  if (Array.isArray(cameras)) parts.push(cameras.map((id) => t("audit.camera", { id: String(id) })).join(", "));
  if (typeof subject["case"] === "string") parts.push(t("holds.case", { case: subject["case"] }));
  if (typeof subject["purpose"] === "string") parts.push(word("purpose", subject["purpose"]));
  if (subject["emergency"] === true) parts.push(t("audit.emergency"));
  if (Array.isArray(subject["investigators"])) parts.push(subject["investigators"].map((id) => `#${String(id)}`).join(", "));
  if (typeof hold === "number") parts.push(t("audit.hold", { id: hold }));
  if (typeof dir === "string") parts.push(`${dir}, ${String(subject["size_gib"])} GiB`);
  if (entry.action === "accept_camera") parts.push(String(found).slice(0, 8));
  if (entry.action === "footage_lost") parts.push(...lostText(subject));
  else if (typeof disk === "string") parts.push(`${t("disk.id")} ${disk.slice(0, 8)} → ${String(found).slice(0, 8)}`);
  if (typeof subject["plugin"] === "string") parts.push(subject["plugin"]);
  if (typeof subject["key_id"] === "string") parts.push(subject["key_id"]);
  if (typeof subject["package_sha256"] === "string") parts.push(`SHA-256 ${subject["package_sha256"].slice(0, 16)}…`);
  if (typeof subject["proposal"] === "number") parts.push(t("audit.proposal", { id: subject["proposal"] }));
  if (typeof subject["event"] === "number") parts.push(t("audit.event", { id: subject["event"] }));
  if (typeof subject["result"] === "string") parts.push(word("rederive.result", subject["result"]));
  if (entry.action === "decide_proposal") parts.push(t(subject["accept"] === true ? "proposal.accepted" : "proposal.dismissed"));
  if (typeof subject["reason"] === "string" && subject["reason"] !== "") parts.push(`“${subject["reason"]}”`);
  if (typeof subject["policy"] === "string") parts.push(`${subject["policy"]} ${String(subject["version"])}`);
  if (typeof subject["policy_sha256"] === "string") parts.push(`SHA-256 ${subject["policy_sha256"].slice(0, 16)}…`);
  if (typeof subject["proposed_by"] === "number") parts.push(t("policy.proposed.by", { name: `#${subject["proposed_by"]}` }).replace(/,$/, ""));
  if (typeof subject["witness"] === "string") parts.push(subject["witness"]);
  if (entry.action === "set_witness_push") parts.push(subject["url"] === "" ? t("push.by_hand") : String(subject["url"]));
  if (typeof subject["mirror"] === "number" && subject["mirror"] > 0) parts.push(t("audit.mirror", { id: subject["mirror"] }));
  if (typeof subject["export"] === "number" && entry.action.endsWith("_decision")) parts.push(t("audit.export", { id: subject["export"] }));
  if (typeof subject["by_signed_file"] === "string") parts.push(t("audit.by_file", { hash: subject["by_signed_file"].slice(0, 16) }));
  if (typeof subject["decision_sha256"] === "string") parts.push(t("audit.by_file", { hash: subject["decision_sha256"].slice(0, 16) }));
  if (typeof subject["passkey"] === "string") parts.push(t("audit.passkey", { id: subject["passkey"] }));
  if (entry.action === "make_mirror_token") parts.push(String(subject["name"]));
  if (entry.action === "enrol_approver_key") parts.push(String(subject["key"]));
  if (Array.isArray(subject["names"])) parts.push(subject["names"].map(String).join(", "));
  if (entry.action === "set_plugin_dev_mode") parts.push(t("dev.hours.count", { count: Number(subject["hours"]) }));
  if (entry.action === "set_plugin_tried_out") parts.push(t(subject["on"] === true ? "tried_out.on" : "tried_out.off"));
  if (entry.action === "change_station_settings" && Array.isArray(subject["changes"])) parts.push(...subject["changes"].map(settingText));
  parts.push(...requestParts(subject));
  if (typeof account === "number") parts.push(`#${account}`);
  if (typeof what === "string") parts.push(entry.action === "note_camera" ? word("noted", what) : what);
  if (typeof subject["detail"] === "string") parts.push(subject["detail"]);
  if (typeof subject["hours"] === "number" && entry.action === "erase") parts.push(t("retention.hours", { count: subject["hours"] }));
  const interval = rangeText(range);
  if (interval !== null) parts.push(interval);
  return parts.join(" · ");
}

/** A setting of the station, from what to what. */
function settingText(change: unknown): string {
  const { setting, before, after } = change as { setting?: unknown; before?: unknown; after?: unknown };
  return `${word("station", String(setting))}: “${String(before)}” → “${String(after)}”`;
}

/** Of a request for footage of oneself: its number, its deadline, and words out of lists. */
function requestParts(subject: AuditEntry["subject"]): string[] {
  if (typeof subject["request"] !== "number") return [];
  const parts = [t("requests.one", { id: subject["request"] })];
  if (typeof subject["due_utc_ms"] === "number") parts.push(`${t("request.due")} ${dateTimeText(subject["due_utc_ms"])}`);
  if (typeof subject["export"] === "number") parts.push(t("request.export", { id: subject["export"] }));
  if (typeof subject["to"] === "string") parts.push(word("request.to", subject["to"]));
  if (typeof subject["why"] === "string") parts.push(word("request.why", subject["why"]));
  return parts;
}

/** Whose runs a hash of footage is about. A stream's number is its camera's times 256 and its role. */
function footageText({ stream, recording, runs, root }: AuditEntry["subject"]): string {
  const hash = String(root).slice(0, 16);
  return t("audit.footage", { camera: Math.floor(Number(stream) / 256), recording: Number(recording), count: Number(runs), hash });
}

/** Which commits of which disk are gone, and the entries that told of them. */
function lostText({ disk, first_commit, last_commit, first_entry, last_entry }: AuditEntry["subject"]): string[] {
  const parts = [`${t("disk.id")} ${String(disk).slice(0, 8)}`];
  parts.push(t("audit.lost", { first: Number(first_commit), last: Number(last_commit) }));
  if (typeof first_entry === "number") parts.push(t("audit.lost.entries", { first: first_entry, last: Number(last_entry) }));
  return parts;
}

/** An interval in nanoseconds, as the log stores it, in local time. */
function rangeText(range: unknown): string | null {
  if (typeof range !== "object" || range === null) return null;
  const { start, end } = range as { start?: unknown; end?: unknown };
  if (typeof start !== "number" || typeof end !== "number") return null;
  return `${dateTimeText(start / 1e6)} – ${clockText(end / 1e6)}`;
}

export function outcomeText({ outcome, reason }: AuditEntry): string {
  const said = word("outcome", outcome);
  return reason === null ? said : `${said}: ${reason}`;
}
