//! The keys that footage is sealed with: one for each camera and hour, wrapped with the master key, in two files on two disks.
//!
//! * **Promises:** a key is durable in at least one place, in both when both answer, before a commit that uses it is acknowledged; either copy may be
//!   lost; a destroyed key never comes back, also not with a copy that was away when it was destroyed, and a live one is not overwritten by a copy that was away
//!   when it was made; sealing reads no key file, and waits two and a half seconds at most for one to be written.
//! * **Never:** writes a key in the clear, replaces keys that the master key does not fit.
//! * **Memory:** 90 B a key, 150 B more for one that was written while a copy was away, and nothing of the key itself: 64 cameras × 24 h × 30 days take 4 MB, 400 cameras × 24 h × 365 days 315 MB. Unwrapped are at most
//!   `READY_MAX` for readers, and the newest of each camera.

mod aead;
mod book;
mod copies;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_body;
mod hand;
mod keeper;
mod live;
mod make;
mod master;
mod merge;
mod secret;
mod slot;
mod state;
mod tend;
mod trusted;
mod untold;

pub use file::Place;
pub use master::{MasterKey, MasterSource};
pub use slot::{KEY_SLOT_BYTES, KEYS_MAGIC};

pub(crate) use aead::{CIPHER, SealKey};
pub(crate) use keeper::Keeper;
use keeper::Wishes;
pub(crate) use slot::{Owed, TAG_BYTES};

use crate::error::{Error, Result};
use crate::format::Run;
use aead::Wrapper;
use copies::{Copies, Rooms};
use slot::{Slot, Untold};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::fs::Fs;
use watchbook_base::{CameraId, Clock, Kind, UtcNanos};

/// What one key covers.
pub const KEY_NANOS: i64 = 3600 * 1_000_000_000;
/// How long a commit waits for the key files before it goes on with the key that it has, and everybody else for one write of them.
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
    /// Taken before `state`, and never the other way round. No longer than a disk that answers needs.
    copies: Mutex<Copies>,
    state: Mutex<State>,
    /// What its keeper is told.
    wishes: Wishes,
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
        let (copies, book, wrapper, slots) = Copies::open(places, master, utc, may_change)?;
        let state = State::new(book, (&slots, &wrapper), (utc, mono));
        let keys =
            Self { clock, wrapper, copies: Mutex::new(copies), state: Mutex::new(state), wishes: Wishes::default() };
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
        self.state().alarms()
    }

    /// False when the key is destroyed or lost: nothing that it sealed can be read any more.
    pub(crate) fn is_live(&self, key_id: u32) -> bool {
        self.state().live.has(key_id)
    }

    /// False for a key that no copy has yet: what it has sealed does not count as durable.
    pub(crate) fn is_durable(&self, key_id: u32) -> bool {
        self.state().is_durable(key_id)
    }

    /// Start of the oldest hour of `camera` that can still be read, by the trusted time.
    pub(crate) fn oldest(&self, camera: CameraId) -> Option<UtcNanos> {
        self.state().live.oldest(camera).map(|(_, entry)| entry.basis)
    }

    /// The unwrapped key.
    ///
    /// # Errors
    /// `NotFound` when it is destroyed, `Unavailable` when a disk does not give it now, `Corrupt` when it is lost in both copies.
    pub(crate) fn key(&self, key_id: u32) -> Result<Arc<SealKey>> {
        let (index, waiting) = {
            let mut state = self.state();
            let Some(entry) = state.live.get(key_id).copied() else { return Err(state.gone(key_id)) };
            if let Some(ready) = state.ready(key_id) {
                return Ok(ready);
            }
            (entry.index, state.book.waiting(entry.index, key_id))
        };
        let slot = waiting.map_or_else(|| self.copies().slot(index, key_id), Ok);
        let key = slot.and_then(|slot| {
            let why = "the master key has not wrapped it; look at the alarms";
            self.wrapper.key_of(&slot).ok_or_else(|| Error::corrupt(format!("key {key_id} cannot be opened: {why}")))
        });
        let mut state = self.state();
        // Destroyed meanwhile: then it is not kept, and whatever was found in its slot means nothing.
        if !state.live.has(key_id) {
            return Err(state.gone(key_id));
        }
        let key = Arc::new(key?);
        state.keep_ready(key.clone());
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
        self.doom(&mut ids.iter().map(|key_id| (*key_id, None)))
    }

    fn doom(&self, ids: &mut dyn Iterator<Item = (u32, Option<Untold>)>) -> Result<()> {
        let doomed = {
            let mut state = self.state();
            let now = state.trusted.at(self.clock.mono());
            state.doom(ids, now)
        };
        if doomed.is_empty() {
            return Ok(());
        }
        self.save(&mut self.copies(), Instant::now() + PATIENCE);
        let state = self.state();
        match doomed.iter().any(|index| state.book.is_doomed(*index)) {
            false => Ok(()),
            true => Err(Error::new(
                Kind::Io,
                "destroying keys: neither key file can be written; it is tried again by itself",
            )),
        }
    }

    /// Writes what waits, and the time when it is due. True when a copy has all of it.
    fn save(&self, copies: &mut Copies, deadline: Instant) -> bool {
        let (header, slots, is_note_due) = {
            let mut state = self.state();
            let now = state.trusted.at(self.clock.mono());
            let (header, slots) = state.book.next_writing(now);
            (header, slots, state.book.is_note_due())
        };
        let is_needed = !slots.is_empty() || is_note_due;
        let rooms = if is_needed { copies.write(&header, &slots, deadline) } else { Rooms::default() };
        let saved = !is_needed || (rooms.is_any() && slots.iter().all(|(index, _)| rooms.any_has(*index)));
        {
            let mut state = self.state();
            state.written(&header, &slots, &rooms);
            state.broken = !saved;
        }
        self.tell(copies);
        saved
    }

    /// Writes what waits, once: for the end, when nobody tries again later.
    pub(crate) fn save_waiting(&self) {
        let is_waiting = self.state().book.is_waiting();
        if is_waiting {
            self.save(&mut self.copies(), Instant::now() + PATIENCE);
        }
    }

    /// Notes which copies are missing.
    fn tell(&self, copies: &Copies) {
        let missing = copies.missing();
        self.state().missing = (!missing.is_empty()).then(|| missing.join("; "));
    }
}

impl Entry {
    fn of(index: u32, slot: &Slot, provisional: bool) -> Self {
        let Slot { camera, basis, days_max, .. } = *slot;
        Self { index, camera, basis, days_max, provisional }
    }
}

/// Start of the UTC hour that holds a moment. UTC has neither daylight saving nor zones, so every hour is as long as the next.
pub(crate) fn hour_of(utc: UtcNanos) -> UtcNanos {
    UtcNanos(utc.0.div_euclid(KEY_NANOS).saturating_mul(KEY_NANOS))
}

/// Random bytes of the operating system; for what is no secret. Those of a key go straight to where they are wiped, by [`fill`].
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Fills `bytes` with random ones of the operating system.
fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| Error::new(Kind::Io, format!("making a key or a nonce: no random bytes: {error}")))
}

#[cfg(test)]
mod tests;
