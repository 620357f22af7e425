//! What keys need every few seconds: the clock looked at, copies that are back taken in, the next hour's keys made ahead.

use super::copies::{Copies, patience_for};
use super::slot::Slot;
use super::state::State;
use super::{Entry, KEY_NANOS, Keys, PATIENCE, hour_of};
use crate::format::erasure::Erased;
use crate::retention::{Aging, due_at, plan_erasures};
use std::collections::BTreeSet;
use std::time::Instant;
use watchbook_base::{CameraId, Kind, MonoNanos, UtcNanos};

/// Keys of the next hour are made so long ahead.
const AHEAD_NANOS: i64 = 10 * 60 * 1_000_000_000;
/// A camera without anything to seal for so long gets no key ahead.
const IDLE_NANOS: u64 = 15 * 60 * 1_000_000_000;

impl Keys {
    /// Looks at the clock, takes back copies that were away, puts wrong dates right and makes the next hour's keys. To be called every few seconds.
    pub fn tend(&self) {
        // A step between the two readings of its state would be believed for what it is not.
        let (before, utc, mono) = (self.clock.sync_state(), self.clock.utc(), self.clock.mono());
        let sync = if self.clock.sync_state() == before { before } else { watchbook_base::SyncState::Unknown };
        {
            let mut state = self.state();
            let moved_nanos = state.trusted.observe(utc, mono, sync);
            state.broken = false;
            let now = state.trusted.at(mono);
            state.redate(moved_nanos, now);
            let ahead = state.ahead(now, mono);
            if let Err(error) = self.make(&mut state, &ahead) {
                tracing::error!(%error, "the keys of the next hour could not be made ahead");
            }
        }
        let mut copies = self.copies();
        copies.make_room(PATIENCE);
        if copies.is_any_to_fill() {
            self.take_back(&mut copies);
        }
        self.write_moved(&copies);
        self.save(&mut copies, Instant::now() + PATIENCE);
    }

    /// Puts the hours right that the copies have of keys.
    fn write_moved(&self, copies: &Copies) {
        let moved: Vec<(u32, Entry)> = {
            let state = self.state();
            let entry = |key_id: &u32| Some((*key_id, *state.live.get(*key_id)?));
            state.moved.iter().filter_map(entry).collect()
        };
        if moved.is_empty() {
            return;
        }
        let mut slots = Vec::new();
        let mut unread = BTreeSet::new();
        for (key_id, Entry { index, basis, .. }) in moved {
            let waiting = self.state().book.waiting(index, key_id);
            match waiting.map_or_else(|| copies.slot(index, key_id), Ok) {
                Ok(old) => slots.extend(self.wrapper.redated(&old, basis).map(|slot| (index, slot))),
                Err(error) if error.kind == Kind::Unavailable => drop(unread.insert(key_id)),
                // It is lost, and keeps its hour in memory alone.
                Err(_) => {}
            }
        }
        let mut state = self.state();
        let batch = state.book.begin_batch();
        // Destroyed, or given yet another hour, meanwhile?
        for (index, slot) in slots {
            match state.live.get(slot.key_id).is_some_and(|entry| entry.basis == slot.basis) {
                true => state.book.put(index, Slot { batch, ..slot }),
                false => drop(unread.insert(slot.key_id)),
            }
        }
        state.moved.retain(|key_id| unread.contains(key_id));
    }

    /// Takes a copy in that has come back, or that has room now for what it lacks. It is cleaned before anything is read from it.
    fn take_back(&self, copies: &mut Copies) {
        let (set, slots) = {
            let state = self.state();
            (state.book.header.set, state.live.len())
        };
        let patience = patience_for(slots, PATIENCE);
        let Some(mut back) = copies.look_again(set, patience) else { return };
        let header = {
            let mut state = self.state();
            state.take_back(&mut back);
            state.book.header
        };
        copies.rewrite(&header, &back, patience);
        if copies.are_both_whole() {
            self.state().book.in_both(&back.slots);
        }
    }

    /// The keys that were due already `ago_nanos` before now.
    pub(crate) fn due(&self, ago_nanos: i64) -> Vec<Erased> {
        let mono = self.clock.mono();
        let state = self.state();
        let now = state.trusted.at(mono);
        let due = plan_erasures(state.aging(), &state.days_max, now.plus_nanos(-ago_nanos));
        due.into_iter().map(|erased| Erased { erased_utc: now, ..erased }).collect()
    }

    /// Maximum age of a camera's footage in days, and when its oldest key is due.
    pub(crate) fn aging(&self, camera: CameraId) -> (Option<u32>, Option<UtcNanos>) {
        let state = self.state();
        let oldest = state.live.oldest(camera).and_then(aging_of);
        let days = state.days_max.get(&camera).copied().or(oldest.map(|key| key.days_max));
        (days.filter(|days| *days > 0), oldest.and_then(|key| due_at(&key, &state.days_max)))
    }

    /// How old footage of `camera` may become, in days, from the next tick on. `None`: as last known.
    pub fn set_retention(&self, camera: CameraId, days_max: Option<u32>) {
        let mut state = self.state();
        if let Some(days_max) = days_max {
            state.days_max.insert(camera, days_max);
        }
    }
}

fn aging_of((key_id, entry): (u32, &Entry)) -> Option<Aging> {
    let Entry { camera, basis, days_max, .. } = *entry;
    Some(Aging { key_id, camera: camera?, basis, days_max })
}

impl State {
    fn aging(&self) -> impl Iterator<Item = Aging> + '_ {
        self.live.iter().filter_map(aging_of)
    }

    /// The next hour's keys of the cameras that are recording, when it is time to make them.
    fn ahead(&self, now: UtcNanos, mono: MonoNanos) -> Vec<(Option<CameraId>, UtcNanos)> {
        let next = hour_of(now).plus_nanos(KEY_NANOS);
        if next.nanos_since(now) > AHEAD_NANOS {
            return Vec::new();
        }
        let active = self.used.iter().filter(|(_, used)| mono.nanos_since(**used) < IDLE_NANOS);
        let mut ahead: Vec<_> = active
            .map(|(camera, _)| (Some(*camera), next))
            .filter(|(camera, next)| !self.has(*camera, *next))
            .collect();
        ahead.sort_unstable();
        ahead
    }
}
