//! Plugins: what is installed, what waits for approval, who may sign.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use watchbook_base::CameraId;

/// How a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// Installed, bound to no camera.
    Idle,
    /// Being compiled, or started on its cameras: it sees nothing yet.
    Starting,
    /// Gets frames, or events.
    Running,
    /// Trapped or was stopped; starts again after a pause.
    Restarting,
    /// Given up until somebody changes its settings.
    Failed,
    /// No version of it has been approved yet: it cannot be bound to a camera.
    Waiting,
}

/// Where a plugin comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginOrigin {
    /// It came with the recorder: always approved, changed by updates of the recorder alone.
    BuiltIn,
    /// An admin uploaded it.
    Installed,
}

/// A kind of event that a plugin may give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginKind {
    /// As in `motion`.
    pub kind: String,
    /// What it means, in the publisher's words.
    pub meaning: String,
}

/// Frames that a plugin wants.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PluginInput {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// At most so many a second.
    pub fps: f32,
}

/// A model that comes with a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginModel {
    /// Its file in the package.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// What it is for, as in `object-detection`.
    pub purpose: String,
    /// What it can see: words such as `vehicle`.
    pub classes: Vec<String>,
    /// What it was made from and how good it is, in the publisher's words: show as text only.
    pub data_sheet: String,
}

/// What a plugin asks for. It can do nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PluginAsks {
    /// What it is for, as in `motion-detection`.
    pub purpose: String,
    /// `analytics-plugin` looks at pictures; `export-rule` sees events alone.
    pub world: String,
    /// What it cannot work without: `frames`, `log`, `store`.
    pub required: Vec<String>,
    /// What it copes without.
    pub optional: Vec<String>,
    /// Frames that it wants, without colour; null when it looks at none.
    pub input: Option<PluginInput>,
    /// Processor time of one call, in milliseconds.
    pub call_ms_max: u32,
    /// Memory on each camera.
    pub memory_bytes_max: u64,
    /// Room for what it keeps on each camera.
    pub store_bytes_max: u64,
    /// What it may report.
    pub emits: Vec<PluginKind>,
    /// Models that come with it.
    pub models: Vec<PluginModel>,
    /// It may propose that footage is held for a case. A person decides.
    pub proposes_holds: bool,
}

/// Who signed a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginSigner {
    /// 16 hex digits, as minisign prints them.
    pub key_id: String,
    /// The name that this station gave the publisher.
    pub name: String,
    /// The key is trusted now. What another key signed does not run.
    pub trusted: bool,
}

/// One version of an installed plugin.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PluginVersion {
    /// Its version.
    pub version: String,
    /// What it does, in the publisher's words.
    pub summary: String,
    /// Who answers for it, in their own words.
    pub publisher: String,
    /// SPDX licence expression.
    pub licence: String,
    /// SHA-256 of the whole package, lower-case hex: what an approval is bound to. Null for what came with the recorder.
    pub package_sha256: Option<String>,
    /// SHA-256 of the component, lower-case hex: what each of its events names.
    pub component_sha256: String,
    /// Who signed it. Null for what came with the recorder, and for an unsigned package in developer mode.
    pub signer: Option<PluginSigner>,
    /// What it asks for.
    pub asks: PluginAsks,
    /// When it was uploaded.
    pub installed_utc_ms: Option<i64>,
    /// When it was approved; null while it waits.
    pub approved_utc_ms: Option<i64>,
    /// Why it cannot be read or may not run.
    pub problem: Option<String>,
}

/// A difference between the version that runs and the one that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginChange {
    /// What differs, as in `version`, `signing_key`, `memory_mib`, `event`.
    pub what: String,
    /// As it is now; null when there was nothing.
    pub before: Option<String>,
    /// As it would be; null when it goes away.
    pub after: Option<String>,
    /// The new version may do more than the one that runs.
    pub more: bool,
}

/// What a plugin costs, since each of its instances was bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginCost {
    /// Processor time of all calls, in milliseconds.
    pub processor_ms: u64,
    /// Longest call, in microseconds of processor time.
    pub call_us_max: u32,
    /// Memory that all instances have now.
    pub memory_bytes: u64,
    /// Events given.
    pub events: u64,
    /// Marks refused because they broke a limit.
    pub marks_refused: u64,
}

/// A plugin with its versions, how it is doing and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Plugin {
    /// Reverse-DNS id.
    pub id: String,
    /// The version that runs, or the one that waits while none runs.
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
    /// Where it comes from.
    pub origin: PluginOrigin,
    /// The version that runs.
    pub running: Option<PluginVersion>,
    /// The newest version that waits for approval.
    pub waiting: Option<PluginVersion>,
    /// How the version that waits differs from the one that runs; empty when none runs.
    pub changes: Vec<PluginChange>,
    /// The version that a roll-back would bring back.
    pub previous: Option<PluginVersion>,
    /// Cameras that it is bound to.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// What it costs.
    pub cost: PluginCost,
}

/// Answer of the list of what is installed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PluginList {
    /// In order of their id.
    pub plugins: Vec<Plugin>,
}

/// A package: one `.wbp` file.
#[derive(Clone, Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct PluginPackage(pub Vec<u8>);

/// Approves or rejects one version.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginJudgement {
    /// SHA-256 of the package that waits, as it was shown: another one is not judged by mistake.
    pub package_sha256: String,
}

/// A publisher whose packages are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginPublisher {
    /// 16 hex digits, as minisign prints them.
    pub key_id: String,
    /// The name that this station gave them.
    pub name: String,
    /// The key as minisign prints it, in base64: what people compare.
    pub public_key: String,
}

/// Answer of the list of publishers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginPublisherList {
    /// In the order in which they were added.
    pub publishers: Vec<PluginPublisher>,
}

/// Trusts a publisher.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginPublisherRequest {
    /// Name for people, 1 to 128 bytes.
    pub name: String,
    /// Content of the publisher's minisign `.pub` file, or its second line alone; at most 1024 bytes.
    pub public_key: String,
    /// The key's 16 hex digits as the publisher told them by another way than the file came. Anything else is refused.
    pub key_id: String,
}

/// A version of the plugin interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginAbiVersion {
    /// As in `0.1`.
    pub version: String,
    /// Worlds that a plugin may have.
    pub worlds: Vec<String>,
    /// Capabilities that a plugin may ask for.
    pub capabilities: Vec<String>,
    /// Capabilities that are being tried out: given only where an administrator has switched that on.
    pub tried_out: Vec<String>,
}

/// What a plugin may have at most on this recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginLimits {
    /// Bytes of a package.
    pub package_bytes_max: u64,
    /// Bytes of its component.
    pub component_bytes_max: u64,
    /// Memory of one instance.
    pub memory_bytes_max: u64,
    /// Memory of all instances together.
    pub memory_bytes_max_all: u64,
    /// Processor time of one call, in milliseconds.
    pub call_ms_max: u32,
    /// Room for what one instance keeps.
    pub store_bytes_max: u64,
    /// Instances of the station.
    pub instances_max: u32,
    /// Plugins of the station.
    pub plugins_max: u32,
}

/// The wall around a child program: what it has open is all it reaches. `appliance/ARCHITECTURE.md` says what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChildWall {
    /// Its name.
    pub program: String,
    /// All of the wall stands.
    pub whole: bool,
    /// What does not, and why, in English.
    pub missing: Vec<String>,
}

/// What a plugin author must know of this recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginAbi {
    /// Versions of the interface, the newest first.
    pub versions: Vec<PluginAbiVersion>,
    /// Limits.
    pub limits: PluginLimits,
    /// The walls that pictures and plugins are kept behind.
    pub walls: Vec<ChildWall>,
}

/// One line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginLogLine {
    /// When it arrived.
    pub at_utc_ms: i64,
    /// On which camera.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The plugin's words: show as text only.
    pub text: String,
}

/// The last lines of a plugin. They are kept in memory alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginLog {
    /// The newest last; at most 200.
    pub lines: Vec<PluginLogLine>,
    /// Lines that are no longer kept.
    pub dropped: u64,
}

/// Whether unsigned packages are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginDevMode {
    /// Until when; null when signatures are needed.
    pub until_utc_ms: Option<i64>,
}

/// Switches developer mode.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginDevModeRequest {
    /// For how many hours, 1 to 24; 0 switches it off.
    pub hours: u32,
}

/// Whether interfaces that are being tried out are offered to plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginTriedOut {
    /// Whether they are.
    pub on: bool,
    /// Names of the capabilities that are being tried out.
    pub capabilities: Vec<String>,
}

/// Offers interfaces that are being tried out, or no more.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginTriedOutRequest {
    /// Whether they are offered; when not, plugins that ask for one stop.
    pub on: bool,
}
