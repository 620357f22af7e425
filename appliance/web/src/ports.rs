//! What the web needs from the rest of the box, as narrow traits. The binary fills them; tests fill them with doubles.
//!
//! Every method may block for a disk or a camera: the routes call them on threads that may block. A method that gives footage or a list of
//! footage away takes a [`Grant`] and must check it.

mod backups;
mod cases;
mod certificates;
mod decisions;
mod exports;
mod log;
mod machine;
mod marks;
mod policies;
mod push_url;
mod register;
mod report;
mod secrets;
mod thumbnails;
mod transcoders;

pub use backups::{Backups, RestoreOnto};
pub use cases::{CaseChange, Cases};
pub use certificates::Certificates;
pub use decisions::{Decisions, SignedDecision};
pub use exports::{DOWNLOAD, ExportAnswer, ExportDelivery, ExportFile, ExportOrder, Exports, Redaction};
pub use log::{AuditBook, AuditKind, AuditPage, AuditRecord, Checkpoints};
pub use machine::Machine;
pub use marks::{Damaged, ImpairedList};
pub use policies::{Policies, PolicyProposal};
pub use push_url::{PUSH_URL_BYTES_MAX, PushUrl};
pub use register::{Change, Register, RegisterRow, Space};
pub use report::{PublicReport, Reports, StoredLeaf, WaitingReview};
pub use secrets::{SECRET_BYTES, Secrets};
pub use thumbnails::{KeyFrame, Thumbnails};
pub use transcoders::{CodedUnit, OnTranscoded, Transcoded, Transcoder, Transcoders};

use crate::address_secret;
use crate::api;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use watchbook_access::Grant;
use watchbook_base::{CameraId, Event, Gap, Importance, StreamId, TimeRange, UtcNanos};
use watchbook_media::{SpanSource, SpanSummary};

/// Everything together.
#[derive(Clone)]
pub struct Ports {
    /// Accounts, sessions and the station's own settings.
    pub register: Arc<dyn Register>,
    /// The audit log.
    pub audit: Arc<dyn AuditBook>,
    /// Cameras.
    pub cameras: Arc<dyn Cameras>,
    /// Cameras beside their streams.
    pub devices: Arc<dyn Devices>,
    /// Recorded footage.
    pub footage: Arc<dyn Footage>,
    /// Small pictures of it.
    pub thumbnails: Arc<dyn Thumbnails>,
    /// Events.
    pub events: Arc<dyn Events>,
    /// Plugins.
    pub plugins: Arc<dyn Plugins>,
    /// Disks and alarms.
    pub health: Arc<dyn StationHealth>,
    /// How long footage stays.
    pub retention: Arc<dyn Retention>,
    /// Footage that is kept for cases.
    pub holds: Arc<dyn Holds>,
    /// Footage as evidence.
    pub exports: Arc<dyn Exports>,
    /// What approvers elsewhere sign.
    pub decisions: Arc<dyn Decisions>,
    /// What rules propose.
    pub proposals: Arc<dyn Proposals>,
    /// Events that are derived again.
    pub rederivations: Arc<dyn Rederivations>,
    /// What is signed of the audit log.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Cases.
    pub cases: Arc<dyn Cases>,
    /// What wraps secrets for the register.
    pub secrets: Arc<dyn Secrets>,
    /// What is computed from the audit log.
    pub reports: Arc<dyn Reports>,
    /// What the station holds to.
    pub policies: Arc<dyn Policies>,
    /// Pictures for browsers that cannot play what is recorded.
    pub transcoders: Arc<dyn Transcoders>,
    /// The configuration as a whole.
    pub backups: Arc<dyn Backups>,
    /// Temperatures and network.
    pub machine: Arc<dyn Machine>,
    /// What the page is served with.
    pub certificates: Arc<dyn Certificates>,
}

/// Settings of one camera as they are stored. Its password is in there: it goes to the register and to capture, never into an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraConfig {
    /// For people.
    pub name: String,
    /// Main stream, without user name and password in the address.
    pub main: StreamConfig,
    /// Sub stream.
    pub sub: Option<StreamConfig>,
    /// For the camera.
    pub username: Option<String>,
    /// For the camera.
    #[serde(with = "stored_secret")]
    pub password: Option<api::Secret>,
    /// Sound is recorded too.
    pub record_audio: bool,
    /// What for; empty for a camera that records none.
    #[serde(default)]
    pub audio_purpose: String,
    /// Fingerprint of the certificate that an admin trusts, as `AB:CD:…`.
    #[serde(default)]
    pub certificate: Option<String>,
    /// What the camera is there for, for everybody to read; empty when nobody said.
    #[serde(default)]
    pub purpose: String,
    /// Who answers for it, for everybody to read; empty when nobody said.
    #[serde(default)]
    pub contact: String,
    /// When somebody last said that it is needed; `None`: nobody did since that is asked.
    #[serde(default)]
    pub reviewed_utc_ms: Option<i64>,
    /// It is captured.
    pub enabled: bool,
    /// Polygons that plugins never see.
    pub masks: Vec<Vec<api::Point>>,
    /// Footage is made unreadable within an hour after so many days.
    pub retention_days_max: u32,
    /// Whose pictures are dropped first when the disk is too slow.
    #[serde(default)]
    pub importance: Importance,
    /// What is wanted of it over ONVIF.
    #[serde(default)]
    pub device: Option<api::DeviceSettings>,
    /// Bound plugins.
    pub plugins: Vec<api::PluginBinding>,
}

/// Address of one stream as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamConfig {
    /// `rtsp://`, `rtsps://`, `http://` or `https://`, without user name and password before the host. Its path or query may hold a password.
    pub url: String,
    /// How media travels.
    pub transport: api::Transport,
    /// How often a camera that gives one picture for each request is asked, in ms.
    #[serde(default)]
    pub interval_ms: Option<u32>,
}

impl core::fmt::Debug for StreamConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let url = address_secret::shown(&self.url);
        f.debug_struct("StreamConfig").field("url", &url).field("transport", &self.transport).finish()
    }
}

/// The one place where a secret is serialised: into the register.
mod stored_secret {
    use crate::api::Secret;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::reveal).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

/// A camera with its state.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraRow {
    /// Number.
    pub id: CameraId,
    /// Settings.
    pub config: CameraConfig,
    /// How its streams are doing.
    pub state: api::CameraStates,
    /// How it is doing beside them, when something is wanted of it over ONVIF.
    pub device: Option<api::DeviceState>,
}

/// A try of a camera: both addresses are checked and free of user names.
#[derive(Clone, Debug)]
pub struct CameraProbe {
    /// Main stream.
    pub main: StreamConfig,
    /// Sub stream.
    pub sub: Option<StreamConfig>,
    /// For the camera.
    pub username: Option<String>,
    /// For the camera.
    pub password: Option<api::Secret>,
    /// Fingerprint of the certificate that is trusted.
    pub certificate: Option<String>,
    /// One picture of the main stream is wanted, too.
    pub picture: bool,
}

/// A question to a camera on the network: the address is as it was typed.
#[derive(Clone, Debug)]
pub struct DeviceProbe {
    /// Host, or address of its ONVIF service.
    pub url: String,
    /// For the camera.
    pub username: Option<String>,
    /// For the camera.
    pub password: Option<api::Secret>,
    /// Fingerprint of the certificate that is trusted.
    pub certificate: Option<String>,
}

/// Changes the settings that it is given, or says why not. It computes and waits for nothing.
pub type CameraChange<'a> = Box<dyn FnOnce(&mut CameraConfig) -> Result<(), Error> + 'a>;

/// The station's cameras. Changes are durable and in force when a method returns.
pub trait Cameras: Send + Sync {
    /// All, in order of their number.
    ///
    /// # Errors
    /// When they cannot be read.
    fn list(&self) -> Result<Vec<CameraRow>, Error>;

    /// The one with this number, with its state as it is now.
    ///
    /// # Errors
    /// [`watchbook_base::Kind::NotFound`] when there is none with this number.
    fn get(&self, camera: CameraId) -> Result<CameraRow, Error>;

    /// Adds one under a number that was never used before.
    ///
    /// # Errors
    /// `Exhausted` at [`watchbook_base::limits::CAMERAS_MAX`].
    fn create(&self, config: CameraConfig) -> Result<CameraRow, Error>;

    /// Changes the settings of one: no other change of it comes between what `change` is given and what it leaves.
    ///
    /// # Errors
    /// `NotFound`, or what `change` says; then nothing has changed.
    fn update(&self, camera: CameraId, change: CameraChange<'_>) -> Result<CameraRow, Error>;

    /// Stops capturing one and forgets its settings. Its footage stays until its maximum age, or until the ring needs
    /// the room.
    ///
    /// # Errors
    /// `NotFound`.
    fn remove(&self, camera: CameraId) -> Result<(), Error>;

    /// Connects, looks at what the camera offers, and disconnects; at most 10 s. A camera that does not answer is a report, not an error.
    ///
    /// # Errors
    /// When the try itself could not be made.
    fn test(&self, probe: CameraProbe) -> Result<api::CameraTestReport, Error>;

    /// How far a camera's clock was from ours, newest first.
    ///
    /// # Errors
    /// `NotFound`.
    fn clock(&self, camera: CameraId, limit: usize) -> Result<Vec<api::ClockReading>, Error>;

    /// Asks the network which cameras are there and collects answers for some seconds; at most 256, by address.
    ///
    /// # Errors
    /// When nobody could be asked.
    fn search(&self) -> Result<Vec<api::FoundDevice>, Error>;

    /// The cameras that are plugged into this machine, by node; at most 256.
    ///
    /// # Errors
    /// When the machine cannot be asked.
    fn local(&self) -> Result<Vec<api::LocalCamera>, Error>;

    /// Asks a camera what it is; at most 30 s. A camera that does not answer is a report, not an error.
    ///
    /// # Errors
    /// `InvalidInput` for what is no address.
    fn inspect(&self, probe: DeviceProbe) -> Result<api::DeviceReport, Error>;
}

/// Cameras beside their streams, over ONVIF.
pub trait Devices: Send + Sync {
    /// Where a camera looks and can be sent; at most 30 s.
    ///
    /// # Errors
    /// `NotFound` for a camera that is not known over ONVIF, `Unavailable` when it does not answer or refuses, `Conflict` while another one answers in its place.
    fn view(&self, camera: CameraId) -> Result<api::PtzView, Error>;

    /// Turns a camera; at most 20 s.
    ///
    /// # Errors
    /// As [`Devices::view`].
    fn turn(&self, camera: CameraId, request: &api::PtzRequest) -> Result<(), Error>;

    /// Keeps where a camera looks now, in the place of `token` when there is one.
    ///
    /// # Errors
    /// As [`Devices::view`].
    fn set_preset(&self, camera: CameraId, name: &str, token: Option<&str>) -> Result<api::PtzPreset, Error>;

    /// Has the camera forget a preset of its own; nothing of ours names it.
    ///
    /// # Errors
    /// As [`Devices::view`].
    fn remove_preset(&self, camera: CameraId, token: &str) -> Result<(), Error>;

    /// Takes the camera that answers where another one was.
    ///
    /// # Errors
    /// `NotFound` when none does, `Conflict` when it is not the one that was found.
    fn accept(&self, camera: CameraId, found_id: &str) -> Result<(), Error>;

    /// What is wrong with them and needs somebody.
    fn alarms(&self) -> Vec<api::Alarm>;
}

/// Recorded footage.
pub trait Footage: Send + Sync {
    /// Spans of `stream` that overlap `range`, in order of time. `grant` must cover the stream's timeline.
    ///
    /// # Errors
    /// `Denied` when the grant does not cover it; `Unavailable` while the disk is away.
    fn spans(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<SpanSummary>, Error>;

    /// Gaps of `stream` that overlap `range`, in order of time. `grant` must cover the stream's timeline.
    ///
    /// # Errors
    /// As [`Footage::spans`].
    fn gaps(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<Gap>, Error>;

    /// Start of the oldest to end of the newest footage of `stream`. `grant` must cover the stream's timeline.
    ///
    /// # Errors
    /// As [`Footage::spans`].
    fn extent(&self, grant: &Grant, stream: StreamId) -> Result<Option<TimeRange>, Error>;

    /// Damaged runs of `stream` that share a moment with `range`, in order of time. `grant` must cover the stream's timeline.
    ///
    /// # Errors
    /// As [`Footage::spans`].
    fn damaged(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<Damaged>, Error>;

    /// Intervals of `stream` that share a moment with `range` and whose pictures may be wrong, because packets or pictures were lost on their way here. `grant` must cover the
    /// stream's timeline.
    ///
    /// # Errors
    /// As [`Footage::spans`].
    fn impaired(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<ImpairedList, Error>;

    /// Opens footage for reading. What the grant's range does not touch cannot be read through the source.
    ///
    /// # Errors
    /// `Denied` when the grant does not cover footage of `stream`'s camera in `range`.
    fn open(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Arc<dyn SpanSource>, Error>;
}

/// What to look for in the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Events that overlap it.
    pub range: TimeRange,
    /// Only these cameras; `None` means all.
    pub cameras: Option<BTreeSet<CameraId>>,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only in the zone of this name.
    pub zone: Option<String>,
    /// Only what this plugin said, by its id.
    pub plugin: Option<String>,
    /// At most this many.
    pub limit: usize,
    /// Go on after this one: what [`EventPage::next`] gave.
    pub after: Option<EventCursor>,
}

/// Place in the list of events: newest first, ties by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// Start of the last event that was given.
    pub start: UtcNanos,
    /// Its camera.
    pub camera: CameraId,
    /// Its id.
    pub id: u64,
}

/// Some events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventPage {
    /// Newest first.
    pub events: Vec<(u64, Event)>,
    /// Where the next page starts.
    pub next: Option<EventCursor>,
}

/// Events from plugins.
pub trait Events: Send + Sync {
    /// A page of them. `grant` must be for [`watchbook_access::Action::SearchEvents`].
    ///
    /// # Errors
    /// `Denied` when it is not; `Unavailable` while the index is being rebuilt.
    fn query(&self, grant: &Grant, query: &EventQuery) -> Result<EventPage, Error>;
}

/// Installed plugins.
pub trait Plugins: Send + Sync {
    /// All, in order of their id.
    ///
    /// # Errors
    /// When the plugin host does not answer.
    fn list(&self) -> Result<Vec<api::Plugin>, Error>;

    /// Binds a plugin to a camera, or changes how it is bound. Durable and in force when it returns.
    ///
    /// # Errors
    /// `NotFound` for an unknown camera or plugin; `InvalidInput` when the settings do not fit the plugin's schema.
    fn bind(&self, camera: CameraId, binding: api::PluginBinding) -> Result<api::PluginBinding, Error>;

    /// Keeps a package, which then waits for approval. Nothing of it runs.
    ///
    /// # Errors
    /// `InvalidInput` when it is no package or breaks a limit, `Denied` when nobody who is trusted signed it, `Conflict` when this version or a newer
    /// one is there or the id belongs to a plugin that came with the recorder.
    fn install(&self, package: &[u8]) -> Result<api::Plugin, Error>;

    /// Lets the version that waits run, on every camera that the plugin is bound to. The version that ran before is kept for a roll-back.
    ///
    /// # Errors
    /// `NotFound` when there is no such package of this plugin, `Conflict` when it is older than what runs.
    fn approve(&self, plugin: &str, package_sha256: &str, account: u32) -> Result<api::Plugin, Error>;

    /// Throws a version away that does not run.
    ///
    /// # Errors
    /// `NotFound` when there is no such package of this plugin, `Conflict` when it is the one that runs.
    fn reject(&self, plugin: &str, package_sha256: &str) -> Result<(), Error>;

    /// Brings the version back that ran before.
    ///
    /// # Errors
    /// `NotFound` for an unknown plugin, `Conflict` when there is no earlier version.
    fn roll_back(&self, plugin: &str) -> Result<api::Plugin, Error>;

    /// Ends a plugin on every camera and throws all of its versions and what it kept away. Its events stay.
    ///
    /// # Errors
    /// `NotFound` for an unknown plugin, `Conflict` for one that came with the recorder.
    fn remove(&self, plugin: &str) -> Result<(), Error>;

    /// Publishers whose packages are taken.
    ///
    /// # Errors
    /// When they cannot be read.
    fn publishers(&self) -> Result<Vec<api::PluginPublisher>, Error>;

    /// Trusts a publisher whose key has this id.
    ///
    /// # Errors
    /// `InvalidInput` when `public_key` is no key, `Conflict` when it has another id, or is trusted already.
    fn trust(&self, name: &str, public_key: &str, key_id: &str) -> Result<api::PluginPublisher, Error>;

    /// Trusts a publisher no more: what they signed stops at once.
    ///
    /// # Errors
    /// `NotFound` for an unknown key.
    fn distrust(&self, key_id: &str) -> Result<(), Error>;

    /// What this recorder offers to plugins.
    fn abi(&self) -> api::PluginAbi;

    /// The last lines that a plugin logged.
    ///
    /// # Errors
    /// `NotFound` for an unknown plugin.
    fn log(&self, plugin: &str) -> Result<api::PluginLog, Error>;

    /// Until when unsigned packages are taken.
    ///
    /// # Errors
    /// When it cannot be read.
    fn dev_mode(&self) -> Result<api::PluginDevMode, Error>;

    /// Takes unsigned packages for so many hours; with 0 no longer, and what is unsigned stops.
    ///
    /// # Errors
    /// When it could not be made durable.
    fn set_dev_mode(&self, hours: u32) -> Result<api::PluginDevMode, Error>;

    /// Whether interfaces that are being tried out are offered.
    ///
    /// # Errors
    /// When it cannot be read.
    fn tried_out(&self) -> Result<api::PluginTriedOut, Error>;

    /// Offers them, or no more: then what asks for one stops.
    ///
    /// # Errors
    /// When it could not be made durable.
    fn set_tried_out(&self, on: bool) -> Result<api::PluginTriedOut, Error>;
}

/// What waits for the disks, and what is dropped because it cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// What waits in memory.
    pub waiting_bytes: u64,
    /// What may wait at most.
    pub waiting_bytes_max: u64,
    /// Start of the last time that something was dropped.
    pub dropped_since: Option<UtcNanos>,
    /// When the last picture was dropped.
    pub dropped_last: Option<UtcNanos>,
    /// Streams whose pictures are dropped now.
    pub dropping: Vec<StreamId>,
}

/// The rest of the station's health.
pub trait StationHealth: Send + Sync {
    /// All disks together, as they are now.
    ///
    /// # Errors
    /// When even that cannot be said.
    fn ring(&self) -> Result<api::RingHealth, Error>;

    /// Each disk, in the order in which they joined.
    ///
    /// # Errors
    /// When even that cannot be said.
    fn disks(&self) -> Result<Vec<api::Disk>, Error>;

    /// What is wrong, the worst first.
    ///
    /// # Errors
    /// When even that cannot be said.
    fn alarms(&self) -> Result<Vec<api::Alarm>, Error>;

    /// How much waits for the disks, and which streams are dropped.
    ///
    /// # Errors
    /// When even that cannot be said.
    fn pressure(&self) -> Result<Pressure, Error>;

    /// Damaged runs of `cameras` (`None` means all), the newest footage first, at most `limit`.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn damaged(&self, cameras: Option<&BTreeSet<CameraId>>, limit: usize) -> Result<Vec<Damaged>, Error>;

    /// Takes the empty directory `dir` as another disk of the ring. Its segments are laid out afterwards, while the disk is `joining`.
    ///
    /// # Errors
    /// `InvalidInput` when the directory cannot be one, `Conflict` when it is in use, `Exhausted` when there is no room.
    fn add_disk(&self, dir: &str, size_gib: u64) -> Result<api::Disk, Error>;

    /// Takes the disk `found`, which lies where `disk` was, in its place.
    ///
    /// # Errors
    /// `NotFound` for an unknown disk, `Conflict` when another one lies there by now.
    fn accept_disk(&self, disk: &str, found: &str) -> Result<api::Disk, Error>;

    /// Gives up `disk`, which will not come back: a new, empty one is mounted in its directory (`replaced`), or the directory is no longer used.
    ///
    /// # Errors
    /// `NotFound` for an unknown disk, `Conflict` when it is in use or may come back, `InvalidInput` when nothing new is mounted there.
    fn retire_disk(&self, disk: &str, replaced: bool) -> Result<(), Error>;
}

/// How long footage stays.
pub trait Retention: Send + Sync {
    /// Of `camera`, whose maximum age is `days_max`. `grant` must cover its retention.
    ///
    /// # Errors
    /// `Denied` when the grant does not cover it; `Unavailable` while the disk is away.
    fn of(&self, grant: &Grant, camera: CameraId, days_max: u32) -> Result<api::Retention, Error>;

    /// Erased hours of `camera` that begin before `before`, newest first, at most `limit`. `grant` must cover its retention.
    ///
    /// # Errors
    /// As [`Retention::of`].
    fn erasures(
        &self,
        grant: &Grant,
        camera: CameraId,
        before: UtcNanos,
        limit: usize,
    ) -> Result<Vec<api::Erasure>, Error>;
}

/// A hold as somebody orders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOrder {
    /// Number of the case.
    pub case: String,
    /// Whose footage; in order, each once.
    pub cameras: Vec<CameraId>,
    /// When.
    pub range: TimeRange,
    /// For people.
    pub note: String,
    /// Who orders it: account number.
    pub account: u32,
}

/// A hold as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRow {
    /// Number; never given to another hold.
    pub id: u64,
    /// What was ordered.
    pub order: HoldOrder,
    /// When.
    pub placed: UtcNanos,
    /// How far it is.
    pub state: api::HoldState,
    /// Bytes that it takes in the vault.
    pub held_bytes: u64,
    /// Estimate of what is still to be copied or to arrive.
    pub left_bytes: u64,
    /// Held footage without its proof beside it; `None`: not known yet.
    pub unproven_ms: Option<i64>,
    /// Why copying does not go on.
    pub trouble: Option<String>,
    /// Intervals without a copy; perhaps not all.
    pub missing: Vec<api::HoldMissing>,
    /// How many there are.
    pub missing_count: u64,
    /// Who gave it up.
    pub release: Option<HoldReleased>,
}

/// The end of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldReleased {
    /// Who gave it up: account number.
    pub account: u32,
    /// When.
    pub at: UtcNanos,
    /// In their words.
    pub reason: String,
}

/// Footage that is kept for cases. Changes are durable when a method returns; copying and destroying go on afterwards.
pub trait Holds: Send + Sync {
    /// All, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn list(&self) -> Result<Vec<HoldRow>, Error>;

    /// Estimate of the bytes that a hold would take.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn needed_bytes(&self, cameras: &[CameraId], range: TimeRange) -> Result<u64, Error>;

    /// The vault's room.
    ///
    /// # Errors
    /// When it cannot be said.
    fn vault(&self) -> Result<api::VaultHealth, Error>;

    /// Places a hold. `grant` must cover it.
    ///
    /// # Errors
    /// `Denied` when the grant does not cover it, `Exhausted` when the vault has no room.
    fn place(&self, grant: &Grant, order: HoldOrder) -> Result<HoldRow, Error>;

    /// Gives a hold up. `grant` must cover it.
    ///
    /// # Errors
    /// `Denied` when the grant does not cover it, `NotFound` for an unknown hold, `Conflict` when it was given up before.
    fn release(&self, grant: &Grant, hold: u64, account: u32, reason: String) -> Result<HoldRow, Error>;
}

/// A proposal of a rule as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalRow {
    /// Number; never given to another one.
    pub id: u64,
    /// When it was made.
    pub at: UtcNanos,
    /// Where the event happened.
    pub camera: CameraId,
    /// The event.
    pub event: api::ProposalEvent,
    /// Who proposes.
    pub rule: api::ProposalRule,
    /// What.
    pub kind: api::ProposalKind,
    /// For an export or a hold.
    pub clip: Option<api::ProposalClip>,
    /// For a tag or a line.
    pub text: Option<String>,
    /// The rule's reason, word for word.
    pub reason: String,
    /// What was decided.
    pub decided: Option<ProposalDecision>,
}

/// What somebody decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalDecision {
    /// Account number.
    pub account: u32,
    /// When.
    pub at: UtcNanos,
    /// Accepted; otherwise put aside.
    pub accepted: bool,
    /// In their words.
    pub reason: String,
    /// Number of the hold that was placed.
    pub hold: Option<u64>,
}

/// All proposals that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProposalBook {
    /// Newest first.
    pub rows: Vec<ProposalRow>,
    /// Events that rules did not see because they were busy, since the start.
    pub events_dropped: u64,
    /// Proposals that could not be kept, since the start.
    pub dropped: u64,
}

/// What rules propose.
pub trait Proposals: Send + Sync {
    /// All that are kept.
    ///
    /// # Errors
    /// When they cannot be read.
    fn list(&self) -> Result<ProposalBook, Error>;

    /// Keeps a decision. Durable when it returns.
    ///
    /// # Errors
    /// `NotFound` for an unknown proposal, `Conflict` when it has been decided.
    fn decide(&self, proposal: u64, decision: ProposalDecision) -> Result<ProposalRow, Error>;
}

/// Which event is to be derived again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RederiveOrder {
    /// Where it happened.
    pub camera: CameraId,
    /// Its number.
    pub event: u64,
    /// When it began, as the caller says.
    pub start_ms: i64,
    /// When it ended, as the caller says.
    pub end_ms: Option<i64>,
    /// What was granted: from the key frame before `from` to after the event.
    pub range: TimeRange,
    /// Where the run begins.
    pub from: UtcNanos,
    /// Who asks: account number.
    pub account: u32,
}

/// Events that are derived again, one at a time.
pub trait Rederivations: Send + Sync {
    /// Begins, or has it wait. `grant` must cover the footage of the order's range.
    ///
    /// # Errors
    /// `Denied` when it does not, `NotFound` when there is no such event, `Conflict` while it waits or runs already, `Exhausted` when too many wait.
    fn start(&self, grant: Arc<Grant>, order: RederiveOrder) -> Result<api::Rederivation, Error>;

    /// How far it is, or the last result. The account's name is left out.
    ///
    /// # Errors
    /// When it cannot be said.
    fn get(&self, camera: CameraId, event: u64) -> Result<api::Rederivation, Error>;

    /// Takes it off the queue, or ends its run; what came out so far is thrown away.
    ///
    /// # Errors
    /// `NotFound` when nobody asked, `Conflict` when it is done.
    fn cancel(&self, camera: CameraId, event: u64) -> Result<api::Rederivation, Error>;

    /// What is needed to do it elsewhere. `grant` must cover the camera's timeline.
    ///
    /// # Errors
    /// `NotFound` when there is no such event, or its settings are not known any more.
    fn inputs(&self, grant: &Grant, order: &RederiveOrder) -> Result<api::RederivationInputs, Error>;
}
