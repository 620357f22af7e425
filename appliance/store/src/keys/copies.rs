//! Both copies of the keys on their disks: opened, made one, written one after the other.

use super::aead::Wrapper;
use super::book::{Batch, Book};
use super::file::{Copy, Place, Wrote};
use super::hand::Hand;
use super::master::MasterSource;
use super::merge::{Merged, merge};
use super::slot::{Found, KeysHeader, Slot};
use crate::codec::{count, narrow, wide};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
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

/// What was written where: for each copy that has the header and the slots, how many slots it has room for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rooms([Option<u32>; 2]);

impl Rooms {
    /// A copy has what there was room for.
    pub(super) fn is_any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    pub(super) fn any_has(&self, index: u32) -> bool {
        self.0.iter().flatten().any(|room| index < *room)
    }

    pub(super) fn both_have(&self, index: u32) -> bool {
        self.0.iter().all(|room| room.is_some_and(|room| index < room))
    }
}

/// What a look at the copies gave.
#[derive(Default)]
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
    /// Live keys of one of them that the other one does not have there, or that may be what was destroyed.
    pub(super) others: BTreeMap<u32, Vec<Slot>>,
    /// The newest batch, and the first number that no slot has had.
    pub(super) batch: u64,
    pub(super) next_key: u32,
    /// The first number that no header has promised to somebody else.
    pub(super) promised: u32,
    /// Where each copy has a key that neither says is live.
    unusable: [Vec<u32>; 2],
    absent: [bool; 2],
    /// Only one of them was read.
    is_of_one: bool,
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
        let mut looked = Looked::default();
        look(&mut hands, &mut looked, (START_PATIENCE, [true, true]));
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
            if copies.0.iter().any(Hand::is_there) {
                book.has_promised(book.header.next_key);
            }
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
            // Room that one copy has and the other has not is nothing to tell of.
            let mended = repairs.iter().filter_map(slot).filter(|(_, found)| *found != Found::Free).count();
            if mended > 0 {
                tracing::warn!(path = %hand.path().display(), slots = mended, "a copy of the keys was put right from the other one");
            }
        }
    }

    /// Writes to every copy that is there, the first one first; the second one is begun when that has answered, or after half of the time. Tells which have it
    /// at `deadline`; a copy that has not answered by then counts as gone.
    pub(super) fn write(&mut self, header: &KeysHeader, slots: &Batch, deadline: Instant) -> Rooms {
        let (done, answers) = mpsc::channel();
        let slots: Arc<[(u32, Found)]> = slots.as_slice().into();
        let (mut open, mut rooms) = (Vec::new(), Rooms::default());
        for at in 0..self.0.len() {
            let Some(hand) = self.0.get_mut(at).filter(|hand| hand.is_there()) else { continue };
            let done = done.clone();
            // The second copy is not kept waiting for a disk that does not answer.
            let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
            match hand.begin_write(half, (header, &slots), move |written| drop(done.send((at, written)))) {
                Ok(()) => open.push(at),
                Err(error) => hand.lose(&error),
            }
            self.take_answers(&answers, (&mut open, &mut rooms), half);
        }
        self.take_answers(&answers, (&mut open, &mut rooms), deadline);
        for at in open {
            tracing::error!(copy = at, "the disk of a copy of the keys does not answer; recording goes on without it");
            self.0.get_mut(at).into_iter().for_each(Hand::lose_silent);
        }
        for (hand, room) in self.0.iter_mut().zip(rooms.0) {
            hand.lacks |= room.is_some_and(|room| {
                slots.iter().any(|(index, found)| *index >= room && *found != Found::Free && rooms.any_has(*index))
            });
        }
        rooms
    }

    /// Waits for those that are `open`.
    fn take_answers(
        &mut self,
        answers: &Receiver<(usize, io::Result<Wrote>)>,
        (open, rooms): (&mut Vec<usize>, &mut Rooms),
        until: Instant,
    ) {
        while !open.is_empty()
            && let Ok((at, written)) = answers.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            open.retain(|other| *other != at);
            let (Some(hand), Some(room)) = (self.0.get_mut(at), rooms.0.get_mut(at)) else { continue };
            match written {
                Ok(wrote) => (*room, hand.cramped) = (Some(wrote.room), wrote.cramped),
                Err(error) => {
                    tracing::error!(%error, path = %hand.path().display(), "a copy of the keys cannot be written");
                    hand.lose(&error);
                }
            }
        }
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

    /// Lets files grow that could not.
    pub(super) fn make_room(&mut self, patience: Duration) {
        self.0.iter_mut().for_each(|hand| hand.make_room(patience));
    }

    /// True when a copy is away, or has room now for slots that it lacks.
    pub(super) fn is_any_to_fill(&self) -> bool {
        self.0.iter().any(|hand| !hand.is_there() || hand.can_be_filled())
    }

    /// Both are there, and have all.
    pub(super) fn are_both_whole(&self) -> bool {
        self.0.iter().all(|hand| hand.is_there() && !hand.lacks)
    }

    /// Looks whether a copy of the keys of `set` has come back, or has room now for what it lacks. It is to be written whole before anything is read from it.
    pub(super) fn look_again(&mut self, set: [u8; 16], patience: Duration) -> Option<Back> {
        let was_there = self.0.each_ref().map(Hand::is_there);
        let stayed = self.0.each_ref().map(|hand| hand.is_there() && !hand.can_be_filled());
        let mut looked = Looked::default();
        look(&mut self.0, &mut looked, (patience, stayed.map(|stayed| !stayed)));
        let mut back = looked.absent;
        back.iter_mut().zip(&looked.copies).for_each(|(back, copy)| *back |= copy.is_some());
        if back == [false, false] {
            return None;
        }
        look(&mut self.0, &mut looked, (patience, stayed));
        // One that was there all the time gets what it lacks from the other one, and from nobody else.
        let is_alone = back.iter().zip(was_there).all(|(back, was_there)| !back || was_there)
            && looked.copies.iter().any(Option::is_none);
        if is_alone || looked.copies.iter().zip(was_there).any(|(copy, was_there)| was_there && copy.is_none()) {
            // What a copy that was away has means nothing without the one that stayed.
            let of_both = self.0.iter_mut().zip(back).zip(was_there);
            for ((hand, _), _) in of_both.filter(|((_, back), was_there)| *back && !was_there) {
                hand.lose(&io::Error::other("it waits for the other copy"));
            }
            return None;
        }
        self.refuse_strangers(&mut looked, (set, back));
        let mut back = Back::of(&looked);
        // What was promised by a header that was not written since the start may have been given out, and lost with the memory.
        let strange = self.0.iter().zip(&looked.copies).filter(|(hand, _)| !hand.is_ours);
        let promised = strange.filter_map(|(_, copy)| Some(copy.as_ref()?.header?.next_key));
        back.promised = promised.fold(back.promised, u32::max);
        Some(back)
    }

    /// Everything is written again: what a copy has missed, and what a failed sync may have dropped. What is lost in both is left as it is, lest a sector be
    /// overwritten that can be read again one day; but a key goes that is not to be used.
    pub(super) fn rewrite(&mut self, header: &KeysHeader, back: &Back, patience: Duration) {
        let is_bad = |index: &u32| back.slots.get(narrow(u64::from(*index))) == Some(&Found::Bad);
        let repairs = back.unusable.each_ref().map(|unusable| {
            let unusable = unusable.iter().copied().filter(is_bad);
            (0..count(back.slots.len())).filter(|index| !is_bad(index)).chain(unusable).collect()
        });
        let lacked = self.0.each_ref().map(|hand| hand.lacks);
        self.repair(header, &back.slots, &repairs, (back.absent, patience));
        if back.is_of_one {
            // What the other one has alone is still to come.
            self.0.iter_mut().zip(lacked).for_each(|(hand, lacked)| hand.lacks |= lacked);
        }
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

    /// Why a copy is missing or cannot grow, for each.
    pub(super) fn missing(&self) -> Vec<String> {
        let why = |hand: &Hand| {
            let path = hand.path().display();
            match (hand.is_there(), &hand.cramped) {
                (false, _) => {
                    let why = hand.trouble.as_deref().unwrap_or("it is not there");
                    Some(format!(
                        "the copy of the keys at {path} cannot be used ({why}); recording goes on with the other one"
                    ))
                }
                (true, Some(why)) => {
                    Some(format!("the copy of the keys at {path} cannot grow ({why}). Free space on its disk"))
                }
                (true, None) => hand.lacks.then(|| {
                    format!("the copy of the keys at {path} lacks keys that it had no room for; the other one has them alone")
                }),
            }
        };
        self.0.iter().filter_map(why).collect()
    }
}

impl Back {
    fn of(looked: &Looked) -> Self {
        let Merged { slots, .. } = merge(looked.copies.each_ref().map(Option::as_ref));
        let copies = || looked.copies.iter().flatten();
        let lost = |index: usize| copies().any(|copy| copy.slots.get(index) == Some(&Found::Bad));
        let was_bad = (0..slots.len()).map(lost).collect();
        let mut others: BTreeMap<u32, Vec<Slot>> = BTreeMap::new();
        let unusable = looked.copies.each_ref().map(|copy| {
            let mut unusable = Vec::new();
            let found = copy.iter().flat_map(|copy| &copy.slots);
            for ((index, found), merged) in (0_u32..).zip(found).zip(&slots) {
                if let Found::Slot(slot) = found
                    && slot.wrapped.is_some()
                    && found != merged
                {
                    others.entry(index).or_default().push(*slot);
                    unusable.push(index);
                }
            }
            unusable
        });
        let batch = copies().map(Copy::batch).max().unwrap_or(0);
        let numbers = slots.iter().filter_map(|found| match found {
            Found::Slot(slot) => Some(slot.key_id.saturating_add(1)),
            _ => None,
        });
        let next_key = numbers.max().unwrap_or(1);
        let promised = next_key;
        let is_of_one = looked.copies.iter().any(Option::is_none);
        let absent = looked.absent;
        Self { slots, was_bad, others, batch, next_key, promised, unusable, absent, is_of_one }
    }
}

/// `patience`, and what a file of so many slots may take.
pub(super) fn patience_for(slots: usize, patience: Duration) -> Duration {
    let bytes = wide(slots).saturating_mul(wide(super::KEY_SLOT_BYTES));
    patience.saturating_add(Duration::from_millis(bytes / BYTES_PER_MS))
}

/// Looks at the copies that are `wanted`.
fn look(hands: &mut [Hand; 2], looked: &mut Looked, (patience, wanted): (Duration, [bool; 2])) {
    let Looked { copies, absent, none_yet } = looked;
    let all = hands.iter_mut().zip(copies).zip(absent).zip(none_yet).zip(wanted);
    for ((((hand, copy), absent), none_yet), _) in all.filter(|(_, wanted)| *wanted) {
        match hand.look(patience) {
            Ok(Some(found)) => *copy = Some(Copy { lacks: hand.lacks, ..found }),
            Ok(None) => (*absent, *none_yet) = (true, true),
            // It was there, and may only be slow: the next writing tells.
            Err(error) if hand.is_there() => {
                tracing::error!(%error, path = %hand.path().display(), "a copy of the keys cannot be read now");
            }
            Err(error) => {
                *none_yet = error.kind() == io::ErrorKind::NotFound;
                // A disk that is not there has an alarm; at the first start of a station none is there yet.
                if hand.trouble.as_ref() != Some(&error.to_string()) && !*none_yet {
                    tracing::error!(%error, path = %hand.path().display(), "a copy of the keys cannot be read");
                }
                let doubtful = hand.doubtful;
                hand.lose(&error);
                hand.doubtful = doubtful;
            }
        }
    }
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
