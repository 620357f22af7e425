//! Cameras: settings, states, tests.

use super::{DeviceSettings, DeviceState, GapReasonName, Secret};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use watchbook_base::{CameraId, GapReason, Importance};

/// How media travels from the camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Interleaved in the RTSP connection: passes firewalls, never loses a packet silently.
    #[default]
    Tcp,
    /// RTP over UDP.
    Udp,
}

/// Address of one stream of a camera.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamAddress {
    /// `rtsp://host/path`, or `http://host/path` of a JPEG stream or snapshot; `rtsps` and `https` are encrypted. Null in answers to accounts that are not admin. A user name and password before the host are split off. A password in
    /// the path or query, as in `?passwd=x`, is `•••` in answers; where a request has `•••`, the value that is stored for the same host and port
    /// stays.
    pub url: Option<String>,
    /// How media travels, over RTSP.
    #[serde(default)]
    pub transport: Transport,
    /// How often an `http` address that gives one picture for each request is asked, in ms: 200 to 5,000; by default 1,000.
    #[serde(default)]
    pub interval_ms: Option<u32>,
}

impl core::fmt::Debug for StreamAddress {
    /// Without the address: it may hold a password in any of its parts.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StreamAddress").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// Names of [`Importance`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Importance)]
pub enum ImportanceName {
    /// Dropped first when the disk is too slow.
    Low,
    /// As most cameras.
    Normal,
    /// Dropped last.
    High,
}

/// A place in the picture, as fractions of its width and height.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// 0 (left) to 1 (right).
    pub x: f32,
    /// 0 (top) to 1 (bottom).
    pub y: f32,
}

/// A named polygon that a plugin looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// At most 64 bytes, unique within the camera and plugin.
    pub name: String,
    /// 3 to 32 corners.
    pub outline: Vec<Point>,
}

/// A plugin that is bound to a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginBinding {
    /// Id from the plugin's manifest.
    pub plugin: String,
    /// Whether it gets frames.
    pub enabled: bool,
    /// Settings as the plugin's `settings_schema` says; what is left out has its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Where it looks; empty means the whole picture.
    #[serde(default)]
    pub zones: Vec<Zone>,
}

/// What `PUT /cameras/{camera}/plugins/{plugin}` takes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginBindingRequest {
    /// Whether it gets frames.
    pub enabled: bool,
    /// Settings as the plugin's `settings_schema` says.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Where it looks; empty means the whole picture.
    #[serde(default)]
    pub zones: Vec<Zone>,
}

/// How a stream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamStatus {
    /// Being opened.
    Connecting,
    /// Samples arrive and are recorded.
    Live,
    /// No samples; `reason` says why. It is tried again.
    Lost,
    /// Switched off.
    Disabled,
}

/// One stream's state.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StreamState {
    /// How it is doing.
    pub status: StreamStatus,
    /// Since when.
    pub since_utc_ms: i64,
    /// Why it is lost.
    #[schema(value_type = Option<GapReasonName>)]
    pub reason: Option<GapReason>,
    /// A plain sentence about it.
    pub detail: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// RFC 6381 codec string, as in `avc1.64001F`.
    pub codec: Option<String>,
    /// Picture width in pixels.
    pub width: Option<u32>,
    /// Picture height in pixels.
    pub height: Option<u32>,
    /// Pictures a second, measured.
    pub fps: Option<f32>,
    /// Bits a second, measured.
    pub bitrate_bps: Option<u64>,
    /// Packets lost between camera and recorder since the stream was opened.
    pub lost_packets: u64,
    /// Pictures that came damaged and were left out since the stream was opened.
    pub damaged_access_units: u64,
    /// The camera's clock minus ours, where the camera tells its time.
    pub media_utc_offset_ms: Option<i64>,
    /// How much faster the camera's media clock runs than ours, in parts per million; after a few minutes.
    pub drift_ppm: Option<f32>,
    /// Pictures of the last whole GOP.
    pub gop_pictures: Option<u32>,
    /// From a key frame to the next, in ms.
    pub key_interval_ms: Option<u32>,
    /// Age of the newest key frame in ms, when the state was last told.
    pub key_age_ms: Option<u32>,
    /// Sessions that were opened since the camera was configured.
    pub sessions: u64,
    /// The newest gap that has ended, since the camera was configured.
    pub last_gap: Option<LastGap>,
    /// Who encodes it; null for what is stored as the camera gives it.
    pub encoder: Option<StreamEncoder>,
}

/// Who encodes a stream that its camera gives uncompressed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StreamEncoder {
    /// libavcodec's name of it, as in `libx264`.
    pub name: String,
    /// What it costs: seconds of processor time for a minute of the stream.
    pub cpu_s_per_min: f32,
}

/// A stretch without pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastGap {
    /// When it was noticed that pictures had stopped, some seconds after the last of them.
    pub start_utc_ms: i64,
    /// When they were back.
    pub end_utc_ms: i64,
    /// Why.
    #[schema(value_type = GapReasonName)]
    pub reason: GapReason,
}

impl StreamState {
    /// A state with nothing known but its status.
    #[must_use]
    pub fn bare(status: StreamStatus, since_utc_ms: i64) -> Self {
        Self {
            status,
            since_utc_ms,
            reason: None,
            detail: None,
            next_step: None,
            codec: None,
            width: None,
            height: None,
            fps: None,
            bitrate_bps: None,
            lost_packets: 0,
            damaged_access_units: 0,
            media_utc_offset_ms: None,
            drift_ppm: None,
            gop_pictures: None,
            key_interval_ms: None,
            key_age_ms: None,
            sessions: 0,
            last_gap: None,
            encoder: None,
        }
    }
}

/// States of a camera's streams.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CameraStates {
    /// Of the main stream.
    pub main: StreamState,
    /// Of the sub stream, when there is one.
    pub sub: Option<StreamState>,
    /// What keeps the camera from seeing although pictures come.
    pub sight: Option<Sight>,
}

/// What is wrong with pictures that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SightKind {
    /// The same picture again and again.
    Frozen,
    /// Dark or flat: no detail. Covered, or in the dark.
    Covered,
}

/// A camera that does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sight {
    /// What is wrong.
    pub kind: SightKind,
    /// Since when, good to a minute.
    pub since_utc_ms: i64,
}

/// One camera as everybody who is signed in sees it; addresses and the user name are for admins only.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Camera {
    /// Number; never given to another camera.
    #[schema(value_type = u32)]
    pub id: CameraId,
    /// For people.
    pub name: String,
    /// Full resolution: recorded and exported.
    pub main: StreamAddress,
    /// Low resolution: small tiles and plugins.
    pub sub: Option<StreamAddress>,
    /// Null in answers to accounts that are not admin.
    pub username: Option<String>,
    /// True when a password is stored. The password itself cannot be read back.
    pub has_password: bool,
    /// Sound is recorded too.
    pub record_audio: bool,
    /// What the sound is recorded for; empty where none is.
    pub audio_purpose: String,
    /// What the camera is there for; empty when nobody said. It stands in the public report.
    pub purpose: String,
    /// Who answers for it, such as an office with its telephone number; empty when nobody said. It stands on the camera's sign.
    pub contact: String,
    /// When somebody last said that it is needed: when it was added, or at its last review. Null: nobody ever did.
    pub reviewed_utc_ms: Option<i64>,
    /// When somebody must look again whether it is: a year later. Null: now.
    pub review_due_utc_ms: Option<i64>,
    /// SHA-256 of the certificate that an admin trusts for `rtsps` and `https` addresses, as `AB:CD:…`; null: one that an authority vouches for.
    pub certificate_sha256: Option<String>,
    /// It is captured.
    pub enabled: bool,
    /// Polygons that plugins never see.
    pub masks: Vec<Vec<Point>>,
    /// Footage is unreadable within an hour after this many days. It is gone earlier where the disk needs the room for newer footage.
    pub retention_days_max: u32,
    /// Whose pictures are dropped first when the disk is too slow.
    #[schema(value_type = ImportanceName)]
    pub importance: Importance,
    /// Bound plugins.
    pub plugins: Vec<PluginBinding>,
    /// What is wanted of it over ONVIF. Null in answers to accounts that are not admin.
    pub device: Option<DeviceSettings>,
    /// How its streams are doing.
    pub state: CameraStates,
    /// How it is doing beside them, when something is wanted of it over ONVIF.
    pub device_state: Option<DeviceState>,
}

/// Answer of the list of cameras.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CameraList {
    /// In order of their number; only those that the account may see.
    pub cameras: Vec<Camera>,
}

/// What makes a camera; everything but its name and main stream has a default.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraRequest {
    /// 1 to 128 bytes.
    pub name: String,
    /// Main stream.
    pub main: StreamAddress,
    /// Sub stream.
    #[serde(default)]
    pub sub: Option<StreamAddress>,
    /// For the camera.
    #[serde(default)]
    pub username: Option<String>,
    /// For the camera; write-only.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<Secret>,
    /// Default false. With true, `audio_purpose` must say what for.
    #[serde(default)]
    pub record_audio: bool,
    /// What the sound is recorded for: at most 256 bytes. It stands in the audit log.
    #[serde(default)]
    pub audio_purpose: String,
    /// What the camera is there for: at most 256 bytes, and not empty unless the camera is switched off. It stands in the audit log and in the public report.
    #[serde(default)]
    pub purpose: String,
    /// Who answers for it, such as an office with its telephone number: at most 256 bytes, and not empty unless the camera is switched off. It stands on the camera's sign.
    #[serde(default)]
    pub contact: String,
    /// SHA-256 of the certificate to trust for `rtsps` and `https` addresses: 64 hexadecimal digits, with or without colons.
    #[serde(default)]
    pub certificate_sha256: Option<String>,
    /// Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// At most 16 polygons of 3 to 32 corners.
    #[serde(default)]
    pub masks: Vec<Vec<Point>>,
    /// From 1 to what the station's policy allows; what the policy says when left out. Older footage is made unreadable within an hour.
    #[serde(default)]
    pub retention_days_max: Option<u32>,
    /// Default normal.
    #[serde(default)]
    #[schema(value_type = Option<ImportanceName>)]
    pub importance: Importance,
    /// What is wanted of it over ONVIF.
    #[serde(default)]
    pub device: Option<DeviceSettings>,
}

fn yes() -> bool {
    true
}

/// Somebody has looked whether a camera is still needed, and it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraReview {
    /// Why it is: 1 to 256 bytes. It stands in the audit log.
    pub note: String,
}

/// Changes of a camera: what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraPatch {
    /// 1 to 128 bytes.
    pub name: Option<String>,
    /// Main stream. Another host or port drops the stored password, unless this request brings one.
    pub main: Option<StreamAddress>,
    /// Sub stream; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<StreamAddress>)]
    pub sub: Option<Option<StreamAddress>>,
    /// Null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub username: Option<Option<String>>,
    /// Null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<Option<Secret>>,
    /// Sound is recorded too; true needs a purpose, in this request or stored.
    pub record_audio: Option<bool>,
    /// What the sound is recorded for: at most 256 bytes. It stands in the audit log.
    pub audio_purpose: Option<String>,
    /// What the camera is there for: 1 to 256 bytes. It stands in the audit log and in the public report.
    pub purpose: Option<String>,
    /// Who answers for it: 1 to 256 bytes. It stands on the camera's sign.
    pub contact: Option<String>,
    /// SHA-256 of the certificate to trust for `rtsps` and `https` addresses; null trusts none. Another host or port drops the stored one, unless this request brings one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub certificate_sha256: Option<Option<String>>,
    /// It is captured.
    pub enabled: Option<bool>,
    /// At most 16 polygons of 3 to 32 corners.
    pub masks: Option<Vec<Vec<Point>>>,
    /// From 1 to what the station's policy allows. A smaller number erases what is older within an hour, for good.
    pub retention_days_max: Option<u32>,
    /// Whose pictures are dropped first when the disk is too slow.
    #[schema(value_type = Option<ImportanceName>)]
    pub importance: Option<Importance>,
    /// What is wanted of it over ONVIF; null: nothing any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DeviceSettings>)]
    pub device: Option<Option<DeviceSettings>>,
}

/// Tells "null" from "left out".
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

/// A try of a camera that need not exist yet.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraTest {
    /// Number of the stored camera whose user name and password are used where none are given; they go only to the host and port they were
    /// stored for.
    #[serde(default)]
    pub camera: Option<u32>,
    /// Main stream.
    pub main: StreamAddress,
    /// Sub stream.
    #[serde(default)]
    pub sub: Option<StreamAddress>,
    /// For the camera.
    #[serde(default)]
    pub username: Option<String>,
    /// For the camera; not stored.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<Secret>,
    /// SHA-256 of the certificate to trust for `rtsps` and `https` addresses; not stored.
    #[serde(default)]
    pub certificate_sha256: Option<String>,
    /// Asks for one picture of the main stream, to tell cameras apart before they are added. Refused for an address that is recorded already; the audit log says that
    /// a picture was asked for.
    #[serde(default)]
    pub picture: bool,
}

/// What was found at an address.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FoundStream {
    /// RFC 6381 codec string.
    pub codec: String,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// It offers sound.
    pub has_audio: bool,
    /// It gives one picture for each request and would be asked every so many ms; null for moving pictures.
    pub interval_ms: Option<u32>,
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TestProblem {
    /// In one word.
    #[schema(value_type = GapReasonName)]
    pub reason: GapReason,
    /// In one sentence.
    pub detail: String,
    /// What to do about it.
    pub next_step: String,
    /// SHA-256 of the certificate that the camera showed, where that is not trusted: compare it with the camera's own page before you trust it.
    pub certificate_sha256: Option<String>,
}

/// How a try went.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CameraTestReport {
    /// Every stream that was asked for answered with usable video.
    pub ok: bool,
    /// Main stream.
    pub main: Option<FoundStream>,
    /// Sub stream.
    pub sub: Option<FoundStream>,
    /// What went wrong.
    pub problem: Option<TestProblem>,
    /// One picture of the main stream, where it was asked for and came within 5 s.
    pub picture: Option<StillPicture>,
}

/// One picture that a camera gave while it was tried. It is not stored.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StillPicture {
    /// RFC 6381 type of the fragmented MP4, as in `video/mp4; codecs="avc1.64001F"`.
    pub mime: String,
    /// Initialization segment and one fragment, in base 64.
    pub mp4_base64: String,
}

impl core::fmt::Debug for StillPicture {
    /// Without the picture: what is printed of an answer shows nobody.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StillPicture").field("mime", &self.mime).finish_non_exhaustive()
    }
}

/// One look at a camera's clock.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ClockReading {
    /// When, by our clock.
    pub at_utc_ms: i64,
    /// The camera's clock minus ours, from its sender reports; network delay included.
    pub offset_ms: i64,
    /// How much faster its media clock runs than ours, in parts per million; null until that is known.
    pub drift_ppm: Option<f32>,
    /// The camera's clock, or ours, was set since the look before, by a second or more.
    pub step: bool,
}

/// Answer of the list of looks at a camera's clock.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ClockList {
    /// Newest first; one an hour and one for each step, for 30 days. Empty for a camera that does not tell its time.
    pub readings: Vec<ClockReading>,
}
