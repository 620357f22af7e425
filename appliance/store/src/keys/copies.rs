//! Both copies of the keys on their disks: opened, made one, written one after the other.

use super::aead::Wrapper;
use super::book::{Batch, Book};
use super::file::{Copy, Place};
use super::hand::Hand;
use super::master::MasterSource;
use super::merge::{Merged, merge};
use super::slot::{Found, KeysHeader, Slot};
use crate::codec::{count, narrow, wide};
use crate::error::{Error, Result};
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use watchbook_base::fs::Fs;
use watchbook_base::{Kind, UtcNanos};

/// Key numbers passed over when no header tells which was the last.
const NUMBERS_SKIPPED: u32 = 1 << 16;
/// How long the start waits for a copy. Nobody records yet.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long a slot is waited for.
const SLOT_PATIENCE: Duration = Duration::from_secs(1);
/// What any disk reads and writes in a millisecond at least.
const BYTES_PER_MS: u64 = 16 << 10;

/// Both copies.
pub(super) struct Copies([Hand; 2]);

/// What a look at the copies gave.
struct Looked {
    copies: [Option<Copy>; 2],
    /// A copy that is missing and can be made.
    absent: [bool; 2],
    /// No key file was seen: it is missing, or its disk is not there.
    none_yet: [bool; 2],
}

/// A copy is back: what both come to.
pub(super) struct Back {
    pub(super) slots: Vec<Found>,
    /// Slots that one of them has lost.
    pub(super) was_bad: Vec<bool>,
    absent: [bool; 2],
}

impl Copies {
    /// FORMAT.md "Open the keys". Returns the slots too.
    pub(super) fn open(
        places: [Place; 2],
        master: (&MasterSource, &dyn Fs),
        now: UtcNanos,
        may_change: bool,
    ) -> Result<(Self, Book, Wrapper, Vec<Found>)> {
        let mut hands = places.map(Hand::new);
        let mut looked = look(&mut hands, START_PATIENCE);
        let fresh = may_change && looked.none_yet.iter().all(|none| *none);
        let wrapper = Wrapper::new(&master.0.load(master.1, fresh)?);
        if may_change {
            set_stranger_aside(&mut hands, &mut looked, &wrapper);
        }
        let Merged { slots, repairs } = merge([looked.copies[0].as_ref(), looked.copies[1].as_ref()]);
        let header = header_of(&looked, &slots, &wrapper, now)?;
        let (mut copies, mut book) = (Self(hands), Book::new(header, &slots));
        if may_change {
            book.begin_batch();
            copies.repair(&book.header, &slots, &repairs, (looked.absent, START_PATIENCE));
        }
        Ok((copies, book, wrapper, slots))
    }

    /// Gives each copy what it lacks, and makes missing ones.
    fn repair(
        &mut self,
        header: &KeysHeader,
        slots: &[Found],
        repairs: &[Vec<u32>; 2],
        (absent, patience): ([bool; 2], Duration),
    ) {
        for ((hand, repairs), absent) in self.0.iter_mut().zip(repairs).zip(absent) {
            let slot = |index: &u32| slots.get(narrow(u64::from(*index))).map(|slot| (*index, *slot));
            let done = match (hand.is_there(), absent) {
                // After a failed sync nobody knows what the disk has.
                (true, _) if hand.doubtful => {
                    let all: Vec<_> = (0..count(slots.len())).filter_map(|index| slot(&index)).collect();
                    hand.write(header, all, patience)
                }
                (true, _) => hand.write(header, repairs.iter().filter_map(slot).collect(), patience),
                (false, true) => hand.make(header, slots, patience),
                (false, false) => continue,
            };
            match done {
                Ok(()) => (hand.trouble, hand.doubtful) = (None, false),
                Err(error) => {
                    tracing::error!(%error, path = %hand.path().display(), "a copy of the keys cannot be written");
                    hand.lose(&error);
                }
            }
            if !repairs.is_empty() {
                tracing::warn!(path = %hand.path().display(), slots = repairs.len(), "a copy of the keys was put right from the other one");
            }
        }
    }

    /// Writes to every copy that is there, the first one first. True when at least one has it at `deadline`; a copy that has not answered by then counts as
    /// gone.
    pub(super) fn write(&mut self, header: &KeysHeader, slots: &Batch, deadline: Instant) -> bool {
        let (done, answers) = mpsc::channel();
        let slots = slots.as_slice().into();
        let (mut open, mut saved) = (Vec::new(), false);
        for at in 0..self.0.len() {
            let Some(hand) = self.0.get_mut(at).filter(|hand| hand.is_there()) else { continue };
            let done = done.clone();
            match hand.begin_write(header, &slots, move |written| drop(done.send((at, written)))) {
                Ok(()) => open.push(at),
                Err(error) => hand.lose(&error),
            }
            // The second copy is not kept waiting for a disk that does not answer.
            let half = deadline.saturating_duration_since(Instant::now()) / 2;
            saved |= self.take_answers(&answers, &mut open, Instant::now() + half);
        }
        saved |= self.take_answers(&answers, &mut open, deadline);
        for at in open {
            tracing::error!(copy = at, "the disk of a copy of the keys does not answer; recording goes on without it");
            self.0.get_mut(at).into_iter().for_each(Hand::lose_silent);
        }
        saved
    }

    /// Waits for those that are `open`. True when one of them has written.
    fn take_answers(
        &mut self,
        answers: &Receiver<(usize, io::Result<()>)>,
        open: &mut Vec<usize>,
        until: Instant,
    ) -> bool {
        let mut saved = false;
        while !open.is_empty()
            && let Ok((at, written)) = answers.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            open.retain(|other| *other != at);
            match (written, self.0.get_mut(at)) {
                (Ok(()), _) => saved = true,
                (Err(error), Some(hand)) => {
                    tracing::error!(%error, path = %hand.path().display(), "a copy of the keys cannot be written");
                    hand.lose(&error);
                }
                (Err(_), None) => {}
            }
        }
        saved
    }

    /// The key's slot as the first copy that can be read has it.
    ///
    /// # Errors
    /// `Unavailable` when a copy that may have it cannot be read now, `Corrupt` when it is lost in both.
    pub(super) fn slot(&self, index: u32, key_id: u32) -> Result<Slot> {
        let mut unread = None;
        for hand in &self.0 {
            match hand.slot(index, SLOT_PATIENCE) {
                Ok(Found::Slot(slot)) if slot.key_id == key_id && slot.wrapped.is_some() => return Ok(slot),
                Ok(_) => {}
                Err(error) => unread = Some(error),
            }
        }
        Err(match unread {
            Some(error) => {
                Error::new(Kind::Unavailable, format!("key {key_id} cannot be read now: {error}; look at the alarms"))
            }
            None => Error::corrupt(format!("key {key_id} is lost in both key files; look at the alarms")),
        })
    }

    /// True when a copy is away.
    pub(super) fn is_any_away(&self) -> bool {
        self.0.iter().any(|hand| !hand.is_there())
    }

    /// Looks whether a copy of the keys of `set` has come back. It is to be written whole before anything is read from it.
    pub(super) fn look_again(&mut self, set: [u8; 16], patience: Duration) -> Option<Back> {
        let stayed = self.0.each_ref().map(Hand::is_there);
        let mut back = [false; 2];
        for (hand, back) in self.0.iter_mut().zip(&mut back) {
            *back = !hand.is_there() && hand.look(patience).is_ok();
        }
        if back == [false, false] {
            return None;
        }
        let mut looked = look(&mut self.0, patience);
        if looked.copies.iter().zip(stayed).any(|(copy, stayed)| stayed && copy.is_none()) {
            // What a copy that was away has means nothing without the one that stayed.
            for (hand, _) in self.0.iter_mut().zip(back).filter(|(_, back)| *back) {
                hand.lose(&io::Error::other("it waits for the other copy"));
            }
            return None;
        }
        self.refuse_strangers(&mut looked, (set, back));
        let Merged { slots, .. } = merge([looked.copies[0].as_ref(), looked.copies[1].as_ref()]);
        let lost = |index: usize| {
            let lost = |copy: &Copy| copy.slots.get(index) == Some(&Found::Bad);
            looked.copies.iter().flatten().any(lost)
        };
        let was_bad = (0..slots.len()).map(lost).collect();
        Some(Back { slots, was_bad, absent: looked.absent })
    }

    /// Everything is written again: what a copy has missed, and what a failed sync may have dropped.
    pub(super) fn rewrite(&mut self, header: &KeysHeader, back: &Back, patience: Duration) {
        let all: Vec<u32> = (0..count(back.slots.len())).collect();
        self.repair(header, &back.slots, &[all.clone(), all], (back.absent, patience));
    }

    /// A copy that comes back and holds another set of keys is no copy of ours.
    fn refuse_strangers(&mut self, looked: &mut Looked, (set, back): ([u8; 16], [bool; 2])) {
        for ((hand, copy), back) in self.0.iter_mut().zip(&mut looked.copies).zip(back) {
            if back && copy.as_ref().and_then(|copy| copy.header).is_some_and(|header| header.set != set) {
                hand.lose(&io::Error::other("it holds keys of another station; it is left alone"));
                *copy = None;
            }
        }
    }

    /// Why a copy is missing, for each.
    pub(super) fn missing(&self) -> Vec<String> {
        let gone = self.0.iter().filter(|hand| !hand.is_there());
        gone.map(|hand| {
            let why = hand.trouble.clone().unwrap_or_else(|| "it is not there".to_owned());
            format!(
                "the copy of the keys at {} cannot be used ({why}); recording goes on with the other one",
                hand.path().display()
            )
        })
        .collect()
    }
}

/// `patience`, and what a file of so many slots may take.
pub(super) fn patience_for(slots: usize, patience: Duration) -> Duration {
    let bytes = wide(slots).saturating_mul(wide(super::KEY_SLOT_BYTES));
    patience.saturating_add(Duration::from_millis(bytes / BYTES_PER_MS))
}

fn look(hands: &mut [Hand; 2], patience: Duration) -> Looked {
    let mut looked = Looked { copies: [None, None], absent: [false, false], none_yet: [false, false] };
    let Looked { copies, absent, none_yet } = &mut looked;
    for (((hand, copy), absent), none_yet) in hands.iter_mut().zip(copies).zip(absent).zip(none_yet) {
        match hand.look(patience) {
            Ok(Some(found)) => *copy = Some(found),
            Ok(None) => (*absent, *none_yet) = (true, true),
            Err(error) => {
                *none_yet = error.kind() == io::ErrorKind::NotFound;
                tracing::error!(%error, path = %hand.path().display(), "a copy of the keys cannot be read");
                let doubtful = hand.doubtful;
                hand.lose(&error);
                hand.doubtful = doubtful;
            }
        }
    }
    looked
}

/// Two copies of different sets: the one with more batches behind it stays, when the master key fits it; the other is renamed, never overwritten.
fn set_stranger_aside(hands: &mut [Hand; 2], looked: &mut Looked, wrapper: &Wrapper) {
    let [Some(a), Some(b)] = &looked.copies else { return };
    let (Some(first), Some(second)) = (a.header, b.header) else { return };
    if first.set == second.set {
        return;
    }
    let fits = |header: &KeysHeader| wrapper.proves(&header.set, header.nonce, &header.tag);
    let keep_first = (fits(&first), a.batch()) >= (fits(&second), b.batch());
    let (stranger, at) = if keep_first { (second, 1) } else { (first, 0) };
    if let (Some(hand), Some(copy), Some(absent)) =
        (hands.get_mut(at), looked.copies.get_mut(at), looked.absent.get_mut(at))
    {
        let moved = hand.set_aside(&watchbook_evidence::hex(&stranger.set), START_PATIENCE);
        tracing::error!(moved, path = %hand.path().display(), "a key file of another station was found beside ours and set aside");
        hand.lose(&io::Error::other("it holds keys of another station; it was set aside"));
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
        None => live().next().is_none() || live().any(|slot| wrapper.fits(slot)),
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
