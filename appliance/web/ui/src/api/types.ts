/** The API's shapes by the names that the page uses. They are generated from `openapi.json`, so a change of the API that the page does not follow
 * fails the type check. Times are whole milliseconds UTC. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Role = Schemas["Role"];
export type TrackRole = Schemas["VideoRole"];
export type Transport = Schemas["Transport"];
export type StreamStatus = Schemas["StreamStatus"];
export type GapReason = Schemas["GapReason"];
export type PluginState = Schemas["PluginState"];
export type SyncState = Schemas["SyncState"];
export type Importance = Schemas["Importance"];

export type Status = Schemas["Status"];
export type Account = Schemas["Account"];
export type AccountList = Schemas["AccountList"];
export type AccountInput = Schemas["AccountRequest"];
export type AccountPatch = Schemas["AccountPatch"];
export type Session = Schemas["Session"];
export type ClaimInput = Schemas["ClaimRequest"];

export type SignedIn = Schemas["SignedIn"];
export type SignedInList = Schemas["SignedInList"];
export type MachineHealth = Schemas["MachineHealth"];
export type StationSetting = Schemas["StationSetting"];
export type StationSettingRow = Schemas["StationSettingRow"];
export type StationSettings = Schemas["StationSettings"];
export type StationSettingsEntry = Schemas["StationSettingsEntry"];
export type StationSettingsHistory = Schemas["StationSettingsHistory"];
export type StationSettingsInput = Schemas["StationSettingsPatch"];
export type BackupPlan = Schemas["BackupPlan"];
export type TlsState = Schemas["TlsState"];
export type CertificateFacts = Schemas["CertificateFacts"];
export type BackupChange = Schemas["BackupChange"];
export type BackupRestored = Schemas["BackupRestored"];

export type SecondFactorSetUp = Schemas["SecondFactorSetUp"];
export type NewPasskey = Schemas["NewPasskey"];
export type Passkey = Schemas["Passkey"];
export type PasskeyAssertion = Schemas["PasskeyAssertion"];
export type PasskeyChallenge = Schemas["PasskeyChallenge"];
export type PasskeyList = Schemas["PasskeyList"];
export type PasskeySetUp = Schemas["PasskeySetUp"];

export type StreamState = Schemas["StreamState"];
export type StreamSource = Schemas["StreamAddress"];
export type Point = Schemas["Point"];
export type Zone = Schemas["Zone"];
export type Camera = Schemas["Camera"];
export type CameraList = Schemas["CameraList"];
export type CameraInput = Schemas["CameraRequest"];
export type CameraPatch = Schemas["CameraPatch"];
export type TestInput = Schemas["CameraTest"];
export type TestResult = Schemas["CameraTestReport"];
export type FoundDevice = Schemas["FoundDevice"];
export type FoundDeviceList = Schemas["FoundDeviceList"];
export type LocalCamera = Schemas["LocalCamera"];
export type LocalCameraList = Schemas["LocalCameraList"];
export type LocalFormat = Schemas["LocalFormat"];
export type DeviceInput = Schemas["DeviceRequest"];
export type DeviceReport = Schemas["DeviceReport"];
export type InspectedDevice = Schemas["Device"];
export type DeviceSettings = Schemas["DeviceSettings"];
export type DeviceState = Schemas["DeviceState"];
export type PtzView = Schemas["PtzView"];
export type PtzInput = Schemas["PtzRequest"];
export type PtzPreset = Schemas["PtzPreset"];
export type DeviceProfile = Schemas["DeviceProfile"];
export type Sight = Schemas["Sight"];
export type ClockReading = Schemas["ClockReading"];
export type ClockList = Schemas["ClockList"];
export type LastGap = Schemas["LastGap"];
export type StillPicture = Schemas["StillPicture"];
export type TestProblem = Schemas["TestProblem"];
export type FoundStream = Schemas["FoundStream"];
export type PluginBinding = Schemas["PluginBinding"];

export type RecordedSpan = Schemas["Span"];
export type RecordedGap = Schemas["Gap"];
export type DamagedInterval = Schemas["DamagedInterval"];
export type ImpairedInterval = Schemas["ImpairedInterval"];
export type HeldInterval = Schemas["HeldInterval"];
export type Erasure = Schemas["Erasure"];
export type ErasureList = Schemas["ErasureList"];
export type Retention = Schemas["Retention"];
export type RetentionList = Schemas["RetentionList"];
export type Recordings = Schemas["RecordingList"];
export type WatchEvent = Schemas["Event"];
export type EventPage = Schemas["EventList"];
export type Rederivation = Schemas["Rederivation"];
export type RederivationResult = Schemas["RederivationResult"];
export type RederivationDifference = Schemas["RederivationDifference"];

export type CountBucket = Schemas["CountBucket"];
export type CountSeries = Schemas["CountSeries"];
export type CountList = Schemas["CountList"];

export type PluginInfo = Schemas["Plugin"];
export type PluginList = Schemas["PluginList"];
export type PluginVersion = Schemas["PluginVersion"];
export type PluginAsks = Schemas["PluginAsks"];
export type PluginChange = Schemas["PluginChange"];
export type PluginLog = Schemas["PluginLog"];
export type PluginPublisher = Schemas["PluginPublisher"];
export type PluginPublisherList = Schemas["PluginPublisherList"];
export type PluginPublisherInput = Schemas["PluginPublisherRequest"];
export type PluginDevMode = Schemas["PluginDevMode"];
export type PluginTriedOut = Schemas["PluginTriedOut"];
export type Proposal = Schemas["Proposal"];
export type ProposalKind = Schemas["ProposalKind"];
export type ProposalList = Schemas["ProposalList"];
export type ProposalDecision = Schemas["ProposalDecisionRequest"];
export type AuditEntry = Schemas["AuditRow"];
export type AuditPage = Schemas["AuditList"];
/** Which entries of the audit log are asked for. */
export type AuditKind = "people" | "footage" | "all";
/** What the recorder looks for in the whole log; what is left out is not asked for. */
export interface AuditSearch {
  kind: AuditKind;
  account?: number;
  action?: string;
  camera?: number;
  from_utc_ms?: number;
  to_utc_ms?: number;
}
export type LogCheckpoint = Schemas["LogCheckpoint"];
export type LogImport = Schemas["LogImport"];
export type LogPush = Schemas["LogPush"];
export type LogPushList = Schemas["LogPushList"];
export type LogWitness = Schemas["LogWitness"];
export type Mirror = Schemas["Mirror"];
export type MirrorList = Schemas["MirrorList"];
export type MirrorMade = Schemas["MirrorMade"];
export type LogWitnessList = Schemas["LogWitnessList"];
export type RingHealth = Schemas["RingHealth"];
export type Disk = Schemas["Disk"];
export type DiskInput = Schemas["DiskRequest"];
export type Alarm = Schemas["Alarm"];
export type VaultHealth = Schemas["VaultHealth"];
export type Pressure = Schemas["Pressure"];
export type DropRow = Schemas["DropRow"];
export type DamagedRun = Schemas["DamagedRun"];
export type Health = Schemas["Health"];

export type Case = Schemas["Case"];
export type CasePerson = Schemas["CasePerson"];
export type CaseList = Schemas["CaseList"];
export type CaseInput = Schemas["CaseRequest"];
export type CasePatch = Schemas["CasePatch"];
export type Bookmark = Schemas["Bookmark"];
export type BookmarkList = Schemas["BookmarkList"];
export type BookmarkInput = Schemas["BookmarkRequest"];
export type Purpose = Schemas["Purpose"];

export type Export = Schemas["Export"];
export type ExportList = Schemas["ExportList"];
export type ExportSink = Schemas["ExportSink"];
export type ExportSinkList = Schemas["ExportSinkList"];
export type ExportDelivery = Schemas["ExportDelivery"];
export type ExportEstimate = Schemas["ExportEstimate"];
export type ExportInput = Schemas["ExportRequest"];
export type RedactionInput = Schemas["RedactedExportRequest"];
export type RecipientClass = Schemas["RecipientClass"];

export type SubjectRequest = Schemas["SubjectRequest"];
export type SubjectRequestList = Schemas["SubjectRequestList"];
export type SubjectRequestInput = Schemas["SubjectRequestInput"];
export type SubjectRequestPatch = Schemas["SubjectRequestPatch"];
export type SubjectRequestExtend = Schemas["SubjectRequestExtend"];
export type SubjectRequestAnswer = Schemas["SubjectRequestAnswer"];
export type SubjectRequestRefuse = Schemas["SubjectRequestRefuse"];

export type CameraSign = Schemas["CameraSign"];
export type Sign = Schemas["Sign"];
export type SignMissing = Schemas["SignMissing"];

export type Hold = Schemas["Hold"];
export type HoldList = Schemas["HoldList"];
export type HoldInput = Schemas["HoldRequest"];
export type HoldEstimate = Schemas["HoldEstimate"];
export type HoldMissing = Schemas["HoldMissing"];
export type HoldState = Schemas["HoldState"];

/** What a plugin's setting may hold. */
export type SettingValue = string | number | boolean | null;

export type Policy = Schemas["Policy"];
export type PublicPolicyPage = Schemas["PublicPolicy"];
export type PolicyRules = Schemas["PolicyRules"];
export type PolicyList = Schemas["PolicyList"];
export type OfferedPolicy = Schemas["OfferedPolicy"];
export type ProposedPolicy = Schemas["ProposedPolicy"];
export type PolicyInput = Schemas["PolicyRequest"];
export type PolicyAcceptInput = Schemas["PolicyAcceptRequest"];

export type ReportList = Schemas["ReportList"];
export type Review = Schemas["Review"];
export type ReviewList = Schemas["ReviewList"];
export type ReviewAnswer = Schemas["ReviewAnswer"];
export type Anomaly = Schemas["Anomaly"];
export type AnomalyList = Schemas["AnomalyList"];

/** A count as the public sees it: a number, `<5`, or at least so many, as in `≥12`. */
export type PublicCount = number | string;
/** Counts by word, and their sum. */
export interface PublicSplit {
  by: Record<string, PublicCount>;
  total: PublicCount;
}
/** What a camera is for, as the log says. */
export type PublicPolicy = {
  purpose: string;
  enabled: boolean;
  removed: boolean;
  retention_days_max: number;
  audio: boolean;
  masks: number;
  plugins: string[];
};
/** The station's policy, as the log says. */
export interface PublicStationPolicy {
  policy: string;
  version: number;
  policy_sha256: string;
  rules: Record<string, number | boolean>;
}
/** The transparency report. It is not in the API's description: its bytes are hashed, and its form has a version. */
export interface PublicReport {
  version: number;
  month: string;
  over: boolean;
  from_entry: number;
  log_entries: number;
  as_of_utc_ms: number;
  cameras: (PublicPolicy & { camera: number; reviewed_utc_ms: number | null; review_overdue: boolean; recorded_minutes: number; gap_seconds: number; erased_hours: PublicCount })[];
  cameras_beyond_policy: number;
  cameras_review_overdue: number;
  cameras_without_contact: number;
  cameras_without_purpose: number;
  policy: PublicStationPolicy | null;
  station_policy_changes: { at_utc_ms: number; from: PublicStationPolicy | null; to: PublicStationPolicy }[];
  station_policy_changes_more: number;
  views: PublicSplit;
  live_views: PublicCount;
  cases_opened: PublicCount;
  exports: { requested: PublicCount; released: PublicSplit; refused: PublicCount; delivered: PublicCount; taken_out_directly: PublicCount };
  holds: { placed: PublicCount; released: PublicCount };
  erasures: PublicCount;
  gaps: PublicSplit;
  missing_from_exports: PublicSplit;
  emergency_cases: { opened: PublicCount; unreviewed: PublicCount; overdue: PublicCount; any_overdue: boolean };
  refused: { attempts: PublicCount; failed_sign_ins: PublicCount };
  subject_requests: {
    received: PublicCount;
    extended: PublicCount;
    answered: PublicCount;
    late: PublicCount;
    refused: PublicSplit;
    withdrawn: PublicCount;
    waiting: PublicCount;
    overdue: PublicCount;
    any_overdue: boolean;
  };
  reviews: { drawn: PublicCount; answered: PublicSplit; unreviewed: PublicCount };
  configuration: PublicSplit;
  policy_changes: { at_utc_ms: number; camera: number; from: PublicPolicy | null; to: PublicPolicy }[];
  policy_changes_more: number;
}
