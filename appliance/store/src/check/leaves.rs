//! Footage beside the audit log: what was hashed when it was recorded, and what lies there now.

use super::Report;
use super::report::{BadLeaf, LISTED_MAX};
use crate::error::Result;
use crate::footage_log::statement;
use crate::format::{Commit, DiskId, SegmentHeader};
use crate::register::{LoggedStretch, Register};
use std::collections::BTreeMap;
use watchbook_evidence::record::Record;
use watchbook_evidence::{Frontier, hex};

/// Leaves that are read at once.
const PAGE: u64 = 256;

/// One segment's stretches that are in the log. Takes 2 kB at most for each recording of a stretch, whatever the number of its runs.
pub(super) struct Leaves<'a> {
    register: &'a Register,
    place: (u32, u64),
    stretches: Vec<Told>,
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
    pub(super) fn of(register: &'a Register, disk: DiskId, header: &SegmentHeader) -> Result<Self> {
        let logged = register.footage_stretches(disk, header.generation)?;
        let told = |logged| Told { logged, trees: BTreeMap::new(), is_compared: false };
        let place = (header.slot, header.generation);
        Ok(Self { register, place, stretches: logged.into_iter().map(told).collect() })
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
            report.unlogged_runs += crate::codec::wide(commit.runs.len());
        }
    }

    /// Behind the last commit.
    pub(super) fn finish(mut self, report: &mut Report) {
        for told in &mut self.stretches {
            compare(self.register, self.place, told, report);
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
