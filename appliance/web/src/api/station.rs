//! The station as a whole: status, health, plugins, problems.

use super::{Alarm, CameraStates, DamagedRun, Disk, Pressure, VaultHealth};
use serde::Serialize;
use serde_json::Value;
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

/// How a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// Installed, bound to no camera.
    Idle,
    /// Gets frames.
    Running,
    /// Trapped or was stopped; starts again after a pause.
    Restarting,
    /// Given up until somebody changes its settings.
    Failed,
}

/// One installed plugin.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Plugin {
    /// Reverse-DNS id.
    pub id: String,
    /// Version.
    pub version: String,
    /// What it does, in one sentence.
    pub summary: String,
    /// Kinds of event that it may emit.
    pub emits: Vec<String>,
    /// One object a setting: key, kind, default, bounds, title.
    #[schema(value_type = Vec<Object>)]
    pub settings_schema: Vec<Value>,
    /// How it is doing.
    pub state: PluginState,
    /// Frames it has looked at.
    pub frames_seen: u64,
    /// Frames that were dropped because it was busy.
    pub frames_dropped: u64,
    /// Times it trapped.
    pub traps: u64,
    /// Its last failure.
    pub last_error: Option<String>,
}

/// Answer of the list of what is installed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PluginList {
    /// In order of their id.
    pub plugins: Vec<Plugin>,
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
