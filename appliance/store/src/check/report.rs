//! What a look over a ring has found.

use crate::format::DiskId;
use crate::register::Loss;
use crate::scan::Damage;
use watchbook_base::StreamId;

/// Findings listed one by one; the rest is counted.
pub(super) const LISTED_MAX: usize = 1000;

/// A run whose bytes are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRun {
    /// File number.
    pub slot: u32,
    /// Of the payload in the file.
    pub offset: u64,
    /// Commit.
    pub seq: u64,
    /// Whose samples.
    pub stream: StreamId,
    /// Of which recording.
    pub recording: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// Runs of a recording in a segment that are not what the audit log says of them. Bytes of samples that changed are told by [`BadRun`] alone; this is about which runs there are, and what is said of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLeaf {
    /// File number.
    pub slot: u32,
    /// Of the segment.
    pub generation: u64,
    /// Camera × 256 + role; 0 when the leaf cannot be read.
    pub stream: u32,
    /// Which recording; 0 when the leaf cannot be read.
    pub recording: u64,
    /// Number of the leaf; `None`: there is none, or nothing says any more which.
    pub leaf: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// A segment that does not go on from the commit before it: somebody has written one of the two anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenLink {
    /// File number of the later segment.
    pub slot: u32,
    /// Its first commit.
    pub seq: u64,
}

/// A segment file that cannot be opened, or whose header block is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSlot {
    /// File number.
    pub slot: u32,
    /// What is wrong, and what that costs.
    pub what: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whose ring.
    pub disk: Option<DiskId>,
    /// Slots of the ring.
    pub slots: u64,
    /// Slots that hold a segment.
    pub segments: u64,
    /// Commits that check out.
    pub commits: u64,
    /// Runs whose digest is right.
    pub runs: u64,
    /// Runs whose checksum is right and whose digest cannot be verified: their key is destroyed, or not at hand.
    pub unreadable_runs: u64,
    /// Sample bytes read and verified.
    pub payload_bytes: u64,
    /// Number of the newest commit.
    pub last_seq: u64,
    /// Number of a commit behind it that a power cut has torn. It was never acknowledged, and the next start drops it.
    pub torn_seq: Option<u64>,
    /// Why the superblock cannot be read; disk and segment size were taken from a segment's header.
    pub bad_superblock: Option<String>,
    /// Segment files with something wrong before their first commit; their commits are read where they can be.
    pub bad_slots: Vec<BadSlot>,
    /// Stretches without the commits that should be there.
    pub damage: Vec<Damage>,
    /// Segments whose header names another commit before them than there is.
    pub broken_links: Vec<BrokenLink>,
    /// Runs whose bytes are wrong; the first [`LISTED_MAX`].
    pub bad_runs: Vec<BadRun>,
    /// How many there are.
    pub bad_run_count: u64,
    /// Leaves of the audit log whose runs are all there, and are what was recorded.
    pub leaves: u64,
    /// Runs of which the audit log does not tell: the newest ones, and those from before it told of footage.
    pub unlogged_runs: u64,
    /// Recordings that are not what the audit log says; the first [`LISTED_MAX`].
    pub bad_leaves: Vec<BadLeaf>,
    /// How many there are.
    pub bad_leaf_count: u64,
    /// First commit of which the audit log does not tell, when the ring ends before it: footage that was recorded is gone.
    pub logged_beyond: Option<u64>,
    /// Ends that the ring had lost at earlier starts, which the audit log tells, and that it would still have if it had not: oldest first.
    pub losses: Vec<Loss>,
    /// Losses of which everything around is overwritten since.
    pub past_losses: u64,
    /// Runs of which the only entry tells of lost ones as well: nothing can be proved of them, and nothing be held against them.
    pub unprovable_runs: u64,
    /// Why the audit log could not be compared.
    pub log_error: Option<String>,
    /// Why the index cannot be read; the log was checked without it.
    pub index_error: Option<String>,
    /// Runs that the log has and the index, which should, has not or has otherwise; `None` when there was no index, an empty one, or one that cannot be read.
    pub missing_in_index: Option<u64>,
    /// Runs that the index has and the log has not.
    pub only_in_index: Option<u64>,
}

impl Report {
    /// True when nothing is wrong with log and index.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_index_clean = self.index_error.is_none()
            && self.missing_in_index.unwrap_or(0) == 0
            && self.only_in_index.unwrap_or(0) == 0;
        self.is_log_clean() && is_index_clean
    }

    /// True when nothing is wrong with the log; the index can always be rebuilt from it.
    #[must_use]
    pub fn is_log_clean(&self) -> bool {
        let is_described = self.bad_superblock.is_none() && self.bad_slots.is_empty();
        let is_as_logged = self.bad_leaf_count == 0 && self.logged_beyond.is_none() && self.log_error.is_none();
        let is_as_logged = is_as_logged && self.losses.is_empty();
        let is_whole = self.damage.is_empty() && self.broken_links.is_empty() && self.bad_run_count == 0;
        is_described && is_as_logged && is_whole
    }
}
