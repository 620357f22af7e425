//! Footage that is kept for a case.

use super::VaultHealth;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_base::{CameraId, TrackRole};

/// How far a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Footage is still to be copied, or to arrive. What is not copied yet may still be overwritten.
    Copying,
    /// All that was recorded in its interval is held.
    Held,
    /// All that could be had is held; some footage was lost, before it was copied or since.
    Incomplete,
    /// Given up: its copy is destroyed.
    Released,
}

/// Why a part of a hold's interval is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldMissingReason {
    /// No disk has it, and nothing of it was seen since the hold was placed: overwritten or erased before, or never recorded.
    NotStored,
    /// It was overwritten before it was copied.
    Overwritten,
    /// Its bytes do not check out.
    Damaged,
    /// It reached its maximum age before it was copied.
    Erased,
    /// The disk that had it was given up before it was copied.
    Disk,
}

/// The streams of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TrackRole)]
pub enum TrackRoleName {
    /// Full resolution.
    MainVideo,
    /// Low resolution.
    SubVideo,
    /// Sound.
    MainAudio,
}

/// An interval of a hold without a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HoldMissing {
    /// Of which camera.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// Of which of its streams.
    #[schema(value_type = TrackRoleName)]
    pub role: TrackRole,
    /// Its start.
    pub start_utc_ms: i64,
    /// Its end.
    pub end_utc_ms: i64,
    /// Why.
    pub reason: HoldMissingReason,
}

/// Who gave a hold up, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HoldRelease {
    /// Account number.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// When.
    pub at_utc_ms: i64,
    /// In their words.
    pub reason: String,
}

/// Footage that is kept for a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hold {
    /// Number; never given to another hold.
    pub id: String,
    /// Number of the case.
    pub case: String,
    /// Whose footage, as far as the account may see the cameras.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// Cameras of the hold that are not the account's.
    pub other_camera_count: u32,
    /// Start of the interval.
    pub start_utc_ms: i64,
    /// End of the interval.
    pub end_utc_ms: i64,
    /// For people.
    pub note: String,
    /// Who placed it: account number.
    pub placed_by: u32,
    /// The account's present name, where it still exists.
    pub placed_by_name: Option<String>,
    /// When it was placed.
    pub placed_utc_ms: i64,
    /// How far it is.
    pub state: HoldState,
    /// Bytes that it takes in the vault; 0 once it is given up.
    pub held_bytes: u64,
    /// Estimate of what is still to be copied or to arrive.
    pub left_bytes: u64,
    /// Held footage whose proof is not held with it, of all cameras and streams together; 0: all of it can be proved without the ring. Footage has its proof five minutes after it was recorded at
    /// the latest. Null: not known yet, because footage is still being copied.
    pub unproven_ms: Option<i64>,
    /// Why copying does not go on, in plain English; null when it does.
    pub trouble: Option<String>,
    /// Intervals without a copy, of the account's cameras; the first 200.
    pub missing: Vec<HoldMissing>,
    /// How many there are, of all cameras.
    pub missing_count: u64,
    /// Who gave it up.
    pub release: Option<HoldRelease>,
}

/// Answer of the list of holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HoldList {
    /// Newest first; those that have at least one of the account's cameras.
    pub holds: Vec<Hold>,
    /// Room for them.
    pub vault: VaultHealth,
}

/// What makes a hold.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// Number of the case, 1 to 128 bytes.
    pub case: String,
    /// 1 to 400 cameras.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// Start of the interval.
    pub from_utc_ms: i64,
    /// End of the interval, at most 366 days after the start and 31 days from now: what arrives until then is held as it comes.
    pub to_utc_ms: i64,
    /// For people, at most 1024 bytes.
    #[serde(default)]
    pub note: String,
}

/// What a hold would need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HoldEstimate {
    /// Bytes to copy, and those to arrive; an estimate.
    pub needed_bytes: u64,
    /// Room that is left in the vault.
    pub free_bytes: u64,
    /// All of the vault's room.
    pub quota_bytes: u64,
}

/// Gives a hold up.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldReleaseRequest {
    /// Why, 1 to 1024 bytes.
    pub reason: String,
}
