//! How much a camera's footage matters when not all of it can be kept.

use crate::TrackRole;
use serde::{Deserialize, Serialize};

/// Set by an admin for each camera. It decides whose footage is dropped first when the disk is too slow, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Dropped first.
    Low,
    /// What a camera has that nobody has said anything about.
    #[default]
    Normal,
    /// Dropped last.
    High,
}

impl Importance {
    /// The step of a stream, 0 (dropped first) to 3: a sub stream is one step below its main stream, which shows the same in full size.
    #[must_use]
    pub fn step(self, role: TrackRole) -> u8 {
        let main = match self {
            Self::Low => 1,
            Self::Normal => 2,
            Self::High => 3,
        };
        match role {
            TrackRole::SubVideo => main - 1,
            TrackRole::MainVideo | TrackRole::MainAudio => main,
        }
    }
}
