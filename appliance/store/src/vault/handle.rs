//! The vault as the store has it: open or not, with its thread, and what people ask of it.

use super::copy::{Copier, Job, Outcome};
use super::hold::{HOLD_TEXT_BYTES_MAX, HoldId, HoldInfo, HoldPlaced, HoldReleased, HoldRequest, VaultInfo};
use super::leaves::{Leaves, With};
use super::log::LoggedHold;
use super::look::{self, HOUR_NANOS};
use super::plan::copied_range;
use super::queue::{JobKey, Queue, key_of, retry_pause};
use super::record::VaultRecord;
use super::scrub::Scrub;
use super::source::{Source, Sources};
use super::state::{Hold, OpenVault, VaultDeps};
use super::{alarms, proved, release};
use crate::alarm::Alarms;
use crate::codec::wide;
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::reader::PartList;
use crate::register::{Change, Namespace, Register};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use watchbook_base::{CameraId, Kind, MonoNanos, TimeRange, UtcNanos};

/// A look at the rings' indexes when nothing else calls for one: a ring of four segments at 1 GB/s turns round in 16 s.
pub(crate) const LOOK_EVERY_NANOS: u64 = 5 * 1_000_000_000;
/// Looking takes at most one part of so many of the thread's time.
const LOOK_SHARE: u64 = 20;
/// Pause before a vault that could not be opened, or a hold that could not go on, is tried again.
pub(crate) const RETRY_NANOS: u64 = 10 * 1_000_000_000;
/// Holds in all, released ones included; beyond, none is placed. Each costs a few kB of memory and one look every few seconds while it copies.
const HOLDS_MAX: usize = 20_000;

/// Why a hold of which nothing is left to copy is not held yet.
const DISK_AWAY: &str =
    "a disk of the station does not record, and may have more of it; bring it back, or give it up on the page Health";

/// Key of the vault's identity among the settings of the register.
const KNOWN_KEY: &[u8] = b"vault";

/// Where the vault is and how much it may take.
#[derive(Clone)]
pub struct VaultConfig {
    /// Its directory; it belongs to the vault alone.
    pub dir: PathBuf,
    /// What all holds together may take.
    pub quota_bytes: u64,
    /// Keeps which vault this is, so that an empty mount point is not taken for a new one; `None` in tests of other things.
    pub register: Option<Arc<Register>>,
}

impl VaultConfig {
    /// The vault that must be there; `None`: one is made when there is none.
    fn known(&self) -> Option<DiskId> {
        known_vault(self.register.as_ref()?).ok().flatten()
    }

    fn remember(&self, vault: DiskId) {
        let Some(register) = self.register.as_ref().filter(|_| self.known() != Some(vault)) else { return };
        if let Err(error) = register.apply(&[Change::put(Namespace::Setting, KNOWN_KEY, vault.0)]) {
            tracing::error!(%error, %vault, "the register does not take the identity of the vault; its absence is not noticed after a restart");
        }
    }
}

/// The vault that the station has had open, wherever it is now.
///
/// # Errors
/// When the register cannot be read.
pub fn known_vault(register: &Register) -> Result<Option<DiskId>> {
    let entry = register.get(Namespace::Setting, KNOWN_KEY)?;
    Ok(entry.and_then(|entry| Some(DiskId(entry.value.try_into().ok()?))))
}

/// Lists the rings whose footage can be held, as they are now.
pub(crate) type SourceList = Arc<dyn Fn() -> Sources + Send + Sync>;

/// What wakes the vault's thread.
#[derive(Debug, Default)]
struct Wake {
    /// Something was placed or released: look at once.
    look: bool,
    closing: bool,
}

/// The vault.
pub(crate) struct Vault {
    config: VaultConfig,
    deps: VaultDeps,
    sources: SourceList,
    parts: PartList,
    alarms: Arc<Alarms>,
    open: RwLock<core::result::Result<Arc<OpenVault>, String>>,
    wake: Mutex<Wake>,
    woken: Condvar,
}

/// What the vault's thread keeps between two steps.
#[derive(Default)]
pub(crate) struct Worker {
    copier: Copier,
    queue: Queue,
    leaves: Leaves,
    looked: Option<MonoNanos>,
    /// Disks of the last look.
    disks: BTreeSet<DiskId>,
    /// How long the last look took.
    look_took: u64,
    retry_at: Option<MonoNanos>,
    /// When segments of the vault that were not as they should be are tried again.
    unsound_at: Option<MonoNanos>,
    scrub: Scrub,
}

impl Worker {
    /// Nothing is known of the hold any more: it is released, or its segments are not what they were.
    fn forget(&mut self, hold: HoldId) {
        self.copier.forget(hold);
        self.leaves.forget(hold);
    }
}

#[cfg(test)]
impl Worker {
    /// Losses that are still to be noted.
    pub(crate) fn to_note(&self) -> usize {
        self.queue.to_note()
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do.
    Busy,
    /// Nothing to do until the next look.
    Idle,
}

impl Vault {
    pub(crate) fn new(config: VaultConfig, deps: VaultDeps, of: (SourceList, PartList), alarms: Arc<Alarms>) -> Self {
        let (sources, parts) = of;
        let open = RwLock::new(Err("it is being opened".to_owned()));
        Self { config, deps, sources, parts, alarms, open, wake: Mutex::default(), woken: Condvar::new() }
    }

    /// The open vault.
    ///
    /// # Errors
    /// `Unavailable` with the reason while it is not open.
    pub(crate) fn get(&self) -> Result<Arc<OpenVault>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone().map_err(|why| {
            Error::new(Kind::Unavailable, format!("the vault {} cannot be used: {why}", self.config.dir.display()))
        })
    }

    /// Places a hold; it is durable once this returns. Copying begins at once, what the ring overwrites next first.
    ///
    /// # Errors
    /// `InvalidInput` when the request cannot be met, `Exhausted` when the quota has no room for it, `Unavailable` when the vault is not open, `Io` when it
    /// cannot be written.
    pub(crate) fn place(&self, request: HoldRequest) -> Result<HoldId> {
        let now = self.deps.clock.utc();
        request.check(now)?;
        let vault = self.get()?;
        let (bytes, missing) = look::estimate(&(self.sources)(), &request, now)?;
        // One at a time from here, so that two holds do not take the same room or number.
        let mut log = vault.log();
        let info = vault.info(self.config.quota_bytes);
        if bytes > info.free_bytes() {
            return Err(Error::new(
                Kind::Exhausted,
                format!(
                    "placing a hold for case {}: about {} are needed, and {} of the vault's {} are free; release a hold, hold less, or raise vault_gib",
                    request.case,
                    alarms::size(bytes),
                    alarms::size(info.free_bytes()),
                    alarms::size(info.quota_bytes)
                ),
            ));
        }
        if log.logged().holds.len() >= HOLDS_MAX {
            return Err(Error::new(Kind::Exhausted, format!("placing a hold: there have been {HOLDS_MAX} already")));
        }
        let id = log.logged().next_hold();
        let placed = HoldPlaced { utc: now, by_account: request.by_account };
        let key_id = self.deps.keys.make()?;
        let mut records =
            vec![VaultRecord::Hold { hold: id, key_id, request: request.clone(), placed, restated: false }];
        records.extend(missing.iter().map(|missing| VaultRecord::Missing { hold: id, missing: *missing }));
        log.append(records)?;
        let mut logged = LoggedHold::new(key_id, request, placed);
        logged.missing = missing.iter().map(|one| ((one.stream, one.start), *one)).collect();
        vault
            .state()
            .holds
            .insert(id, Hold { left_bytes: bytes, missing_count: wide(missing.len()), missing, ..Hold::new(logged) });
        drop(log);
        alarms::tell(&self.alarms, &vault, self.config.quota_bytes, now);
        self.wake(|wake| wake.look = true);
        Ok(id)
    }

    /// Estimate of the bytes that a hold would take.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub(crate) fn needed_bytes(&self, request: &HoldRequest) -> Result<u64> {
        Ok(look::estimate(&(self.sources)(), request, self.deps.clock.utc())?.0)
    }

    /// Releases a hold: once this returns, nobody can read its copy.
    ///
    /// # Errors
    /// `NotFound` when there is no such hold, `Conflict` when it is released already, `InvalidInput` for a reason of no or too many bytes, `Io` when the
    /// release could not be written or the key not be destroyed; the vault then tries again by itself once the release is durable.
    pub(crate) fn release(&self, id: HoldId, by_account: u32, reason: &str) -> Result<()> {
        if reason.trim().is_empty() || reason.len() > HOLD_TEXT_BYTES_MAX {
            return Err(Error::invalid(format!(
                "releasing hold {id}: the reason has {} bytes; 1 to {HOLD_TEXT_BYTES_MAX} are allowed",
                reason.len()
            )));
        }
        let vault = self.get()?;
        let mut log = vault.log();
        let hold = log.logged().holds.get(&id).cloned();
        let hold = hold.ok_or_else(|| Error::new(Kind::NotFound, format!("releasing hold {id}: there is none")))?;
        if hold.released.is_some() {
            return Err(Error::new(Kind::Conflict, format!("releasing hold {id}: it is released already")));
        }
        if let Some(other) = needs_other(&vault, id, &hold) {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "releasing hold {id}: hold {other} is still being copied from it; release it when hold {other} is held"
                ),
            ));
        }
        let released = HoldReleased { utc: self.deps.clock.utc(), by_account, reason: reason.to_owned() };
        log.append(vec![VaultRecord::Release { hold: id, released: released.clone() }])?;
        {
            let mut state = vault.state();
            if let Some(hold) = state.holds.get_mut(&id) {
                hold.logged.released = Some(released);
            }
            // From here on readers get nothing of it.
            state.slots_of(id).iter().for_each(|(slot, _)| vault.dir.ring.slots.set(*slot, 0));
        }
        drop(log);
        self.wake(|wake| wake.look = true);
        self.deps.keys.destroy(hold.key_id)
    }

    /// Every hold, released ones too, by number.
    ///
    /// # Errors
    /// `Unavailable` when the vault is not open.
    pub(crate) fn holds(&self) -> Result<Vec<HoldInfo>> {
        Ok(self.get()?.infos())
    }

    /// The vault as a whole.
    ///
    /// # Errors
    /// `Unavailable` when the vault is not open.
    pub(crate) fn info(&self) -> Result<VaultInfo> {
        Ok(self.get()?.info(self.config.quota_bytes))
    }

    /// True when footage of `camera` in `range` is held and not copied yet: its key must not be destroyed now. Also true of all footage while a vault that
    /// is known cannot be opened: nobody can tell then what it still needs.
    pub(crate) fn needs(&self, camera: CameraId, range: TimeRange) -> bool {
        let Ok(vault) = self.get() else { return self.config.known().is_some() };
        let state = vault.state();
        state.holds.values().filter(|hold| hold.is_active() && !hold.settled).any(|hold| {
            let request = &hold.logged.request;
            let last = range.end.0.saturating_sub(1).div_euclid(HOUR_NANOS);
            let hours = (camera, range.start.0.div_euclid(HOUR_NANOS).min(last))..=(camera, last);
            request.cameras.contains(&camera)
                && copied_range(request.range).overlaps(range)
                && hold.pending.as_ref().is_none_or(|pending| {
                    pending.partial || last >= pending.looked_hour || pending.hours.range(hours).next().is_some()
                })
        })
    }

    /// One piece of work: open the vault, finish a release, look at the indexes, or copy a batch.
    pub(crate) fn step(&self, worker: &mut Worker) -> Step {
        let (now, utc) = (self.deps.clock.mono(), self.deps.clock.utc());
        if worker.retry_at.is_some_and(|at| now < at) {
            return Step::Idle;
        }
        worker.retry_at = None;
        let vault = match self.get().or_else(|_| self.try_open(utc)) {
            Ok(vault) => vault,
            Err(error) => {
                alarms::tell_closed(&self.alarms, self.config.known(), &error, utc);
                worker.retry_at = Some(self.later(RETRY_NANOS));
                return Step::Idle;
            }
        };
        let asked = std::mem::take(&mut self.wake_state().look);
        match release::finish(&vault, &self.deps) {
            Ok(done) => done.into_iter().for_each(|hold| worker.forget(hold)),
            Err(error) => {
                tracing::error!(%error, "a released hold cannot be removed yet");
                worker.retry_at = Some(self.later(RETRY_NANOS));
            }
        }
        self.retry_unsound(&vault, worker);
        // A look at a month of many cameras takes seconds: copying gets most of the time.
        let pause = LOOK_EVERY_NANOS.max(worker.look_took.saturating_mul(LOOK_SHARE));
        let due = worker.looked.is_none_or(|looked| now.nanos_since(looked) >= pause);
        if asked || due {
            self.look(&vault, worker, (now, utc));
        }
        let step = self.work(&vault, worker);
        alarms::tell(&self.alarms, &vault, self.config.quota_bytes, utc);
        step
    }

    /// Copies a batch, or proofs where a ring overwrites those first; with nothing to copy, verifies what is held.
    fn work(&self, vault: &OpenVault, worker: &mut Worker) -> Step {
        let (footage, proofs) = (worker.queue.turns_left(), worker.leaves.turns_left());
        let is_first = footage.is_none_or(|footage| proofs.is_some_and(|proofs| proofs < footage));
        if is_first && self.prove(vault, worker) {
            return Step::Busy;
        }
        match worker.queue.next() {
            None => self.scrub(vault, worker),
            Some(job) => {
                self.batch(vault, worker, job);
                Step::Busy
            }
        }
    }

    /// What copying proofs needs; `None` without an audit log.
    fn with<'a>(&'a self, vault: &'a OpenVault) -> Option<With<'a>> {
        let register = self.config.register.as_deref()?;
        Some(With { vault, deps: &self.deps, register, quota_bytes: self.config.quota_bytes })
    }

    /// Copies proofs of one segment. False when there is nothing to do before the next look.
    fn prove(&self, vault: &OpenVault, worker: &mut Worker) -> bool {
        let Some(with) = self.with(vault) else { return false };
        worker.leaves.step(&with, &mut worker.copier).unwrap_or_else(|error| {
            tracing::warn!(%error, "the proofs of held footage cannot be copied now; it is tried again");
            true
        })
    }

    fn try_open(&self, now: UtcNanos) -> Result<Arc<OpenVault>> {
        let vault = Arc::new(OpenVault::open(&self.config.dir, self.config.known(), &self.deps)?);
        self.config.remember(vault.dir.disk());
        self.parts.write().unwrap_or_else(PoisonError::into_inner).push(vault.part.clone());
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Ok(vault.clone());
        for known in [None, Some(vault.dir.disk())] {
            alarms::clear_closed(&self.alarms, known, now);
        }
        Ok(vault)
    }

    /// Segments of the vault that were not as they should be are tried again from time to time.
    fn retry_unsound(&self, vault: &OpenVault, worker: &mut Worker) {
        if vault.state().is_sound() {
            return;
        }
        let now = self.deps.clock.mono();
        if now < *worker.unsound_at.get_or_insert(self.later(retry_pause(0))) {
            return;
        }
        match vault.retry_unsound(&*self.deps.keys) {
            Ok(true) => (worker.looked, worker.leaves) = (None, Leaves::default()),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "segments of the vault cannot be tried again yet"),
        }
        // From the end of the attempt on: while the disk refuses slowly, holds are copied.
        worker.unsound_at = Some(self.later(retry_pause(self.deps.clock.mono().nanos_since(now))));
    }

    /// Nothing is to be copied: held footage is verified, until a hold is placed.
    fn scrub(&self, vault: &OpenVault, worker: &mut Worker) -> Step {
        let yields = || {
            let wake = self.wake_state();
            wake.look || wake.closing
        };
        let changed = worker.scrub.step(vault, &self.deps, &yields);
        if changed.is_empty() {
            return Step::Idle;
        }
        for hold in changed {
            match hold {
                // Its segment may be the one that is written.
                Some(hold) => worker.forget(hold),
                None => worker.unsound_at = Some(self.deps.clock.mono()),
            }
        }
        worker.looked = None;
        Step::Busy
    }

    fn look(&self, vault: &OpenVault, worker: &mut Worker, at: (MonoNanos, UtcNanos)) {
        let (now, utc) = at;
        worker.looked = Some(now);
        let sources = (self.sources)();
        let disks: BTreeSet<DiskId> = sources.list.iter().map(Source::disk).collect();
        if !disks.is_subset(&worker.disks) {
            // One that came back may have what a hold lacks.
            vault.state().unsettle_all();
        }
        worker.disks = disks;
        let fate = |job: &Job| look::fate(vault, &sources, job);
        worker.queue.find_lost(&fate);
        let found = self.note_lost(vault, worker).and_then(|_| look::look(vault, &sources, utc));
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "what is to be held cannot be listed; it is tried again");
                worker.retry_at = Some(self.later(RETRY_NANOS));
                return;
            }
        };
        if let Some(Err(error)) = self.with(vault).map(|with| worker.leaves.look(&with, &sources)) {
            tracing::warn!(%error, "which proofs of held footage are to be copied cannot be told; it is tried again");
        }
        if let Some(Err(error)) = self.with(vault).map(|_| proved::look(vault)) {
            tracing::warn!(%error, "which held footage has its proofs cannot be told; it is tried again");
        }
        worker.look_took = self.deps.clock.mono().nanos_since(now);
        worker.queue.take(found.jobs, &fate, self.deps.clock.mono());
        match self.note_lost(vault, worker) {
            Ok(false) => {}
            // Some of it was overwritten in the midst of the look.
            Ok(true) => worker.looked = None,
            Err(error) => tracing::error!(%error, "what is missing cannot be stated; it is tried again"),
        }
        let with_gaps: BTreeSet<HoldId> = found.gaps.iter().map(|(hold, _)| *hold).collect();
        for (id, hold) in &mut vault.state().holds {
            // What it was about is copied, overwritten or gone with its disk.
            if !worker.queue.has(*id) && !with_gaps.contains(id) {
                let away = hold.waits_for_disk && hold.is_active() && !hold.settled;
                (hold.trouble, hold.trouble_kind) = away.then(|| (DISK_AWAY.to_owned(), Kind::Unavailable)).unzip();
            }
        }
        for (hold, gaps) in found.gaps {
            if let Err(error) = worker.copier.put_gaps(vault, &self.deps, self.config.quota_bytes, (hold, gaps)) {
                self.stopped(vault, worker, (hold, error));
            }
        }
    }

    /// States what the rings have overwritten of what was put off: a hole of a moment tells nobody that something is missing. True when there was some.
    fn note_lost(&self, vault: &OpenVault, worker: &mut Worker) -> Result<bool> {
        let mut found = false;
        while let Some((hold, missing)) = worker.queue.lost() {
            if worker.copier.note_missing(vault, *hold, missing)? {
                found |= vault.state().unsettle(*hold);
            }
            worker.queue.noted();
        }
        Ok(found)
    }

    fn batch(&self, vault: &OpenVault, worker: &mut Worker, job: Job) {
        let (key, began) = (key_of(&job), self.deps.clock.mono());
        let tried = job.clone();
        let outcome = worker.copier.batch(vault, &self.deps, self.config.quota_bytes, job);
        worker.queue.tried(key);
        let again = match outcome {
            Outcome::Goes(rest) => {
                worker.queue.goes_on(rest);
                self.goes_on(vault, worker, key);
                false
            }
            // The index is looked at again before the last of a hold counts as held.
            Outcome::Done => {
                self.goes_on(vault, worker, key);
                if tried.source.part.is_vault() {
                    worker.leaves.copied_from_other(key.0);
                }
                worker.queue.is_empty()
            }
            Outcome::Gone(hold) => {
                if let Some(hold) = vault.state().holds.get_mut(&hold) {
                    hold.look_again = true;
                }
                worker.queue.gone(&tried);
                true
            }
            Outcome::Unread(unread, rest) => {
                self.note_trouble(vault, key.0, &unread.error);
                let now = self.deps.clock.mono();
                worker.queue.put_off(tried, &unread, now, now.nanos_since(began));
                rest.into_iter().for_each(|rest| worker.queue.goes_on(rest));
                false
            }
            Outcome::Stopped(hold, error) => {
                worker.queue.goes_on(tried);
                self.stopped(vault, worker, (hold, error));
                false
            }
        };
        if again {
            worker.looked = None;
        }
    }

    fn goes_on(&self, vault: &OpenVault, worker: &mut Worker, key: JobKey) {
        if worker.queue.has_put_off(key.0) {
            return;
        }
        if let Some(hold) = vault.state().holds.get_mut(&key.0) {
            (hold.trouble, hold.trouble_kind) = (None, None);
        }
    }

    /// A hold cannot go on now. Its segment is not written again; the others go on.
    fn stopped(&self, vault: &OpenVault, worker: &mut Worker, what: (HoldId, Error)) {
        let (hold, error) = what;
        self.note_trouble(vault, hold, &error);
        worker.copier.forget(hold);
        worker.queue.stop(hold);
        if worker.queue.is_empty() {
            worker.retry_at = Some(self.later(RETRY_NANOS));
        }
    }

    /// The time so long from now.
    fn later(&self, nanos: u64) -> MonoNanos {
        MonoNanos(self.deps.clock.mono().0.saturating_add(nanos))
    }

    fn note_trouble(&self, vault: &OpenVault, hold: HoldId, error: &Error) {
        let text = error.to_string();
        let mut state = vault.state();
        if let Some(known) = state.holds.get_mut(&hold).filter(|hold| hold.is_active())
            && known.trouble.as_ref() != Some(&text)
        {
            tracing::error!(%hold, %error, "a hold cannot be copied now; recording goes on");
            (known.trouble, known.trouble_kind) = (Some(text), Some(error.kind));
        }
    }

    fn wake_state(&self) -> MutexGuard<'_, Wake> {
        self.wake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, change: impl FnOnce(&mut Wake)) {
        change(&mut self.wake_state());
        self.woken.notify_all();
    }

    /// Ends [`Vault::run`] after the batch that is being copied.
    pub(crate) fn close(&self) {
        self.wake(|wake| wake.closing = true);
    }

    /// Works until it is closed.
    pub(crate) fn run(&self) {
        let mut worker = Worker::default();
        loop {
            let idle = self.step(&mut worker) == Step::Idle;
            let mut wake = self.wake_state();
            if idle && !wake.closing && !wake.look {
                let pause = Duration::from_nanos(LOOK_EVERY_NANOS);
                wake = self.woken.wait_timeout(wake, pause).unwrap_or_else(PoisonError::into_inner).0;
            }
            if wake.closing {
                return;
            }
        }
    }
}

/// A hold that is to be copied from `id`, or may be: nobody has looked yet.
fn needs_other(vault: &OpenVault, id: HoldId, hold: &LoggedHold) -> Option<HoldId> {
    let range = copied_range(hold.request.range);
    let state = vault.state();
    let needs = |other: &Hold| match other.pending {
        Some(_) => other.from_holds.contains(&id),
        None => {
            !other.logged.request.cameras.is_disjoint(&hold.request.cameras)
                && copied_range(other.logged.request.range).overlaps(range)
        }
    };
    state.holds.iter().find(|(at, other)| **at != id && other.is_active() && needs(other)).map(|(at, _)| *at)
}
