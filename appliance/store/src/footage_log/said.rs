//! What goes into the log: of each run a statement that is hashed, of a recording a leaf.

use crate::format::{Commit, Run};
use watchbook_base::SyncState;
use watchbook_evidence::record::Record;
use watchbook_evidence::run::{ClockState, Run as Statement};
use watchbook_evidence::{Frontier, hex};

/// What is said of a run.
pub(crate) fn statement(commit: &Commit, run: &Run) -> Statement {
    Statement {
        clock: match commit.sync {
            SyncState::Unknown => ClockState::Unknown,
            SyncState::Synchronised => ClockState::Synchronised,
            SyncState::Unsynchronised => ClockState::Free,
        },
        stream: run.stream.to_u32(),
        recording: run.recording.0,
        first_dts: run.first_dts.0,
        length: run.length_ticks,
        first_utc_ns: run.first_utc.0,
        samples: run.sample_count,
        sha256: run.sha256,
    }
}

/// The body of the leaf of one recording.
pub(super) fn body(place: (u32, u64), runs: &Frontier) -> Vec<u8> {
    let (stream, recording) = place;
    let root = runs.root();
    let runs = u32::try_from(root.size).unwrap_or(u32::MAX);
    Record::Segment { recording, root: hex(&root.hash), runs, stream }.body()
}
