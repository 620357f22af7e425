//! Cameras that are plugged into this machine.

use super::TestProblem;
use serde::Serialize;
use utoipa::ToSchema;

/// A camera of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LocalCamera {
    /// Address of its stream, without a choice of format: `v4l2:` and who it is, wherever its node is today.
    pub url: String,
    /// Its name for itself. A camera may write anything here.
    pub name: String,
    /// Where it is plugged in, as its driver says it.
    pub bus: String,
    /// Its node today: `/dev/video0`.
    pub node: String,
    /// Best first.
    pub formats: Vec<LocalFormat>,
    /// What can be set on it.
    pub controls: Vec<LocalControl>,
    /// Why it cannot be recorded as it is.
    pub problem: Option<TestProblem>,
    /// Number of the camera of this station that records it.
    pub camera: Option<u32>,
}

/// The cameras of this machine, by node.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LocalCameraList {
    /// At most 256.
    pub cameras: Vec<LocalCamera>,
}

/// How a device codes its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LocalCoding {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// One JPEG a picture.
    Jpeg,
    /// Uncompressed.
    Raw,
    /// Anything else.
    Other,
}

/// A format of a device.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LocalFormat {
    /// Four letters: what stands behind `format=` in the address of a stream.
    pub letters: String,
    /// What that is.
    pub coding: LocalCoding,
    /// It can be recorded.
    pub recordable: bool,
    /// It is encoded as H.264 first, which costs processor time.
    pub encoded: bool,
    /// Largest first, at most 64.
    pub sizes: Vec<LocalSize>,
}

/// A size of the pictures.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LocalSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures a second, most first.
    pub fps: Vec<u32>,
}

/// Something that can be set on a device, in the device's own units.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LocalControl {
    /// The driver's word for it.
    pub name: String,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// Value at the start.
    pub default: i64,
}
