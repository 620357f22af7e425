//! Which slots there are and what they hold, shared by the committer, readers and care.

use crate::codec::{count, narrow};
use std::sync::atomic::{AtomicU64, Ordering};

/// A slot without a file.
const ABSENT: u64 = u64::MAX;

/// Generation of each slot. 0: empty, or being reused. The committer alone reuses slots and takes them away; new ones may come at any time.
pub(crate) struct Slots(Vec<AtomicU64>);

impl Slots {
    /// Slots with these numbers, empty, and room for more up to the number `highest`.
    pub(crate) fn new(highest: u32, present: &[u32]) -> Self {
        let highest = present.iter().copied().max().unwrap_or(0).max(highest);
        let slots = Self((0..highest).map(|_| AtomicU64::new(ABSENT)).collect());
        present.iter().for_each(|slot| slots.add(*slot));
        slots
    }

    fn cell(&self, slot: u32) -> Option<&AtomicU64> {
        self.0.get(narrow(u64::from(slot)).checked_sub(1)?)
    }

    /// Generation of a slot; 0 too when there is none.
    pub(crate) fn get(&self, slot: u32) -> u64 {
        self.cell(slot).map(|cell| cell.load(Ordering::SeqCst)).filter(|generation| *generation != ABSENT).unwrap_or(0)
    }

    /// Notes what a slot holds, if it is there.
    pub(crate) fn set(&self, slot: u32, generation: u64) {
        if let Some(cell) = self.cell(slot) {
            let there = |now: u64| (now != ABSENT).then_some(generation);
            let _ = cell.fetch_update(Ordering::SeqCst, Ordering::SeqCst, there);
        }
    }

    /// True when the slot has a file.
    pub(crate) fn has(&self, slot: u32) -> bool {
        self.cell(slot).is_some_and(|cell| cell.load(Ordering::SeqCst) != ABSENT)
    }

    /// A slot has a file now, an empty one.
    pub(crate) fn add(&self, slot: u32) {
        self.put_back(slot, 0);
    }

    /// A slot that was taken away is there again.
    pub(crate) fn put_back(&self, slot: u32, generation: u64) {
        if let Some(cell) = self.cell(slot) {
            cell.store(generation, Ordering::SeqCst);
        }
    }

    /// Takes a slot away: readers get "the ring has reused this space".
    pub(crate) fn take_away(&self, slot: u32) {
        self.put_back(slot, ABSENT);
    }

    /// Lowest number without a file that there is room for.
    pub(crate) fn first_absent(&self) -> Option<u32> {
        (1..=count(self.0.len())).find(|slot| !self.has(*slot))
    }

    /// Numbers of the slots that have files.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        (1..=count(self.0.len())).filter(|slot| self.has(*slot))
    }

    /// How many have files.
    pub(crate) fn count(&self) -> u32 {
        count(self.numbers().count())
    }

    /// Every slot with its generation.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, u64)> {
        self.numbers().map(|slot| (slot, self.get(slot)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_and_go() {
        let slots = Slots::new(4, &[1, 2, 6]);
        assert_eq!(slots.numbers().collect::<Vec<_>>(), [1, 2, 6]);
        slots.set(2, 7);
        slots.set(3, 9);
        assert_eq!(slots.all().collect::<Vec<_>>(), [(1, 0), (2, 7), (6, 0)], "3 has no file");
        slots.take_away(2);
        slots.set(2, 8);
        assert_eq!((slots.get(2), slots.has(2), slots.count(), slots.first_absent()), (0, false, 2, Some(2)));
        slots.put_back(2, 7);
        slots.add(3);
        assert_eq!((slots.get(2), slots.get(3), slots.get(99), slots.first_absent()), (7, 0, 0, Some(4)));
    }
}
