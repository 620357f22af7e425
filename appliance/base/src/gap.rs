//! Gaps: intervals without footage, each with its reason. A player, an export and the API show them.

use crate::{StreamId, TimeRange};
use serde::{Deserialize, Serialize};

/// Why footage is missing. The discriminants are stored on disk and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum GapReason {
    /// The camera cannot be reached, or closed the connection.
    CameraGone = 0,
    /// The camera is connected but sends nothing.
    CameraSilent = 1,
    /// The camera refuses the user name or password.
    CameraDenied = 2,
    /// The camera sends what cannot be stored: no parameter sets, no key frame, broken access units, an unknown codec.
    StreamUnusable = 3,
    /// The recorder could not keep up and dropped whole GOPs.
    Overload = 4,
    /// The recorder was stopped or crashed.
    Restart = 5,
    /// The system clock or the camera's was stepped; the footage goes on as a new recording.
    ClockStep = 6,
    /// The stream's format changed (another resolution, codec or parameter set); the footage goes on as a new recording.
    FormatChange = 7,
    /// A disk failed or went missing.
    Disk = 8,
    /// Somebody switched the camera off or changed its address.
    Configuration = 9,
    /// Packets were lost between the camera and the recorder.
    PacketLoss = 10,
    /// The camera does not prove to be the one that was meant: its certificate is another than the trusted one, or nobody vouches for it.
    CameraUntrusted = 11,
    /// The camera lost a mask that it must have, and is not to be recorded without.
    MaskMissing = 12,
}

impl GapReason {
    /// Every reason, in the order of the discriminants.
    pub const ALL: [Self; 13] = [
        Self::CameraGone,
        Self::CameraSilent,
        Self::CameraDenied,
        Self::StreamUnusable,
        Self::Overload,
        Self::Restart,
        Self::ClockStep,
        Self::FormatChange,
        Self::Disk,
        Self::Configuration,
        Self::PacketLoss,
        Self::CameraUntrusted,
        Self::MaskMissing,
    ];

    /// The reason with this stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One interval of one stream without footage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// The stream that has none.
    pub stream: StreamId,
    /// From the end of the last stored sample to the start of the next one; while the gap lasts, to now.
    pub range: TimeRange,
    /// Why.
    pub reason: GapReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_numbers_are_the_discriminants() {
        for (index, reason) in GapReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(GapReason::from_number(reason as u8), Some(reason));
        }
        assert_eq!(GapReason::from_number(GapReason::ALL.len() as u8), None);
    }
}
