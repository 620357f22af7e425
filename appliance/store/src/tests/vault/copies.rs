//! Of what is found in several places a hold has one copy, and one copy that cannot be had is no loss while there is another.

use super::losses::assert_vault_has;
use super::rot::head;
use super::unreadable::{FIRST, a_minute_later};
use super::*;

/// A closed vault of which two holds have ten commits that the ring has overwritten.
fn held_twice(seed: u64) -> (HoldBox, [HoldId; 2], Footage, TimeRange) {
    let machine = HoldBox::with_own_disk(seed);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 18_000)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    let mut early = machine.record(&mut parts, &mut cams, 5);
    let range = between(START, machine.clock().utc().plus_nanos(5 * 480_000_000));
    let holds = [parts.hold(&[1], range), parts.hold(&[1], range)];
    early.add(machine.record(&mut parts, &mut cams, 5));
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 100);
    for hold in holds {
        assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0));
    }
    (machine, holds, early, range)
}

#[test]
fn what_two_other_holds_have_is_copied_once() {
    let (machine, others, early, range) = held_twice(80);
    let mut parts = machine.open();
    let one = parts.info(others[0]).held_bytes;
    let hold = parts.hold(&[1], range);
    assert_eq!(parts.vault.step(&mut parts.worker), Step::Busy);
    let info = parts.info(hold);
    let all = info.left_bytes;
    assert!((one / 2..=one).contains(&all), "{all} of {one} bytes are said to come");
    parts.settle();
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.left_bytes), (HoldState::Held, 0, 0));
    assert!(
        (one / 2..=one + 65_536).contains(&info.held_bytes),
        "{} bytes are held, {one} of each other",
        info.held_bytes
    );
    for other in others {
        parts.vault.release(other, 1, "closed").unwrap();
    }
    parts.settle();
    early.assert_in(&parts, &[1], range);
    drop(parts);
    let mut parts = machine.open();
    a_minute_later(&machine, &mut parts);
    assert_eq!((parts.info(hold).state, parts.info(hold).held_bytes), (HoldState::Held, info.held_bytes));
    drop(parts);
    assert_vault_has(machine, (&early, &[1], range));
}

/// Records commits of which the vault sees nothing.
fn record_alone(machine: &HoldBox, parts: &mut HoldParts, cam: &mut Cam, commits: usize) -> Footage {
    let mut recorded = Footage::default();
    for _ in 0..commits {
        for _ in 0..12 {
            let packet = cam.packet(machine.clock());
            recorded.0.entry(cam.stream).or_default().insert(packet.utc, packet.data.clone());
            parts.writer.append(packet).unwrap();
            machine.clock().advance(STEP_NANOS);
        }
        parts.committer.step().unwrap();
    }
    recorded
}

/// Two holds of one range: the second one has the first `early` commits of the minute from the ring, and `late` more only the first hold has.
fn half_held(seed: u64, early: usize, late: usize) -> (HoldBox, HoldParts, [HoldId; 2], Footage, TimeRange) {
    let machine = HoldBox::with_own_disk(seed);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 4000);
    parts.writer.begin(&cam.start(machine.clock()));
    let range = between(START, START.plus_nanos((early + late) as i64 * 480_000_000));
    let holds = [parts.hold(&[1], range), parts.hold(&[1], range)];
    let mut all = machine.record(&mut parts, std::slice::from_mut(&mut cam), early);
    machine.clock().advance(6_000_000_000);
    parts.settle();
    all.add(record_alone(&machine, &mut parts, &mut cam, late));
    machine.clock().advance(6_000_000_000);
    assert_eq!(parts.vault.step(&mut parts.worker), Step::Busy);
    let [first, second] = holds.map(|hold| parts.info(hold).held_bytes);
    assert!(second > 0 && first > second + late as u64 * 30_000, "{first} and {second} bytes");
    machine.pause(&parts, std::slice::from_mut(&mut cam), 60);
    record_alone(&machine, &mut parts, &mut cam, 400);
    (machine, parts, holds, all, range)
}

#[test]
fn of_what_another_hold_has_only_what_a_hold_lacks_is_copied() {
    for (early, late) in [(8, 20), (30, 20)] {
        let (machine, mut parts, [first, second], all, range) = half_held(81, early, late);
        a_minute_later(&machine, &mut parts);
        let (full, info) = (parts.info(first), parts.info(second));
        assert_eq!((info.state, info.missing_count, info.left_bytes), (HoldState::Held, 0, 0), "{info:?}");
        let wanted = full.held_bytes - 65_536..=full.held_bytes + 65_536;
        assert!(wanted.contains(&info.held_bytes), "{} bytes of {}", info.held_bytes, full.held_bytes);
        parts.vault.release(first, 1, "closed").unwrap();
        parts.settle();
        all.assert_in(&parts, &[1], range);
        drop(parts);
        machine.kv.wipe();
        let mut parts = machine.open();
        a_minute_later(&machine, &mut parts);
        assert_eq!((parts.info(second).state, parts.info(second).held_bytes), (HoldState::Held, info.held_bytes));
        drop(parts);
        assert_vault_has(machine, (&all, &[1], range));
    }
}

#[test]
fn what_one_hold_cannot_give_is_copied_from_another() {
    for (rotten, of_commit) in [(false, false), (true, false), (false, true), (true, true)] {
        let (machine, others, early, range) = held_twice(82);
        // Of the first hold: the payload of one run, or the metadata of a commit.
        let at = if of_commit { 4096 + 300 } else { 4096 + head(&machine, 4096).runs[2].payload_offset + 1000 };
        let mut parts = machine.open();
        let harmed = match rotten {
            true => machine.fs.rot(Path::new(FIRST), at, 4),
            false => machine.fs.fail_byte(Path::new(FIRST), at),
        };
        assert!(harmed);
        let hold = parts.hold(&[1], range);
        parts.settle();
        a_minute_later(&machine, &mut parts);
        let info = parts.info(hold);
        assert_eq!(
            (info.state, info.missing_count, info.left_bytes),
            (HoldState::Held, 0, 0),
            "{rotten} {of_commit} {info:?}"
        );
        machine.fs.heal();
        for other in others {
            parts.vault.release(other, 1, "closed").unwrap();
        }
        parts.settle();
        early.assert_in(&parts, &[1], range);
        drop(parts);
        assert_vault_has(machine, (&early, &[1], range));
    }
}

#[test]
fn what_no_other_hold_can_give_is_missing() {
    let (machine, _, _, range) = held_twice(83);
    let place = 4096 + head(&machine, 4096).runs[2].payload_offset + 1000;
    let second = Path::new("/vault/segments/000002.seg");
    let mut parts = machine.open();
    assert!(machine.fs.rot(Path::new(FIRST), place, 4) && machine.fs.rot(second, place, 4));
    let hold = parts.hold(&[1], range);
    parts.settle();
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Incomplete, 1), "{info:?}");
    assert_eq!(info.missing[0].reason, MissingReason::Damaged);
}
