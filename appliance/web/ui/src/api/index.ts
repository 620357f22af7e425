/** Every request the page makes, by name. */

import { wayFor } from "../lib/formats";
import { call, query, send, upload } from "./client";
import type {
  Account,
  AccountInput,
  AccountList,
  AccountPatch,
  AnomalyList,
  AuditPage,
  AuditSearch,
  LogCheckpoint,
  LogImport,
  LogPushList,
  LogWitness,
  LogWitnessList,
  MirrorList,
  MirrorMade,
  Bookmark,
  BookmarkInput,
  BookmarkList,
  Camera,
  CameraInput,
  CameraList,
  CameraPatch,
  CameraSign,
  Case,
  CaseInput,
  CaseList,
  CasePatch,
  BackupPlan,
  TlsState,
  BackupRestored,
  ClaimInput,
  ClockList,
  CountBucket,
  CountList,
  DeviceInput,
  DeviceReport,
  Disk,
  DiskInput,
  ErasureList,
  EventPage,
  Export,
  ExportEstimate,
  ExportInput,
  RedactionInput,
  ExportList,
  ExportSinkList,
  FoundDeviceList,
  Health,
  Hold,
  HoldEstimate,
  HoldInput,
  HoldList,
  LocalCameraList,
  MachineHealth,
  PluginBinding,
  PluginDevMode,
  PluginInfo,
  PluginList,
  PluginLog,
  PluginPublisher,
  PluginPublisherInput,
  PluginPublisherList,
  PluginTriedOut,
  PolicyAcceptInput,
  PolicyInput,
  PolicyList,
  Proposal,
  ProposalDecision,
  ProposalList,
  PtzInput,
  PtzPreset,
  PtzView,
  Recordings,
  PublicPolicyPage,
  PublicReport,
  Rederivation,
  ReportList,
  Retention,
  RetentionList,
  SecondFactorSetUp,
  NewPasskey,
  Passkey,
  PasskeyAssertion,
  PasskeyChallenge,
  PasskeyList,
  PasskeySetUp,
  ReviewAnswer,
  ReviewList,
  Session,
  SignedInList,
  StationSettings,
  StationSettingsHistory,
  StationSettingsInput,
  Status,
  SubjectRequest,
  SubjectRequestAnswer,
  SubjectRequestExtend,
  SubjectRequestInput,
  SubjectRequestList,
  SubjectRequestPatch,
  SubjectRequestRefuse,
  TestInput,
  TestResult,
  TrackRole,
  WatchEvent,
} from "./types";

export * from "./types";
export { ApiError } from "./client";

/** An interval, milliseconds UTC; fractions are widened to whole ones. */
export interface Window {
  from: number;
  to: number;
}

/** What is counted: `null` means all cameras of the account. */
export interface CountAsk extends Window {
  camera: number | null;
  bucket: CountBucket;
}

/** Which events are asked for; what is empty asks for all. */
export interface EventAsk extends Window {
  cameras: readonly number[];
  kind: string;
  zone: string;
  plugin: string;
}

const window = ({ from, to }: Window) => ({ from_utc_ms: Math.floor(from), to_utc_ms: Math.ceil(to) });

const eventPairs = ({ cameras, kind, zone, plugin, ...range }: EventAsk) => ({ ...window(range), cameras: cameras.join(",") || null, kind: kind || null, zone: zone || null, plugin: plugin || null });

const counted = ({ camera, bucket, ...range }: CountAsk) => query({ ...window(range), camera, bucket, utc_offset_minutes: -new Date(range.to).getTimezoneOffset() });

const rederive = (event: WatchEvent) => `/cameras/${event.camera}/events/${encodeURIComponent(event.id)}/rederive`;

/** A file behind texts, each of which stands behind its length in two bytes. */
function behind(texts: readonly string[], file: Blob): Blob {
  const parts = texts.flatMap((text) => {
    const bytes = new TextEncoder().encode(text);
    return [new Uint8Array([bytes.length >> 8, bytes.length & 255]), bytes];
  });
  return new Blob([...parts, file]);
}

const request = (id: number) => `/subject-requests/${id}`;

const plugin = (id: string) => `/plugins/${encodeURIComponent(id)}`;

export const api = {
  status: () => call<Status>("GET", "/status"),
  claim: (input: ClaimInput) => call<Session>("POST", "/claim", input),
  session: () => call<Session>("GET", "/session"),
  signIn: (name: string, password: string) => call<Session>("POST", "/session", { name, password }),
  signOut: () => call<void>("DELETE", "/session"),
  changePassword: (oldPassword: string, newPassword: string) =>
    call<void>("POST", "/session/password", { old: oldPassword, new: newPassword }),
  setUpFactor: (password: string) => call<SecondFactorSetUp>("POST", "/session/second-factor/set-up", { password }),
  confirmFactor: (code: string) => call<void>("POST", "/session/second-factor/confirm", { code }),
  enterFactor: (code: string) => call<void>("POST", "/session/second-factor", { code }),
  ownPasskeys: () => call<PasskeyList>("GET", "/session/passkeys"),
  setUpPasskey: (password: string) => call<PasskeySetUp>("POST", "/session/passkeys/set-up", { password }),
  addPasskey: (made: NewPasskey) => call<Passkey>("POST", "/session/passkeys", made),
  removeOwnPasskey: (id: string) => call<void>("DELETE", `/session/passkeys/${id}`),
  passkeys: (account: number) => call<PasskeyList>("GET", `/accounts/${account}/passkeys`),
  removePasskey: (account: number, id: string) => call<void>("DELETE", `/accounts/${account}/passkeys/${id}`),
  passkeyChallenge: () => call<PasskeyChallenge>("GET", "/session/passkey/challenge"),
  signInWithPasskey: (shown: PasskeyAssertion) => call<Session>("POST", "/session/passkey", shown),
  showPasskey: (shown: PasskeyAssertion) => call<void>("POST", "/session/second-factor/passkey", shown),
  enrolApproverKey: (id: number, key: string) => call<void>("PUT", `/accounts/${id}/approver-key`, { key }),
  removeApproverKey: (id: number) => call<void>("DELETE", `/accounts/${id}/approver-key`),
  removeFactor: (account: number) => call<void>("DELETE", `/accounts/${account}/second-factor`),

  cameras: () => call<CameraList>("GET", "/cameras").then((answer) => answer.cameras),
  camera: (id: number) => call<Camera>("GET", `/cameras/${id}`),
  addCamera: (input: CameraInput) => call<Camera>("POST", "/cameras", input),
  changeCamera: (id: number, input: CameraPatch) => call<Camera>("PATCH", `/cameras/${id}`, input),
  reviewCamera: (id: number, note: string) => call<Camera>("POST", `/cameras/${id}/review`, { note }),
  removeCamera: (id: number) => call<void>("DELETE", `/cameras/${id}`),
  testCamera: (input: TestInput) => call<TestResult>("POST", "/cameras/test", input),
  searchCameras: () => call<FoundDeviceList>("POST", "/cameras/search").then((answer) => answer.devices),
  localCameras: () => call<LocalCameraList>("GET", "/cameras/local").then((answer) => answer.cameras),
  inspectCamera: (input: DeviceInput) => call<DeviceReport>("POST", "/cameras/inspect", input),
  ptz: (camera: number) => call<PtzView>("GET", `/cameras/${camera}/ptz`),
  turnCamera: (camera: number, input: PtzInput) => call<void>("POST", `/cameras/${camera}/ptz`, input),
  setPreset: (camera: number, name: string) => call<PtzPreset>("POST", `/cameras/${camera}/ptz/presets`, { name }),
  removePreset: (camera: number, token: string) => call<void>("DELETE", `/cameras/${camera}/ptz/presets/${encodeURIComponent(token)}`),
  acceptCamera: (camera: number, found_id: string) => call<void>("POST", `/cameras/${camera}/device/accept`, { found_id }),
  bindPlugin: (camera: number, { plugin, ...binding }: PluginBinding) =>
    call<PluginBinding>("PUT", `/cameras/${camera}/plugins/${encodeURIComponent(plugin)}`, binding),

  recordings: (camera: number, range: Window, role: TrackRole, signal?: AbortSignal) =>
    call<Recordings>("GET", `/cameras/${camera}/recordings${query({ ...window(range), role })}`, undefined, signal),
  findEvents: (ask: EventAsk, cursor: string | null, limit: number, signal?: AbortSignal) =>
    call<EventPage>("GET", `/events${query({ ...eventPairs(ask), cursor, limit })}`, undefined, signal),
  events: (range: Window, camera: number, cursor: string | null, limit: number, signal?: AbortSignal) =>
    call<EventPage>("GET", `/events${query({ ...window(range), camera, cursor, limit })}`, undefined, signal),

  rederivation: (event: WatchEvent) => call<Rederivation>("GET", rederive(event)),
  rederive: (event: WatchEvent, warm_up_s: number | null) =>
    call<Rederivation>("POST", rederive(event), { start_utc_ms: event.start_utc_ms, end_utc_ms: event.end_utc_ms, warm_up_s }),
  cancelRederive: (event: WatchEvent) => call<Rederivation>("DELETE", rederive(event)),

  counts: (ask: CountAsk) => call<CountList>("GET", `/events/counts${counted(ask)}`),

  plugins: () => call<PluginList>("GET", "/plugins").then((answer) => answer.plugins),
  installPlugin: (file: Blob, told: (share: number) => void) => upload<PluginInfo>("/plugins", file, told),
  approvePlugin: (id: string, package_sha256: string) => call<PluginInfo>("POST", `${plugin(id)}/approve`, { package_sha256 }),
  rejectPlugin: (id: string, package_sha256: string) => call<void>("POST", `${plugin(id)}/reject`, { package_sha256 }),
  rollBackPlugin: (id: string) => call<PluginInfo>("POST", `${plugin(id)}/rollback`),
  removePlugin: (id: string) => call<void>("DELETE", plugin(id)),
  pluginLog: (id: string) => call<PluginLog>("GET", `${plugin(id)}/log`),
  publishers: () => call<PluginPublisherList>("GET", "/plugin-publishers").then((answer) => answer.publishers),
  trustPublisher: (input: PluginPublisherInput) => call<PluginPublisher>("POST", "/plugin-publishers", input),
  distrustPublisher: (key: string) => call<void>("DELETE", `/plugin-publishers/${encodeURIComponent(key)}`),
  devMode: () => call<PluginDevMode>("GET", "/plugin-dev-mode"),
  setDevMode: (hours: number) => call<PluginDevMode>("PUT", "/plugin-dev-mode", { hours }),
  triedOut: () => call<PluginTriedOut>("GET", "/plugin-tried-out"),
  setTriedOut: (on: boolean) => call<PluginTriedOut>("PUT", "/plugin-tried-out", { on }),

  ownSessions: () => call<SignedInList>("GET", "/session/list").then((answer) => answer.sessions),
  endOwnSession: (id: string) => call<void>("DELETE", `/session/list/${id}`),
  allSessions: () => call<SignedInList>("GET", "/accounts/sessions").then((answer) => answer.sessions),
  endSession: (account: number, id: string) => call<void>("DELETE", `/accounts/${account}/sessions/${id}`),
  tls: () => call<TlsState>("GET", "/tls"),
  uploadCertificate: (chain_pem: string, key_pem: string) => call<TlsState>("PUT", "/tls/certificate", { chain_pem, key_pem }),
  removeCertificate: () => call<void>("DELETE", "/tls/certificate"),
  makeBackup: (passphrase: string) =>
    send("/api/v1/backup", { method: "POST", headers: { "X-Watchbook": "1", "Content-Type": "application/json" }, body: JSON.stringify({ passphrase }) }).then((answer) => answer.blob()),
  compareBackup: (passphrase: string, file: Blob) => upload<BackupPlan>("/backup/compare", behind([passphrase], file), () => {}),
  restoreBackup: (passphrase: string, file: Blob, plan: string) => upload<BackupRestored>(`/backup/restore${query({ plan })}`, behind([passphrase], file), () => {}),
  claimWithBackup: (code: string, passphrase: string, file: Blob) => upload<BackupRestored>("/claim/restore", behind([code, passphrase], file), () => {}),

  accounts: () => call<AccountList>("GET", "/accounts").then((answer) => answer.accounts),
  addAccount: (input: AccountInput) => call<Account>("POST", "/accounts", input),
  changeAccount: (id: number, input: AccountPatch) => call<Account>("PATCH", `/accounts/${id}`, input),
  removeAccount: (id: number) => call<void>("DELETE", `/accounts/${id}`),
  log: () => call<LogCheckpoint>("GET", "/log"),
  logWitnesses: () => call<LogWitnessList>("GET", "/log/witnesses").then((answer) => answer.witnesses),
  trustWitness: (key: string) => call<LogWitness>("POST", "/log/witnesses", { key }),
  distrustWitness: (name: string) => call<void>("DELETE", `/log/witnesses${query({ name })}`),
  logPushes: () => call<LogPushList>("GET", "/log/pushes").then((answer) => answer.pushes),
  setLogPush: (name: string, url: string) => call<void>("PUT", `/log/pushes${query({ name })}`, { url }),
  pushLog: (name: string) => call<void>("POST", `/log/pushes/now${query({ name })}`),
  importCosignatures: (text: string) => call<LogImport>("POST", "/log/cosignatures", { text }),
  logMirrors: () => call<MirrorList>("GET", "/log/mirrors"),
  makeMirror: (name: string) => call<MirrorMade>("POST", "/log/mirrors", { name }),
  revokeMirror: (number: number) => call<void>("DELETE", `/log/mirrors/${number}`),
  changeLogKey: (reason: string) => call<LogCheckpoint>("POST", "/log/key", { reason }),
  audit: (search: AuditSearch, cursor: string | null, limit: number, signal?: AbortSignal) => call<AuditPage>("GET", `/audit${query({ ...search, cursor, limit })}`, undefined, signal),
  reports: () => call<ReportList>("GET", "/reports"),
  report: (month: string | null) => call<PublicReport>("GET", `/report${month === null ? "" : query({ month })}`),
  reviews: () => call<ReviewList>("GET", "/reviews"),
  answerReview: (entry: number, input: ReviewAnswer) => call<void>("POST", `/reviews/${entry}`, input),
  anomalies: (utc_offset_min: number) => call<AnomalyList>("GET", `/anomalies${query({ utc_offset_min })}`),
  policy: () => call<PublicPolicyPage>("GET", "/policy"),
  policies: () => call<PolicyList>("GET", "/policies"),
  proposePolicy: (input: PolicyInput) => call<PolicyList>("POST", "/policies/propose", input),
  acceptPolicy: (input: PolicyAcceptInput) => call<PolicyList>("POST", "/policies/accept", input),
  withdrawPolicy: (input: PolicyInput) => call<PolicyList>("POST", "/policies/withdraw", input),
  health: () => call<Health>("GET", "/health"),
  machine: () => call<MachineHealth>("GET", "/health/machine"),
  stationSettings: () => call<StationSettings>("GET", "/settings"),
  changeStationSettings: (change: StationSettingsInput) => call<StationSettings>("PATCH", "/settings", change),
  stationSettingsHistory: (cursor: string | null) => call<StationSettingsHistory>("GET", `/settings/history${query({ cursor })}`),
  addDisk: (input: DiskInput) => call<Disk>("POST", "/disks", input),
  acceptDisk: (disk: string, found_id: string) => call<Disk>("POST", `/disks/${encodeURIComponent(disk)}/accept`, { found_id }),
  retireDisk: (disk: string, replaced: boolean) => call<void>("POST", `/disks/${encodeURIComponent(disk)}/retire`, { replaced }),

  retentions: () => call<RetentionList>("GET", "/retention").then((answer) => answer.cameras),
  cameraClock: (camera: number, limit: number) => call<ClockList>("GET", `/cameras/${camera}/clock?limit=${limit}`).then((answer) => answer.readings),
  retention: (camera: number) => call<Retention>("GET", `/cameras/${camera}/retention`),
  erasures: (camera: number, cursor: string | null, limit: number) => call<ErasureList>("GET", `/cameras/${camera}/erasures${query({ cursor, limit })}`),

  proposals: () => call<ProposalList>("GET", "/proposals"),
  decideProposal: (id: string, input: ProposalDecision) => call<Proposal>("POST", `/proposals/${encodeURIComponent(id)}/decide`, input),

  bookmarks: (number: string) => call<BookmarkList>("GET", `/cases/${encodeURIComponent(number)}/bookmarks`),
  addBookmark: (number: string, input: BookmarkInput) => call<Bookmark>("POST", `/cases/${encodeURIComponent(number)}/bookmarks`, input),
  removeBookmark: (number: string, bookmark: number) => call<void>("DELETE", `/cases/${encodeURIComponent(number)}/bookmarks/${bookmark}`),
  cases: () => call<CaseList>("GET", "/cases"),
  openCase: (input: CaseInput) => call<Case>("POST", "/cases", input),
  changeCase: (number: string, input: CasePatch) => call<Case>("PATCH", `/cases/${encodeURIComponent(number)}`, input),
  closeCase: (number: string) => call<Case>("POST", `/cases/${encodeURIComponent(number)}/close`),

  exports: () => call<ExportList>("GET", "/exports"),
  estimateExport: (cameras: readonly number[], range: Window) => call<ExportEstimate>("GET", `/exports/estimate${query({ ...window(range), cameras: cameras.join(",") })}`),
  askExport: (input: ExportInput) => call<Export>("POST", "/exports", input),
  askRedacted: (input: RedactionInput) => call<Export>("POST", "/exports/redacted", input),
  cancelExport: (id: string) => call<Export>("POST", `/exports/${encodeURIComponent(id)}/cancel`),
  releaseExport: (id: string, manifest_sha256: string) => call<Export>("POST", `/exports/${encodeURIComponent(id)}/release`, { manifest_sha256 }),
  exportSinks: () => call<ExportSinkList>("GET", "/exports/sinks"),
  deliverExport: (id: string, manifest_sha256: string, sink: string) => call<Export>("POST", `/exports/${encodeURIComponent(id)}/deliver`, { manifest_sha256, sink }),
  askDecision: (id: string) => send(`/api/v1/exports/${encodeURIComponent(id)}/decision-request`, { method: "POST", headers: { "X-Watchbook": "1" } }).then((answer) => answer.blob()),
  bringDecision: (id: string, text: string) => call<Export>("POST", `/exports/${encodeURIComponent(id)}/decision`, { text }),
  refuseExport: (id: string, manifest_sha256: string, reason: string) => call<Export>("POST", `/exports/${encodeURIComponent(id)}/refuse`, { manifest_sha256, reason }),

  requests: () => call<SubjectRequestList>("GET", "/subject-requests"),
  registerRequest: (input: SubjectRequestInput) => call<SubjectRequest>("POST", "/subject-requests", input),
  changeRequest: (id: number, input: SubjectRequestPatch) => call<SubjectRequest>("PATCH", request(id), input),
  searchForRequest: (id: number, number: string) => call<SubjectRequest>("POST", `${request(id)}/search`, { case: number }),
  extendRequest: (id: number, input: SubjectRequestExtend) => call<SubjectRequest>("POST", `${request(id)}/extend`, input),
  answerRequest: (id: number, input: SubjectRequestAnswer) => call<SubjectRequest>("POST", `${request(id)}/answer`, input),
  refuseRequest: (id: number, input: SubjectRequestRefuse) => call<SubjectRequest>("POST", `${request(id)}/refuse`, input),
  withdrawRequest: (id: number) => call<SubjectRequest>("POST", `${request(id)}/withdraw`),
  sign: (camera: number) => call<CameraSign>("GET", `/cameras/${camera}/sign`),

  holds: () => call<HoldList>("GET", "/holds"),
  estimateHold: (cameras: readonly number[], range: Window) => call<HoldEstimate>("GET", `/holds/estimate${query({ ...window(range), cameras: cameras.join(",") })}`),
  placeHold: (input: HoldInput) => call<Hold>("POST", "/holds", input),
  releaseHold: (id: string, reason: string) => call<Hold>("POST", `/holds/${encodeURIComponent(id)}/release`, { reason }),
};

/** Address of the live stream of a camera. */
export function liveUrl(camera: number, role: TrackRole, transcoded: boolean): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/api/v1/cameras/${camera}/live${query({ role, as: transcoded ? "h264" : null })}`;
}

/** Address of footage recorded in this format as fragmented MP4 whose media time 0 is `base`, or its first picture; played in the case with this number. What this browser
 * cannot play comes transcoded. */
export function playbackUrl(camera: number, number: string, { codec, ...range }: Window & { codec: string }, base: number | null): string {
  const as = wayFor(codec) === "transcoded" ? "h264" : null;
  return `/api/v1/cameras/${camera}/playback.mp4${query({ ...window(range), role: "main_video", base_utc_ms: base, case: number, as })}`;
}

/** Address of the small picture of the key frame before a moment, looked at in the case with this number. */
export function thumbnailUrl(camera: number, number: string, at: number, width: 160 | 320 | 640): string {
  return `/api/v1/cameras/${camera}/thumbnail.jpg${query({ at_utc_ms: Math.floor(at), width, case: number })}`;
}

/** Address of new events as they come. */
export function eventFeedUrl(ask: EventAsk): string {
  return `/api/v1/events/live${query(eventPairs(ask))}`;
}

/** Address of counts as a table for spreadsheets. */
export function countsCsvUrl(ask: CountAsk): string {
  return `/api/v1/events/counts.csv${counted(ask)}`;
}

/** Address of one entry of the log with its proof. */
export function auditProofUrl(entry: number): string {
  return `/api/v1/audit/${entry}/proof`;
}

/** Address of a released bundle: the manifest that was released goes with it. */
export function exportBundleUrl(item: Export): string {
  return `/api/v1/exports/${encodeURIComponent(item.id)}/bundle.zip${query({ manifest_sha256: item.made?.manifest_sha256 ?? "" })}`;
}

