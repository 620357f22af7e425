//! Footage beside the audit log: what was hashed when it was recorded, and what lies there now.
//!
//! The register's rows say which leaf is about which commits. Of a commit without a row that the ring is logged beyond, the row was removed, unless the log itself tells that it was lost.

use super::Report;
use super::report::{BadLeaf, LISTED_MAX};
use crate::codec::wide;
use crate::error::Result;
use crate::footage_log::statement;
use crate::format::{Commit, DiskId, SegmentHeader};
use crate::register::{LoggedStretch, Loss, Register};
use std::collections::BTreeMap;
use watchbook_evidence::record::Record;
use watchbook_evidence::{Frontier, hex};

/// Leaves that are read at once.
const PAGE: u64 = 256;

/// How far the log tells of a ring, and what the ring has lost of it.
pub(super) struct Known {
    /// First commit that is not logged.
    pub(super) next_seq: u64,
    /// In the order in which they were found.
    pub(super) losses: Vec<Loss>,
}

impl Known {
    /// # Errors
    /// When the register cannot be read.
    pub(super) fn of(register: &Register, disk: DiskId) -> Result<Self> {
        let mut losses = register.losses_told()?;
        losses.retain(|loss| loss.disk == disk);
        Ok(Self { next_seq: register.footage_logged(disk)?.unwrap_or_default().next_seq, losses })
    }

    /// True when the only entry that told of commit `seq` told of lost ones too. A later loss took what an earlier one had left, and its numbers were given out again.
    fn is_unprovable(&self, seq: u64) -> bool {
        let mut later = u64::MAX;
        self.losses.iter().rev().any(|loss| {
            later = later.min(loss.from_seq);
            (loss.told_from_seq..later).contains(&seq)
        })
    }

    /// Losses after the oldest commit of the ring, and how many others there are.
    pub(super) fn since(&self, oldest_seq: Option<u64>) -> (Vec<Loss>, u64) {
        let (since, before): (Vec<Loss>, Vec<Loss>) =
            self.losses.iter().copied().partition(|loss| oldest_seq.is_none_or(|oldest| loss.from_seq >= oldest));
        (since, wide(before.len()))
    }
}

/// Commits of one recording, and how many runs they have.
struct Untold {
    first_seq: u64,
    last_seq: u64,
    runs: u64,
}

/// One segment's stretches that are in the log. Takes 2 kB at most for each recording of a stretch, whatever the number of its runs.
pub(super) struct Leaves<'a> {
    register: &'a Register,
    place: (u32, u64),
    known: &'a Known,
    stretches: Vec<Told>,
    /// What has no row and must have had one, by stream and recording.
    untold: BTreeMap<(u32, u64), Untold>,
}

/// A stretch, and the trees over the runs that lie there, by stream and recording.
struct Told {
    logged: LoggedStretch,
    trees: BTreeMap<(u32, u64), Frontier>,
    is_compared: bool,
}

impl<'a> Leaves<'a> {
    /// Those of the segment of `header`.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub(super) fn of(of: (&'a Register, &'a Known), disk: DiskId, header: &SegmentHeader) -> Result<Self> {
        let (register, known) = of;
        let logged = register.footage_stretches(disk, header.generation)?;
        let told = |logged| Told { logged, trees: BTreeMap::new(), is_compared: false };
        let place = (header.slot, header.generation);
        let stretches = logged.into_iter().map(told).collect();
        Ok(Self { register, place, known, stretches, untold: BTreeMap::new() })
    }

    /// Takes in the commits of the segment, in their order.
    pub(super) fn take(&mut self, commit: &Commit, report: &mut Report) {
        let mut is_told = false;
        for told in &mut self.stretches {
            let stretch = told.logged.stretch;
            if (stretch.from_seq..stretch.to_seq).contains(&commit.seq) {
                is_told = true;
                for run in &commit.runs {
                    let place = (run.stream.to_u32(), run.recording.0);
                    told.trees.entry(place).or_default().push(statement(commit, run).hash());
                }
            } else if stretch.to_seq <= commit.seq {
                compare(self.register, self.place, told, report);
            }
        }
        if !is_told {
            self.untold(commit, report);
        }
    }

    /// A commit without a row.
    fn untold(&mut self, commit: &Commit, report: &mut Report) {
        let (seq, runs) = (commit.seq, wide(commit.runs.len()));
        if seq >= self.known.next_seq {
            report.unlogged_runs += runs;
        } else if self.known.is_unprovable(seq) {
            report.unprovable_runs += runs;
        } else {
            for run in &commit.runs {
                let fresh = || Untold { first_seq: seq, last_seq: seq, runs: 0 };
                let untold = self.untold.entry((run.stream.to_u32(), run.recording.0)).or_insert_with(fresh);
                untold.last_seq = seq;
                untold.runs += 1;
            }
        }
    }

    /// Behind the last commit.
    pub(super) fn finish(mut self, report: &mut Report) {
        for told in &mut self.stretches {
            compare(self.register, self.place, told, report);
        }
        let (slot, generation) = self.place;
        for ((stream, recording), Untold { first_seq, last_seq, runs }) in self.untold {
            let what = format!(
                "{runs} runs of commits {first_seq} to {last_seq}: the audit log tells of them, and the row that says which entry does was removed"
            );
            note(report, BadLeaf { slot, generation, stream, recording, leaf: None, what });
        }
    }
}

/// Holds what lies there against the leaves, once.
fn compare(register: &Register, place: (u32, u64), told: &mut Told, report: &mut Report) {
    if std::mem::replace(&mut told.is_compared, true) {
        return;
    }
    let mut trees = std::mem::take(&mut told.trees);
    let LoggedStretch { first_leaf, leaves, .. } = told.logged;
    let bad = |of: (u32, u64), leaf, what: String| {
        let (slot, generation) = place;
        BadLeaf { slot, generation, stream: of.0, recording: of.1, leaf, what }
    };
    let mut at = first_leaf;
    let end = first_leaf + u64::from(leaves);
    while at < end {
        let wanted = PAGE.min(end - at);
        let rows = register.audit_entries(at, crate::codec::narrow(wanted)).unwrap_or_default();
        for index in at..at + wanted {
            let row = rows.iter().find(|row| row.index == index);
            let Some(Record::Segment { recording, root, runs, stream }) =
                row.and_then(|row| Record::parse(&row.leaf.body))
            else {
                note(report, bad((0, 0), Some(index), "the leaf cannot be read".to_owned()));
                continue;
            };
            let here = trees.remove(&(stream, recording)).unwrap_or_default().root();
            if here.size != u64::from(runs) {
                let what = format!("{} of its {runs} runs are there", here.size);
                note(report, bad((stream, recording), Some(index), what));
            } else if hex(&here.hash) != root {
                let what = "it is not what was recorded: its hashes are others".to_owned();
                note(report, bad((stream, recording), Some(index), what));
            } else {
                report.leaves += 1;
            }
        }
        at += wanted;
    }
    for (of, tree) in trees {
        let what = format!("the log knows nothing of its {} runs here", tree.size());
        note(report, bad(of, None, what));
    }
}

fn note(report: &mut Report, bad: BadLeaf) {
    report.bad_leaf_count += 1;
    if report.bad_leaves.len() < LISTED_MAX {
        report.bad_leaves.push(bad);
    }
}
