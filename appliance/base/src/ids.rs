//! Identifiers. A camera is a small number that never changes or returns; its streams derive from it.

use core::fmt;
use serde::{Deserialize, Serialize};

/// One camera of the station: 1 to [`CameraId::MAX`]. A removed camera's number is never given to another one, because footage and audit
/// entries go on naming it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CameraId(u32);

impl CameraId {
    /// The largest number: the top 24 bits of a [`StreamId`] hold it.
    pub const MAX: u32 = 0x00FF_FFFF;

    /// `None` for 0 and for numbers over [`CameraId::MAX`].
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// The stream of this camera that plays `role`.
    #[must_use]
    pub fn stream(self, role: TrackRole) -> StreamId {
        StreamId { camera: self, role }
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a stream is to its camera. The discriminants are stored on disk and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum TrackRole {
    /// Full-resolution video: what is exported.
    MainVideo = 0,
    /// Low-resolution video: small tiles and analysis.
    SubVideo = 1,
    /// Sound that came with the main video.
    MainAudio = 2,
}

impl TrackRole {
    /// Every role, in the order of the discriminants.
    pub const ALL: [Self; 3] = [Self::MainVideo, Self::SubVideo, Self::MainAudio];

    /// The role with this stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u8 == number)
    }

    /// True for the roles that carry pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        matches!(self, Self::MainVideo | Self::SubVideo)
    }
}

/// One stored track: a camera and the role its pictures or sound play. 32 bits on disk: camera number × 256 + role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// Whose stream it is.
    pub camera: CameraId,
    /// What it is to that camera.
    pub role: TrackRole,
}

impl StreamId {
    /// The stored form.
    #[must_use]
    pub fn to_u32(self) -> u32 {
        self.camera.0 << 8 | u32::from(self.role as u8)
    }

    /// The stream with this stored form; `None` when the camera number or the role does not exist.
    #[must_use]
    pub fn from_u32(stored: u32) -> Option<Self> {
        let role = TrackRole::from_number((stored & 0xFF) as u8)?;
        Some(Self { camera: CameraId::new(stored >> 8)?, role })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            TrackRole::MainVideo => "main",
            TrackRole::SubVideo => "sub",
            TrackRole::MainAudio => "audio",
        };
        write!(f, "camera {} {role}", self.camera)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_ids_survive_storage_and_refuse_nonsense() {
        for number in [1, 77, CameraId::MAX] {
            for role in TrackRole::ALL {
                let stream = CameraId::new(number).unwrap().stream(role);
                assert_eq!(StreamId::from_u32(stream.to_u32()), Some(stream));
            }
        }
        assert_eq!(CameraId::new(0), None);
        assert_eq!(CameraId::new(CameraId::MAX + 1), None);
        assert_eq!(StreamId::from_u32(0), None, "camera 0");
        assert_eq!(StreamId::from_u32(0x0000_01FF), None, "unknown role");
    }
}
