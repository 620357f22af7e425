//! Both copies of the keys on their disks: opened, made one, written together.

use super::aead::Wrapper;
use super::file::{Copy, KeyFile, Place};
use super::master::MasterSource;
use super::merge::{Merged, merge};
use super::slot::{Found, KeysHeader, Slot};
use crate::codec::{count, narrow};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::io;
use watchbook_base::fs::Fs;
use watchbook_base::{Kind, UtcNanos};

/// Key numbers passed over when no header tells which was the last.
const NUMBERS_SKIPPED: u32 = 1 << 16;

/// Both copies.
pub(super) struct Copies {
    files: [KeyFile; 2],
    pub(super) header: KeysHeader,
    free: BTreeSet<u32>,
    len: u32,
    /// Destroyed keys that no copy could be told of yet.
    doomed: Vec<(u32, Found)>,
    /// Keys that no copy could be given yet.
    unsaved: Vec<(u32, Found)>,
    /// Slots that are lost in both.
    pub(super) damaged: u32,
}

/// What a look at the copies gave.
struct Looked {
    copies: [Option<Copy>; 2],
    /// A copy that is missing and can be made.
    absent: [bool; 2],
    /// No key file was seen: it is missing, or its disk is not there.
    none_yet: [bool; 2],
}

impl Copies {
    /// FORMAT.md "Open the keys". Returns the slots too.
    pub(super) fn open(
        places: [Place; 2],
        master: (&MasterSource, &dyn Fs),
        now: UtcNanos,
        may_change: bool,
    ) -> Result<(Self, Wrapper, Vec<Found>)> {
        let mut files = places.map(KeyFile::new);
        let mut looked = look(&mut files);
        let fresh = may_change && looked.none_yet.iter().all(|none| *none);
        let wrapper = Wrapper::new(&master.0.load(master.1, fresh)?);
        if may_change {
            set_stranger_aside(&mut files, &mut looked, &wrapper);
        }
        let Merged { slots, repairs } = merge([looked.copies[0].as_ref(), looked.copies[1].as_ref()]);
        let header = header_of(&looked, &slots, &wrapper, now)?;
        let mut copies =
            Self { files, header, free: BTreeSet::new(), len: 0, doomed: Vec::new(), unsaved: Vec::new(), damaged: 0 };
        copies.settle(&slots);
        if may_change {
            copies.repair(&slots, &repairs, looked.absent);
        }
        Ok((copies, wrapper, slots))
    }

    fn settle(&mut self, slots: &[Found]) {
        self.len = count(slots.len());
        let is_free = |(_, slot): &(u32, &Found)| match slot {
            Found::Free => true,
            Found::Slot(slot) => slot.wrapped.is_none(),
            Found::Bad => false,
        };
        self.free = (0_u32..).zip(slots).filter(is_free).map(|(index, _)| index).collect();
        self.damaged = count(slots.iter().filter(|slot| **slot == Found::Bad).count());
    }

    /// Gives each copy what it lacks, and makes missing ones.
    fn repair(&mut self, slots: &[Found], repairs: &[Vec<u32>; 2], absent: [bool; 2]) {
        self.header.batch += 1;
        for ((file, repairs), absent) in self.files.iter_mut().zip(repairs).zip(absent) {
            let slot = |index: &u32| slots.get(narrow(u64::from(*index))).map(|slot| (*index, *slot));
            let path = file.path();
            let done = match (file.is_there(), absent) {
                // After a failed sync nobody knows what the disk has.
                (true, _) if file.doubtful => {
                    let all: Vec<_> = (0..count(slots.len())).filter_map(|index| slot(&index)).collect();
                    file.write(&self.header, &all)
                }
                (true, _) => file.write(&self.header, &repairs.iter().filter_map(slot).collect::<Vec<_>>()),
                (false, true) => file.make(&self.header, slots),
                (false, false) => continue,
            };
            match done {
                Ok(()) => (file.trouble, file.doubtful) = (None, false),
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "a copy of the keys cannot be written");
                    file.lose(&error);
                }
            }
            if !repairs.is_empty() {
                tracing::warn!(path = %path.display(), slots = repairs.len(), "a copy of the keys was put right from the other one");
            }
        }
    }

    /// Writes to every copy that is there. True when at least one has it.
    fn write(&mut self, slots: &[(u32, Found)], now: UtcNanos) -> bool {
        self.header.noted = now;
        let mut done = false;
        for file in self.files.iter_mut().filter(|file| file.is_there()) {
            match file.write(&self.header, slots) {
                Ok(()) => done = true,
                Err(error) => {
                    tracing::error!(%error, path = %file.path().display(), "a copy of the keys cannot be written");
                }
            }
        }
        done
    }

    /// Gives out a slot and a number to each new key.
    pub(super) fn number(&mut self, keys: usize) -> Result<Vec<(u32, u32)>> {
        self.header.batch += 1;
        (0..keys)
            .map(|_| {
                let index = self.free.pop_first().unwrap_or(self.len);
                self.len = self.len.max(index + 1);
                let key_id = self.header.next_key;
                self.header.next_key = key_id
                    .checked_add(1)
                    .ok_or_else(|| Error::new(Kind::Exhausted, "making a key: every key number has been given out"))?;
                Ok((index, key_id))
            })
            .collect()
    }

    /// Makes new or changed keys durable. False when no copy took them: they are kept for the next attempt.
    pub(super) fn save(&mut self, slots: Vec<(u32, Slot)>, now: UtcNanos) -> bool {
        let mut slots: Vec<_> = slots.into_iter().map(|(index, slot)| (index, Found::Slot(slot))).collect();
        slots.append(&mut self.unsaved);
        let saved = self.write(&slots, now);
        if !saved {
            self.unsaved = slots;
        }
        saved
    }

    /// The next batch of changes begins.
    pub(super) fn begin_batch(&mut self) {
        self.header.batch += 1;
    }

    /// Drops a key that could not be saved and that nobody has used.
    pub(super) fn forget(&mut self, index: u32) {
        self.unsaved.retain(|(other, _)| *other != index);
        self.free.insert(index);
    }

    /// Destroys what these slots hold. False when no copy could be told: they stay doomed.
    pub(super) fn destroy(&mut self, slots: Vec<(u32, Slot)>, now: UtcNanos) -> bool {
        self.header.batch += 1;
        let batch = self.header.batch;
        self.header.destroyed = batch;
        let tomb = |(index, slot): (u32, Slot)| (index, Found::Slot(Slot { batch, wrapped: None, ..slot }));
        self.unsaved.retain(|(index, _)| slots.iter().all(|(doomed, _)| doomed != index));
        let mut tombs: Vec<_> = slots.into_iter().map(tomb).collect();
        tombs.append(&mut self.doomed);
        if self.write(&tombs, now) {
            self.free.extend(tombs.iter().map(|(index, _)| *index));
            return true;
        }
        self.doomed = tombs;
        false
    }

    /// The slot as the first copy that can be read has it.
    pub(super) fn slot(&self, index: u32, key_id: u32) -> Option<Slot> {
        let unsaved = self.unsaved.iter().filter(|(other, _)| *other == index).map(|(_, found)| *found);
        let stored = self.files.iter().filter_map(|file| file.slot(index));
        unsaved.chain(stored).find_map(|found| match found {
            Found::Slot(slot) if slot.key_id == key_id && slot.wrapped.is_some() => Some(slot),
            _ => None,
        })
    }

    /// True when a copy is away or something waits to be written.
    pub(super) fn wants_mending(&self) -> bool {
        self.files.iter().any(|file| !file.is_there()) || !self.doomed.is_empty() || !self.unsaved.is_empty()
    }

    /// Looks whether a copy has come back, and writes what waits. A copy that comes back is cleaned before anything is read from it: of what it has only
    /// those keys stay that `is_live` knows. Returns keys that were lost in the other copy and are found again.
    pub(super) fn mend(&mut self, is_live: &dyn Fn(u32) -> bool, now: UtcNanos) -> Vec<(u32, Slot)> {
        let mut found = Vec::new();
        if self.files.iter().any(|file| !file.is_there()) {
            found = self.take_back(is_live);
        }
        if !self.doomed.is_empty() {
            self.destroy(Vec::new(), now);
        }
        if !self.unsaved.is_empty() {
            self.save(Vec::new(), now);
        }
        found
    }

    fn take_back(&mut self, is_live: &dyn Fn(u32) -> bool) -> Vec<(u32, Slot)> {
        let stayed = self.files.each_ref().map(KeyFile::is_there);
        let mut back = [false; 2];
        for (file, back) in self.files.iter_mut().zip(&mut back) {
            *back = !file.is_there() && file.look().is_ok();
        }
        if back == [false, false] {
            return Vec::new();
        }
        let mut looked = look(&mut self.files);
        if looked.copies.iter().zip(stayed).any(|(copy, stayed)| stayed && copy.is_none()) {
            // What a copy that was away has means nothing without the one that stayed.
            return Vec::new();
        }
        self.refuse_strangers(&mut looked, back);
        let Merged { mut slots, .. } = merge([looked.copies[0].as_ref(), looked.copies[1].as_ref()]);
        let was_bad = |index: u32| {
            let lost = |copy: &Copy| copy.slots.get(narrow(u64::from(index))) == Some(&Found::Bad);
            looked.copies.iter().flatten().any(lost)
        };
        let mut found = Vec::new();
        for (index, slot) in (0_u32..).zip(&mut slots) {
            if let Found::Slot(slot) = slot
                && slot.wrapped.is_some()
                && !is_live(slot.key_id)
            {
                match was_bad(index) {
                    true => found.push((index, *slot)),
                    false => slot.wrapped = None,
                }
            }
        }
        for (index, waiting) in self.doomed.iter().chain(&self.unsaved) {
            let at = narrow(u64::from(*index));
            slots.resize(slots.len().max(at + 1), Found::Free);
            if let Some(slot) = slots.get_mut(at) {
                *slot = *waiting;
            }
        }
        // Everything is written again: what a copy has missed, and what a failed sync may have dropped.
        let all: Vec<u32> = (0..count(slots.len())).collect();
        self.settle(&slots);
        self.repair(&slots, &[all.clone(), all], looked.absent);
        found
    }

    /// A copy that comes back and holds another set of keys is no copy of ours.
    fn refuse_strangers(&mut self, looked: &mut Looked, back: [bool; 2]) {
        let set = self.header.set;
        for ((file, copy), back) in self.files.iter_mut().zip(&mut looked.copies).zip(back) {
            if back && copy.as_ref().and_then(|copy| copy.header).is_some_and(|header| header.set != set) {
                file.lose(&io::Error::other("it holds keys of another station; it is left alone"));
                *copy = None;
            }
        }
    }

    /// Why a copy is missing, for each.
    pub(super) fn missing(&self) -> Vec<String> {
        let gone = self.files.iter().filter(|file| !file.is_there());
        gone.map(|file| {
            let why = file.trouble.clone().unwrap_or_else(|| "it is not there".to_owned());
            format!(
                "the copy of the keys at {} cannot be used ({why}); recording goes on with the other one",
                file.path().display()
            )
        })
        .collect()
    }

    /// Keys that would not outlive a power cut.
    pub(super) fn unsaved(&self) -> usize {
        self.unsaved.len()
    }

    /// Destroyed keys that are still on a disk.
    pub(super) fn doomed(&self) -> usize {
        self.doomed.len()
    }
}

fn look(files: &mut [KeyFile; 2]) -> Looked {
    let mut looked = Looked { copies: [None, None], absent: [false, false], none_yet: [false, false] };
    let Looked { copies, absent, none_yet } = &mut looked;
    for (((file, copy), absent), none_yet) in files.iter_mut().zip(copies).zip(absent).zip(none_yet) {
        match file.look() {
            Ok(Some(found)) => *copy = Some(found),
            Ok(None) => (*absent, *none_yet) = (true, true),
            Err(error) => {
                *none_yet = error.kind() == io::ErrorKind::NotFound;
                tracing::error!(%error, path = %file.path().display(), "a copy of the keys cannot be read");
                let doubtful = file.doubtful;
                file.lose(&error);
                file.doubtful = doubtful;
            }
        }
    }
    looked
}

/// Two copies of different sets: the one with more batches behind it stays, when the master key fits it; the other is renamed, never overwritten.
fn set_stranger_aside(files: &mut [KeyFile; 2], looked: &mut Looked, wrapper: &Wrapper) {
    let [Some(a), Some(b)] = &looked.copies else { return };
    let (Some(first), Some(second)) = (a.header, b.header) else { return };
    if first.set == second.set {
        return;
    }
    let fits = |header: &KeysHeader| wrapper.proves(&header.set, header.nonce, &header.tag);
    let keep_first = (fits(&first), a.batch()) >= (fits(&second), b.batch());
    let (stranger, at) = if keep_first { (second, 1) } else { (first, 0) };
    if let (Some(file), Some(copy), Some(absent)) =
        (files.get_mut(at), looked.copies.get_mut(at), looked.absent.get_mut(at))
    {
        let moved = file.set_aside(&watchbook_evidence::hex(&stranger.set));
        tracing::error!(moved, path = %file.path().display(), "a key file of another station was found beside ours and set aside");
        file.lose(&io::Error::other("it holds keys of another station; it was set aside"));
        *copy = None;
        *absent = moved;
    }
}

/// The header to go on with; one is made when there is none. Refuses a master key that the keys were not wrapped with.
fn header_of(looked: &Looked, slots: &[Found], wrapper: &Wrapper, now: UtcNanos) -> Result<KeysHeader> {
    let headers = looked.copies.iter().flatten().filter_map(|copy| copy.header);
    let newest = headers.max_by_key(|header| header.batch);
    let live = || {
        slots.iter().filter_map(|found| match found {
            Found::Slot(slot) if slot.wrapped.is_some() => Some(slot),
            _ => None,
        })
    };
    let fits = match &newest {
        Some(header) => wrapper.proves(&header.set, header.nonce, &header.tag),
        None => live().next().is_none() || live().any(|slot| wrapper.unwrap(slot).is_some()),
    };
    if !fits {
        return Err(Error::new(
            Kind::InvalidInput,
            "opening the keys: the master key is not the one that they were wrapped with. Nothing was changed; put the right master key back, or \
             correct storage.master_key",
        ));
    }
    let used = slots.iter().filter_map(|found| match found {
        Found::Slot(slot) => Some(slot),
        _ => None,
    });
    let after = used.map(|slot| slot.key_id).max().map_or(1, |id| id.saturating_add(1));
    let batch = looked.copies.iter().flatten().map(Copy::batch).max().unwrap_or(0);
    match newest {
        Some(header) => Ok(KeysHeader { batch, next_key: header.next_key.max(after), ..header }),
        None => {
            let set = super::random()?;
            let (nonce, tag) = wrapper.prove(&set)?;
            let next_key = if after == 1 { 1 } else { after.saturating_add(NUMBERS_SKIPPED) };
            let noted = live().map(|slot| slot.basis).max().unwrap_or(now);
            Ok(KeysHeader { set, batch, destroyed: batch, next_key, noted, nonce, tag })
        }
    }
}
