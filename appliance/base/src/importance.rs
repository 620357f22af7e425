//! How much a camera's footage matters when not all of it can be kept.

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
