//! Exports: footage as evidence bundles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_access::RecipientClass;
use watchbook_base::CameraId;

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// It waits, or its files are being written.
    Making,
    /// A second person releases or refuses it.
    Ready,
    /// Whoever asked for it can have it.
    Released,
    /// A second person said no.
    Refused,
    /// It could not be made.
    Failed,
    /// Whoever asked for it does not want it any more.
    Cancelled,
    /// Its files are deleted because nobody came for them in time.
    Expired,
}

/// What kind of receiver an export is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RecipientClass)]
pub enum RecipientClassName {
    /// Another police unit.
    Police,
    /// A prosecutor.
    Prosecutor,
    /// A court.
    Court,
    /// The defence.
    Defence,
    /// A person who is in the footage.
    DataSubject,
    /// Any other authority.
    OtherAuthority,
}

/// How the making of an export goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportProgress {
    /// Bytes of footage that are written.
    pub done_bytes: u64,
    /// Bytes of footage that are to be written; an estimate until writing begins.
    pub total_bytes: u64,
    /// Exports that are made before it.
    pub before_it: u32,
    /// Runs of footage whose hashes are not in the audit log yet; it waits for them.
    pub without_leaf: u64,
    /// Seconds until it is made, counted from when its turn comes; an estimate.
    pub seconds_left: u64,
}

/// Time that is not in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportMissing {
    /// Of which camera.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// It is sound, not pictures.
    pub is_sound: bool,
    /// Its start.
    pub start_utc_ms: i64,
    /// Its end.
    pub end_utc_ms: i64,
    /// Why: the reason of a gap, `damaged` or `not_stored`.
    pub reason: String,
}

/// What kind of place a bundle is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportSinkKind {
    /// A directory that the configuration file names.
    Directory,
    /// A disk that is plugged in.
    Usb,
}

/// A place that bundles can be written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportSink {
    /// What it is asked for by, such as `usb/COURT`.
    pub id: String,
    /// What kind.
    pub kind: ExportSinkKind,
    /// Its name among those.
    pub name: String,
    /// Bytes that can be written there; null when it does not say.
    pub free_bytes: Option<u64>,
    /// Bytes of the largest file that can be there, where that is less than a bundle may need; else null.
    pub file_bytes_max: Option<u64>,
    /// Why nothing can be written there now, in plain English; null when it can.
    pub trouble: Option<String>,
}

/// Answer of the list of places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportSinkList {
    /// By kind and name.
    pub sinks: Vec<ExportSink>,
    /// Disks that are plugged in are found; otherwise the configuration file names no place for them.
    pub usb: bool,
}

/// How far a bundle is on its way to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportDeliveryState {
    /// Others come first.
    Waiting,
    /// Its files are written.
    Writing,
    /// Its files are read back and compared.
    Checking,
    /// Every file was read back and is what was released.
    Done,
    /// It could not be written.
    Failed,
}

/// A bundle on its way to a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportDelivery {
    /// Number within its export.
    pub number: u32,
    /// What kind of place.
    pub kind: ExportSinkKind,
    /// Name of the place.
    pub name: String,
    /// How far it is.
    pub state: ExportDeliveryState,
    /// Bytes that are written, or read back.
    pub done_bytes: u64,
    /// Bytes that are to be written, and then to be read back.
    pub total_bytes: u64,
    /// Seconds until it is done, once that can be told; an estimate.
    pub seconds_left: Option<u64>,
    /// When it was asked for.
    pub asked_utc_ms: i64,
    /// Since when it is done, has failed or waits.
    pub since_utc_ms: i64,
    /// The folder there, when it is done.
    pub folder: Option<String>,
    /// Why it failed and what can be done, in plain English; null when it did not.
    pub trouble: Option<String>,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportMade {
    /// SHA-256 of the manifest, lower-case hexadecimal: what a release is bound to.
    pub manifest_sha256: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Half seconds of footage or so.
    pub runs: u64,
    /// Nothing of what was asked for is missing.
    pub complete: bool,
    /// From the first sample; null: there is no footage in it.
    pub delivered_start_utc_ms: Option<i64>,
    /// To the end of the last sample.
    pub delivered_end_utc_ms: Option<i64>,
    /// What is missing; the first 200.
    pub missing: Vec<ExportMissing>,
    /// How much is missing.
    pub missing_count: u64,
    /// What is in it.
    pub files: Vec<ExportFile>,
    /// Witnesses that have signed the checkpoint in it. None: only the log itself has, until a witness' signature that covers the export is brought home; it is then put in.
    pub witnesses: Vec<String>,
}

/// What a second person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportAnswer {
    /// Account number.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// When.
    pub at_utc_ms: i64,
    /// Why not; empty for a release.
    pub reason: String,
}

/// Footage as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Export {
    /// Number, which the audit log has with its request.
    pub id: String,
    /// Number of the case.
    pub case: String,
    /// Whose footage.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// Start of what was asked for.
    pub start_utc_ms: i64,
    /// End of what was asked for.
    pub end_utc_ms: i64,
    /// For what kind of receiver.
    #[schema(value_type = RecipientClassName)]
    pub recipient_class: RecipientClass,
    /// For whom.
    pub recipient: String,
    /// Who asked: account number.
    pub asked_by: u32,
    /// The account's present name, where it still exists.
    pub asked_by_name: Option<String>,
    /// When.
    pub asked_utc_ms: i64,
    /// How far it is.
    pub state: ExportState,
    /// Since when.
    pub since_utc_ms: i64,
    /// How its making goes; null when it is not being made.
    pub progress: Option<ExportProgress>,
    /// What was made; null before.
    pub made: Option<ExportMade>,
    /// What the second person said; null before.
    pub answer: Option<ExportAnswer>,
    /// Why it failed, in plain English; null when it did not.
    pub trouble: Option<String>,
    /// When its files are deleted; null when there are none.
    pub expires_utc_ms: Option<i64>,
    /// When it first left the box whole or was first downloaded; null before.
    pub delivered_utc_ms: Option<i64>,
    /// Where else than to a browser it went or goes, oldest first.
    pub deliveries: Vec<ExportDelivery>,
    /// Why whoever asked for it cannot have it at this moment although it is released, in plain English; null when they can, and for everybody else.
    pub denied: Option<String>,
    /// What is black in it; null: it is no redacted copy.
    pub redaction: Option<super::ExportRedaction>,
}

/// Answer of the list of exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportList {
    /// Newest first; those all of whose cameras are the account's.
    pub exports: Vec<Export>,
    /// What is wrong with exports as a whole, in plain English.
    pub troubles: Vec<String>,
}

/// What an export would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportEstimate {
    /// Bytes of footage; an estimate.
    pub bytes: u64,
    /// Seconds until it is made when nothing is before it; an estimate.
    pub seconds: u64,
    /// Seconds until a redacted copy is made when nothing is before it; an estimate.
    pub redacted_seconds: u64,
    /// Bytes that an export may have now.
    pub free_bytes: u64,
}

/// Asks for an export.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// Number of the case, 1 to 64 bytes.
    pub case: String,
    /// 1 to 64 cameras.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// Start of the interval.
    pub from_utc_ms: i64,
    /// End of the interval, at most 7 days after the start and not in the future.
    pub to_utc_ms: i64,
    /// For what kind of receiver.
    #[schema(value_type = RecipientClassName)]
    pub recipient_class: RecipientClass,
    /// For whom, 1 to 256 bytes; it stands in the certificate and not in the log.
    pub recipient: String,
}

/// Releases an export.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportReleaseRequest {
    /// SHA-256 of the manifest that was looked at, lower-case hexadecimal.
    pub manifest_sha256: String,
}

/// Has a released export written to a place.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportDeliverRequest {
    /// SHA-256 of the manifest that was released, lower-case hexadecimal.
    pub manifest_sha256: String,
    /// Id of the place.
    pub sink: String,
}

/// Refuses an export.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRefuseRequest {
    /// SHA-256 of the manifest that was looked at, lower-case hexadecimal.
    pub manifest_sha256: String,
    /// Why, 1 to 1024 bytes.
    pub reason: String,
}
