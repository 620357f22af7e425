//! How long footage stays: kept as long as the ring has room, erased at its maximum age.

use serde::Serialize;
use utoipa::ToSchema;
use watchbook_base::CameraId;

/// How long one camera's footage stays.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Retention {
    /// Which camera.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// Footage is unreadable within an hour after this many days.
    pub retention_days_max: u32,
    /// Start of the oldest footage that can be read; null while there is none.
    pub oldest_utc_ms: Option<i64>,
    /// Days until the disk needs the room for newer footage, at the rate of the last day; null until that is known.
    pub ring_days_now: Option<f64>,
    /// What of it is kept in fact: the smaller of `ring_days_now` and `retention_days_max`; null until that is known.
    pub days_kept_now: Option<f64>,
    /// The disk needs the room before the maximum age is reached.
    pub overwritten_early: bool,
    /// When the next hour of footage is erased; null while there is none to erase.
    pub next_erasure_utc_ms: Option<i64>,
    /// The last hour that was erased.
    pub last_erasure: Option<Erasure>,
    /// Hours that were erased and are still listed.
    pub erasure_count: u64,
}

/// How long the footage of several cameras stays.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RetentionList {
    /// In order of the cameras' numbers; only those that the account may see.
    pub cameras: Vec<Retention>,
}

/// An hour of one camera's footage whose key was destroyed: nobody can read it any more, wherever its bytes still lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Erasure {
    /// First moment that it covers.
    pub start_utc_ms: i64,
    /// First moment that it no longer covers.
    pub end_utc_ms: i64,
    /// When the key was destroyed.
    pub erased_utc_ms: i64,
}

/// A page of erasures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErasureList {
    /// Newest hour first.
    pub erasures: Vec<Erasure>,
    /// Give it back as `cursor` to go on; null at the end.
    pub next_cursor: Option<String>,
}
