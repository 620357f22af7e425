//! New keys: made in memory, so that nobody waits for a disk to get one, and written before they are used, unless the disks do not answer.

use super::aead::{SealKey, new_key};
use super::slot::Slot;
use super::state::State;
use super::{Entry, Keys, PATIENCE, hour_of};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use watchbook_base::{CameraId, Kind, MonoNanos, UtcNanos};

/// Between two attempts to get at the key files.
const TURN: Duration = Duration::from_millis(5);
/// What is left at least for the write itself, when others were at work on the key files for long.
const WRITE_PATIENCE_MIN: Duration = Duration::from_millis(500);

impl Keys {
    /// The key for each camera's samples that arrived at a moment of the monotonic clock. Keys that are missing are made, all in one batch.
    ///
    /// # Errors
    /// When there are no random bytes or no more key numbers.
    pub(crate) fn for_samples(&self, wanted: &[(CameraId, MonoNanos)]) -> Result<Vec<Arc<SealKey>>> {
        let (wants_saving, made, hours) = {
            let mut state = self.state();
            state.used.extend(wanted.iter().copied());
            let (missing, waits) = state.missing(wanted);
            let hours: Vec<UtcNanos> = wanted.iter().map(|(_, mono)| hour_of(state.trusted.at(*mono))).collect();
            let keys = self.make(&mut state, &missing)?;
            let made: HashMap<_, _> = missing.iter().copied().zip(keys).collect();
            ((waits || !missing.is_empty()) && !state.broken, made, hours)
        };
        if wants_saving {
            self.save_within(PATIENCE);
        }
        let mut state = self.state();
        let key_for = |(wanted, hour): (&(CameraId, MonoNanos), UtcNanos)| {
            state.key_for(*wanted, made.get(&(Some(wanted.0), hour)))
        };
        wanted.iter().zip(hours).map(key_for).collect()
    }

    /// A key for what a hold keeps. Not destroyed by age.
    ///
    /// # Errors
    /// `Unavailable` when it could not be made durable.
    pub fn make_for_hold(&self) -> Result<u32> {
        let made = {
            let mut state = self.state();
            let hour = hour_of(state.trusted.at(self.clock.mono()));
            self.make(&mut state, &[(None, hour)])?
        };
        self.save(&mut self.copies(), Instant::now() + PATIENCE);
        let mut state = self.state();
        match made.first() {
            Some(key) if state.is_durable(key.id) => Ok(key.id),
            _ => {
                let now = state.trusted.at(self.clock.mono());
                // A disk that was too slow may have it all the same.
                state.doom(&mut made.iter().map(|key| (key.id, None)), now);
                let what = "making a hold's key: no key file can be written; see the alarms";
                Err(Error::new(Kind::Unavailable, what))
            }
        }
    }

    /// FORMAT.md "Make keys", but for writing them.
    pub(super) fn make(&self, state: &mut State, wanted: &[(Option<CameraId>, UtcNanos)]) -> Result<Vec<Arc<SealKey>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let batch = state.book.begin_batch();
        let provisional = !state.trusted.is_confirmed();
        let mut made = Vec::new();
        for (camera, basis) in wanted {
            let (camera, basis) = (*camera, *basis);
            let days_max = camera.and_then(|camera| state.days_max.get(&camera).copied()).unwrap_or(0);
            let (index, key_id) = state.book.number()?;
            let (wrapped, key) = new_key(&self.wrapper, (key_id, camera, basis))?;
            let slot = Slot { key_id, batch, camera, basis, days_max, wrapped: Some(wrapped), untold: None };
            state.book.put(index, slot);
            let key = Arc::new(key);
            state.insert(Entry::of(index, &slot, provisional), key.clone());
            made.push(key);
        }
        Ok(made)
    }

    /// Writes what waits, unless others are at work on the key files for so long.
    fn save_within(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut copies = loop {
            match self.copies.try_lock() {
                Ok(copies) => break copies,
                Err(TryLockError::Poisoned(poisoned)) => break PoisonError::into_inner(poisoned),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    self.state().broken = true;
                    return;
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(TURN),
            }
        };
        self.save(&mut copies, deadline.max(Instant::now() + WRITE_PATIENCE_MIN));
    }
}
