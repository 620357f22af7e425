//! The station as a whole: status, health, problems.

use super::{Alarm, CameraStates, DamagedRun, DeviceState, Disk, Plugin, Pressure, VaultHealth};
use serde::Serialize;
use utoipa::ToSchema;
use watchbook_base::{CameraId, SyncState};

/// What anybody may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// Somebody has taken the box into possession.
    pub claimed: bool,
    /// `Watchbook`.
    pub product: String,
    /// Version of the program.
    pub version: String,
    /// The box's clock.
    pub now_utc_ms: i64,
}

/// A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:watchbook:problem:` and a word that does not change.
    pub r#type: String,
    /// The kind of problem, for people.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// What to do about it.
    pub next_step: Option<String>,
}

/// The ring over all disks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct RingHealth {
    /// Room.
    pub capacity_bytes: u64,
    /// Of it in use.
    pub used_bytes: u64,
    /// Oldest footage of any camera.
    pub oldest_utc_ms: Option<i64>,
    /// Commits since the start.
    pub commits: u64,
    /// When the last commit was durable.
    pub last_commit_utc_ms: Option<i64>,
    /// GOPs dropped because the disk was too slow, since the start.
    pub overload_drops: u64,
    /// Days that the ring holds at the rate of the last day.
    pub ring_days_now: Option<f64>,
}

/// A camera's health.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CameraHealth {
    /// Its number.
    #[schema(value_type = u32)]
    pub id: CameraId,
    /// For people.
    pub name: String,
    /// How its streams are doing.
    pub state: CameraStates,
    /// How it is doing beside them, when something is wanted of it over ONVIF.
    pub device: Option<DeviceState>,
}

/// Names of [`SyncState`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SyncState)]
pub enum SyncStateName {
    /// The kernel cannot say.
    Unknown,
    /// Disciplined by NTP or PTP.
    Synchronised,
    /// Free-running.
    Unsynchronised,
}

/// The box's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClockHealth {
    /// Whether it is disciplined.
    #[schema(value_type = SyncStateName)]
    pub sync_state: SyncState,
    /// What it shows.
    pub now_utc_ms: i64,
}

/// Live viewing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveHealth {
    /// Open live connections.
    pub viewers: u64,
    /// Pictures that slow viewers were not sent.
    pub skipped_pictures: u64,
}

/// How the station is doing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Health {
    /// What is wrong and needs somebody, the worst first.
    pub alarms: Vec<Alarm>,
    /// All disks together.
    pub ring: RingHealth,
    /// Each disk, in the order in which they joined.
    pub disks: Vec<Disk>,
    /// Room for what is held.
    pub vault: VaultHealth,
    /// How the recorder keeps up.
    pub pressure: Pressure,
    /// Damaged footage, newest first, of the account's cameras; at most 200.
    pub damaged: Vec<DamagedRun>,
    /// Cameras, as far as the account may see them.
    pub cameras: Vec<CameraHealth>,
    /// Plugins.
    pub plugins: Vec<Plugin>,
    /// The clock.
    pub clock: ClockHealth,
    /// Live viewing.
    pub live: LiveHealth,
    /// Refusals to nobody that were counted but not logged one by one, since the start.
    pub refusals_not_logged: u64,
}
