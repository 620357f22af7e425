//! A hold never says that it has what it does not have.

use super::unreadable::{FIRST, a_minute_later, commit_end, held, recorded, take_away};
use super::*;
use crate::catalog::rows;
use watchbook_base::fs::sim::Op;

const RING_FIRST: &str = "/ring/segments/000001.seg";

/// A minute of nothing and a commit, so that the end of every range is known.
fn go_on(machine: &HoldBox, parts: &mut HoldParts, cams: &mut [Cam]) {
    machine.pause(parts, cams, 60);
    machine.record(parts, cams, 1);
    a_minute_later(machine, parts);
}

/// Only what the vault has can be had from now on.
pub(super) fn assert_vault_has(mut machine: HoldBox, of: (&Footage, &[u32], TimeRange)) {
    machine.ring.fs = SimFs::new(99);
    machine.ring.kv.wipe();
    of.0.assert_in(&machine.open(), of.1, of.2);
}

#[test]
fn what_lies_behind_a_commit_that_cannot_be_read_and_says_how_its_recording_began_is_held() {
    let (machine, mut parts, mut cams, early, range) = recorded(61);
    // The first commit: nothing of it can be read, nor that it states both recordings.
    assert!(machine.ring.fs.fail_byte(Path::new(RING_FIRST), 4096));
    let hold = parts.hold(&[1, 2], range);
    parts.settle();
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Copying, 0), "{info:?}");
    assert!(info.held_bytes > 10 * 300_000, "{} bytes: all but one commit are held", info.held_bytes);
    machine.ring.fs.heal();
    a_minute_later(&machine, &mut parts);
    go_on(&machine, &mut parts, &mut cams);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    drop(parts);
    assert_vault_has(machine, (&early, &[1, 2], range));
}

/// A ring whose first segment has 144 s of a recording that its first commit states, which cannot be read; and the range of the last seconds.
fn damaged_beginning(seed: u64) -> (HoldBox, HoldParts, [Cam; 1], Footage, TimeRange) {
    let mut machine = HoldBox::with_own_disk(seed);
    machine.ring.config.segment_bytes = Some(32 * MIB);
    machine.ring.config.capacity_bytes = 128 * MIB;
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 1000)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    let all = machine.record(&mut parts, &mut cams, 300);
    let range = between(START.plus_nanos(135_000_000_000), machine.clock().utc());
    assert!(machine.ring.fs.fail_byte(Path::new(RING_FIRST), 4096));
    (machine, parts, cams, all, range)
}

#[test]
fn a_hold_that_begins_in_the_middle_of_a_segment_needs_nothing_of_its_first_commit() {
    let (machine, mut parts, mut cams, all, range) = damaged_beginning(62);
    let hold = parts.hold(&[1], range);
    go_on(&machine, &mut parts, &mut cams);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    drop(parts);
    assert_vault_has(machine, (&all, &[1], range));
}

/// The ring's index does not tell how recordings began.
fn forget_recordings(machine: &HoldBox) {
    let mut batch = Batch::default();
    machine.ring.kv.rows(rows::RECORDINGS).into_keys().for_each(|key| batch.delete(rows::RECORDINGS, key));
    machine.ring.kv.write(&batch, true).unwrap();
}

#[test]
fn a_recording_of_which_nobody_knows_how_it_began_is_tried_again() {
    let (machine, mut parts, mut cams, all, range) = damaged_beginning(63);
    forget_recordings(&machine);
    let hold = parts.hold(&[1], range);
    parts.settle();
    let info = parts.info(hold);
    assert_eq!((info.state, info.held_bytes), (HoldState::Copying, 0), "{info:?}");
    assert!(info.trouble.unwrap().contains("how its recording began"));
    machine.ring.fs.heal();
    a_minute_later(&machine, &mut parts);
    go_on(&machine, &mut parts, &mut cams);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    drop(parts);
    assert_vault_has(machine, (&all, &[1], range));
}

#[test]
fn a_recording_of_which_nobody_ever_knows_how_it_began_is_missing() {
    let (machine, mut parts, mut cams, _, range) = recorded(64);
    assert!(machine.ring.fs.fail_byte(Path::new(RING_FIRST), 4096));
    forget_recordings(&machine);
    let hold = parts.hold(&[1, 2], range);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 100);
    let info = parts.info(hold);
    assert_eq!((info.state, &info.trouble), (HoldState::Incomplete, &None));
    let damaged = info.missing.iter().filter(|missing| missing.reason == MissingReason::Damaged);
    let nanos: i64 = damaged.map(|missing| missing.end.nanos_since(missing.start)).sum();
    assert!(nanos > 2 * 5_000_000_000, "{info:?}");
}

#[test]
fn what_is_written_and_not_acknowledged_keeps_a_hold_open() {
    let machine = HoldBox::sealed(65);
    let mut parts = machine.open();
    let range = between(START, START.plus_nanos(5_000_000_000));
    let hold = parts.hold(&[1], range);
    // The keys of the hour stay in memory, so what they seal is not acknowledged.
    for path in ["/state/keys/keys", "/ring/keys/keys"] {
        for op in [Op::Write, Op::Open] {
            assert!(machine.ring.fs.fail_file(Path::new(path), op, libc::EIO));
        }
    }
    let mut cams = [Cam::new(1, 300)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    let all = machine.record(&mut parts, &mut cams, 20);
    assert!(parts.committer.owed() > 0);
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Copying, 0), "{info:?}");
    machine.ring.fs.heal();
    parts.sealed_with.clone().unwrap().tend();
    parts.committer.step().unwrap();
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    assert!(info.held_bytes > 0);
    all.assert_in(&parts, &[1], range);
}

#[test]
fn what_is_committed_in_the_midst_of_a_look_is_held() {
    let machine = HoldBox::with_own_disk(66);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 300);
    parts.writer.begin(&cam.start(machine.clock()));
    let range = between(START, START.plus_nanos(59_000_000_000));
    let hold = parts.hold(&[1], range);
    let mut all = machine.record(&mut parts, std::slice::from_mut(&mut cam), 120);
    // So that a look comes now, and all is copied before the next one.
    parts.hold(&[2], range);
    parts.settle();
    for _ in 0..150 {
        let packet = cam.packet(machine.clock());
        all.0.entry(cam.stream).or_default().insert(packet.utc, packet.data.clone());
        parts.writer.append(packet).unwrap();
        machine.clock().advance(STEP_NANOS);
    }
    let HoldParts { mut committer, vault, mut worker, .. } = parts;
    machine.ring_hook.set(move |table| {
        if table == rows::GAPS {
            committer.step()?;
        }
        Ok(())
    });
    let mut steps = 0;
    while vault.step(&mut worker) == Step::Busy {
        steps += 1;
        assert!(steps < 1000);
    }
    machine.ring_hook.clear();
    let info = vault.holds().unwrap().remove(0);
    assert_eq!((info.id, info.state, info.missing_count), (hold, HoldState::Held, 0), "{info:?}");
    drop((vault, worker));
    assert_vault_has(machine, (&all, &[1], range));
}

#[test]
fn the_first_commit_of_a_held_segment_may_rot_before_its_rows_are_made() {
    let machine = HoldBox::with_own_disk(67);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 9000)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    parts.hold(&[1], between(START, START.plus_nanos(100_000_000_000)));
    machine.record(&mut parts, &mut cams, 1);
    // Each is copied on its own.
    machine.clock().advance(6_000_000_000);
    let mut late = machine.record(&mut parts, &mut cams, 1);
    machine.kv.break_writes(true);
    machine.clock().advance(6_000_000_000);
    late.add(machine.record(&mut parts, &mut cams, 1));
    machine.kv.break_writes(false);
    drop(parts);
    let ends: Vec<u64> = [(); 2]
        .iter()
        .scan(4096, |at, ()| {
            *at = commit_end(&machine.fs, Path::new(FIRST), *at);
            Some(*at)
        })
        .collect();
    assert!(ends[1] > ends[0], "{ends:?}");
    // It says whose the segment is, and how the recording began.
    assert!(machine.fs.rot(Path::new(FIRST), 4096, 4));
    assert_vault_has(machine, (&late, &[1], ALL));
}

#[test]
fn a_hold_that_could_not_be_counted_anew_is_counted_later() {
    let (machine, hold, early, range) = held(68);
    assert!(machine.fs.fail_file(Path::new(FIRST), Op::Read, libc::EIO));
    let mut parts = machine.open();
    machine.fs.heal();
    take_away(&machine.fs);
    // The rows of the segments are read once to try them again, and once to count anew.
    let mut scans = 0;
    machine.vault_hook.set(move |table| {
        scans += u64::from(table == rows::META);
        match table == rows::META && scans == 2 {
            true => Err(Error::new(Kind::Io, "reading the index: refused on purpose")),
            false => Ok(()),
        }
    });
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Copying, 0), "nobody knows what it has");
    machine.vault_hook.clear();
    a_minute_later(&machine, &mut parts);
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.left_bytes), (HoldState::Held, 0, 0));
    drop(parts);
    assert_vault_has(machine, (&early, &[1, 2], range));
}
