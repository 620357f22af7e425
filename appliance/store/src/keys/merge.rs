//! Two copies of the keys, made one. Pure.

use super::file::Copy;
use super::slot::Found;
use crate::codec::count;
use std::collections::BTreeMap;

/// What two copies come to.
pub(crate) struct Merged {
    /// Slot by slot. [`Found::Bad`]: what it held is lost in both.
    pub(crate) slots: Vec<Found>,
    /// Slots that each copy must be given, destroyed ones first.
    pub(crate) repairs: [Vec<u32>; 2],
}

/// For each slot the newer writing wins, so a key that was destroyed in one copy is destroyed. A slot that is bad in one copy is taken from the other,
/// but not from one that has missed a destruction: what it has may be what was destroyed, and a destroyed key never comes back. Nor is a slot free only because a
/// copy that is behind says so, or that lacks what it had no room for. Beyond its last slot a copy says nothing.
pub(crate) fn merge(copies: [Option<&Copy>; 2]) -> Merged {
    let [a, b] = copies;
    let missed_by = |copy: Option<&Copy>, other: Option<&Copy>| {
        copy.zip(other).is_some_and(|(copy, other)| copy.batch() < other.destroyed())
    };
    let behind = |copy: Option<&Copy>, other: Option<&Copy>| {
        copy.zip(other).is_some_and(|(copy, other)| copy.lacks || copy.batch() < other.batch())
    };
    let missed = [missed_by(a, b), missed_by(b, a)];
    let behind = [behind(a, b), behind(b, a)];
    let len = a.map_or(0, |copy| copy.slots.len()).max(b.map_or(0, |copy| copy.slots.len()));
    let at = |copy: Option<&Copy>, index: usize| match copy {
        Some(copy) => copy.slots.get(index).copied(),
        None => Some(Found::Bad),
    };
    let of_both = |index: usize| match (at(a, index), at(b, index)) {
        (Some(a), Some(b)) => winner([a, b], missed, behind),
        (one, other) => one.or(other).unwrap_or(Found::Free),
    };
    let mut slots: Vec<Found> = (0..len).map(of_both).collect();
    drop_doubles(&mut slots);
    let repairs = [a, b].map(|copy| repairs_of(copy, &slots));
    Merged { slots, repairs }
}

fn winner(pair: [Found; 2], missed: [bool; 2], behind: [bool; 2]) -> Found {
    let [a, b] = pair;
    let [a_missed, b_missed] = missed;
    let [a_behind, b_behind] = behind;
    match (a, b) {
        (Found::Bad, Found::Free) if b_behind => Found::Bad,
        (Found::Free, Found::Bad) if a_behind => Found::Bad,
        (Found::Bad, _) if b_missed => Found::Bad,
        (_, Found::Bad) if a_missed => Found::Bad,
        (Found::Bad, other) | (other, Found::Bad) => other,
        _ if b.batch() > a.batch() => b,
        _ => a,
    }
}

/// Copies that went on apart may both have given out a number. The newer key keeps it; the other one is of no use to anybody.
fn drop_doubles(slots: &mut [Found]) {
    let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
    for slot in slots.iter() {
        if let Found::Slot(slot) = slot {
            let batch = newest.entry(slot.key_id).or_default();
            *batch = slot.batch.max(*batch);
        }
    }
    for found in slots.iter_mut() {
        if let Found::Slot(slot) = found
            && newest.get(&slot.key_id).is_some_and(|batch| *batch > slot.batch)
        {
            slot.wrapped = None;
        }
    }
}

fn repairs_of(copy: Option<&Copy>, slots: &[Found]) -> Vec<u32> {
    let Some(copy) = copy else { return Vec::new() };
    let has = |index: usize| copy.slots.get(index).copied().unwrap_or(Found::Free);
    // What is lost in both stays as it is, but a key must not be left where it is not to be used.
    let differs = |(index, slot): &(usize, &Found)| match slot {
        Found::Bad => matches!(has(*index), Found::Slot(_)),
        slot => has(*index) != **slot,
    };
    let mut repairs: Vec<u32> = slots.iter().enumerate().filter(differs).map(|(index, _)| count(index)).collect();
    let is_live = |index: &u32| {
        let slot = slots.get(crate::codec::narrow(u64::from(*index)));
        matches!(slot, Some(Found::Slot(slot)) if slot.wrapped.is_some())
    };
    repairs.sort_by_key(|index| (is_live(index), *index));
    repairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::slot::{KeysHeader, Slot, Wrapped};
    use watchbook_base::{CameraId, UtcNanos};

    fn live(key_id: u32, batch: u64) -> Found {
        let wrapped = Some(Wrapped { nonce: [1; 12], key: [key_id as u8; 32], tag: [3; 16] });
        Found::Slot(Slot {
            key_id,
            batch,
            camera: CameraId::new(1),
            basis: UtcNanos(0),
            days_max: 0,
            wrapped,
            untold: None,
        })
    }

    fn gone(key_id: u32, batch: u64) -> Found {
        let Found::Slot(slot) = live(key_id, batch) else { unreachable!() };
        Found::Slot(Slot { wrapped: None, ..slot })
    }

    fn copy(batch: u64, slots: &[Found]) -> Copy {
        destroyed(batch, 0, slots)
    }

    fn destroyed(batch: u64, destroyed: u64, slots: &[Found]) -> Copy {
        let (set, nonce, tag) = ([0; 16], [0; 12], [0; 16]);
        let header = KeysHeader { set, batch, destroyed, next_key: 1, noted: UtcNanos(0), nonce, tag };
        Copy { header: Some(header), slots: slots.to_vec(), lacks: false }
    }

    fn check(a: Option<Copy>, b: Option<Copy>, want: &[Found], repairs: [&[u32]; 2]) {
        let merged = merge([a.as_ref(), b.as_ref()]);
        assert_eq!(merged.slots, want);
        assert_eq!([merged.repairs[0].as_slice(), merged.repairs[1].as_slice()], repairs);
        let swapped = merge([b.as_ref(), a.as_ref()]);
        assert_eq!(swapped.slots, want, "the other way round");
    }

    #[test]
    fn the_newer_writing_wins_and_a_destroyed_key_stays_destroyed() {
        let (old, new) = (copy(5, &[live(1, 2), live(2, 5)]), copy(6, &[gone(1, 6), live(2, 5)]));
        check(Some(old), Some(new), &[gone(1, 6), live(2, 5)], [&[0], &[]]);
        // Reused for another key while the other copy was away.
        let (old, new) = (copy(5, &[live(1, 2)]), copy(90, &[live(40, 80), live(41, 80)]));
        check(Some(old), Some(new), &[live(40, 80), live(41, 80)], [&[0, 1], &[]]);
    }

    #[test]
    fn a_bad_slot_is_taken_from_a_copy_that_has_missed_nothing() {
        let (a, b) = (copy(5, &[Found::Bad, live(2, 3)]), copy(5, &[live(1, 2), Found::Bad]));
        check(Some(a), Some(b), &[live(1, 2), live(2, 3)], [&[0], &[1]]);
        let (a, b) = (destroyed(50, 3, &[Found::Bad]), copy(3, &[live(1, 2)]));
        check(Some(a), Some(b), &[live(1, 2)], [&[0], &[]]);
        let (a, b) = (destroyed(5, 4, &[Found::Bad]), copy(3, &[live(1, 2)]));
        check(Some(a), Some(b), &[Found::Bad], [&[], &[0]]);
        check(Some(copy(5, &[Found::Bad])), Some(copy(5, &[Found::Bad])), &[Found::Bad], [&[], &[]]);
        // Free in a copy that has all of the other one, or in one that may have missed what was there.
        check(Some(copy(5, &[Found::Bad])), Some(copy(5, &[Found::Free])), &[Found::Free], [&[0], &[]]);
        check(Some(copy(5, &[Found::Bad])), Some(copy(4, &[Found::Free])), &[Found::Bad], [&[], &[]]);
        check(Some(copy(5, &[Found::Bad, live(2, 3)])), None, &[Found::Bad, live(2, 3)], [&[], &[]]);
    }

    #[test]
    fn a_copy_that_had_no_room_for_a_slot_does_not_say_that_it_is_free() {
        let (a, short) = (copy(5, &[live(1, 2), Found::Bad]), copy(5, &[live(1, 2)]));
        check(Some(a), Some(short), &[live(1, 2), Found::Bad], [&[], &[]]);
        // It has grown, and was not given the slot yet.
        let (a, grown) = (copy(5, &[Found::Bad]), Copy { lacks: true, ..copy(5, &[Found::Free]) });
        check(Some(a), Some(grown), &[Found::Bad], [&[], &[]]);
        let (a, short) = (copy(5, &[live(1, 2), live(2, 3), Found::Free]), copy(5, &[live(1, 2)]));
        check(Some(a), Some(short), &[live(1, 2), live(2, 3), Found::Free], [&[], &[1]]);
    }

    #[test]
    fn copies_that_went_on_apart_never_share_a_number() {
        let (a, b) = (copy(9, &[live(1, 2), live(7, 9)]), copy(8, &[live(1, 2), Found::Free, live(7, 8)]));
        check(Some(a), Some(b), &[live(1, 2), live(7, 9), gone(7, 8)], [&[2], &[2, 1]]);
    }
}
