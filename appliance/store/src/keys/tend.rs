//! What keys need each minute: the clock looked at, copies that are back taken in, the next hour's keys made ahead.

use super::copies::Copies;
use super::slot::Slot;
use super::{Entry, KEY_NANOS, Keys, State, hour_of};
use crate::format::erasure::Erased;
use crate::retention::{Aging, due_at, plan_erasures};
use watchbook_base::{CameraId, MonoNanos, UtcNanos};

/// Keys of the next hour are made so long ahead.
const AHEAD_NANOS: i64 = 10 * 60 * 1_000_000_000;
/// A camera without anything to seal for so long gets no key ahead.
const IDLE_NANOS: u64 = 15 * 60 * 1_000_000_000;
/// A correction of the time below this moves no key: rewriting them costs more than a second is worth.
const MOVED_NANOS_MIN: i64 = 1_000_000_000;

impl Keys {
    /// Looks at the clock, takes back copies that were away, puts wrong dates right and makes the next hour's keys. To be called each minute.
    pub fn tend(&self) {
        // A step between the two readings of its state would be believed for what it is not.
        let (before, utc, mono) = (self.clock.sync_state(), self.clock.utc(), self.clock.mono());
        let sync = if self.clock.sync_state() == before { before } else { watchbook_base::SyncState::Unknown };
        let mut copies = self.copies();
        let (moved, now) = {
            let mut state = self.state();
            let moved_nanos = state.trusted.observe(utc, mono, sync);
            state.broken = false;
            let now = state.trusted.at(mono);
            (state.misdated(moved_nanos, now), now)
        };
        if copies.wants_mending() {
            let found = copies.mend(&|key_id| self.is_live(key_id), now);
            let mut state = self.state();
            for (index, slot) in found {
                state.insert(slot.key_id, Entry::of(index, &slot, false));
            }
        }
        self.redate(&mut copies, &moved, now);
        let ahead = self.state().ahead(now, mono);
        if let Err(error) = self.make_now(&mut copies, &ahead) {
            tracing::error!(%error, "the keys of the next hour could not be made ahead");
        }
        self.tell(&copies);
    }

    /// Gives keys another hour, in memory and in the files. One that cannot be read stays as it is.
    fn redate(&self, copies: &mut Copies, moved: &[(u32, UtcNanos)], now: UtcNanos) {
        if moved.is_empty() {
            return;
        }
        let mut slots = Vec::new();
        for (key_id, basis) in moved {
            let Some(entry) = self.state().live.get(key_id).copied() else { continue };
            let Some(old) = copies.slot(entry.index, *key_id) else { continue };
            let bound = Slot::bound_to(*key_id, old.camera, *basis);
            let wrapped = self.wrapper.unwrap(&old).map(|plain| self.wrapper.wrap(&bound, &plain));
            if let Some(Ok(wrapped)) = wrapped {
                slots.push((entry.index, Slot { basis: *basis, wrapped: Some(wrapped), ..old }));
            }
        }
        tracing::warn!(keys = slots.len(), "the time was put right: keys were given another hour");
        copies.begin_batch();
        let batch = copies.header.batch;
        let stamped: Vec<_> = slots.into_iter().map(|(index, slot)| (index, Slot { batch, ..slot })).collect();
        let mut state = self.state();
        for (_, slot) in &stamped {
            if let Some(entry) = state.live.get_mut(&slot.key_id) {
                entry.basis = slot.basis;
            }
        }
        state.renew_newest();
        drop(state);
        copies.save(stamped, now);
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
        let oldest = state.aging().filter(|key| key.camera == camera).min_by_key(|key| key.basis);
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

impl State {
    fn aging(&self) -> impl Iterator<Item = Aging> + '_ {
        self.live.iter().filter_map(|(key_id, entry)| {
            let Entry { camera, basis, days_max, .. } = *entry;
            Some(Aging { key_id: *key_id, camera: camera?, basis, days_max })
        })
    }

    /// Keys whose hour is wrong, and the right one: those made by a time that was put right now move with it, and none lies in the future, where it would
    /// live for ever.
    fn misdated(&mut self, moved_nanos: i64, now: UtcNanos) -> Vec<(u32, UtcNanos)> {
        let moves = moved_nanos.abs() >= MOVED_NANOS_MIN;
        let latest = hour_of(now).plus_nanos(KEY_NANOS);
        let confirmed = self.trusted.is_confirmed();
        let mut misdated = Vec::new();
        for (key_id, entry) in &mut self.live {
            let basis = if moves && entry.provisional { entry.basis.plus_nanos(moved_nanos) } else { entry.basis };
            let basis = if basis > latest { hour_of(now) } else { basis };
            entry.provisional &= !confirmed;
            if basis != entry.basis {
                misdated.push((*key_id, basis));
            }
        }
        misdated
    }

    fn renew_newest(&mut self) {
        self.newest.clear();
        let live: Vec<(u32, Entry)> = self.live.iter().map(|(id, entry)| (*id, *entry)).collect();
        live.into_iter().for_each(|(id, entry)| self.insert(id, entry));
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
