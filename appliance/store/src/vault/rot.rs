//! Held footage that does not check out any more: what still counts as held, what is looked for elsewhere, and what nobody has.

use super::cells::{self, Cells, VaultSlotRow};
use super::dir::SlotFile;
use super::hold::{HoldId, MissingFootage, MissingReason};
use super::keys::HoldKeys;
use super::load::Contents;
use super::record::{Copied, VaultRecord};
use super::segment::first_seq;
use super::state::OpenVault;
use crate::catalog::rows::Position;
use crate::error::Result;
use crate::format::{BLOCK_BYTES, Commit, DamageKind, DamagedRun, DiskId, Record, Run, SegmentHeader};
use crate::kv::Batch;
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::{MonoNanos, SyncState, TimeRange, UtcNanos};
use watchbook_evidence::Hash;

/// What is wrong with a segment that is held otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rot {
    /// Runs that do not check out, or that only the index describes any more.
    pub(crate) runs: Vec<DamagedRun>,
    /// Its header, or commits of it without runs, do not check out: nothing of the footage depends on them.
    pub(crate) places: u64,
    /// What the disk did not give when it was last asked; it is asked again.
    pub(crate) refused: Option<String>,
}

/// True when one of `ranges` has the run.
pub(super) fn has(ranges: impl IntoIterator<Item = TimeRange>, run: &DamagedRun) -> bool {
    ranges.into_iter().any(|range| range.contains(run.middle()))
}

/// A damaged run as a part of a hold's range that is not held.
pub(super) fn missing(run: &DamagedRun) -> MissingFootage {
    let TimeRange { start, end } = run.range;
    MissingFootage { stream: run.stream, start, end: end.max(UtcNanos(start.0 + 1)), reason: MissingReason::Damaged }
}

/// Stretches before `end` in which none of `commits` lies.
pub(super) fn stretches<'a>(commits: impl IntoIterator<Item = (u64, &'a Commit)>, end: u64) -> Vec<(u64, u64)> {
    let (mut at, mut found) = (BLOCK_BYTES, Vec::new());
    for (offset, commit) in commits {
        found.push((at, offset.min(end)));
        at = at.max(offset + commit.commit_len);
    }
    found.push((at, end));
    found.retain(|(from, to)| from < to);
    found
}

impl OpenVault {
    /// From here on runs of a segment do not count as held, and what their commits had of the hold is looked for elsewhere.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub(super) fn mark_damaged(&self, place: (u32, u64), fresh: &[DamagedRun], keys: &dyn HoldKeys) -> Result<()> {
        let (slot, generation) = place;
        let known = cells::slot_rows(&*self.kv)?.remove(&slot).filter(|row| row.generation == generation);
        let Some(known) = known else { return Ok(()) };
        let header = match self.dir.look(slot) {
            Ok(SlotFile::Segment(header)) if header.generation == generation => header,
            _ => no_header(self.dir.disk(), slot, generation),
        };
        let mut contents = self.read_segment(&header, None, keys);
        // What the disk does not give now stays listed as the index has it.
        contents.refused = None;
        contents.torn &= cells::is_torn(&*self.kv, slot)?;
        let id = HoldId(known.hold);
        self.index_segment((slot, generation, id), contents, Some(&known), fresh)?;
        let damaged = cells::damaged_of(&*self.kv, generation)?;
        {
            let mut state = self.state();
            state.rot.entry(slot).or_default().runs = damaged;
            state.to_recount.insert(id);
            if let Some(hold) = state.holds.get_mut(&id) {
                // Nobody knows what is still to be copied before the next look.
                hold.pending = None;
            }
        }
        self.recount_all().map(|_| ())
    }

    /// Makes the rows of a segment anew, in one batch. Runs that are known to be damaged, and `fresh` ones, are left out, and then what their commits say about
    /// having copied all does not count. What `known` tells of commits that do not check out any more stays listed.
    pub(super) fn index_segment(
        &self,
        of: (u32, u64, HoldId),
        contents: Contents,
        known: Option<&VaultSlotRow>,
        fresh: &[DamagedRun],
    ) -> Result<VaultSlotRow> {
        let (slot, generation, hold) = of;
        let Contents { commits, torn, refused } = contents;
        let (mut batch, starts) = match known {
            Some(_) => (cells::spans_removed(&*self.kv, generation)?, cells::starts_of(&*self.kv, generation)?),
            None => (cells::rows_removed(&*self.kv, slot, generation)?, Vec::new()),
        };
        let end = known.map_or(0, |row| row.end);
        let rotten = stretches(commits.iter().map(|(at, commit, _)| (at.offset, commit)), end);
        let mut damaged = cells::damaged_of(&*self.kv, generation)?;
        damaged.retain(|run| !fresh.iter().any(|fresh| fresh.offset == run.offset));
        damaged.extend_from_slice(fresh);
        let lies_in_rot = |offset: u64| rotten.iter().any(|(from, to)| (*from..*to).contains(&offset));
        // A commit that could not be made out and can be now says again what lies there.
        damaged.retain(|run| run.kind != DamageKind::Description || lies_in_rot(run.offset));
        let mut described = if rotten.is_empty() { Vec::new() } else { cells::runs_of(&*self.kv, generation)? };
        described.retain(|run| lies_in_rot(run.payload_offset));
        let mut cells = Cells::new(slot, generation, hold);
        cells.restate(&mut batch, starts);
        damaged.iter().for_each(|run| cells.damage(&mut batch, run));
        let first = Position { slot, generation, seq: first_seq(slot), ..Position::default() };
        for (at, commit, hash) in pieces((self.dir.disk(), hold, first), commits, (&rotten, described), &damaged) {
            append(&mut batch, cells.apply(commit, at, hash));
        }
        if refused.is_some() {
            // The next look at it reads all of it again.
            cells.row.end = 0;
        } else if let Some(known) = known.filter(|known| known.end > cells.row.end) {
            (cells.row.end, cells.row.last_hash) = (known.end, known.last_hash);
        }
        append(&mut batch, cells::slot_batch(slot, &cells.row, torn));
        self.kv.write(&batch, false)?;
        Ok(cells.row)
    }

    /// The damaged runs of a hold that no other segment of it has.
    pub(super) fn unmended(&self, id: HoldId) -> Result<Vec<DamagedRun>> {
        let (files, damaged) = {
            let state = self.state();
            let files = state.files_of(id);
            let of_hold = state.rot.iter().filter(|(slot, _)| files.contains(slot));
            (files.clone(), of_hold.flat_map(|(_, rot)| rot.runs.clone()).collect::<Vec<DamagedRun>>())
        };
        let mut found = Vec::new();
        for run in damaged {
            let is_other = |slot: u32| slot != run.slot && files.contains(&slot);
            if !self.part.has_beside(&run, &is_other)? {
                found.push(run);
            }
        }
        Ok(found)
    }
}

fn append(batch: &mut Batch, more: Batch) {
    batch.changes.extend(more.changes);
}

/// The commits of a segment as they count, and in the place of those that do not check out any more what the index told of them.
fn pieces(
    of: (DiskId, HoldId, Position),
    commits: Vec<(Position, Commit, Hash)>,
    rot: (&[(u64, u64)], Vec<Run>),
    damaged: &[DamagedRun],
) -> Vec<(Position, Commit, Hash)> {
    let ((disk, hold, first), (rotten, described)) = (of, rot);
    let is_bad = |offset: u64| damaged.iter().any(|run| run.kind != DamageKind::Description && run.offset == offset);
    let nothing = Copied { hold, disk, generation: 0, seq_from: 1, seq_to: 0, origin: (disk, 0) };
    let nothing = (0, Record::Vault(VaultRecord::Copied(nothing)));
    let mut all: BTreeMap<u64, (Position, Commit, Hash)> = BTreeMap::new();
    // Parts of one source commit may lie in several commits, of which the last one says that all was copied.
    let mut void_behind = BTreeSet::new();
    for (at, mut commit, hash) in commits {
        let before = commit.runs.len();
        commit.runs.retain(|run| !is_bad(at.offset + run.payload_offset));
        if commit.runs.len() < before {
            let records = commit.records.len();
            commit.records.retain(|(_, record)| !matches!(record, Record::Vault(VaultRecord::Copied(_))));
            if commit.records.len() == records {
                void_behind.insert(at.offset);
            }
            commit.records.push(nothing.clone());
        }
        all.insert(at.offset, (at, commit, hash));
    }
    for (from, to) in rotten {
        let in_stretch = |run: &&Run| (*from..*to).contains(&run.payload_offset) && !is_bad(run.payload_offset);
        let runs: Vec<Run> = described.iter().filter(in_stretch).cloned().collect();
        let before = all.range(..from).next_back().map(|(_, (at, ..))| at.seq + 1);
        // Offsets of these runs are those of the file.
        let at = Position { offset: 0, seq: before.unwrap_or(first.seq), ..first };
        all.insert(*from, (at, stand_in(at, disk, runs, nothing.clone()), [0; 32]));
        void_behind.insert(*from);
    }
    for offset in void_behind {
        let behind = all.range_mut(offset + 1..).flat_map(|(_, (_, commit, _))| &mut commit.records);
        let copied = behind.filter_map(|(_, record)| match record {
            Record::Vault(VaultRecord::Copied(copied)) => Some(copied),
            _ => None,
        });
        copied.take(1).for_each(|copied| copied.seq_to = copied.seq_from.saturating_sub(1));
    }
    all.into_values().collect()
}

/// The place of a segment's commits, when nothing in it says more.
fn no_header(disk: DiskId, slot: u32, generation: u64) -> SegmentHeader {
    let (prev_hash, utc, next_recording, next_event) = ([0; 32], UtcNanos(0), 0, 0);
    SegmentHeader { disk, slot, generation, first_seq: first_seq(slot), prev_hash, utc, next_recording, next_event }
}

/// What the index told of commits that do not check out any more.
fn stand_in(at: Position, disk: DiskId, runs: Vec<Run>, nothing: (u32, Record)) -> Commit {
    Commit {
        seq: at.seq,
        generation: at.generation,
        disk,
        prev_hash: at.prev_hash,
        commit_len: 0,
        utc: UtcNanos(0),
        mono: MonoNanos(0),
        sync: SyncState::Unknown,
        next_recording: 0,
        next_event: 0,
        runs,
        records: vec![nothing],
    }
}
