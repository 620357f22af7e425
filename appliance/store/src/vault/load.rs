//! Start-up of a vault: which segments there are, whose they are, and what of them is listed. What cannot be read now is kept as it is and tried again.

use super::cells::{self, VaultSlotRow};
use super::dir::SlotFile;
use super::hold::HoldId;
use super::keys::HoldKeys;
use super::log::LoggedHold;
use super::plan::Coverage;
use super::record::VaultRecord;
use super::rot::Rot;
use super::state::{Hold, OpenVault, SlotInfo, State};
use crate::catalog::rows::Position;
use crate::error::{Error, Result};
use crate::format::{BLOCK_BYTES, Commit, DiskId, Record, Run, SegmentHeader};
use crate::scan::has_blank_sector;
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::Kind;
use watchbook_evidence::{Hash, sha256_of};

/// Of a segment that does not say whose it is.
const NO_HOLD: HoldId = HoldId(0);

/// Why a segment of the vault is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsound {
    pub(crate) why: String,
    /// More of it may come to light: the disk did not give it, and its rows do not tell all of it.
    pub(crate) waits: bool,
    /// Nothing in it counts as held: there is no file, or it is not what was written. Its rows stay as long as the hold, so that the loss is not forgotten;
    /// what a ring still has is copied again.
    pub(crate) lost: bool,
}

/// What is wrong with a segment whose first commit is damaged, without an index.
pub(super) const NOBODYS: &str = "the commit that says whose it is does not check out";

/// What was read of a segment.
pub(super) struct Contents {
    pub(super) commits: Vec<(Position, Commit, Hash)>,
    /// The last commit was torn by a power cut.
    pub(super) torn: bool,
    /// What the disk refused; then this is not all.
    pub(super) refused: Option<Error>,
}

impl OpenVault {
    pub(super) fn load(&self, keys: &dyn HoldKeys) -> Result<()> {
        let logged = self.log().logged().holds.clone();
        self.state().holds = logged.into_iter().map(|(id, logged)| (id, Hold::new(logged))).collect();
        let known = cells::slot_rows(&*self.kv)?;
        let slots = self.dir.slots()?;
        for (slot, row) in known.iter().filter(|(slot, _)| !slots.contains(slot)) {
            self.load_missing(*slot, Some(row))?;
        }
        for slot in slots {
            self.load_slot(slot, known.get(&slot), keys)?;
        }
        Ok(())
    }

    /// Tries again what was not as it should be. True when it is otherwise now.
    ///
    /// # Errors
    /// When log or index cannot be read or written.
    pub(crate) fn retry_unsound(&self, keys: &dyn HoldKeys) -> Result<bool> {
        let known = cells::slot_rows(&*self.kv)?;
        let owners = |state: &State, of: &BTreeMap<u32, Unsound>| -> Vec<HoldId> {
            of.keys().filter_map(|slot| state.slots.get(slot)).map(|info| info.hold).collect()
        };
        let (before, mut concerned) = {
            let state = self.state();
            (state.unsound.clone(), owners(&state, &state.unsound))
        };
        let tried: Vec<Result<()>> = before.keys().map(|slot| self.load_slot(*slot, known.get(slot), keys)).collect();
        let changed = {
            let mut state = self.state();
            let changed = state.unsound != before;
            if changed {
                concerned.extend(owners(&state, &before));
                state.to_recount.extend(concerned);
                state.unsettle_all();
            }
            changed
        };
        let recounted = self.recount_all();
        tried.into_iter().collect::<Result<()>>()?;
        Ok(recounted? || changed)
    }

    /// Counts anew what is to be; what cannot be counted now stays to be. True when there was some.
    pub(super) fn recount_all(&self) -> Result<bool> {
        let (mut found, mut failed) = (false, None);
        let to_recount = self.state().to_recount.clone();
        for id in to_recount {
            match self.recount(id) {
                Ok(()) => {
                    let mut state = self.state();
                    state.to_recount.remove(&id);
                    state.unsettle(id);
                    found = true;
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(found), Err)
    }

    /// What a hold has, anew: a segment that counted may not any more.
    fn recount(&self, id: HoldId) -> Result<()> {
        let files = self.state().files_of(id);
        let (mut covered, mut gaps) = (Coverage::default(), BTreeSet::new());
        for (_, row) in cells::slot_rows(&*self.kv)?.iter().filter(|(slot, _)| files.contains(slot)) {
            row.covered.iter().for_each(|(disk, from, to)| covered.add(DiskId(*disk), *from, *to));
            gaps.extend(cells::gaps_of(&*self.kv, row.generation)?);
        }
        if let Some(hold) = self.state().holds.get_mut(&id) {
            (hold.covered, hold.gaps) = (covered, gaps);
        }
        Ok(())
    }

    /// A segment without a file. One that the index does not have either was never held, or is given up already.
    fn load_missing(&self, slot: u32, known: Option<&VaultSlotRow>) -> Result<()> {
        if known.is_some_and(|row| self.knows(HoldId(row.hold))) {
            self.lose(slot, known, "its file is missing");
            return Ok(());
        }
        known.map_or(Ok(()), |row| cells::remove_rows(&*self.kv, slot, row.generation))?;
        self.forget(slot);
        Ok(())
    }

    /// Nothing of a segment counts as held. Its file, if there is one, is kept as it is, with its bytes.
    fn lose(&self, slot: u32, known: Option<&VaultSlotRow>, why: &str) {
        let bytes = self.dir.len(slot).unwrap_or(0);
        let (hold, generation) = known.map_or((NO_HOLD, 0), |row| (HoldId(row.hold), row.generation));
        let unsound = Unsound { why: why.to_owned(), waits: false, lost: true };
        let mut state = self.state();
        if state.unsound.get(&slot) != Some(&unsound) {
            tracing::error!(slot, %hold, why, "nothing of a segment of the vault counts as held; it is kept as it is");
        }
        state.slots.insert(slot, SlotInfo { hold, generation, bytes });
        state.unsound.insert(slot, unsound);
        state.rot.remove(&slot);
        self.dir.ring.slots.set(slot, 0);
    }

    fn forget(&self, slot: u32) {
        let mut state = self.state();
        state.slots.remove(&slot);
        state.unsound.remove(&slot);
        state.rot.remove(&slot);
        self.dir.ring.slots.take_away(slot);
    }

    fn load_slot(&self, slot: u32, known: Option<&VaultSlotRow>, keys: &dyn HoldKeys) -> Result<()> {
        match self.dir.look(slot) {
            Ok(SlotFile::Segment(header)) => return self.load_segment(&header, known, keys),
            Ok(SlotFile::Unfinished) if known.is_none() => return self.remove_unfinished(slot),
            Ok(SlotFile::Unfinished) => self.lose(slot, known, "nothing is left in it"),
            Ok(SlotFile::Damaged(why)) => self.lose(slot, known, why),
            Err(error) if error.kind == Kind::NotFound => return self.load_missing(slot, known),
            Err(error) => return self.keep(slot, known, refused(&error)),
        }
        Ok(())
    }

    /// A file that was being made when the power went.
    fn remove_unfinished(&self, slot: u32) -> Result<()> {
        tracing::warn!(slot, "a segment of the vault in which nothing was ever held is removed");
        self.dir.remove(slot)?;
        self.dir.sync_segments()?;
        self.forget(slot);
        Ok(())
    }

    /// Takes in one segment: as the index has it when that is all of it, else by reading its commits.
    fn load_segment(&self, header: &SegmentHeader, known: Option<&VaultSlotRow>, keys: &dyn HoldKeys) -> Result<()> {
        let (slot, generation) = (header.slot, header.generation);
        let known = known.filter(|row| row.generation == generation);
        let bytes = match self.dir.len(slot) {
            Ok(bytes) => bytes,
            Err(error) => return self.keep(slot, known, refused(&error)),
        };
        if let Some(row) = known.filter(|row| row.end == bytes && self.knows(HoldId(row.hold))) {
            return self.list(slot, row, bytes, None);
        }
        let contents = self.read_segment(header, known, keys);
        let unsound = contents.refused.as_ref().map(refused);
        if let (true, Some(unsound)) = (known.is_some_and(|row| self.knows(HoldId(row.hold))), &unsound) {
            return self.keep(slot, known, unsound.clone());
        }
        let stated = contents.commits.iter().find_map(|(_, commit, _)| hold_of(commit));
        let hold = match (stated, known.filter(|row| self.knows(HoldId(row.hold)))) {
            (Some(record), _) => {
                self.take_in(&record)?;
                hold_id(&record)
            }
            (None, Some(row)) if !contents.commits.is_empty() => HoldId(row.hold),
            _ => return self.load_nobodys(header, known, (unsound, !contents.commits.is_empty())),
        };
        let row = self.index_segment((slot, generation, hold), contents, known, &[])?;
        self.list(slot, &row, bytes, unsound)
    }

    /// A segment that does not say whose it is. `of`: what the disk refused, and whether any commit checks out.
    fn load_nobodys(
        &self,
        header: &SegmentHeader,
        known: Option<&VaultSlotRow>,
        of: (Option<Unsound>, bool),
    ) -> Result<()> {
        match of {
            (Some(unsound), _) => return self.keep(header.slot, known, unsound),
            (None, true) => self.lose(header.slot, known, NOBODYS),
            (None, false) if known.is_none() && self.is_unfinished(header)? => {
                return self.remove_unfinished(header.slot);
            }
            (None, false) => self.lose(header.slot, known, "no commit in it checks out"),
        }
        Ok(())
    }

    fn is_unfinished(&self, header: &SegmentHeader) -> Result<bool> {
        Ok(self.dir.reader(header.slot, Some(header.generation))?.is_unfinished(BLOCK_BYTES))
    }

    /// Keeps a segment that the disk does not give: listed as the index has it, if it has; with its bytes, as far as they are known.
    fn keep(&self, slot: u32, known: Option<&VaultSlotRow>, unsound: Unsound) -> Result<()> {
        // A disk that refuses now does not bring back what was lost before.
        if self.state().unsound.get(&slot).is_some_and(|unsound| unsound.lost) {
            return Ok(());
        }
        let bytes = self.dir.len(slot).ok();
        if let Some(row) = known.filter(|row| self.knows(HoldId(row.hold))) {
            let waits = unsound.waits && bytes.is_none_or(|bytes| bytes != row.end);
            return self.list(slot, row, bytes.unwrap_or(row.end), Some(Unsound { waits, ..unsound }));
        }
        tracing::error!(slot, why = unsound.why, "a segment of the vault cannot be used; it is kept as it is");
        let (hold, generation) = known.map_or((NO_HOLD, 0), |row| (HoldId(row.hold), row.generation));
        let mut state = self.state();
        state.slots.insert(slot, SlotInfo { hold, generation, bytes: bytes.unwrap_or(0) });
        state.unsound.insert(slot, unsound);
        Ok(())
    }

    /// From here on readers get what the index has of a segment, and its hold counts that as held.
    fn list(&self, slot: u32, row: &VaultSlotRow, bytes: u64, unsound: Option<Unsound>) -> Result<()> {
        let (id, generation) = (HoldId(row.hold), row.generation);
        if let Some(unsound) = &unsound {
            tracing::error!(slot, hold = %id, why = unsound.why, "a segment of the vault is not as it should be; it is kept as it is");
        }
        let (gaps, damaged) = (cells::gaps_of(&*self.kv, generation)?, cells::damaged_of(&*self.kv, generation)?);
        let mut state = self.state();
        let newest = state.files_of(id).last().is_none_or(|newest| *newest <= slot);
        let hold =
            state.holds.get_mut(&id).ok_or_else(|| Error::new(Kind::Internal, format!("hold {id} was taken in")))?;
        for (disk, seq_from, seq_to) in &row.covered {
            hold.covered.add(DiskId(*disk), *seq_from, *seq_to);
        }
        hold.gaps.extend(gaps);
        if newest {
            hold.last_hash = row.last_hash;
        }
        let listed = hold.is_active();
        state.slots.insert(slot, SlotInfo { hold: id, generation, bytes });
        state.rot.insert(slot, Rot { runs: damaged, ..Rot::default() });
        match unsound {
            Some(unsound) => state.unsound.insert(slot, unsound),
            None => state.unsound.remove(&slot),
        };
        self.dir.ring.slots.put_back(slot, if listed { generation } else { 0 });
        Ok(())
    }

    /// Reads the commits of a segment that count.
    pub(super) fn read_segment(
        &self,
        header: &SegmentHeader,
        known: Option<&VaultSlotRow>,
        keys: &dyn HoldKeys,
    ) -> Contents {
        let mut commits: Vec<(Position, Commit, Hash)> = Vec::new();
        let (damage, mut refused) = self.dir.scan(header, &mut |at, commit, hash| commits.push((at, commit, hash)));
        if !damage.is_empty() {
            tracing::error!(?damage, "a part of the vault cannot be read");
        }
        let mut torn = false;
        if let Some((at, commit, _)) = commits.last_mut()
            && known.is_none_or(|row| row.end < at.offset + commit.commit_len)
        {
            // What the index had was read back once. Of another one, torn by a power cut or damaged since, the runs that are whole count, and all of it is
            // copied again as long as a ring has it.
            match self.keep_whole_runs(header.slot, at.offset, commit, keys) {
                Ok(found) => torn = found,
                Err(error) => {
                    commits.pop();
                    refused.get_or_insert(error);
                }
            }
        }
        Contents { commits, torn, refused }
    }

    fn knows(&self, id: HoldId) -> bool {
        self.state().holds.contains_key(&id)
    }

    /// Strips a commit of the runs that are not what was recorded, and then of what it says about having copied all. True when a power cut tore it.
    ///
    /// # Errors
    /// When the disk or the keys do not give what would tell.
    fn keep_whole_runs(&self, slot: u32, offset: u64, commit: &mut Commit, keys: &dyn HoldKeys) -> Result<bool> {
        let reader = self.dir.reader(slot, Some(commit.generation))?;
        let mut torn = false;
        let mut is_whole = |run: &Run| -> Result<bool> {
            let mut payload = match reader.try_payload(offset, run) {
                Ok(payload) => payload,
                Err(error) if error.kind == Kind::Corrupt => return Ok(false),
                Err(error) => return Err(error),
            };
            if crc32c::crc32c(&payload) != run.crc {
                torn |= has_blank_sector(&payload, offset + run.payload_offset);
                return Ok(false);
            }
            match keys.open(run, &mut payload) {
                Ok(()) => Ok(sha256_of(&[&run.table, &payload]) == run.sha256),
                // Its hold is released: nothing of it is listed anyway.
                Err(error) if error.kind == Kind::NotFound => Ok(true),
                Err(error) if error.kind == Kind::Corrupt => Ok(false),
                Err(error) => Err(error),
            }
        };
        let whole = commit.runs.iter().map(&mut is_whole).collect::<Result<Vec<bool>>>()?;
        if whole.iter().all(|whole| *whole) {
            return Ok(false);
        }
        tracing::warn!(
            slot,
            seq = commit.seq,
            "a commit of the vault is not whole; what a ring still has of it is copied again"
        );
        let mut whole = whole.into_iter();
        commit.runs.retain(|_| whole.next().unwrap_or(false));
        for (_, record) in &mut commit.records {
            if let Record::Vault(VaultRecord::Copied(copied)) = record {
                copied.seq_to = copied.seq_from.saturating_sub(1);
            }
        }
        Ok(torn)
    }

    /// A hold that a segment states and the log does not: the log was damaged.
    fn take_in(&self, record: &VaultRecord) -> Result<()> {
        let id = hold_id(record);
        if self.knows(id) {
            return Ok(());
        }
        tracing::warn!(hold = %id, "a hold is taken from its segments, because the vault's log does not have it");
        let logged: Option<LoggedHold> = {
            let mut log = self.log();
            log.append(vec![record.clone()])?;
            log.logged().holds.get(&id).cloned()
        };
        if let Some(logged) = logged {
            self.state().holds.insert(id, Hold::new(logged));
        }
        Ok(())
    }
}

fn refused(error: &Error) -> Unsound {
    Unsound { why: error.to_string(), waits: true, lost: false }
}

fn hold_of(commit: &Commit) -> Option<VaultRecord> {
    commit.records.iter().find_map(|(_, record)| match record {
        Record::Vault(record @ VaultRecord::Hold { .. }) => Some(record.clone()),
        _ => None,
    })
}

fn hold_id(record: &VaultRecord) -> HoldId {
    match record {
        VaultRecord::Hold { hold, .. }
        | VaultRecord::Release { hold, .. }
        | VaultRecord::Missing { hold, .. }
        | VaultRecord::Gap { hold, .. } => *hold,
        VaultRecord::Copied(copied) => copied.hold,
        VaultRecord::Leaf(leaf) => leaf.hold,
    }
}
