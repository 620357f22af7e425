//! An opened vault: what is held, as the copier and those who ask see it.

use super::cells::{self, Cells, VaultSlotRow};
use super::dir::VaultDir;
use super::hold::{HoldId, HoldInfo, HoldState, MISSING_LISTED_MAX, MissingFootage, MissingReason, VaultInfo};
use super::keys::HoldKeys;
use super::log::{LoggedHold, VaultLog};
use super::plan::Coverage;
use super::record::VaultRecord;
use crate::care::CareState;
use crate::catalog::Live;
use crate::catalog::rows::Position;
use crate::disk::Common;
use crate::error::{Error, Result};
use crate::format::{Commit, DiskId, Record, Run, SegmentHeader};
use crate::index::IndexQueue;
use crate::keys::Keys;
use crate::kv::Kv;
use crate::reader::Part;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::fs::Fs;
use watchbook_base::{CameraId, Clock, Kind, StreamId};
use watchbook_evidence::{Hash, sha256_of};

/// Ordinal of the vault among the parts of a reader: the last one, which no disk gets.
pub(crate) const VAULT_ORDINAL: u8 = u8::MAX;

/// What a vault stands on.
#[derive(Clone)]
pub(crate) struct VaultDeps {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<dyn HoldKeys>,
    /// The same keys, for readers; `None` in tests that seal nothing.
    pub(crate) sealed_with: Option<Arc<Keys>>,
    /// Opens the vault's index.
    pub(crate) index: crate::store::OpenIndex,
}

/// A hold as the copier sees it.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) logged: LoggedHold,
    pub(crate) covered: Coverage,
    /// Gaps that are held, by stream and start.
    pub(crate) gaps: BTreeSet<(StreamId, i64)>,
    /// Of the newest commit of this hold.
    pub(crate) last_hash: Hash,
    /// Nothing is left to copy or to arrive.
    pub(crate) settled: bool,
    /// Hours of cameras of which something is still to be copied; `None` before the first look.
    pub(crate) pending: Option<Pending>,
    pub(crate) left_bytes: u64,
    /// Other holds that have what the rings have overwritten, and that it is still to be copied from.
    pub(crate) from_holds: BTreeSet<HoldId>,
    /// What the last look found missing.
    pub(crate) missing: Vec<MissingFootage>,
    pub(crate) missing_count: u64,
    /// Look again what is missing.
    pub(crate) look_again: bool,
    pub(crate) trouble: Option<String>,
    /// Of the trouble.
    pub(crate) trouble_kind: Option<Kind>,
}

/// What a look at the rings' indexes found still to be copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    /// Camera and hour since 1970.
    pub(crate) hours: BTreeSet<(CameraId, i64)>,
    /// The hour of the look: of later ones nothing is known.
    pub(crate) looked_hour: i64,
}

impl Hold {
    pub(crate) fn new(logged: LoggedHold) -> Self {
        Self {
            logged,
            covered: Coverage::default(),
            gaps: BTreeSet::new(),
            last_hash: [0; 32],
            settled: false,
            pending: None,
            left_bytes: 0,
            from_holds: BTreeSet::new(),
            missing: Vec::new(),
            missing_count: 0,
            look_again: true,
            trouble: None,
            trouble_kind: None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.logged.released.is_none()
    }

    /// Something that was there was lost before it was copied.
    pub(crate) fn has_losses(&self) -> bool {
        self.missing.iter().any(|missing| missing.reason != MissingReason::NotStored)
    }

    fn state(&self) -> HoldState {
        match (self.is_active(), self.settled, self.has_losses()) {
            (false, ..) => HoldState::Released,
            (true, false, _) => HoldState::Copying,
            (true, true, true) => HoldState::Incomplete,
            (true, true, false) => HoldState::Held,
        }
    }

    fn info(&self, id: HoldId, held_bytes: u64) -> HoldInfo {
        let request = &self.logged.request;
        HoldInfo {
            id,
            case: request.case.clone(),
            cameras: request.cameras.clone(),
            range: request.range,
            note: request.note.clone(),
            state: self.state(),
            held_bytes,
            left_bytes: if self.is_active() { self.left_bytes } else { 0 },
            missing: self.missing.iter().take(MISSING_LISTED_MAX).copied().collect(),
            missing_count: self.missing_count,
            trouble: self.trouble.clone(),
            placed: self.logged.placed,
            released: self.logged.released.clone(),
        }
    }
}

/// A segment of the vault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotInfo {
    pub(crate) hold: HoldId,
    pub(crate) generation: u64,
    pub(crate) bytes: u64,
}

/// Never locked during I/O.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) holds: BTreeMap<HoldId, Hold>,
    pub(crate) slots: BTreeMap<u32, SlotInfo>,
}

impl State {
    pub(crate) fn held_bytes(&self) -> u64 {
        self.slots.values().map(|slot| slot.bytes).sum()
    }

    /// What unfinished holds will take beside what they have.
    pub(crate) fn reserved_bytes(&self) -> u64 {
        self.holds.values().filter(|hold| hold.is_active()).map(|hold| hold.left_bytes).sum()
    }

    pub(crate) fn slots_of(&self, id: HoldId) -> Vec<(u32, SlotInfo)> {
        self.slots.iter().filter(|(_, slot)| slot.hold == id).map(|(number, slot)| (*number, *slot)).collect()
    }
}

/// An opened vault.
pub(crate) struct OpenVault {
    pub(crate) dir: Arc<VaultDir>,
    pub(crate) kv: Arc<dyn Kv>,
    pub(crate) part: Arc<Part>,
    pub(crate) log: Mutex<VaultLog>,
    state: Mutex<State>,
}

impl OpenVault {
    /// FORMAT.md "Start-up of a vault".
    ///
    /// # Errors
    /// Those of [`VaultDir::open`], and when log or index cannot be read or written.
    pub(crate) fn open(path: &Path, known: Option<DiskId>, deps: &VaultDeps) -> Result<Self> {
        let dir = Arc::new(VaultDir::open(path, known, deps.fs.clone(), &*deps.clock)?);
        let kv = (deps.index)(dir.disk())?;
        cells::prepare_index(&*kv, dir.disk())?;
        let log = VaultLog::open(dir.clone(), deps.clock.clone())?;
        let common = Common { keys: deps.sealed_with.clone(), ..Common::default() };
        let index = (kv.clone(), Arc::new(IndexQueue::new(Live::default())));
        let part = Arc::new(Part::new(VAULT_ORDINAL, dir.ring.clone(), index, CareState::default(), &common));
        let vault = Self { dir, kv, part, log: Mutex::new(log), state: Mutex::default() };
        vault.load(&*deps.keys)?;
        Ok(vault)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, VaultLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self, keys: &dyn HoldKeys) -> Result<()> {
        let logged = self.log().logged().holds.clone();
        self.state().holds = logged.into_iter().map(|(id, logged)| (id, Hold::new(logged))).collect();
        let known = cells::slot_rows(&*self.kv)?;
        let slots = self.dir.slots()?;
        for (slot, row) in known.iter().filter(|(slot, _)| !slots.contains(slot)) {
            tracing::error!(slot, "a segment of the vault is missing; its hold is incomplete");
            cells::remove_rows(&*self.kv, *slot, row.generation)?;
        }
        let mut empty = false;
        for slot in slots {
            let Some(header) = self.dir.header(slot) else {
                // Nothing in it checks out: a file that was being made when the power went, or one beyond rescue.
                tracing::warn!(slot, "a segment of the vault holds nothing and is removed");
                self.dir.remove(slot)?;
                empty = true;
                continue;
            };
            self.load_slot(&header, known.get(&slot), keys)?;
        }
        if empty {
            self.dir.sync_segments()?;
        }
        Ok(())
    }

    /// Takes in one segment: as the index has it when that is all of it, else by reading its commits.
    fn load_slot(&self, header: &SegmentHeader, known: Option<&VaultSlotRow>, keys: &dyn HoldKeys) -> Result<()> {
        let (slot, generation) = (header.slot, header.generation);
        let bytes = self.dir.len(slot)?;
        let row = match known {
            Some(row) if row.generation == generation && row.end == bytes && self.knows(HoldId(row.hold)) => {
                row.clone()
            }
            _ => match self.index_slot(header, known, keys)? {
                Some(row) => row,
                None => {
                    self.dir.remove(slot)?;
                    return self.dir.sync_segments();
                }
            },
        };
        let gaps = cells::gaps_of(&*self.kv, generation)?;
        let id = HoldId(row.hold);
        let mut state = self.state();
        let hold =
            state.holds.get_mut(&id).ok_or_else(|| Error::new(Kind::Internal, format!("hold {id} was taken in")))?;
        for (disk, seq_from, seq_to) in &row.covered {
            hold.covered.add(DiskId(*disk), *seq_from, *seq_to);
        }
        hold.gaps.extend(gaps);
        hold.last_hash = row.last_hash;
        let listed = hold.is_active();
        state.slots.insert(slot, SlotInfo { hold: id, generation, bytes });
        self.dir.ring.slots.put_back(slot, if listed { generation } else { 0 });
        Ok(())
    }

    /// Reads a segment and makes its rows anew. `None` when it has no commit that counts.
    fn index_slot(
        &self,
        header: &SegmentHeader,
        known: Option<&VaultSlotRow>,
        keys: &dyn HoldKeys,
    ) -> Result<Option<VaultSlotRow>> {
        let (slot, generation) = (header.slot, header.generation);
        if let Some(old) = known {
            cells::remove_rows(&*self.kv, slot, old.generation)?;
        }
        let mut commits: Vec<(Position, Commit, Hash)> = Vec::new();
        let damage = self.dir.scan(header, &mut |at, commit, hash| commits.push((at, commit, hash)))?;
        if !damage.is_empty() {
            tracing::error!(?damage, "a part of the vault cannot be read");
        }
        let only = commits.len() == 1;
        if let Some((at, commit, _)) = commits.last_mut()
            && known.is_none_or(|row| row.end < at.offset + commit.commit_len)
        {
            // What the index had was read back once. Of another one, torn by a power cut or damaged since, the runs that are whole count, and all of it is
            // copied again as long as a ring has it.
            let all = commit.runs.len();
            self.keep_whole_runs(slot, at.offset, commit, keys)?;
            if only && commit.runs.is_empty() && all > 0 {
                return Ok(None);
            }
        }
        let Some(hold) = commits.iter().find_map(|(_, commit, _)| hold_of(commit)) else { return Ok(None) };
        self.take_in(&hold)?;
        let mut cells = Cells::new(slot, generation, hold_id(&hold));
        for (at, commit, hash) in commits {
            let batch = cells.apply(commit, at, hash);
            self.kv.write(&batch, false)?;
        }
        Ok(Some(cells.row))
    }

    fn knows(&self, id: HoldId) -> bool {
        self.state().holds.contains_key(&id)
    }

    /// Strips a commit of the runs that are not what was recorded, and then of what it says about having copied all.
    fn keep_whole_runs(&self, slot: u32, offset: u64, commit: &mut Commit, keys: &dyn HoldKeys) -> Result<()> {
        let reader = self.dir.reader(slot, Some(commit.generation))?;
        let is_whole = |run: &Run| {
            let payload = reader.payload(offset, run).filter(|payload| crc32c::crc32c(payload) == run.crc);
            payload.is_some_and(|mut payload| match keys.open(run, &mut payload) {
                Ok(()) => sha256_of(&[&run.table, &payload]) == run.sha256,
                // Its hold is released: nothing of it is listed anyway.
                Err(error) => error.kind == Kind::NotFound,
            })
        };
        let all = commit.runs.len();
        commit.runs.retain(is_whole);
        if commit.runs.len() < all {
            tracing::warn!(
                slot,
                seq = commit.seq,
                "a commit of the vault is torn; what a ring still has of it is copied again"
            );
            for (_, record) in &mut commit.records {
                if let Record::Vault(VaultRecord::Copied(copied)) = record {
                    copied.seq_to = copied.seq_from.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// A hold that a segment states and the log does not: the log was damaged.
    fn take_in(&self, record: &VaultRecord) -> Result<()> {
        let id = hold_id(record);
        if self.knows(id) {
            return Ok(());
        }
        tracing::warn!(hold = %id, "a hold is taken from its segments, because the vault's log does not have it");
        let logged = {
            let mut log = self.log();
            log.append(vec![record.clone()])?;
            log.logged().holds.get(&id).cloned()
        };
        if let Some(logged) = logged {
            self.state().holds.insert(id, Hold::new(logged));
        }
        Ok(())
    }

    /// Every hold, released ones too, by number.
    pub(crate) fn infos(&self) -> Vec<HoldInfo> {
        let state = self.state();
        let mut bytes: BTreeMap<HoldId, u64> = BTreeMap::new();
        state.slots.values().for_each(|slot| *bytes.entry(slot.hold).or_default() += slot.bytes);
        let info = |(id, hold): (&HoldId, &Hold)| {
            let held_bytes = if hold.is_active() { bytes.get(id).copied().unwrap_or(0) } else { 0 };
            hold.info(*id, held_bytes)
        };
        state.holds.iter().map(info).collect()
    }

    pub(crate) fn info(&self, quota_bytes: u64) -> VaultInfo {
        let state = self.state();
        VaultInfo { quota_bytes, held_bytes: state.held_bytes(), reserved_bytes: state.reserved_bytes() }
    }

    /// A segment number that no segment has and had in this run of the program: readers keep files open by number.
    pub(crate) fn free_slot(&self, after: u32) -> Option<u32> {
        let state = self.state();
        let highest = state.slots.last_key_value().map_or(0, |(slot, _)| *slot).max(after);
        Some(highest + 1).filter(|slot| *slot <= super::dir::VAULT_SLOTS_MAX)
    }
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
    }
}
