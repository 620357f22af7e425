//! Small pictures of recorded footage.

use crate::error::Error;
use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::UtcNanos;
use watchbook_media::TrackFormat;

/// A key frame as it is stored, and how large its picture shall be. Whoever has one was let in by the gate.
#[derive(Clone, Debug)]
pub struct KeyFrame {
    /// How it is coded.
    pub format: Arc<TrackFormat>,
    /// UTC of presentation.
    pub utc: UtcNanos,
    /// One access unit.
    pub data: Bytes,
    /// Pixels across; the height follows from the format.
    pub width_px: u32,
}

/// What makes them. Coded bytes come from cameras: they are decoded behind a wall, never in this process.
pub trait Thumbnails: Send + Sync {
    /// The picture as a JPEG; at most 10 s.
    ///
    /// # Errors
    /// `Corrupt` for what cannot be decoded, `Timeout` or `Unavailable` when the decoder does not answer or ends.
    fn make(&self, frame: &KeyFrame) -> Result<Bytes, Error>;
}
