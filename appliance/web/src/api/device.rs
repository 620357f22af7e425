//! Cameras that are not added yet: who is on the network, and what one says about itself over ONVIF.

use super::{Secret, TestProblem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A camera that answered on the network.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FoundDevice {
    /// Address of its ONVIF service: what an inspection takes.
    pub url: String,
    /// The network address that it answered from.
    pub address: String,
    /// Its name for itself; may be empty. Anybody on the network may write anything here.
    pub name: String,
    /// Its model; may be empty.
    pub hardware: String,
    /// Number of the camera of this station whose stream comes from that address.
    pub camera: Option<u32>,
}

/// Who answered, by address.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FoundDeviceList {
    /// At most 256.
    pub devices: Vec<FoundDevice>,
}

/// Asks a camera about itself.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    /// Its address in digits or by name, with a port when it is not 80; or that of its ONVIF service.
    pub url: String,
    /// For the camera.
    #[serde(default)]
    pub username: Option<String>,
    /// For the camera; not stored. It is never sent itself, only a digest of it.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<Secret>,
    /// SHA-256 of the certificate to trust at an `https` address; not stored.
    #[serde(default)]
    pub certificate_sha256: Option<String>,
}

/// What a camera said, or why it said nothing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeviceReport {
    /// What it is.
    pub device: Option<Device>,
    /// What went wrong.
    pub problem: Option<TestProblem>,
}

/// A camera in its own words.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Device {
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Its serial number.
    pub serial: String,
    /// Hardware addresses of its network interfaces.
    pub macs: Vec<String>,
    /// Its clock minus ours in ms, good to a second.
    pub clock_offset_ms: Option<i64>,
    /// Address of its ONVIF service, to be kept in the camera's settings.
    pub url: String,
    /// It tells what it notices.
    pub events: bool,
    /// It can be turned and zoomed.
    pub ptz: bool,
    /// It has the service that takes masks.
    pub masks: bool,
    /// Its streams, in its own order: at most 16.
    pub profiles: Vec<DeviceProfile>,
    /// Token of the profile to record.
    pub main: Option<String>,
    /// Token of the profile for small tiles and analysis.
    pub sub: Option<String>,
}

/// How the pictures of a profile are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEncoding {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// Motion JPEG.
    Jpeg,
    /// Anything else.
    Other,
}

/// One stream that a camera offers.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeviceProfile {
    /// The camera's own word for it.
    pub token: String,
    /// Its name on the camera.
    pub name: String,
    /// How it is coded.
    pub encoding: DeviceEncoding,
    /// Picture width in pixels; 0: not told.
    pub width: u32,
    /// Picture height in pixels; 0: not told.
    pub height: u32,
    /// Most pictures a second; 0: not told.
    pub fps: u32,
    /// Most kilobits a second; 0: not told.
    pub bitrate_kbps: u32,
    /// Pictures from a key frame to the next; 0: not told.
    pub gop: u32,
    /// Address of its stream, as the camera gave it but for its host and a user name. Some cameras write the password into it: it is shown to the
    /// administrator who gave it to the camera, and is a secret once it is stored.
    pub url: String,
}
