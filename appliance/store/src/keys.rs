//! The keys that footage is sealed with: one for each camera and hour, wrapped with the master key, in two files on two disks.
//!
//! * **Promises:** a key is durable in at least one place, in both when both are there, before a commit that uses it is acknowledged; either copy may be
//!   lost; a destroyed key never comes back, also not with a copy that was away when it was destroyed.
//! * **Never:** writes a key in the clear, replaces keys that the master key does not fit.
//! * **Memory:** 64 B a key, and nothing of the key itself: 64 cameras × 24 h × 30 days take 3 MB, 400 cameras × 24 h × 365 days 220 MB. Unwrapped are at most
//!   [`READY_MAX`].

mod aead;
mod copies;
mod file;
mod master;
mod merge;
mod slot;
mod tend;
mod trusted;

pub use file::Place;
pub use master::{MasterKey, MasterSource};
pub use slot::{KEY_SLOT_BYTES, KEYS_MAGIC};

pub(crate) use aead::{CIPHER, SealKey};
pub(crate) use slot::TAG_BYTES;

use crate::error::{Error, Result};
use crate::format::Run;
use aead::{Wrapper, new_key};
use copies::Copies;
use slot::{Found, Slot};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use trusted::Trusted;
use watchbook_base::fs::Fs;
use watchbook_base::{CameraId, Clock, Kind, MonoNanos, UtcNanos};

/// What one key covers.
pub const KEY_NANOS: i64 = 3600 * 1_000_000_000;
/// Unwrapped keys in memory: those of 400 cameras for this hour and the next, and a day of some for readers. A key schedule takes half a kB.
const READY_MAX: usize = 1024;
/// A camera's newest keys that are looked at for a sample: this hour's, the next one's, and two before for what waited in memory.
const NEWEST_MAX: usize = 4;
/// When no key can be made durable, a camera's last one is used for so long. What it covers is then erased early, never late.
const OVERUSE_NANOS: i64 = 24 * KEY_NANOS;
/// How long a commit waits for somebody else's work on the key files before it goes on with the key that it has.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of a live key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    index: u32,
    /// `None`: a hold's.
    pub(crate) camera: Option<CameraId>,
    /// Start of the hour that it covers, by the trusted time.
    pub(crate) basis: UtcNanos,
    /// Maximum age when it was made; 0: none.
    pub(crate) days_max: u32,
    /// Made by a time that nobody has confirmed; moves along when it is put right.
    provisional: bool,
}

/// All keys of a store. Shared by committers, readers and the thread that erases.
pub struct Keys {
    clock: Arc<dyn Clock>,
    wrapper: Wrapper,
    /// Taken before `state`, and never the other way round.
    copies: Mutex<Copies>,
    state: Mutex<State>,
}

struct State {
    live: BTreeMap<u32, Entry>,
    newest: HashMap<CameraId, VecDeque<(UtcNanos, u32)>>,
    ready: VecDeque<Arc<SealKey>>,
    days_max: HashMap<CameraId, u32>,
    /// When each camera last had something to seal.
    used: HashMap<CameraId, MonoNanos>,
    trusted: Trusted,
    /// Nothing could be written: not tried again before the next tick.
    broken: bool,
    alarms: KeyAlarms,
}

/// What is wrong with the keys, as sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyAlarms {
    /// A copy is missing.
    pub copy_missing: Option<String>,
    /// Keys are lost, or would not outlive a power cut.
    pub damaged: Option<String>,
    /// The time by which footage grows old may be wrong.
    pub clock_untrusted: Option<String>,
    /// A key is due and still on a disk.
    pub erasure_late: Option<String>,
}

impl Keys {
    /// Opens both copies, makes them one, and makes what is missing. `fs` is where the master key's file lies.
    ///
    /// # Errors
    /// `InvalidInput` when the master key does not fit the key files, which stay as they are; `NotFound` when there are key files and no master key.
    pub fn open(places: [Place; 2], master: &MasterSource, fs: &dyn Fs, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::opened(places, (master, fs), clock, true)
    }

    /// Opens the keys as they are: makes and mends nothing.
    ///
    /// # Errors
    /// As [`Keys::open`].
    pub fn open_existing(
        places: [Place; 2],
        master: &MasterSource,
        fs: &dyn Fs,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::opened(places, (master, fs), clock, false)
    }

    fn opened(
        places: [Place; 2],
        master: (&MasterSource, &dyn Fs),
        clock: Arc<dyn Clock>,
        may_change: bool,
    ) -> Result<Self> {
        let (utc, mono) = (clock.utc(), clock.mono());
        let (copies, wrapper, slots) = Copies::open(places, master, utc, may_change)?;
        let mut state = State {
            live: BTreeMap::new(),
            newest: HashMap::new(),
            ready: VecDeque::new(),
            days_max: HashMap::new(),
            used: HashMap::new(),
            trusted: Trusted::new(Some(copies.header.noted), utc, mono),
            broken: false,
            alarms: KeyAlarms::default(),
        };
        for (index, found) in (0_u32..).zip(&slots) {
            if let Found::Slot(slot) = found
                && slot.wrapped.is_some()
            {
                state.insert(slot.key_id, Entry::of(index, slot, false));
            }
        }
        let keys = Self { clock, wrapper, copies: Mutex::new(copies), state: Mutex::new(state) };
        keys.tell(&keys.copies());
        Ok(keys)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copies(&self) -> MutexGuard<'_, Copies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by which footage grows old.
    #[must_use]
    pub fn trusted_now(&self) -> UtcNanos {
        self.state().trusted.at(self.clock.mono())
    }

    /// What is wrong.
    #[must_use]
    pub fn alarms(&self) -> KeyAlarms {
        self.state().alarms.clone()
    }

    /// False when the key is destroyed or lost: nothing that it sealed can be read any more.
    pub(crate) fn is_live(&self, key_id: u32) -> bool {
        self.state().live.contains_key(&key_id)
    }

    /// Start of the oldest hour of `camera` that can still be read, by the trusted time.
    pub(crate) fn oldest(&self, camera: CameraId) -> Option<UtcNanos> {
        let state = self.state();
        state.live.values().filter(|entry| entry.camera == Some(camera)).map(|entry| entry.basis).min()
    }

    /// The key for each camera's samples that arrived at a moment of the monotonic clock. Keys that are missing are made, all in one batch.
    ///
    /// # Errors
    /// When there are no random bytes or no more key numbers.
    pub(crate) fn for_samples(&self, wanted: &[(CameraId, MonoNanos)]) -> Result<Vec<Arc<SealKey>>> {
        let missing = {
            let mut state = self.state();
            state.used.extend(wanted.iter().copied());
            state.missing(wanted)
        };
        if !missing.is_empty() {
            self.make(&missing)?;
        }
        wanted.iter().map(|(camera, mono)| self.for_sample(*camera, *mono)).collect()
    }

    fn for_sample(&self, camera: CameraId, mono: MonoNanos) -> Result<Arc<SealKey>> {
        let found = {
            let state = self.state();
            state.newest_for(camera, mono).or_else(|| state.last_of(camera, mono))
        };
        match found {
            Some(key_id) => self.key(key_id),
            // Nothing can be made durable and the camera has no key yet: its footage is better off with one that may be lost than with none.
            None => {
                let hour = hour_of(self.state().trusted.at(mono));
                self.make_now(&mut self.copies(), &[(Some(camera), hour)])?;
                let key_id = self.state().newest_for(camera, mono);
                key_id.map_or_else(
                    || Err(Error::new(Kind::Internal, "a key that was just made is not there")),
                    |id| self.key(id),
                )
            }
        }
    }

    /// A key for what a hold keeps. Not destroyed by age.
    ///
    /// # Errors
    /// `Unavailable` when it could not be made durable.
    pub fn make_for_hold(&self) -> Result<u32> {
        let hour = hour_of(self.trusted_now());
        let mut copies = self.copies();
        let ids = self.make_now(&mut copies, &[(None, hour)])?;
        match ids.first() {
            Some(key_id) if copies.unsaved() == 0 => Ok(*key_id),
            _ => Err(Error::new(Kind::Unavailable, "making a hold's key: no key file can be written; see the alarms")),
        }
    }

    fn make(&self, missing: &[(Option<CameraId>, UtcNanos)]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.state().broken {
                return Ok(());
            }
            match self.copies.try_lock() {
                Ok(mut copies) => {
                    // Somebody may have made them meanwhile.
                    let still: Vec<_> = {
                        let state = self.state();
                        missing.iter().filter(|(camera, hour)| !state.has(*camera, *hour)).copied().collect()
                    };
                    return self.make_now(&mut copies, &still).map(drop);
                }
                Err(TryLockError::Poisoned(poisoned)) => {
                    return self.make_now(&mut poisoned.into_inner(), missing).map(drop);
                }
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// FORMAT.md "Make keys".
    fn make_now(&self, copies: &mut Copies, wanted: &[(Option<CameraId>, UtcNanos)]) -> Result<Vec<u32>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = copies.number(wanted.len())?;
        let batch = copies.header.batch;
        let mut made = Vec::new();
        for ((camera, basis), (index, key_id)) in wanted.iter().zip(numbers) {
            let days_max = camera.and_then(|camera| self.state().days_max.get(&camera).copied()).unwrap_or(0);
            let (wrapped, key) = new_key(&self.wrapper, (key_id, *camera, *basis))?;
            made.push((
                index,
                Slot { key_id, batch, camera: *camera, basis: *basis, days_max, wrapped: Some(wrapped) },
                key,
            ));
        }
        let saved = copies.save(made.iter().map(|(index, slot, _)| (*index, *slot)).collect(), self.trusted_now());
        let mut state = self.state();
        let provisional = !state.trusted.is_confirmed();
        state.broken = !saved;
        let mut ids = Vec::new();
        for (index, slot, key) in made {
            // A camera that has a durable key goes on with that one for now.
            if !saved && slot.camera.is_some_and(|camera| state.last_of(camera, self.clock.mono()).is_some()) {
                copies.forget(index);
                continue;
            }
            ids.push(slot.key_id);
            state.insert(slot.key_id, Entry::of(index, &slot, provisional));
            state.keep_ready(Arc::new(key));
        }
        drop(state);
        self.tell(copies);
        Ok(ids)
    }

    /// The unwrapped key.
    ///
    /// # Errors
    /// `NotFound` when it is destroyed, `Corrupt` when it is lost in both copies.
    pub(crate) fn key(&self, key_id: u32) -> Result<Arc<SealKey>> {
        let entry = {
            let mut state = self.state();
            let Some(entry) = state.live.get(&key_id).copied() else {
                let lost = state.alarms.damaged.is_some();
                return Err(match lost {
                    true => Error::corrupt(format!("key {key_id} is destroyed, or lost in both key files")),
                    false => Error::new(Kind::NotFound, format!("key {key_id} is destroyed: this footage was erased")),
                });
            };
            // Used last, dropped last: a scrub goes through a month of keys.
            if let Some(at) = state.ready.iter().rposition(|ready| ready.id == key_id)
                && let Some(ready) = state.ready.remove(at)
            {
                state.ready.push_back(ready.clone());
                return Ok(ready);
            }
            entry
        };
        let copies = self.copies();
        let plain = copies.slot(entry.index, key_id).and_then(|slot| self.wrapper.unwrap(&slot)).ok_or_else(|| {
            Error::corrupt(format!("key {key_id} cannot be read from either key file; look at the alarms"))
        })?;
        let key = Arc::new(SealKey::new(key_id, &plain));
        let mut state = self.state();
        // Destroyed meanwhile: then it is not kept.
        if state.live.contains_key(&key_id) {
            state.keep_ready(key.clone());
        }
        Ok(key)
    }

    /// The samples of a sealed run, from its stored bytes. `None` when they are not what was sealed.
    ///
    /// # Errors
    /// Those of [`Keys::key`].
    pub(crate) fn open_run(&self, run: &Run, mut stored: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let Some(seal) = run.seal.filter(|seal| seal.cipher == CIPHER) else { return Ok(None) };
        let opened = self.key(seal.key_id)?.open((run.stream, run.recording, &run.table), seal.nonce, &mut stored);
        Ok(opened.map(|()| stored))
    }

    /// Destroys keys. From here on nothing that they sealed can be read, whatever the disks do.
    ///
    /// # Errors
    /// `Io` when no copy could be told; the keys are then gone from memory, and each tick tries again.
    pub fn destroy(&self, ids: &[u32]) -> Result<()> {
        let mut copies = self.copies();
        let now = self.trusted_now();
        let doomed: Vec<(u32, Slot)> = {
            let mut state = self.state();
            let gone: Vec<(u32, Entry)> = ids.iter().filter_map(|id| Some((*id, state.remove(*id)?))).collect();
            let doom = |(key_id, entry): (u32, Entry)| {
                let Entry { index, camera, days_max, .. } = entry;
                (index, Slot { key_id, batch: 0, camera, basis: now, days_max, wrapped: None })
            };
            gone.into_iter().map(doom).collect()
        };
        if doomed.is_empty() {
            return Ok(());
        }
        let told = copies.destroy(doomed, now);
        self.tell(&copies);
        match told {
            true => Ok(()),
            false => Err(Error::new(
                Kind::Io,
                "destroying keys: neither key file can be written; it is tried again each minute",
            )),
        }
    }

    /// Notes what is wrong with the copies.
    fn tell(&self, copies: &Copies) {
        let mut damaged = Vec::new();
        if copies.damaged > 0 {
            damaged.push(format!(
                "{} keys are lost in both key files: footage of as many camera-hours cannot be read",
                copies.damaged
            ));
        }
        if copies.unsaved() > 0 {
            damaged.push(format!(
                "{} keys could not be written to either key file: footage sealed with them would be lost at a power cut. Check both disks",
                copies.unsaved()
            ));
        }
        let join = |sentences: Vec<String>| (!sentences.is_empty()).then(|| sentences.join("; "));
        let late = (copies.doomed() > 0).then(|| {
            format!("{} destroyed keys are still on a disk that cannot be written; they are not used", copies.doomed())
        });
        let mut state = self.state();
        state.alarms.copy_missing = join(copies.missing());
        state.alarms.damaged = join(damaged);
        state.alarms.erasure_late = late;
        state.alarms.clock_untrusted = state.trusted.alarm();
    }
}

impl Entry {
    fn of(index: u32, slot: &Slot, provisional: bool) -> Self {
        let Slot { camera, basis, days_max, .. } = *slot;
        Self { index, camera, basis, days_max, provisional }
    }
}

impl State {
    fn insert(&mut self, key_id: u32, entry: Entry) {
        self.live.insert(key_id, entry);
        if let Some(camera) = entry.camera {
            let newest = self.newest.entry(camera).or_default();
            newest.push_back((entry.basis, key_id));
            newest.make_contiguous().sort_unstable();
            while newest.len() > NEWEST_MAX {
                newest.pop_front();
            }
        }
    }

    fn remove(&mut self, key_id: u32) -> Option<Entry> {
        let entry = self.live.remove(&key_id)?;
        self.ready.retain(|ready| ready.id != key_id);
        if let Some(newest) = entry.camera.and_then(|camera| self.newest.get_mut(&camera)) {
            newest.retain(|(_, id)| *id != key_id);
        }
        Some(entry)
    }

    fn keep_ready(&mut self, key: Arc<SealKey>) {
        self.ready.push_back(key);
        while self.ready.len() > READY_MAX {
            self.ready.pop_front();
        }
    }

    /// The key whose hour holds the moment; of several the one that began last.
    fn newest_for(&self, camera: CameraId, mono: MonoNanos) -> Option<u32> {
        let at = self.trusted.at(mono);
        let covers = |(basis, _): &&(UtcNanos, u32)| (0..KEY_NANOS).contains(&at.nanos_since(*basis));
        self.newest.get(&camera)?.iter().rev().find(covers).map(|(_, id)| *id)
    }

    /// The camera's last key, when it is not too old to be used on.
    fn last_of(&self, camera: CameraId, mono: MonoNanos) -> Option<u32> {
        let at = self.trusted.at(mono);
        let (basis, id) = self.newest.get(&camera)?.iter().rev().find(|(basis, _)| *basis <= at)?;
        (at.nanos_since(*basis) < OVERUSE_NANOS).then_some(*id)
    }

    fn has(&self, camera: Option<CameraId>, hour: UtcNanos) -> bool {
        let newest = camera.and_then(|camera| self.newest.get(&camera));
        newest.is_some_and(|newest| newest.iter().any(|(basis, _)| *basis == hour))
    }

    fn missing(&self, wanted: &[(CameraId, MonoNanos)]) -> Vec<(Option<CameraId>, UtcNanos)> {
        let lacks = wanted.iter().filter(|(camera, mono)| self.newest_for(*camera, *mono).is_none());
        let mut missing: Vec<_> =
            lacks.map(|(camera, mono)| (Some(*camera), hour_of(self.trusted.at(*mono)))).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }
}

/// Start of the UTC hour that holds a moment. UTC has neither daylight saving nor zones, so every hour is as long as the next.
pub(crate) fn hour_of(utc: UtcNanos) -> UtcNanos {
    UtcNanos(utc.0.div_euclid(KEY_NANOS).saturating_mul(KEY_NANOS))
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(Kind::Io, format!("making a key or a nonce: no random bytes: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
