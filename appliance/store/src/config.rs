//! What a ring can be told.

use crate::error::{Error, Result};
use crate::format::{BLOCK_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use serde::Deserialize;
use std::path::PathBuf;

/// Segments below which a ring makes no sense: one being written, one being reused, two to read.
pub const SLOTS_MIN: u64 = 4;
/// Most slots: their generations are kept in memory (8 B each) and read at start-up.
pub const SLOTS_MAX: u64 = 1 << 20;
/// Default segment size of rings of 64 GiB and more. A span (a minute) should not be cut by segment ends: at 64 streams of 4 Mbit/s 1 GiB is 32 s.
pub const SEGMENT_BYTES_DEFAULT_MAX: u64 = 1 << 30;
/// What may wait in memory for the disk: 8 s of 64 streams of 4 Mbit/s, 2.5 s of 200.
pub const PENDING_BYTES_MAX: u64 = 256 << 20;

/// One ring on one disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its directory. It belongs to the ring alone.
    pub dir: PathBuf,
    /// All segments together; preallocated.
    pub capacity_bytes: u64,
    /// One segment; fixed when the ring is made. `None`: 1/64 of the capacity, 4 MiB to 1 GiB.
    #[serde(default)]
    pub segment_bytes: Option<u64>,
    /// Time between commits: what a power cut may take.
    #[serde(default = "default_commit_interval_ms")]
    pub commit_interval_ms: u64,
    /// What may wait in memory for the disk.
    #[serde(default = "default_pending_bytes_max")]
    pub pending_bytes_max: u64,
}

fn default_commit_interval_ms() -> u64 {
    500
}

fn default_pending_bytes_max() -> u64 {
    PENDING_BYTES_MAX
}

impl Config {
    /// A ring with default settings.
    pub fn new(dir: impl Into<PathBuf>, capacity_bytes: u64) -> Self {
        Self {
            dir: dir.into(),
            capacity_bytes,
            segment_bytes: None,
            commit_interval_ms: default_commit_interval_ms(),
            pending_bytes_max: PENDING_BYTES_MAX,
        }
    }

    /// Size of a segment if the ring is made now.
    ///
    /// # Errors
    /// `InvalidInput` with the field and what is allowed.
    pub fn new_segment_bytes(&self) -> Result<u64> {
        let default = (self.capacity_bytes / 64).checked_next_power_of_two().unwrap_or(SEGMENT_BYTES_MAX) / 2;
        let bytes = self.segment_bytes.unwrap_or(default.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_DEFAULT_MAX));
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) || !bytes.is_multiple_of(BLOCK_BYTES) {
            return Err(Error::invalid(format!(
                "segment_bytes is {bytes}; a multiple of {BLOCK_BYTES} from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} is allowed"
            )));
        }
        self.slots(bytes)?;
        Ok(bytes)
    }

    /// How many segments of this size the capacity holds.
    ///
    /// # Errors
    /// `InvalidInput` when they are too few or too many.
    pub fn slots(&self, segment_bytes: u64) -> Result<u32> {
        let slots = self.capacity_bytes.checked_div(segment_bytes).unwrap_or(0);
        if !(SLOTS_MIN..=SLOTS_MAX).contains(&slots) {
            return Err(Error::invalid(format!(
                "capacity_bytes is {}, which makes {slots} segments of {segment_bytes} bytes; {SLOTS_MIN} to {SLOTS_MAX} are allowed",
                self.capacity_bytes
            )));
        }
        Ok(u32::try_from(slots).unwrap_or(u32::MAX))
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// `InvalidInput` with the field and what is allowed.
    pub fn check(&self) -> Result<()> {
        if !(10..=5000).contains(&self.commit_interval_ms) {
            return Err(Error::invalid(format!(
                "commit_interval_ms is {}; 10 to 5000 is allowed",
                self.commit_interval_ms
            )));
        }
        if self.pending_bytes_max < 1 << 20 {
            return Err(Error::invalid(format!(
                "pending_bytes_max is {}; 1 MiB at least is needed",
                self.pending_bytes_max
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_sizes_follow_the_capacity() {
        let size = |capacity: u64| Config::new("/r", capacity).new_segment_bytes().unwrap();
        assert_eq!(size(16 << 20), 4 << 20);
        assert_eq!(size(16 << 30), 128 << 20);
        assert_eq!(size(1 << 40), 1 << 30);
        assert_eq!(Config::new("/r", 8 << 40).slots(1 << 30).unwrap(), 8192);
        assert!(Config::new("/r", 15 << 20).new_segment_bytes().is_err(), "three segments are too few");
        let odd = Config { segment_bytes: Some((4 << 20) + 1), ..Config::new("/r", 1 << 30) };
        assert!(odd.new_segment_bytes().is_err());
        assert!(Config { commit_interval_ms: 0, ..odd }.check().is_err());
    }
}
