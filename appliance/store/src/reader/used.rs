//! What a key was used for: the index says it, for a key may seal more than its hour, and samples carry the time of a clock that was wrong.

use super::Part;
use crate::catalog::span;
use crate::error::Result;
use crate::kv::Keys;
use std::collections::HashMap;
use watchbook_base::{CameraId, TimeRange, TrackRole};

impl Part {
    /// Widens `used`, by key, to all footage of `camera` here that one of these keys has sealed. False when the index does not know all of it yet.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(crate) fn widen_to_used(&self, camera: CameraId, used: &mut HashMap<u32, TimeRange>) -> Result<bool> {
        let was_whole = self.index.is_whole();
        let mut widen = |key_id: u32, range: TimeRange| {
            if let Some(used) = used.get_mut(&key_id) {
                *used = TimeRange { start: used.start.min(range.start), end: used.end.max(range.end) };
            }
        };
        for stream in TrackRole::ALL.map(|role| camera.stream(role)) {
            // Open spans first: one that closes meanwhile is then found in the index.
            self.live_spans(stream).iter().for_each(|span| widen(span.key_id(), span.summary().range()));
            let keys = Keys::prefix(&stream.to_u32().to_be_bytes());
            span::scan(&*self.kv, &keys, &mut |key, row| widen(row.key_id, span::range_of(&key, &row)))?;
        }
        Ok(was_whole && self.index.is_whole())
    }
}
