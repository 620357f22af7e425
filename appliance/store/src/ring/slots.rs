//! Which slots there are and what they hold, shared by the committer, readers and care.

use crate::codec::{count, narrow};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A slot without a file.
const ABSENT: u64 = u64::MAX;

/// Slots of a ring. The committer alone reuses them and takes them away; new ones may come at any time.
pub(crate) struct Slots {
    /// 0: empty, or being reused.
    generations: Vec<AtomicU64>,
    /// Could not be written when its turn came.
    doubtful: Vec<AtomicBool>,
}

impl Slots {
    /// Slots with these numbers, empty, and room for more up to the number `highest`.
    pub(crate) fn new(highest: u32, present: &[u32]) -> Self {
        let highest = present.iter().copied().max().unwrap_or(0).max(highest);
        let generations = (0..highest).map(|_| AtomicU64::new(ABSENT)).collect();
        let doubtful = (0..highest).map(|_| AtomicBool::new(false)).collect();
        let slots = Self { generations, doubtful };
        present.iter().for_each(|slot| slots.add(*slot));
        slots
    }

    fn cell(&self, slot: u32) -> Option<&AtomicU64> {
        self.generations.get(narrow(u64::from(slot)).checked_sub(1)?)
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

    fn doubt(&self, slot: u32) -> Option<&AtomicBool> {
        self.doubtful.get(narrow(u64::from(slot)).checked_sub(1)?)
    }

    /// Notes whether a slot could not be written when its turn came.
    pub(crate) fn set_doubtful(&self, slot: u32, doubtful: bool) {
        self.doubt(slot).into_iter().for_each(|cell| cell.store(doubtful, Ordering::SeqCst));
    }

    /// What comes first in this order is overwritten first. Of a doubtful slot nobody can count on its turn: when it fails again, the next one is overwritten
    /// at once.
    pub(crate) fn turn(&self, slot: u32) -> (bool, u64, u32) {
        (self.doubt(slot).is_some_and(|cell| cell.load(Ordering::SeqCst)), self.get(slot), slot)
    }

    /// How many slots are overwritten before this one.
    pub(crate) fn turns_before(&self, slot: u32) -> usize {
        let own = self.turn(slot);
        self.numbers().filter(|other| self.turn(*other) < own).count()
    }

    /// True when no slot is overwritten before this one.
    pub(crate) fn is_next(&self, slot: u32) -> bool {
        let own = self.turn(slot);
        self.numbers().all(|other| self.turn(other) >= own)
    }

    /// Lowest number without a file that there is room for.
    pub(crate) fn first_absent(&self) -> Option<u32> {
        (1..=count(self.generations.len())).find(|slot| !self.has(*slot))
    }

    /// Numbers of the slots that have files.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        (1..=count(self.generations.len())).filter(|slot| self.has(*slot))
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
    fn a_slot_that_cannot_be_written_is_not_waited_for() {
        let slots = Slots::new(4, &[1, 2, 3, 4]);
        [(1, 5), (2, 6), (4, 7)].iter().for_each(|(slot, generation)| slots.set(*slot, *generation));
        assert!(slots.is_next(3) && !slots.is_next(1), "an empty one comes first");
        slots.set_doubtful(3, true);
        assert!(slots.is_next(1) && !slots.is_next(3));
        assert_eq!([1, 2, 3, 4].map(|slot| slots.turns_before(slot)), [0, 1, 3, 2]);
        slots.set_doubtful(3, false);
        assert_eq!([1, 2, 3, 4].map(|slot| slots.turns_before(slot)), [1, 2, 0, 3]);
    }

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
