//! What following a camera needs, and what it tells.

use crate::failure::Failure;
use crate::networks::Networks;
use crate::onvif::events::DeviceEvent;
use crate::onvif::link::Identity;
use crate::onvif::masks::Corner;
use crate::onvif::{Access, DeviceUrl};
use watchbook_base::{CameraId, UtcNanos};

/// What following a camera needs. Two equal ones need no new connection.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceConfig {
    /// Which camera.
    pub camera: CameraId,
    /// Its device service.
    pub address: DeviceUrl,
    /// For the camera.
    pub access: Access,
    /// Where cameras may be.
    pub networks: Networks,
    /// Take what it notices.
    pub events: bool,
    /// Set its clock when it is off.
    pub set_clock: bool,
    /// Masks that it must have. `None`: they are not looked at, and those that the recorder made are taken away.
    pub masks: Option<Vec<Vec<Corner>>>,
}

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStatus {
    /// Being made, for the first time.
    Connecting,
    /// The camera answers.
    Connected,
    /// It does not; it is tried again.
    Lost,
}

/// What came of a camera's events, since it was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Events that were taken.
    pub taken: u64,
    /// Events that were too many in their minute.
    pub dropped: u64,
    /// Notifications about what is of no use here.
    pub other: u64,
}

/// How the masks in the camera are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MaskState {
    /// They are not looked at, or have not been yet.
    #[default]
    Unknown,
    /// The camera had all of them when it was asked last.
    Kept,
    /// It had not, or cannot have them: a sentence.
    Missing(String),
}

/// How a camera that is followed is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceState {
    /// How the connection is.
    pub status: DeviceStatus,
    /// Since when.
    pub since: UtcNanos,
    /// Why it is lost, or gives no events.
    pub failure: Option<Failure>,
    /// It can be turned.
    pub ptz: bool,
    /// The camera's clock minus ours in ms, good to a second.
    pub clock_offset_ms: Option<i64>,
    /// Why its clock cannot be set, where that is wanted.
    pub clock_problem: Option<String>,
    /// Its events, while they are taken.
    pub events: Option<EventCounts>,
    /// Its masks.
    pub masks: MaskState,
}

/// Who hears of it. The methods may block for a disk; they are called on threads that may.
pub trait DeviceSink: Send + Sync {
    /// The camera says what it is. False: it is another one than it was, and is left alone until somebody accepts it.
    fn identified(&self, camera: CameraId, identity: &Identity) -> bool;
    /// It noticed something.
    fn event(&self, event: DeviceEvent);
    /// It is doing otherwise than before.
    fn state(&self, camera: CameraId, state: DeviceState);
    /// Its clock is off by so much: may it be set? Whoever says so has written it down.
    fn may_set_clock(&self, camera: CameraId, offset_ms: i64) -> bool;
    /// Tokens of the masks that were made in it.
    fn mask_tokens(&self, camera: CameraId) -> Vec<String>;
    /// These are made in it now.
    fn set_mask_tokens(&self, camera: CameraId, tokens: &[String]);
}
