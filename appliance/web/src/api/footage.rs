//! What is recorded, and what happened.

use super::{DamageKind, Erasure, HoldState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_base::{CameraId, GapReason};

/// Names of [`GapReason`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GapReason)]
pub enum GapReasonName {
    /// The camera cannot be reached, or closed the connection.
    CameraGone,
    /// The camera is connected but sends nothing.
    CameraSilent,
    /// The camera refuses the user name or password.
    CameraDenied,
    /// The camera sends what cannot be stored.
    StreamUnusable,
    /// The recorder could not keep up.
    Overload,
    /// The recorder was stopped or crashed.
    Restart,
    /// The system clock or the camera's was stepped.
    ClockStep,
    /// The stream's format changed.
    FormatChange,
    /// A disk failed or went missing.
    Disk,
    /// Somebody switched the camera off or changed its address.
    Configuration,
    /// Packets were lost between the camera and the recorder.
    PacketLoss,
    /// The camera's certificate is not the trusted one.
    CameraUntrusted,
    /// The camera lost a mask that it must have, and is not to be recorded without.
    MaskMissing,
}

/// The roles that carry pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = VideoRole)]
pub enum VideoRoleName {
    /// Full resolution.
    MainVideo,
    /// Low resolution.
    SubVideo,
}

/// An unbroken stretch of footage in one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Span {
    /// Start of its first sample.
    pub start_utc_ms: i64,
    /// End of its last sample.
    pub end_utc_ms: i64,
    /// The recording it is part of.
    pub recording: String,
    /// RFC 6381 codec string.
    pub codec_string: String,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// Coded bytes.
    pub byte_count: u64,
}

/// An interval without footage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// End of the last sample before.
    pub start_utc_ms: i64,
    /// Start of the next one.
    pub end_utc_ms: i64,
    /// Why.
    #[schema(value_type = GapReasonName)]
    pub reason: GapReason,
}

/// A damaged run of samples: it was recorded, and its bytes are no longer what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DamagedInterval {
    /// Start of its first sample.
    pub start_utc_ms: i64,
    /// End of its last sample.
    pub end_utc_ms: i64,
    /// What is wrong with it.
    pub kind: DamageKind,
}

/// An interval whose pictures may be wrong: packets or pictures were lost between camera and recorder, and what follows a loss needs what was lost to be decoded, until the
/// next key frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImpairedInterval {
    /// The last sample before the loss.
    pub start_utc_ms: i64,
    /// The next key frame, or the end of the recording; the same as the start for a loss just before a recording.
    pub end_utc_ms: i64,
    /// Packets that were lost (of a camera without RTP: pictures), and access units that came damaged and were dropped; null when they were not counted.
    pub lost: Option<u64>,
}

/// An interval that is kept for a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldInterval {
    /// Number of the hold.
    pub hold: String,
    /// Number of the case.
    pub case: String,
    /// Its start.
    pub start_utc_ms: i64,
    /// Its end.
    pub end_utc_ms: i64,
    /// How the hold is doing.
    pub state: HoldState,
}

/// What is recorded of one stream in an interval.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RecordingList {
    /// In order of time; neighbours of one recording are joined.
    pub spans: Vec<Span>,
    /// In order of time.
    pub gaps: Vec<Gap>,
    /// Damaged parts of the spans, in order of time. All but those of kind `description` are left out of playback and export.
    pub damaged: Vec<DamagedInterval>,
    /// Parts of the spans whose pictures may be wrong because something was lost on its way, in order of time, at most 500. They are played and exported as they are.
    pub impaired: Vec<ImpairedInterval>,
    /// There are more, closer together, than `impaired` lists: neighbours are one interval that also covers what lies between them.
    pub impaired_merged: bool,
    /// Intervals that are kept for a case, in order of time.
    pub held: Vec<HeldInterval>,
    /// Hours that were erased at their maximum age, in order of time.
    pub erased: Vec<Erasure>,
    /// Start of the oldest footage of this stream.
    pub first_utc_ms: Option<i64>,
    /// End of the newest footage of this stream.
    pub last_utc_ms: Option<i64>,
    /// Days that the ring holds at the rate of the last day; null until that is known.
    pub ring_days_now: Option<f64>,
}

/// A rectangle, as fractions of the picture's width and height.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl From<watchbook_base::Area> for Area {
    fn from(area: watchbook_base::Area) -> Self {
        let part = |side: u16| f64::from(side) / 65_536.0;
        Self { x: part(area.x), y: part(area.y), w: part(area.w), h: part(area.h) }
    }
}

/// Something seen at one place of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Detection {
    /// As in `vehicle`.
    pub class: String,
    /// 0 to 1.
    pub score: f32,
    /// Where.
    pub area: Area,
    /// Same text = same object within this event.
    pub track: Option<String>,
}

/// Which plugin said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventSource {
    /// Id from its manifest; `camera` where the camera itself said so.
    pub plugin: String,
    /// Version from its manifest, or of the camera's firmware.
    pub version: String,
    /// SHA-256 of the component, lower-case hex.
    pub component_sha256: String,
    /// SHA-256 of the settings in force, lower-case hex.
    pub settings_sha256: String,
}

/// One event on one camera.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Event {
    /// Unique within the station.
    pub id: String,
    /// Where it happened.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// The plugin's word for it, as in `motion`.
    pub kind: String,
    /// 0 to 1.
    pub score: f32,
    /// When it began.
    pub start_utc_ms: i64,
    /// When it ended; null for a moment.
    pub end_utc_ms: Option<i64>,
    /// When it began by the camera's own clock, where the camera said so.
    pub camera_clock_ms: Option<i64>,
    /// Name of the zone it happened in.
    pub zone: Option<String>,
    /// What was seen where.
    pub detections: Vec<Detection>,
    /// Plain words from the plugin: show as text only.
    pub note: String,
    /// Who said so.
    pub source: EventSource,
}

impl Event {
    /// The shape for the event that the index knows as `id`.
    #[must_use]
    pub fn of(id: u64, event: watchbook_base::Event) -> Self {
        let detections = event.detections.into_iter().map(|found| Detection {
            class: found.class,
            score: found.score,
            area: found.area.into(),
            track: found.track.map(|track| track.to_string()),
        });
        Self {
            id: id.to_string(),
            camera: event.camera,
            kind: event.kind,
            score: event.score,
            start_utc_ms: event.start.as_ms(),
            end_utc_ms: event.end.map(watchbook_base::UtcNanos::as_ms),
            camera_clock_ms: event.camera_clock.map(watchbook_base::UtcNanos::as_ms),
            zone: event.zone,
            detections: detections.collect(),
            note: event.note,
            source: EventSource {
                plugin: event.source.plugin,
                version: event.source.version,
                component_sha256: event.source.component_sha256,
                settings_sha256: event.source.settings_sha256,
            },
        }
    }
}

/// Events of an interval.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EventList {
    /// Newest first.
    pub events: Vec<Event>,
    /// Give it back as `cursor` to go on; null at the end.
    pub next_cursor: Option<String>,
}
