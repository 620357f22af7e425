//! Where footage is kept: disks, the vault, and what is wrong with them.

use super::ImportanceName;
use super::footage::VideoRoleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_base::{CameraId, Importance, TrackRole};

/// How a disk is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// Its segments are being laid out; it records afterwards.
    Joining,
    /// It records.
    Recording,
    /// It gave errors or did not answer. Its streams go to other disks.
    Failed,
    /// Nothing of it is found in its directory.
    Missing,
    /// Another disk lies in its directory. Nothing is written there until an admin accepts it.
    Swapped,
}

/// Reading everything again in the background, to find what has gone bad.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Scrub {
    /// When the pass that is under way began; null between passes.
    pub started_utc_ms: Option<i64>,
    /// Of this pass.
    pub done_bytes: u64,
    /// That this pass goes over.
    pub total_bytes: u64,
    /// How fast it may read.
    pub bytes_per_sec: u64,
    /// Damaged places found in this pass, known ones included.
    pub found: u64,
    /// It waits because the disk is behind with recording.
    pub yields: bool,
    /// End of the last whole pass; null before the first.
    pub last_pass_utc_ms: Option<i64>,
    /// Damaged places that the last whole pass found.
    pub last_pass_found: u64,
}

/// One disk of the ring.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Disk {
    /// Random number that it got when it joined, 32 hexadecimal digits; null while that could never be read.
    pub id: Option<String>,
    /// Its directory.
    pub dir: String,
    /// It was added on the page; the others are in the configuration.
    pub added: bool,
    /// How it is doing.
    pub state: DiskState,
    /// Since when.
    pub since_utc_ms: i64,
    /// A plain sentence about it, when it does not record.
    pub detail: Option<String>,
    /// The disk that lies in its directory instead, while `state` is `swapped`.
    pub found_id: Option<String>,
    /// Room that the ring has on it.
    pub capacity_bytes: u64,
    /// Of it in use.
    pub used_bytes: u64,
    /// Oldest footage on it.
    pub oldest_utc_ms: Option<i64>,
    /// Days that its room lasts at the rate of the last day; null until that is known.
    pub days_now: Option<f64>,
    /// Streams that are recorded on it.
    pub stream_count: u32,
    /// Its share of all bytes written since the start, 0 to 1.
    pub written_share: f64,
    /// Reading everything again.
    pub scrub: Scrub,
    /// How much of the index has been made again, 0 to 1; null when the index is whole. Recording goes on meanwhile, older footage appears as it is found.
    pub index_rebuild: Option<f64>,
}

/// What an admin gives the recorder. The directory belongs to the recorder alone from then on.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskRequest {
    /// Absolute path of a directory that exists and is empty, on the new disk.
    pub dir: String,
    /// How much of the disk the ring takes, in GiB; 1 to 1048576.
    pub size_gib: u64,
}

/// Takes the disk that lies in another one's directory.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskAcceptance {
    /// `found_id` of the disk, so that what was looked at is what is accepted.
    pub found_id: String,
}

/// How a disk that will not come back is given up.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskRetirement {
    /// True: a new, empty disk is mounted in its directory, and takes its place. False: the directory is no longer used.
    pub replaced: bool,
}

/// What can be wrong. The words do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A disk is not found in its directory.
    DiskMissing,
    /// Another disk lies in its directory.
    DiskSwapped,
    /// A disk gave errors or did not answer.
    DiskFailed,
    /// A copy of held footage cannot be read, written or made.
    VaultFailed,
    /// A disk is too slow for what the cameras send.
    DiskSlow,
    /// Segments cannot be written.
    SegmentsBad,
    /// A part of the log could not be read.
    LogDamaged,
    /// A ring ends before what the audit log tells of it.
    FootageLost,
    /// Footage failed its digest.
    RunDamaged,
    /// The ring has fewer segments than it should.
    RingShrunk,
    /// Other files use the room that is kept free.
    ReserveEaten,
    /// The index lags behind the log.
    IndexBehind,
    /// The index is being made again.
    IndexRebuilding,
    /// Hashes of footage are not in the audit log yet.
    FootageUnlogged,
    /// One of the two key files is missing.
    KeyCopyMissing,
    /// A key file is damaged.
    KeyDamaged,
    /// The certificate of the page runs out soon, or did.
    CertificateEnding,
    /// The certificate of the page that the configuration names cannot be served.
    CertificateUnusable,
    /// The clock cannot be trusted.
    ClockUntrusted,
    /// Footage is readable past its maximum age.
    ErasureLate,
    /// The vault is over four fifths full.
    VaultNearlyFull,
    /// The vault is full.
    VaultFull,
    /// A hold could not copy all of its footage.
    HoldIncomplete,
    /// Cameras send the same picture again and again.
    CameraFrozen,
    /// Cameras send pictures without any detail.
    CameraCovered,
    /// Nobody said what cameras are there for.
    CameraWithoutPurpose,
    /// Nobody said who answers for cameras.
    CameraWithoutContact,
    /// Nobody looked for more than a year whether cameras are still needed.
    CameraReviewOverdue,
    /// Cameras are recorded in a way that the station's policy does not allow any more.
    CameraBeyondPolicy,
    /// The state of the storage cannot be read.
    StorageUnreadable,
    /// Another camera answers where one was.
    CameraReplaced,
    /// A camera lacks a mask that it must have.
    MaskMissing,
    /// The audit log is not signed any more: it does not continue what was signed before.
    LogUnsigned,
    /// The audit log could not be signed; it is tried again.
    LogSigningFailed,
    /// The second copy of the audit log's last checkpoint is not there, or was not at the start.
    LogCopyMissing,
    /// A witness says that the audit log does not continue what it saw. Nothing proves it yet: its answer is not signed.
    LogWitnessRefuses,
    /// A witness to which checkpoints are sent has not signed for a day.
    LogWitnessSilent,
    /// An admin took somebody's second factor away, and there is no other one yet.
    SecondFactorRemoved,
    /// An investigator opened a case alone, and nobody has reviewed it yet.
    Emergency,
    /// Somebody asked for footage of themselves, and the time to answer is over.
    SubjectRequestOverdue,
    /// A part of the machine is warmer than its maker wants it.
    MachineHot,
    /// A part of the machine is so warm that it may switch itself off.
    MachineCritical,
    /// A network socket of the machine had a link and has none any more.
    NetworkLinkLost,
}

/// Something that is wrong and needs somebody: about the storage, or a camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alarm {
    /// In one word.
    pub kind: AlarmKind,
    /// The disk it is about.
    pub disk: Option<String>,
    /// The camera it is about.
    pub camera: Option<u32>,
    /// Since when; null when that is not known.
    pub since_utc_ms: Option<i64>,
    /// What is wrong and what to do, in plain English.
    pub text: String,
}

/// The vault: room of its own for footage that is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct VaultHealth {
    /// Room that holds may take; 0 when there is no vault.
    pub quota_bytes: u64,
    /// What is held.
    pub held_bytes: u64,
    /// What holds that are not complete yet will take beside that; an estimate.
    pub reserved_bytes: u64,
    /// What another hold may take.
    pub free_bytes: u64,
}

/// A stream in the order in which pictures are dropped when the disk is too slow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DropRow {
    /// Whose.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// Main or sub; sound goes with the main stream.
    #[schema(value_type = VideoRoleName)]
    pub role: TrackRole,
    /// Of the camera.
    #[schema(value_type = ImportanceName)]
    pub importance: Importance,
    /// 0 is dropped first, 3 last; streams of one step go together.
    pub step: u8,
    /// Pictures of it are being dropped now.
    pub dropping: bool,
}

/// How the recorder keeps up with what the cameras send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pressure {
    /// What waits in memory for the disk.
    pub waiting_bytes: u64,
    /// What may wait at most.
    pub waiting_bytes_max: u64,
    /// Start of the last time that pictures were dropped.
    pub dropped_since_utc_ms: Option<i64>,
    /// When the last picture was dropped.
    pub dropped_last_utc_ms: Option<i64>,
    /// Streams of the account's cameras, those that are dropped first first.
    pub order: Vec<DropRow>,
}

/// What is wrong with a run of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DamageKind {
    /// The disk does not give its bytes back.
    Unreadable,
    /// Its bytes are not those that were written: the checksum does not match.
    Checksum,
    /// Its checksum matches and its hash does not.
    Digest,
    /// Its bytes are whole, and the log's description of them is damaged. It can be shown.
    Description,
}

impl DamageKind {
    /// Nothing of it is ever shown or handed out.
    #[must_use]
    pub fn is_lost(self) -> bool {
        self != Self::Description
    }
}

/// A damaged run of samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DamagedRun {
    /// Whose.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// Which of its streams; null for sound.
    #[schema(value_type = Option<VideoRoleName>)]
    pub role: Option<TrackRole>,
    /// Start of its first sample.
    pub start_utc_ms: i64,
    /// End of its last sample.
    pub end_utc_ms: i64,
    /// What is wrong with it.
    pub kind: DamageKind,
    /// When it was found.
    pub found_utc_ms: i64,
}
