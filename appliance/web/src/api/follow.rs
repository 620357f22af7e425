//! Cameras that are talked to over ONVIF beside their streams: what is wanted of them, how they are doing, and how they are turned.

use super::GapReasonName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_base::GapReason;

/// What becomes of the recording while the camera lacks a mask that it must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithoutMasks {
    /// It goes on, and an alarm says so.
    #[default]
    GoOn,
    /// The camera is not recorded, and an alarm says so.
    Stop,
}

/// What is wanted of a camera beside its streams.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceSettings {
    /// Address of its ONVIF service, as an inspection gives it: on the host of the main stream, because the camera's password goes along as a digest.
    pub url: String,
    /// Events that the camera notices by itself are kept.
    #[serde(default)]
    pub events: bool,
    /// Its clock is set when it is more than 2 s off.
    #[serde(default)]
    pub set_clock: bool,
    /// The camera's masks are set in the camera, too, and watched there: what is under them is in no picture.
    #[serde(default)]
    pub masks: bool,
    /// What becomes of the recording while they are not there.
    #[serde(default)]
    pub without_masks: WithoutMasks,
}

impl core::fmt::Debug for DeviceSettings {
    /// Without the address: it may hold a password in any of its parts.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DeviceSettings")
            .field("events", &self.events)
            .field("masks", &self.masks)
            .finish_non_exhaustive()
    }
}

/// How the connection to a camera's ONVIF service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStatus {
    /// Being made.
    Connecting,
    /// The camera answers.
    Connected,
    /// It does not, or is another one; it is tried again.
    Lost,
}

/// How a camera's masks are in the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceMasks {
    /// They are not looked at, or have not been yet.
    Unknown,
    /// All are there.
    Kept,
    /// Not all are there; `masks_problem` says more.
    Missing,
}

/// Events of a camera since it is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceEvents {
    /// That were kept.
    pub taken: u64,
    /// That were too many in their minute.
    pub dropped: u64,
    /// About what is of no use here.
    pub other: u64,
}

/// Another camera answers where this one was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OtherCamera {
    /// Names it: given back when it is accepted, so that what was looked at is what is accepted.
    pub found_id: String,
    /// How it differs, in a sentence.
    pub detail: String,
    /// Since when.
    pub since_utc_ms: i64,
}

/// How a camera is doing beside its streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceState {
    /// How the connection is.
    pub status: DeviceStatus,
    /// Since when.
    pub since_utc_ms: i64,
    /// Why it is lost, or gives no events.
    #[schema(value_type = Option<GapReasonName>)]
    pub reason: Option<GapReason>,
    /// The same as a sentence.
    pub detail: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// It can be turned.
    pub ptz: bool,
    /// Its clock minus ours in ms, good to a second.
    pub clock_offset_ms: Option<i64>,
    /// Why its clock is not set, where that is wanted.
    pub clock_problem: Option<String>,
    /// Its events, while they are taken.
    pub events: Option<DeviceEvents>,
    /// Its masks.
    pub masks: DeviceMasks,
    /// Why not all of them are there.
    pub masks_problem: Option<String>,
    /// What the camera known here is, such as its serial number; empty before its first contact.
    pub known: String,
    /// Another one answers; it is left alone until an admin accepts it.
    pub other: Option<OtherCamera>,
}

/// Takes the camera that answers where another one was.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceAcceptance {
    /// `found_id` of the other camera.
    pub found_id: String,
}

/// Where a camera looks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct PtzPosition {
    /// -1 to 1.
    pub pan: f64,
    /// -1 to 1.
    pub tilt: f64,
    /// 0 to 1.
    pub zoom: f64,
}

/// A place that a camera keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PtzPreset {
    /// The camera's own word for it.
    pub token: String,
    /// For people; may be empty.
    pub name: String,
}

/// Where a camera looks, and where it can be sent.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PtzView {
    /// Null when it does not tell.
    pub position: Option<PtzPosition>,
    /// At most 256, in the camera's order.
    pub presets: Vec<PtzPreset>,
}

/// What a camera is to do.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, tag = "act", rename_all = "snake_case")]
pub enum PtzRequest {
    /// Move until `timeout_ms` are over, another request comes, or the session ends; to go on, send it again before that.
    Move {
        /// -1 (left) to 1 (right) of its greatest speed.
        #[serde(default)]
        pan: f64,
        /// -1 (down) to 1 (up).
        #[serde(default)]
        tilt: f64,
        /// -1 (out) to 1 (in).
        #[serde(default)]
        zoom: f64,
        /// 100 to 5000.
        timeout_ms: u32,
    },
    /// Stop.
    Stop,
    /// Go to a place.
    GoTo {
        /// -1 to 1.
        pan: f64,
        /// -1 to 1.
        tilt: f64,
        /// 0 to 1.
        zoom: f64,
    },
    /// Go to a preset.
    GoToPreset {
        /// The camera's word for it.
        token: String,
    },
}

/// Keeps where the camera looks now.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PtzPresetRequest {
    /// For people; 1 to 64 bytes.
    pub name: String,
    /// The preset that is replaced; a new one when left out.
    #[serde(default)]
    pub token: Option<String>,
}
