//! What is wrong with parts of footage.

use crate::api;
use watchbook_base::{StreamId, TimeRange, UtcNanos};
use watchbook_media::Impaired;

/// A damaged run of samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Whose.
    pub stream: StreamId,
    /// From its first sample to the end of its last.
    pub range: TimeRange,
    /// What is wrong with it.
    pub kind: api::DamageKind,
    /// When it was found.
    pub found: UtcNanos,
}

/// What is impaired of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImpairedList {
    /// In order of time; no two of them touch.
    pub list: Vec<Impaired>,
    /// The intervals are longer than they need be, and what was lost in them was not counted: there was too much to look at closely.
    pub coarse: bool,
}
