/** The shapes that the recorder's API speaks. Times are whole milliseconds UTC. */

export type Role = "viewer" | "investigator" | "approver" | "auditor" | "admin";
export type TrackRole = "main_video" | "sub_video";
export type Transport = "tcp" | "udp";
export type StreamStatus = "connecting" | "live" | "lost" | "disabled";
export type GapReason =
  | "camera_gone"
  | "camera_silent"
  | "camera_denied"
  | "stream_unusable"
  | "overload"
  | "restart"
  | "clock_step"
  | "format_change"
  | "disk"
  | "configuration"
  | "packet_loss";

export interface Status {
  claimed: boolean;
  product: string;
  version: string;
  now_utc_ms: number;
}
export interface Account {
  id: number;
  name: string;
  roles: Role[];
  cameras: number[] | null;
}
export interface Session {
  account: Account;
  one_person_station: boolean;
}
export interface StreamState {
  status: StreamStatus;
  since_utc_ms: number;
  reason: GapReason | null;
  detail: string | null;
  next_step: string | null;
  codec: string | null;
  width: number;
  height: number;
  fps: number;
  bitrate_bps: number;
  lost_packets: number;
  media_utc_offset_ms: number | null;
}
export interface StreamSource {
  url: string;
  transport: Transport;
}
export interface Point {
  x: number;
  y: number;
}
export interface Zone {
  name: string;
  outline: Point[];
}
export type SettingValue = string | number | boolean | null;
export interface PluginBinding {
  plugin: string;
  enabled: boolean;
  settings: Record<string, SettingValue>;
  zones: Zone[];
}
export interface Camera {
  id: number;
  name: string;
  main: StreamSource;
  sub: StreamSource | null;
  username: string | null;
  has_password: boolean;
  record_audio: boolean;
  enabled: boolean;
  masks: Point[][];
  retention_days_max: number;
  plugins: PluginBinding[];
  state: { main: StreamState; sub: StreamState | null };
}
export interface CameraInput {
  name: string;
  main: StreamSource;
  sub: StreamSource | null;
  username: string | null;
  password?: string;
  record_audio: boolean;
  enabled: boolean;
  masks: Point[][];
  retention_days_max: number;
}
export interface FoundStream {
  codec: string;
  width: number;
  height: number;
  has_audio: boolean;
}
export interface TestResult {
  ok: boolean;
  main: FoundStream | null;
  sub: FoundStream | null;
  problem: { reason: string; detail: string; next_step: string | null } | null;
}
export interface RecordedSpan {
  start_utc_ms: number;
  end_utc_ms: number;
  recording: string | number;
  codec_string: string;
  width: number;
  height: number;
  byte_count: number;
}
export interface RecordedGap {
  start_utc_ms: number;
  end_utc_ms: number;
  reason: GapReason;
}
export interface Recordings {
  spans: RecordedSpan[];
  gaps: RecordedGap[];
  first_utc_ms: number | null;
  last_utc_ms: number | null;
  ring_days_now: number | null;
}
export interface WatchEvent {
  id: string;
  camera: number;
  kind: string;
  score: number;
  start_utc_ms: number;
  end_utc_ms: number | null;
  zone: string | null;
  note: string;
}
export interface EventPage {
  events: WatchEvent[];
  next_cursor: string | null;
}
export interface PluginInfo {
  id: string;
  version: string;
  summary: string;
  emits: string[];
  settings_schema: unknown[];
  state: string;
  frames_seen: number;
  frames_dropped: number;
  traps: number;
  last_error: string | null;
}
export interface AuditEntry {
  index: number;
  utc_ms: number;
  account: number | null;
  account_name?: string | null;
  action: string;
  outcome: string;
  [more: string]: unknown;
}
export interface AuditPage {
  entries: AuditEntry[];
  next_cursor: string | null;
}
export interface RingHealth {
  capacity_bytes: number;
  used_bytes: number;
  oldest_utc_ms: number | null;
  commits: number;
  last_commit_utc_ms: number | null;
  overload_drops: number;
}
export interface Health {
  ring: RingHealth;
  cameras: { id: number; name: string; state: { main: StreamState; sub: StreamState | null } }[];
  plugins: PluginInfo[];
  clock: { sync_state: string };
}
