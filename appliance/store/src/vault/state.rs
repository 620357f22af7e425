//! An opened vault: what is held, as the copier and those who ask see it.

use super::cells;
use super::dir::VaultDir;
use super::hold::{HoldId, HoldInfo, HoldState, MISSING_LISTED_MAX, MissingFootage, MissingReason, VaultInfo};
use super::keys::HoldKeys;
use super::load::Unsound;
use super::log::{LoggedHold, VaultLog};
use super::plan::Coverage;
use super::rot::Rot;
use crate::care::CareState;
use crate::catalog::Live;
use crate::codec::wide;
use crate::disk::Common;
use crate::error::Result;
use crate::format::DiskId;
use crate::index::IndexQueue;
use crate::keys::Keys;
use crate::kv::Kv;
use crate::reader::Part;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::fs::Fs;
use watchbook_base::{CameraId, Clock, Kind, StreamId};
use watchbook_evidence::Hash;

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
    /// Bytes and segments of its copy at the last look at its proofs, and how much of it had none.
    pub(crate) unproven: Option<((u64, usize), i64)>,
    /// Other holds that have what the rings have overwritten, and that it is still to be copied from.
    pub(crate) from_holds: BTreeSet<HoldId>,
    /// Nothing is left to copy from the disks that are there, and one is away.
    pub(crate) waits_for_disk: bool,
    /// What the last look found missing.
    pub(crate) missing: Vec<MissingFootage>,
    pub(crate) missing_count: u64,
    /// Something that was there was lost, before it was copied or since.
    pub(crate) has_losses: bool,
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
    /// A disk was away: nobody knows what it has.
    pub(crate) partial: bool,
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
            unproven: None,
            from_holds: BTreeSet::new(),
            waits_for_disk: false,
            missing: Vec::new(),
            missing_count: 0,
            has_losses: false,
            look_again: true,
            trouble: None,
            trouble_kind: None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.logged.released.is_none()
    }

    /// Takes what a look found missing; of a list that is too long, losses stay.
    pub(crate) fn lists_missing(&mut self, mut missing: Vec<MissingFootage>) {
        let is_loss = |one: &MissingFootage| one.reason != MissingReason::NotStored;
        (self.missing_count, self.has_losses) = (wide(missing.len()), missing.iter().any(is_loss));
        if missing.len() > MISSING_LISTED_MAX {
            missing.sort_by_key(|one| (!is_loss(one), *one));
            missing.truncate(MISSING_LISTED_MAX);
            missing.sort();
        }
        self.missing = missing;
    }

    fn state(&self) -> HoldState {
        match (self.is_active(), self.settled, self.has_losses) {
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
            unproven_nanos: self.unproven.filter(|_| self.is_active() && self.settled).map(|(_, nanos)| nanos),
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
    /// Of these segments those that are not as they should be.
    pub(crate) unsound: BTreeMap<u32, Unsound>,
    /// What has rotted of segments that are held otherwise.
    pub(crate) rot: BTreeMap<u32, Rot>,
    /// Holds of which a segment counts otherwise than before, until what they have is counted anew.
    pub(crate) to_recount: BTreeSet<HoldId>,
}

impl State {
    pub(crate) fn held_bytes(&self) -> u64 {
        self.slots.values().map(|slot| slot.bytes).sum()
    }

    /// What unfinished holds will take beside what they have.
    pub(crate) fn reserved_bytes(&self) -> u64 {
        self.holds.values().filter(|hold| hold.is_active()).map(|hold| hold.left_bytes).sum()
    }

    /// True when no segment is to be tried again, and no hold counted anew.
    pub(crate) fn is_sound(&self) -> bool {
        self.unsound.is_empty() && self.to_recount.is_empty()
    }

    /// All holds are to be looked at again.
    pub(crate) fn unsettle_all(&mut self) {
        self.holds.values_mut().for_each(|hold| (hold.settled, hold.look_again) = (false, true));
    }

    /// A hold is to be looked at again. False when it is released.
    pub(crate) fn unsettle(&mut self, id: HoldId) -> bool {
        let hold = self.holds.get_mut(&id).filter(|hold| hold.is_active());
        hold.map(|hold| (hold.settled, hold.look_again) = (false, true)).is_some()
    }

    /// True when footage of the hold may come to light in a segment that the disk does not give now, or it is not known what the hold has.
    pub(crate) fn may_have_more(&self, id: HoldId) -> bool {
        if self.to_recount.contains(&id) {
            return true;
        }
        let waiting = self.unsound.iter().filter(|(_, unsound)| unsound.waits);
        let mut owners = waiting.map(|(slot, _)| self.slots.get(slot).map(|slot| slot.hold));
        owners.any(|owner| owner.is_none_or(|owner| owner == id || !self.holds.contains_key(&owner)))
    }

    /// Segments of which something counts as held.
    pub(crate) fn files_of(&self, id: HoldId) -> BTreeSet<u32> {
        let is_there = |slot: &u32| !self.unsound.get(slot).is_some_and(|unsound| unsound.lost);
        self.slots_of(id).into_iter().map(|(slot, _)| slot).filter(is_there).collect()
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
