//! What is known of the keys in memory. Never locked during I/O.

use super::aead::{SealKey, Wrapper};
use super::book::{Batch, Book};
use super::copies::{Back, Rooms};
use super::live::Live;
use super::slot::{Found, KeysHeader, Slot, Untold};
use super::trusted::Trusted;
use super::{Entry, KEY_NANOS, KeyAlarms, hour_of};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use watchbook_base::{CameraId, Kind, MonoNanos, UtcNanos};

/// Unwrapped keys in memory: those of 400 cameras for this hour and the next, and a day of some for readers. A key schedule takes half a kB.
const READY_MAX: usize = 1024;
/// A camera's newest keys that are looked at for a sample: this hour's, the next one's, and two before for what waited in memory.
const NEWEST_MAX: usize = 4;
/// A correction of the time below this moves no key: rewriting them costs more than a second is worth.
const MOVED_NANOS_MIN: i64 = 1_000_000_000;
/// When no key can be made durable, a camera's last one is used for so long. What it covers is then erased early, never late.
const OVERUSE_NANOS: i64 = 24 * KEY_NANOS;

pub(super) struct State {
    pub(super) book: Book,
    pub(super) live: Live,
    /// Of each camera the newest keys, unwrapped: what is sealed never waits for a key to be read.
    newest: HashMap<CameraId, VecDeque<Newest>>,
    /// Unwrapped for readers, the one used last at the end.
    ready: VecDeque<Arc<SealKey>>,
    pub(super) days_max: HashMap<CameraId, u32>,
    /// When each camera last had something to seal.
    pub(super) used: HashMap<CameraId, MonoNanos>,
    pub(super) trusted: Trusted,
    /// Keys that no copy has had yet, and whether something was sealed with them.
    fresh: HashMap<u32, bool>,
    /// Keys whose hour was put right here and not yet in the copies.
    pub(super) moved: BTreeSet<u32>,
    /// Destroyed keys, when some slots were lost at the start: any other key that is not live may have been in one of those.
    erased: Option<HashSet<u32>>,
    /// Numbers that were given out before the start, if they were, and that no slot has had: such a key was lost with the memory.
    unwritten: Range<u32>,
    /// Nothing could be written: not tried again before the next tick.
    pub(super) broken: bool,
    /// Which copies are missing, as a sentence.
    pub(super) missing: Option<String>,
}

struct Newest {
    basis: UtcNanos,
    key: Arc<SealKey>,
}

impl State {
    /// Of what the copies hold at the start.
    pub(super) fn new(book: Book, (slots, wrapper): (&[Found], &Wrapper), (utc, mono): (UtcNanos, MonoNanos)) -> Self {
        let destroyed = |found: &Found| match found {
            Found::Slot(slot) => slot.wrapped.is_none().then_some(slot.key_id),
            _ => None,
        };
        let had = slots.iter().filter_map(|found| match found {
            Found::Slot(slot) => Some(slot.key_id.saturating_add(1)),
            _ => None,
        });
        let mut state = Self {
            live: Live::default(),
            newest: HashMap::new(),
            ready: VecDeque::new(),
            days_max: HashMap::new(),
            used: HashMap::new(),
            trusted: Trusted::new(Some(book.header.noted), utc, mono),
            fresh: HashMap::new(),
            moved: BTreeSet::new(),
            erased: (book.damaged > 0).then(|| slots.iter().filter_map(destroyed).collect()),
            unwritten: had.max().unwrap_or(1)..book.next(),
            broken: false,
            missing: None,
            book,
        };
        let mut newest: HashMap<CameraId, VecDeque<Slot>> = HashMap::new();
        for (index, found) in (0_u32..).zip(slots) {
            let Found::Slot(slot) = found else { continue };
            if slot.wrapped.is_none() {
                continue;
            }
            state.live.insert(slot.key_id, Entry::of(index, slot, false));
            if let Some(camera) = slot.camera {
                let newest = newest.entry(camera).or_default();
                newest.insert(
                    newest.partition_point(|other| (other.basis, other.key_id) < (slot.basis, slot.key_id)),
                    *slot,
                );
                if newest.len() > NEWEST_MAX {
                    newest.pop_front();
                }
            }
        }
        for (camera, slots) in newest {
            let unwrapped = |slot: &Slot| Some(Newest { basis: slot.basis, key: Arc::new(wrapper.key_of(slot)?) });
            state.newest.insert(camera, slots.iter().filter_map(unwrapped).collect());
        }
        state
    }

    /// A key that was just made.
    pub(super) fn insert(&mut self, entry: Entry, key: Arc<SealKey>) {
        let key_id = key.id;
        self.live.insert(key.id, entry);
        self.fresh.insert(key.id, false);
        let Some(camera) = entry.camera else { return self.keep_ready(key) };
        let newest = self.newest.entry(camera).or_default();
        newest.push_back(Newest { basis: entry.basis, key });
        newest.make_contiguous().sort_unstable_by_key(|newest| (newest.basis, newest.key.id));
        if newest.len() > NEWEST_MAX {
            // The last one that is durable stays, however long no other can be written, and the new one, however old its hour is.
            let durable = newest.iter().rposition(|newest| !self.fresh.contains_key(&newest.key.id));
            let goes = |(at, newest): (usize, &Newest)| Some(at) != durable && newest.key.id != key_id;
            let at = newest.iter().enumerate().position(goes);
            at.and_then(|at| newest.remove(at)).into_iter().for_each(|newest| self.keep_ready(newest.key));
        }
    }

    fn remove(&mut self, key_id: u32) -> Option<Entry> {
        let entry = self.live.remove(key_id)?;
        self.ready.retain(|ready| ready.id != key_id);
        self.fresh.remove(&key_id);
        self.moved.remove(&key_id);
        if let Some(erased) = &mut self.erased {
            erased.insert(key_id);
        }
        if let Some(newest) = entry.camera.and_then(|camera| self.newest.get_mut(&camera)) {
            newest.retain(|newest| newest.key.id != key_id);
        }
        Some(entry)
    }

    /// Drops keys from memory and has them overwritten; their slots remember what is untold. Gives these.
    pub(super) fn doom(&mut self, ids: &mut dyn Iterator<Item = (u32, Option<Untold>)>, now: UtcNanos) -> Vec<u32> {
        let gone: Vec<_> = ids.filter_map(|(key_id, untold)| Some((key_id, untold, self.remove(key_id)?))).collect();
        if gone.is_empty() {
            return Vec::new();
        }
        let batch = self.book.begin_batch();
        let held = self.held();
        // A slot that another live key has is not overwritten.
        for (key_id, untold, Entry { index, camera, days_max, .. }) in
            gone.iter().filter(|(_, _, entry)| !held.contains_key(&entry.index))
        {
            let (camera, days_max, untold) = (*camera, *days_max, *untold);
            let tomb = Slot { key_id: *key_id, batch, camera, basis: now, days_max, wrapped: None, untold };
            self.book.doom(*index, tomb);
        }
        gone.iter().map(|(_, _, entry)| entry.index).collect()
    }

    /// Why a key is not live.
    pub(super) fn gone(&self, key_id: u32) -> Error {
        if self.unwritten.contains(&key_id) || self.book.is_unused(key_id) || key_id >= self.book.next() {
            return Error::corrupt(format!("key {key_id} is lost: the power went before a key file had it"));
        }
        match self.erased.as_ref().is_none_or(|erased| erased.contains(&key_id)) {
            true => Error::new(Kind::NotFound, format!("key {key_id} is destroyed: this footage was erased")),
            false => Error::corrupt(format!("key {key_id} is lost in both key files, or was destroyed before that")),
        }
    }

    pub(super) fn is_durable(&self, key_id: u32) -> bool {
        !self.fresh.contains_key(&key_id)
    }

    /// Copies have these where they have room for them.
    pub(super) fn written(&mut self, header: &KeysHeader, slots: &Batch, rooms: &Rooms) {
        for (index, found) in slots {
            if let Found::Slot(slot) = found
                && rooms.any_has(*index)
                && slot.wrapped.is_some()
            {
                self.fresh.remove(&slot.key_id);
            }
        }
        self.book.written(header, slots, rooms);
    }

    /// The unwrapped key, if it is in memory. Used last, dropped last: a scrub goes through a month of keys.
    pub(super) fn ready(&mut self, key_id: u32) -> Option<Arc<SealKey>> {
        if let Some(ready) =
            self.ready.iter().rposition(|ready| ready.id == key_id).and_then(|at| self.ready.remove(at))
        {
            self.ready.push_back(ready.clone());
            return Some(ready);
        }
        let camera = self.live.get(key_id)?.camera?;
        self.newest.get(&camera)?.iter().find(|newest| newest.key.id == key_id).map(|newest| newest.key.clone())
    }

    pub(super) fn keep_ready(&mut self, key: Arc<SealKey>) {
        self.ready.push_back(key);
        while self.ready.len() > READY_MAX {
            self.ready.pop_front();
        }
    }

    /// The key whose hour holds the moment; of several the one that began last. Until NTP has confirmed the time, none of before the start: it would keep its
    /// hour when the time is put right, and what it seals now would be erased too early or too late by as much.
    fn newest_for(&self, camera: CameraId, mono: MonoNanos) -> Option<&Arc<SealKey>> {
        let at = self.trusted.at(mono);
        let moves = |newest: &Newest| self.live.get(newest.key.id).is_some_and(|entry| entry.provisional);
        let fits = |newest: &Newest| self.trusted.is_confirmed() || moves(newest);
        let covers = |newest: &&Newest| (0..KEY_NANOS).contains(&at.nanos_since(newest.basis)) && fits(newest);
        self.newest.get(&camera)?.iter().rev().find(covers).map(|newest| &newest.key)
    }

    /// The camera's last key that is durable, when it is not too old to be used on.
    fn last_of(&self, camera: CameraId, mono: MonoNanos) -> Option<&Arc<SealKey>> {
        let at = self.trusted.at(mono);
        let usable = |newest: &&Newest| newest.basis <= at && self.is_durable(newest.key.id);
        let last = self.newest.get(&camera)?.iter().rev().find(usable)?;
        (at.nanos_since(last.basis) < OVERUSE_NANOS).then_some(&last.key)
    }

    /// The live key of each slot that has one.
    fn held(&self) -> BTreeMap<u32, u32> {
        self.live.iter().map(|(key_id, entry)| (entry.index, key_id)).collect()
    }

    /// The key for a sample: that of its hour; while it is not durable the camera's last one; at last one that only memory has. What is sealed with that is not
    /// acknowledged before a copy has it. `made`: the one that was just made for it.
    ///
    /// # Errors
    /// `Internal` when there is none.
    pub(super) fn key_for(
        &mut self,
        (camera, mono): (CameraId, MonoNanos),
        made: Option<&Arc<SealKey>>,
    ) -> Result<Arc<SealKey>> {
        let of_hour = self.newest_for(camera, mono).or(made);
        let durable = of_hour.filter(|key| self.is_durable(key.id)).or_else(|| self.last_of(camera, mono));
        let key = durable.or(of_hour).cloned();
        let key = key.ok_or_else(|| Error::new(Kind::Internal, "a key that was just made is not there"))?;
        if let Some(used) = self.fresh.get_mut(&key.id) {
            *used = true;
        }
        Ok(key)
    }

    pub(super) fn has(&self, camera: Option<CameraId>, hour: UtcNanos) -> bool {
        let newest = camera.and_then(|camera| self.newest.get(&camera));
        newest.is_some_and(|newest| newest.iter().any(|newest| newest.basis == hour))
    }

    /// The hours without a key, and whether there are some whose key is not durable.
    pub(super) fn missing(&self, wanted: &[(CameraId, MonoNanos)]) -> (Vec<(Option<CameraId>, UtcNanos)>, bool) {
        let (mut missing, mut waits) = (Vec::new(), false);
        for (camera, mono) in wanted {
            match self.newest_for(*camera, *mono) {
                None => missing.push((Some(*camera), hour_of(self.trusted.at(*mono)))),
                Some(key) => waits |= !self.is_durable(key.id),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        (missing, waits)
    }

    /// Cleans what the copies come to, once one is back: of what it has only those keys stay that are known, those that were lost in the other one, and what
    /// waits to be written. A copy may come back alone, without keys that were made meanwhile: their slots stay theirs, and what memory has of them is put in.
    pub(super) fn take_back(&mut self, back: &mut Back) {
        self.book.raise([back.next_key, back.promised], back.batch);
        let had = back.slots.iter().filter_map(|found| match found {
            Found::Slot(slot) if slot.key_id < self.unwritten.end => Some(slot.key_id.saturating_add(1)),
            _ => None,
        });
        self.unwritten.start = had.chain([self.unwritten.start]).max().unwrap_or(0);
        let held = self.held();
        for (index, (found, was_bad)) in (0_u32..).zip(back.slots.iter_mut().zip(&back.was_bad)) {
            let holder = held.get(&index);
            let is_of = |slot: &Slot| Some(&slot.key_id) == holder;
            let known = back.others.get(&index).into_iter().flatten().find(|slot| is_of(slot));
            match found {
                Found::Slot(slot) if is_of(slot) && slot.wrapped.is_some() => continue,
                Found::Slot(slot)
                    if is_of(slot)
                        && known.is_none_or(|known| known.batch < slot.batch)
                        && !self.book.is_half(index) =>
                {
                    // It was destroyed before this start, and the copy that was there did not know.
                    let _entry = self.remove(slot.key_id);
                    continue;
                }
                _ => {}
            }
            if let Some(known) = known {
                *found = Found::Slot(*known);
                continue;
            }
            let Found::Slot(slot) = found else { continue };
            if slot.wrapped.is_none() {
                continue;
            }
            let is_new = holder.is_none() && !self.live.has(slot.key_id);
            match is_new && *was_bad && !self.book.is_doomed(index) {
                true => self.live.insert(slot.key_id, Entry::of(index, slot, false)),
                false => slot.wrapped = None,
            }
        }
        self.book.lay_over(&mut back.slots);
        self.book.settle(&back.slots, &self.held());
        self.book.begin_batch();
    }

    /// Gives keys another hour: those made by a time that was put right now move with it, and none lies in the future, where it would live for ever.
    pub(super) fn redate(&mut self, moved_nanos: i64, now: UtcNanos) {
        let moves = moved_nanos.abs() >= MOVED_NANOS_MIN;
        let latest = hour_of(now).plus_nanos(KEY_NANOS);
        let confirmed = self.trusted.is_confirmed();
        let moved = self.live.change(|entry| {
            let basis = if moves && entry.provisional { entry.basis.plus_nanos(moved_nanos) } else { entry.basis };
            entry.basis = if basis > latest { hour_of(now) } else { basis };
            entry.provisional &= !confirmed;
        });
        if moved.is_empty() {
            return;
        }
        tracing::warn!(keys = moved.len(), "the time was put right: keys are given another hour");
        self.moved.extend(moved);
        for newest in self.newest.values_mut() {
            for one in newest.iter_mut() {
                one.basis = self.live.get(one.key.id).map_or(one.basis, |entry| entry.basis);
            }
            newest.make_contiguous().sort_unstable_by_key(|newest| (newest.basis, newest.key.id));
        }
    }

    /// What is wrong.
    pub(super) fn alarms(&self) -> KeyAlarms {
        let mut damaged = Vec::new();
        if self.book.damaged > 0 {
            damaged.push(format!(
                "{} keys are lost in both key files: footage of as many camera-hours cannot be read",
                self.book.damaged
            ));
        }
        let unsaved = self.fresh.values().filter(|used| **used).count();
        if unsaved > 0 {
            damaged.push(format!(
                "{unsaved} keys could not be written to either key file: footage sealed with them would be lost at a power cut. Check both disks"
            ));
        }
        let doomed = self.book.doomed();
        KeyAlarms {
            copy_missing: self.missing.clone(),
            damaged: (!damaged.is_empty()).then(|| damaged.join("; ")),
            clock_untrusted: self.trusted.alarm(),
            erasure_late: (doomed > 0).then(|| {
                format!("{doomed} destroyed keys are still on a disk that cannot be written; they are not used")
            }),
        }
    }
}
