//! What the key files are to hold, as memory has it: slots and numbers to give out, and what waits to be written. Never locked during I/O, so a new key never
//! waits for a disk. Pure.

use super::slot::{Found, KeysHeader, Slot};
use crate::codec::count;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::{Kind, UtcNanos};

/// Slots with their numbers, to be written.
pub(super) type Batch = Vec<(u32, Found)>;

/// The state that the copies follow.
pub(super) struct Book {
    pub(super) header: KeysHeader,
    free: BTreeSet<u32>,
    len: u32,
    /// What no copy could be given yet. One a slot: what was wanted last.
    waiting: BTreeMap<u32, Slot>,
    /// Slots of which no copy knows yet that their key is destroyed.
    doomed: BTreeSet<u32>,
    /// Destroyed keys of which no ring's log tells yet, by slot; their slots are not given out.
    untold: BTreeMap<u32, Slot>,
    /// Slots that are lost in both.
    pub(super) damaged: u32,
}

impl Book {
    pub(super) fn new(header: KeysHeader, slots: &[Found]) -> Self {
        let (waiting, untold) = (BTreeMap::new(), BTreeMap::new());
        let (free, doomed) = (BTreeSet::new(), BTreeSet::new());
        let mut book = Self { header, free, len: 0, waiting, doomed, untold, damaged: 0 };
        book.settle(slots);
        book
    }

    /// The copies hold `slots`, or what waits of them.
    pub(super) fn settle(&mut self, slots: &[Found]) {
        self.len = count(slots.len());
        self.damaged = count(slots.iter().filter(|slot| **slot == Found::Bad).count());
        let untold = |(index, slot): (u32, &Found)| match slot {
            Found::Slot(slot) if slot.untold.is_some() => Some((index, *slot)),
            _ => None,
        };
        self.untold = (0_u32..).zip(slots).filter_map(untold).collect();
        let is_free = |(index, slot): &(u32, &Found)| {
            !self.waiting.contains_key(index)
                && match slot {
                    Found::Free => true,
                    Found::Slot(slot) => slot.wrapped.is_none() && slot.untold.is_none(),
                    Found::Bad => false,
                }
        };
        self.free = (0_u32..).zip(slots).filter(is_free).map(|(index, _)| index).collect();
    }

    /// A batch of changes begins; gives its number.
    pub(super) fn begin_batch(&mut self) -> u64 {
        self.header.batch += 1;
        self.header.batch
    }

    /// Gives out a slot and a number.
    ///
    /// # Errors
    /// `Exhausted` when there are no more numbers.
    pub(super) fn number(&mut self) -> Result<(u32, u32)> {
        let key_id = self.header.next_key;
        self.header.next_key = key_id
            .checked_add(1)
            .ok_or_else(|| Error::new(Kind::Exhausted, "making a key: every key number has been given out"))?;
        let index = self.free.pop_first().unwrap_or(self.len);
        self.len = self.len.max(index + 1);
        Ok((index, key_id))
    }

    /// A key is to be written. A slot whose key is to be destroyed stays so.
    pub(super) fn put(&mut self, index: u32, slot: Slot) {
        if !self.doomed.contains(&index) {
            self.waiting.insert(index, slot);
        }
    }

    /// A key is to be destroyed, by the batch that has begun.
    pub(super) fn doom(&mut self, index: u32, tomb: Slot) {
        self.header.destroyed = self.header.batch;
        self.waiting.insert(index, tomb);
        self.doomed.insert(index);
        if tomb.untold.is_some() {
            self.untold.insert(index, tomb);
        }
    }

    /// Destroyed keys of which no ring's log tells yet.
    pub(super) fn untold(&self) -> impl Iterator<Item = &Slot> {
        self.untold.values()
    }

    /// A ring's log tells of them now.
    pub(super) fn told(&mut self, key_ids: &BTreeSet<u32>) {
        let batch = self.begin_batch();
        let told = self.untold.extract_if(.., |_, slot| key_ids.contains(&slot.key_id));
        self.waiting.extend(told.map(|(index, slot)| (index, Slot { batch, untold: None, ..slot })));
    }

    /// What is to be written.
    pub(super) fn next_writing(&mut self, now: UtcNanos) -> (KeysHeader, Batch) {
        self.header.noted = now;
        (self.header, self.waiting.iter().map(|(index, slot)| (*index, Found::Slot(*slot))).collect())
    }

    /// A copy has these. What was changed meanwhile goes on waiting.
    pub(super) fn written(&mut self, slots: &Batch) {
        for (index, found) in slots {
            let Found::Slot(slot) = found else { continue };
            if self.waiting.get(index) != Some(slot) {
                continue;
            }
            self.waiting.remove(index);
            if slot.wrapped.is_none() {
                self.doomed.remove(index);
                if slot.untold.is_none() {
                    self.free.insert(*index);
                }
            }
        }
    }

    /// Puts what waits over what copies have.
    pub(super) fn lay_over(&self, slots: &mut Vec<Found>) {
        for (index, waiting) in &self.waiting {
            let at = crate::codec::narrow(u64::from(*index));
            slots.resize(slots.len().max(at + 1), Found::Free);
            if let Some(slot) = slots.get_mut(at) {
                *slot = Found::Slot(*waiting);
            }
        }
        slots.resize(slots.len().max(crate::codec::narrow(u64::from(self.len))), Found::Free);
    }

    /// The key as it waits to be written.
    pub(super) fn waiting(&self, index: u32, key_id: u32) -> Option<Slot> {
        self.waiting.get(&index).copied().filter(|slot| slot.key_id == key_id && slot.wrapped.is_some())
    }

    /// Slots whose key is destroyed and still on a disk.
    pub(super) fn doomed(&self) -> usize {
        self.doomed.len()
    }

    pub(super) fn is_doomed(&self, index: u32) -> bool {
        self.doomed.contains(&index)
    }
}
