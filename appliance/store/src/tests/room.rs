//! A file system that the ring shares with others: what happens when they take the room, and when they give it back.

use super::basics::assert_same_index;
use super::harness::*;
use crate::check::check;
use crate::store::Parts;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use watchbook_base::fs::sim::{Dice, Op};
use watchbook_base::fs::{Fs, Space};
use watchbook_base::{Kind, UtcNanos};
use watchbook_media::SpanSource;

const SECOND_NANOS: u64 = 1_000_000_000;
/// Of a file system of 10 GiB.
const RESERVE_MIB: i64 = 1024;

fn mib(mib: i64) -> i64 {
    mib << 20
}

/// A full ring of eight segments on a file system of which the reserve is free, and not a segment more.
fn shared_box(seed: u64) -> (Box_, Parts, Cam) {
    // Without keys: every byte of room is counted.
    let mut machine = Box_ { sealed: false, ..Box_::new(seed) };
    machine.config.capacity_bytes = 32 * MIB;
    machine.fs.set_space(Space { total_bytes: 10 << 30, free_bytes: (1 << 30) + 33 * MIB });
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 9000);
    parts.writer.begin(&cam.start(&machine.clock));
    record(&machine, &mut parts, &mut cam, 220);
    assert_eq!(parts.part.ring.slots.all().filter(|(_, generation)| *generation == 0).count(), 0, "it has gone round");
    (machine, parts, cam)
}

fn record(machine: &Box_, parts: &mut Parts, cam: &mut Cam, commits: usize) {
    for _ in 0..commits {
        for _ in 0..12 {
            parts.writer.append(cam.packet(&machine.clock)).unwrap();
            machine.clock.advance(STEP_NANOS);
        }
        parts.committer.step().unwrap();
    }
}

/// Care and committer at work for so many seconds; stops when the power goes.
fn pass(machine: &Box_, parts: &mut Parts, secs: u64) {
    for _ in 0..secs {
        if machine.fs.is_off() {
            return;
        }
        machine.clock.advance(SECOND_NANOS);
        parts.care.step();
        let _ = parts.committer.step();
    }
}

fn free_mib(machine: &Box_) -> i64 {
    (machine.fs.space(Path::new("/ring")).unwrap().free_bytes >> 20) as i64
}

fn segments(machine: &Box_) -> usize {
    machine.fs.list(Path::new("/ring/segments")).unwrap().len()
}

fn alarm(parts: &Parts) -> String {
    parts.writer.stats().alarm.unwrap_or_default()
}

fn assert_clean(machine: &Box_, what: &str) {
    let fs = Arc::new(machine.fs.clone());
    let report = check(Path::new("/ring"), fs, Some(&machine.kv), &mut |_| {}).unwrap();
    assert!(report.is_clean(), "{what}: {report:?}");
}

#[test]
fn foreign_files_that_eat_the_reserve_are_told_with_figures() {
    let (machine, mut parts, _) = shared_box(90);
    pass(&machine, &mut parts, 10);
    assert_eq!((alarm(&parts), free_mib(&machine)), (String::new(), RESERVE_MIB));
    machine.fs.foreign(mib(100));
    pass(&machine, &mut parts, 10);
    let text = alarm(&parts);
    assert!(text.contains("only 924 MiB are free") && text.contains("1024 MiB should be"), "{text}");
    assert!(text.contains("the ring has 32"), "{text}");
    assert_eq!(segments(&machine), 8, "a warning, and nothing more");
    machine.fs.foreign(mib(-100));
    pass(&machine, &mut parts, 10);
    assert_eq!(alarm(&parts), "");
}

#[test]
fn the_ring_gives_up_its_oldest_segments_and_takes_the_room_back_later() {
    let (machine, mut parts, mut cam) = shared_box(91);
    let before = samples(&parts, video(1));
    let grant = playback(1);
    let oldest = parts.reader.spans(&grant, video(1), ALL).unwrap().remove(0);
    let footage = parts.reader.footage(&grant, camera(1), ALL).unwrap();
    footage.read(&oldest, 0, 100).unwrap();
    // 10 MiB below the half of the reserve: three segments of 4 MiB bring them back, although a reader has had the files open.
    machine.fs.foreign(mib(RESERVE_MIB / 2 + 10));
    pass(&machine, &mut parts, 20);
    assert_eq!((segments(&machine), free_mib(&machine)), (5, RESERVE_MIB / 2 + 2));
    assert_eq!(footage.read(&oldest, 0, 100).unwrap_err().kind, Kind::NotFound);
    let after = samples(&parts, video(1));
    assert!(before.ends_with(&after) && after.len() * 2 > before.len(), "{} of {}", after.len(), before.len());
    let text = alarm(&parts);
    assert!(text.contains("5 of 8 segments") && text.contains("keeps less footage"), "{text}");
    assert_eq!(parts.reader.ring().unwrap().capacity_bytes, 20 * MIB);
    assert_same_index(&machine);
    // Recording goes round in what is left.
    record(&machine, &mut parts, &mut cam, 60);
    // The room is back, but not for long enough; then it is.
    machine.fs.foreign(mib(-RESERVE_MIB / 2 - 10));
    pass(&machine, &mut parts, 590);
    assert_eq!(segments(&machine), 5);
    pass(&machine, &mut parts, 60);
    assert_eq!((segments(&machine), free_mib(&machine), alarm(&parts)), (8, RESERVE_MIB, String::new()));
    record(&machine, &mut parts, &mut cam, 220);
    let got = samples(&parts, video(1));
    assert!(got.len() * 10 > before.len() * 8, "as much is kept as before: {} of {}", got.len(), before.len());
    assert_eq!(footage.read(&oldest, 0, 100).unwrap_err().kind, Kind::NotFound, "the slot's new file is another one");
    assert_same_index(&machine);
    drop(parts);
    assert_clean(&machine, "grown again");
}

#[test]
fn four_segments_stay_whatever_others_take_and_recording_goes_on() {
    let (machine, mut parts, mut cam) = shared_box(92);
    machine.fs.foreign(mib(20_000));
    pass(&machine, &mut parts, 30);
    assert_eq!((segments(&machine), free_mib(&machine)), (4, 0));
    record(&machine, &mut parts, &mut cam, 220);
    assert_eq!(parts.writer.stats().overload_drops, 0);
    assert!(alarm(&parts).contains("only 0 MiB are free") && alarm(&parts).contains("4 of 8 segments"));
    let newest = samples(&parts, video(1)).last().unwrap().0;
    assert_eq!(newest, cam.begun.plus_nanos((cam.frame - 1) * STEP_NANOS as i64));
    // A start with a full disk makes no new segments, and says why.
    drop(parts);
    let parts = machine.open();
    assert_eq!(segments(&machine), 4);
    assert!(alarm(&parts).contains("4 of 8 segments"), "{}", alarm(&parts));
}

#[test]
fn a_lower_capacity_shrinks_the_ring_at_the_next_start() {
    let (mut machine, parts, mut cam) = shared_box(93);
    let before = samples(&parts, video(1));
    drop(parts);
    machine.config.capacity_bytes = 20 * MIB;
    let mut parts = machine.open();
    assert_eq!(segments(&machine), 8);
    pass(&machine, &mut parts, 10);
    let after = samples(&parts, video(1));
    assert_eq!((segments(&machine), alarm(&parts)), (5, String::new()));
    assert!(before.ends_with(&after) && after.len() * 2 > before.len());
    // Slots 4 to 8 may be left: numbers are no order. A larger ring fills the holes.
    machine.config.capacity_bytes = 32 * MIB;
    drop(parts);
    let mut parts = machine.open();
    assert_eq!((segments(&machine), samples(&parts, video(1)).len()), (8, after.len()));
    parts.writer.begin(&cam.start(&machine.clock));
    record(&machine, &mut parts, &mut cam, 220);
    assert_same_index(&machine);
    drop(parts);
    assert_clean(&machine, "larger again");
}

#[test]
fn a_file_that_cannot_be_removed_stays_in_the_ring() {
    let (machine, mut parts, mut cam) = shared_box(94);
    let before = samples(&parts, video(1));
    machine.fs.fail(Op::Remove, libc::EIO, 0, u64::MAX);
    machine.fs.foreign(mib(RESERVE_MIB / 2 + 2));
    pass(&machine, &mut parts, 20);
    assert_eq!((segments(&machine), samples(&parts, video(1)) == before), (8, true));
    machine.fs.heal();
    pass(&machine, &mut parts, 70);
    assert_eq!(segments(&machine), 7);
    record(&machine, &mut parts, &mut cam, 50);
    assert_same_index(&machine);
}

/// The power goes at each write, sync and change of names while the ring shrinks or grows.
fn cut_everywhere(seed: u64, foreign_mib: &[i64], secs: u64) {
    for step in 0.. {
        let (machine, mut parts, mut cam) = shared_box(seed);
        let mut before: Vec<(UtcNanos, Bytes)> = samples(&parts, video(1));
        for (last, bytes) in foreign_mib.iter().enumerate().map(|(at, bytes)| (at + 1 == foreign_mib.len(), bytes)) {
            machine.fs.foreign(mib(*bytes));
            if last {
                before = samples(&parts, video(1));
                machine.fs.cut_after(step);
            }
            pass(&machine, &mut parts, secs);
        }
        let was_cut = machine.fs.is_off();
        drop(parts);
        machine.fs.power_on();
        machine.kv.crash(&mut Dice::new(seed + step));
        let mut parts = machine.open();
        let what = format!("seed {seed}, cut after step {step}");
        let after = samples(&parts, video(1));
        assert!(
            before.ends_with(&after) && after.len() * 3 > before.len(),
            "{what}: {} of {}",
            after.len(),
            before.len()
        );
        assert!(segments(&machine) >= 4, "{what}");
        assert_same_index(&machine);
        // It goes on as if nothing had been.
        parts.writer.begin(&cam.start(&machine.clock));
        record(&machine, &mut parts, &mut cam, 20);
        pass(&machine, &mut parts, secs);
        record(&machine, &mut parts, &mut cam, 200);
        let got = samples(&parts, video(1));
        assert_eq!(got.last().unwrap().0, cam.begun.plus_nanos((cam.frame - 1) * STEP_NANOS as i64), "{what}");
        drop(parts);
        assert_clean(&machine, &what);
        if !was_cut {
            assert!(step > 4, "{what}: shrinking or growing took no steps");
            return;
        }
    }
}

#[test]
fn a_power_cut_at_any_step_of_shrinking_leaves_a_ring() {
    cut_everywhere(95, &[RESERVE_MIB / 2 + 10], 20);
}

#[test]
fn a_power_cut_at_any_step_of_growing_leaves_a_ring() {
    cut_everywhere(96, &[RESERVE_MIB / 2 + 10, -RESERVE_MIB / 2 - 10], 640);
}
