//! What is said of a run of samples before it goes into the log, and the leaf that says it for about a minute of runs.
//!
//! ```text
//! run := version:u8 = 1  clock:u8  stream:u32  recording:u64  first_dts:i64  length:u32  first_utc:i64  samples:u32  sha256:32      (little-endian, 70 bytes)
//! ```
//! The fields are those of the ring's run directory (`appliance/store/FORMAT.md`); `sha256` is over sample table and plain samples. A segment leaf has the RFC 6962
//! root over the runs of one recording in one segment, so that a part of them can be handed out with the hashes of the others.

use crate::merkle::{Hash, leaf_hash};
use serde::{Deserialize, Serialize};

/// Bytes of a run's statement.
pub const RUN_BYTES: usize = 70;
const VERSION: u8 = 1;

/// Whether the recorder's clock was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockState {
    /// 0: nobody knows.
    Unknown,
    /// 1: disciplined by a time server.
    Synchronised,
    /// 2: on its own.
    Free,
}

/// What is said of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// State of the clock when the run was committed.
    pub clock: ClockState,
    /// Camera × 256 + role.
    pub stream: u32,
    /// Unbroken sequence that it belongs to.
    pub recording: u64,
    /// Decode time of the first sample in ticks of 1/90,000 s.
    pub first_dts: i64,
    /// From there to the end of the last sample, in ticks.
    pub length: u32,
    /// UTC of `first_dts`, in nanoseconds since 1970.
    pub first_utc_ns: i64,
    /// Number of samples.
    pub samples: u32,
    /// Over sample table ‖ samples.
    pub sha256: Hash,
}

impl Run {
    /// The bytes that are hashed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let clock = match self.clock {
            ClockState::Unknown => 0,
            ClockState::Synchronised => 1,
            ClockState::Free => 2,
        };
        let mut bytes = Vec::with_capacity(RUN_BYTES);
        bytes.extend([VERSION, clock]);
        bytes.extend(self.stream.to_le_bytes());
        bytes.extend(self.recording.to_le_bytes());
        bytes.extend(self.first_dts.to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.first_utc_ns.to_le_bytes());
        bytes.extend(self.samples.to_le_bytes());
        bytes.extend(self.sha256);
        bytes
    }

    /// Its leaf hash in the tree of its segment leaf.
    #[must_use]
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }

    /// UTC at which it ends, in nanoseconds since 1970, rounded down.
    #[must_use]
    pub fn end_utc_ns(&self) -> i128 {
        i128::from(self.first_utc_ns) + i128::from(self.length) * 100_000 / 9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_as_drawn() {
        let run = Run {
            clock: ClockState::Free,
            stream: 0x0102,
            recording: 7,
            first_dts: -1,
            length: 90_000,
            first_utc_ns: 1_000_000_000,
            samples: 25,
            sha256: [9; 32],
        };
        let mut want = vec![1, 2, 2, 1, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        want.extend([0xFF; 8]);
        want.extend([0x90, 0x5F, 1, 0]);
        want.extend([0, 0xCA, 0x9A, 0x3B, 0, 0, 0, 0]);
        want.extend([25, 0, 0, 0]);
        want.extend([9; 32]);
        assert_eq!(run.encode(), want);
        assert_eq!(want.len(), RUN_BYTES);
        assert_eq!(run.end_utc_ns(), 2_000_000_000);
    }
}
