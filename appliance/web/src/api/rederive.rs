//! Deriving an event again from its footage.

use super::{DamagedInterval, Event, Gap, VideoRoleName, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_base::CameraId;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RederivationState {
    /// Nobody asked for it, or its result was given up.
    Unasked,
    /// Others are before it.
    Waiting,
    /// It is at work.
    Running,
    /// There is a result.
    Done,
    /// Somebody cancelled it, or the recorder stopped.
    Cancelled,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RederivationOutcome {
    /// The same event, to the millisecond.
    Same,
    /// An event of the same kind and zone at about that time, with differences.
    Near,
    /// Nothing of the kind.
    Absent,
    /// It could not be tried.
    Refused,
}

/// Why it could not be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RederivationRefusal {
    /// The component that gave the event is not here any more.
    Component,
    /// The settings that were in force are not known any more.
    Settings,
    /// There is no footage of that time that can be read.
    Footage,
    /// The plugin did not run to the end.
    Plugin,
    /// It asks a neural network, whose answers are not promised to be the same again.
    Model,
    /// A part of the recorder did not work.
    Recorder,
}

/// A part of an event that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RederivationField {
    /// When it began.
    Start,
    /// When it ended.
    End,
    /// How sure the plugin is.
    Score,
    /// What was seen where.
    Detections,
    /// The plugin's words.
    Note,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RederivationDifference {
    /// Which.
    pub field: RederivationField,
    /// In the stored event: milliseconds UTC or a number; null where there is none or it would be long.
    pub stored: Option<String>,
    /// In the one that was derived.
    pub derived: Option<String>,
}

/// A result, and from what it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RederivationResult {
    /// What came out.
    pub outcome: RederivationOutcome,
    /// Why it could not be tried.
    pub refusal: Option<RederivationRefusal>,
    /// For a refusal: what was attempted and what to do next, in English.
    pub sentence: Option<String>,
    /// For `near`: what differs.
    pub differences: Vec<RederivationDifference>,
    /// The plugin that gave the event.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, lower-case hex.
    pub component_sha256: String,
    /// SHA-256 of the complete settings, lower-case hex.
    pub settings_sha256: String,
    /// Frames that the plugin was given.
    pub frames: u32,
    /// So many of them are known to be the ones that it had seen then.
    pub frames_known: u32,
    /// So many that it had seen are not in the footage any more.
    pub frames_lost: u32,
    /// Frames that it had been told were dropped then, as far as is known: the box was busy.
    pub frames_dropped_then: u32,
    /// The run began where the plugin began: it knew nothing then that it does not know now.
    pub from_its_start: bool,
    /// First frame.
    pub from_utc_ms: Option<i64>,
    /// Last frame.
    pub to_utc_ms: Option<i64>,
    /// From the first frame to the event's start: what the plugin had to learn the scene.
    pub warm_up_ms: i64,
    /// Which stream the plugin watched.
    #[schema(value_type = Option<VideoRoleName>)]
    pub role: Option<watchbook_base::TrackRole>,
    /// It saw key frames alone.
    pub keys_only: bool,
    /// There were privacy masks, which were burnt in again.
    pub masked: bool,
    /// Intervals without footage in the span, each of which may explain a difference; at most 64.
    pub gaps: Vec<Gap>,
    /// Damaged footage in the span, which was left out; at most 64.
    pub damaged: Vec<DamagedInterval>,
    /// When it was done.
    pub done_utc_ms: i64,
    /// How long it took.
    pub took_ms: i64,
}

/// An event that is derived again, or was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rederivation {
    /// Where the event happened.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// Its id.
    pub event: String,
    /// How far it is.
    pub state: RederivationState,
    /// Share of the frames that are done, 0 to 1.
    pub progress: f64,
    /// So many others come before it.
    pub ahead: u32,
    /// When it was asked for; null when nobody did.
    pub asked_utc_ms: Option<i64>,
    /// By which account.
    pub account: Option<u32>,
    /// That account's name; null when it is gone.
    pub account_name: Option<String>,
    /// The result, when there is one.
    pub result: Option<RederivationResult>,
}

/// Which event, and how long before it the run begins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RederivationRequest {
    /// As the event says it.
    pub start_utc_ms: i64,
    /// As the event says it.
    #[serde(default)]
    pub end_utc_ms: Option<i64>,
    /// Seconds before the event that the plugin is given to learn the scene, 10 to 600; 120 when left out.
    #[serde(default)]
    pub warm_up_s: Option<u32>,
}

/// The frames that led to an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RederivationLead {
    /// The first of them was the first of a fresh instance.
    pub fresh: bool,
    /// Times of presentation in nanoseconds UTC.
    pub times_utc_ns: Vec<String>,
}

/// All that `watchbook-plugin rerun` reads, but for the footage.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RederivationInputs {
    /// The event.
    pub event: Event,
    /// Complete settings that were in force.
    #[schema(value_type = Object)]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Zones that were in force.
    pub zones: Vec<Zone>,
    /// Privacy masks that were in force, each as `X,Y;X,Y;...` in fractions of the picture.
    pub masks: Vec<String>,
    /// The frames that led to it; null when they were not noted.
    pub lead: Option<RederivationLead>,
    /// Which stream the plugin watched. An export has the main stream.
    #[schema(value_type = VideoRoleName)]
    pub role: watchbook_base::TrackRole,
    /// It saw key frames alone.
    pub keys_only: bool,
    /// Where the clip is expected, beside the file.
    pub clip: String,
    /// Start of the interval to export; the clip's own start is the first number of `Watchbook-Delivered-Utc-Ms`, which belongs here.
    pub clip_start_utc_ms: i64,
    /// End of the interval to export.
    pub clip_end_utc_ms: i64,
}
