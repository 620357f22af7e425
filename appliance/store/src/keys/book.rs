//! What the key files are to hold, as memory has it: slots and numbers to give out, and what waits to be written. Never locked during I/O, so a new key never
//! waits for a disk. Pure, but for how many numbers are passed over.

use super::copies::Rooms;
use super::slot::{Found, KeysHeader, Owed, Slot, Untold};
use crate::codec::{count, narrow};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use watchbook_base::{Kind, UtcNanos};

/// Slots with their numbers, to be written.
pub(super) type Batch = Vec<(u32, Found)>;

/// So many key numbers are promised at once: the header says that they are given out before they are, so that a number that only memory has had is none of
/// another key after a restart.
const NUMBERS_AHEAD: u32 = 8192;
/// More are promised when fewer are left: what 400 cameras need in ten hours, should no header be written for so long.
const NUMBERS_LEFT_MIN: u32 = 4096;
/// So many at most, and as many as chance has it, are passed over when numbers are given out that no header has promised: the next start, which knows nothing of
/// them, gives out others.
const NUMBERS_PASSED_OVER_MAX: u32 = 1 << 20;
/// A header is written so often at least, for the time that it notes.
const NOTE_NANOS: u64 = 3600 * 1_000_000_000;

/// The state that the copies follow.
pub(super) struct Book {
    /// Its `next_key` lies behind the numbers that are promised.
    pub(super) header: KeysHeader,
    /// The next number to be given out.
    next: u32,
    /// A header that was written since the start promises the numbers below this one.
    promised: u32,
    /// Numbers without promise are being given out, behind some that were passed over.
    is_ahead: bool,
    /// Numbers that no slot has had: passed over, or given out by somebody else and lost with the memory.
    unused: Vec<Range<u32>>,
    free: BTreeSet<u32>,
    len: u32,
    /// What no copy could be given yet. One a slot: what was wanted last.
    waiting: BTreeMap<u32, Slot>,
    /// What was written and is not known to be in both copies. The one that lacks it may come back alone.
    half: BTreeMap<u32, Slot>,
    /// The time that a copy notes.
    noted: UtcNanos,
    /// Slots of which no copy knows yet that their key is destroyed.
    doomed: BTreeSet<u32>,
    /// Destroyed keys of which somebody is still to be told, by slot; their slots are not given out.
    untold: BTreeMap<u32, Slot>,
    /// Slots that are lost in both.
    pub(super) damaged: u32,
}

impl Book {
    pub(super) fn new(header: KeysHeader, slots: &[Found]) -> Self {
        let (waiting, half, untold) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (free, doomed) = (BTreeSet::new(), BTreeSet::new());
        let (next, noted) = (header.next_key, header.noted);
        let mut book = Self {
            header,
            next,
            promised: next,
            is_ahead: false,
            unused: Vec::new(),
            free,
            len: 0,
            waiting,
            half,
            noted,
            doomed,
            untold,
            damaged: 0,
        };
        book.promise();
        book.settle(slots, &BTreeMap::new());
        book
    }

    fn promise(&mut self) {
        if self.header.next_key.saturating_sub(self.next) < NUMBERS_LEFT_MIN {
            self.header.next_key = self.header.next_key.max(self.next.saturating_add(NUMBERS_AHEAD));
        }
    }

    /// First number that was not given out.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// A copy has a header with this promise.
    pub(super) fn has_promised(&mut self, next_key: u32) {
        self.promised = self.promised.max(next_key);
        self.is_ahead = false;
    }

    /// True for a number that no slot has had.
    pub(super) fn is_unused(&self, key_id: u32) -> bool {
        self.unused.iter().any(|unused| unused.contains(&key_id))
    }

    fn pass_over(&mut self, next: u32) {
        if next > self.next {
            self.unused.push(self.next..next);
            self.next = next;
        }
    }

    /// A copy is back that has seen other times than the ones that are known: neither its numbers, those that it has promised to somebody else among them, nor
    /// its batches are used again.
    pub(super) fn raise(&mut self, [next_key, promised]: [u32; 2], batch: u64) {
        self.next = self.next.max(next_key);
        self.pass_over(promised);
        self.promise();
        self.header.batch = self.header.batch.max(batch);
    }

    /// The copies hold `slots`, or what waits of them. A slot that is `held` belongs to a live key, whatever they say.
    pub(super) fn settle(&mut self, slots: &[Found], held: &BTreeMap<u32, u32>) {
        self.len = count(slots.len());
        self.damaged = count(slots.iter().filter(|slot| **slot == Found::Bad).count());
        let untold = |(index, slot): (u32, &Found)| match slot {
            Found::Slot(slot) if slot.untold.is_some() => Some((index, *slot)),
            _ => None,
        };
        self.untold = (0_u32..).zip(slots).filter_map(untold).collect();
        let is_free = |(index, slot): &(u32, &Found)| {
            !self.waiting.contains_key(index)
                && !held.contains_key(index)
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
    /// `Exhausted` when there are no more numbers, `Io` without random bytes.
    pub(super) fn number(&mut self) -> Result<(u32, u32)> {
        if self.next >= self.promised && !self.is_ahead {
            let over = u32::from_le_bytes(super::random()?) % NUMBERS_PASSED_OVER_MAX;
            self.pass_over(self.next.saturating_add(over));
            self.is_ahead = true;
        }
        let key_id = self.next;
        self.next = key_id
            .checked_add(1)
            .ok_or_else(|| Error::new(Kind::Exhausted, "making a key: every key number has been given out"))?;
        self.promise();
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

    /// Destroyed keys of which somebody is still to be told, with their slots.
    pub(super) fn untold(&self) -> impl Iterator<Item = (u32, &Slot)> {
        self.untold.iter().map(|(index, slot)| (*index, slot))
    }

    /// These erasures are told of; `settle` takes away to whom. A slot that nobody is to be told of any more may be given out once that is written.
    pub(super) fn told(&mut self, key_ids: &BTreeSet<u32>, settle: fn(&mut Owed)) {
        let batch = self.begin_batch();
        let told: Vec<(u32, Slot)> = self.untold.extract_if(.., |_, slot| key_ids.contains(&slot.key_id)).collect();
        for (index, mut slot) in told {
            slot.batch = batch;
            slot.untold = slot.untold.and_then(|Untold { hour, mut owed }| {
                settle(&mut owed);
                owed.is_any().then_some(Untold { hour, owed })
            });
            self.waiting.insert(index, slot);
            if slot.untold.is_some() {
                self.untold.insert(index, slot);
            }
        }
    }

    /// What is to be written.
    pub(super) fn next_writing(&mut self, now: UtcNanos) -> (KeysHeader, Batch) {
        self.header.noted = now;
        (self.header, self.waiting.iter().map(|(index, slot)| (*index, Found::Slot(*slot))).collect())
    }

    /// The time that the copies note is too old.
    pub(super) fn is_note_due(&self) -> bool {
        self.header.noted.0.abs_diff(self.noted.0) >= NOTE_NANOS
    }

    /// Copies have the header, and these where they have room for them. What was changed meanwhile goes on waiting.
    pub(super) fn written(&mut self, header: &KeysHeader, slots: &Batch, rooms: &Rooms) {
        if rooms.is_any() {
            self.noted = header.noted;
            self.has_promised(header.next_key);
        }
        for (index, found) in slots {
            let Found::Slot(slot) = found else { continue };
            match (rooms.any_has(*index), rooms.both_have(*index)) {
                (false, _) => continue,
                (true, true) => drop(self.half.remove(index)),
                (true, false) => drop(self.half.insert(*index, *slot)),
            }
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

    /// Puts over what copies have what they may lack: what only one was given, what is still to be told, and what waits, the newest last.
    pub(super) fn lay_over(&self, slots: &mut Vec<Found>) {
        for (index, known) in self.half.iter().chain(&self.untold).chain(&self.waiting) {
            let at = narrow(u64::from(*index));
            slots.resize(slots.len().max(at + 1), Found::Free);
            if let Some(slot) = slots.get_mut(at) {
                *slot = Found::Slot(*known);
            }
        }
        slots.resize(slots.len().max(narrow(u64::from(self.len))), Found::Free);
    }

    /// Both copies have `slots`.
    pub(super) fn in_both(&mut self, slots: &[Found]) {
        self.half.retain(|index, slot| slots.get(narrow(u64::from(*index))) != Some(&Found::Slot(*slot)));
    }

    /// What the slot has was written since the start, and one copy may lack it.
    pub(super) fn is_half(&self, index: u32) -> bool {
        self.half.contains_key(&index) || self.waiting.contains_key(&index)
    }

    /// Something waits to be written.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
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
