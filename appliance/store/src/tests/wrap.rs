//! The ring goes round; the disk is slow, full or broken.

use super::basics::assert_same_index;
use super::harness::*;
use std::path::Path;
use watchbook_base::fs::sim::Op;
use watchbook_base::{GapReason, Kind};
use watchbook_media::SpanSource;

/// Records `commits` half seconds of `cams`.
fn record(machine: &Box_, parts: &mut crate::store::Parts, cams: &mut [Cam], commits: usize) {
    for _ in 0..commits {
        for _ in 0..12 {
            for cam in cams.iter_mut() {
                parts.writer.append(cam.packet(&machine.clock)).unwrap();
            }
            machine.clock.advance(STEP_NANOS);
        }
        parts.committer.step().unwrap();
    }
}

#[test]
fn the_ring_goes_round_and_old_spans_go_with_their_segment() {
    let machine = Box_::new(10);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 4000), Cam::new(2, 9000)];
    for cam in &mut cams {
        parts.writer.begin(&cam.start(&machine.clock));
    }
    record(&machine, &mut parts, &mut cams, 10);
    let early = parts.reader.spans(&playback(1), video(1), ALL).unwrap().remove(0);
    let footage = parts.reader.footage(&playback(1), camera(1), ALL).unwrap();
    assert!(footage.read(&early, 0, 100).is_ok());
    record(&machine, &mut parts, &mut cams, 120);
    let written = parts.writer.stats().written_bytes;
    assert!(written > 28 * MIB, "{written} bytes went through a ring of 16 MiB");
    for result in [footage.read(&early, 0, 100).err(), footage.table(&early).err()] {
        let error = result.expect("the oldest footage is gone");
        assert_eq!(error.kind, Kind::NotFound, "{error}");
    }
    for number in [1, 2] {
        let got = samples(&parts, video(number));
        let first = got.first().unwrap().0;
        assert!(first > early.start_utc);
        assert!(
            got.windows(2).all(|pair| pair[1].0.nanos_since(pair[0].0) == STEP_NANOS as i64),
            "no hole in camera {number}"
        );
        assert_eq!(got.last().unwrap().0, START.plus_nanos((130 * 12 - 1) * STEP_NANOS as i64));
    }
    let ring = parts.reader.ring().unwrap();
    assert_eq!((ring.capacity_bytes, ring.segments), (16 * MIB, 4));
    assert!(ring.used_bytes > 11 * MIB && ring.used_bytes <= 16 * MIB && ring.oldest_utc.unwrap() > START, "{ring:?}");
    let kept_secs = (machine_now(&machine) - ring.oldest_utc.unwrap().0) as f64 / 1e9;
    let days = ring.days_now.unwrap() * 86_400.0;
    assert!((days / kept_secs - 1.0).abs() < 0.4, "{days} s foretold, {kept_secs} s kept");
    assert_same_index(&machine);
    drop(parts);
    let report = machine.check();
    assert!(report.is_clean() && report.segments == 4 && report.runs > 50, "{report:?}");
}

fn machine_now(machine: &Box_) -> i64 {
    use watchbook_base::Clock;
    machine.clock.utc().0
}

#[test]
fn a_gap_that_goes_on_outlives_the_segment_that_first_told_of_it() {
    let machine = Box_::new(11);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 9000)];
    parts.writer.begin(&cams[0].start(&machine.clock));
    let end = watchbook_media::RecordingEnd { stream: video(2), utc: START, reason: GapReason::CameraGone };
    parts.writer.end(&end);
    record(&machine, &mut parts, &mut cams, 200);
    let gaps = parts.reader.gaps(&playback(2), video(2), ALL, START.plus_nanos(5)).unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].range.start, gaps[0].reason), (START, GapReason::CameraGone));
    assert_same_index(&machine);
}

#[test]
fn a_slow_disk_costs_whole_ends_of_gops_and_leaves_a_gap() {
    let mut machine = Box_::new(12);
    machine.config.pending_bytes_max = MIB;
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 10_000);
    parts.writer.begin(&cam.start(&machine.clock));
    let mut kept = Vec::new();
    let mut refused = 0;
    for frame in 0..400 {
        let packet = cam.packet(&machine.clock);
        let (utc, key, data) = (packet.utc, packet.key, packet.data.clone());
        match parts.writer.append(packet) {
            Ok(()) => kept.push((frame, key, utc, data)),
            Err(error) => {
                assert_eq!(error.kind, Kind::Exhausted);
                refused += 1;
            }
        }
        machine.clock.advance(STEP_NANOS);
        assert!(parts.writer.stats().pending_bytes <= MIB + 4096);
        // The disk manages a commit every 150 frames.
        if frame % 150 == 149 {
            parts.committer.step().unwrap();
        }
    }
    parts.committer.step().unwrap();
    let alarm = parts.writer.stats().alarm.unwrap();
    assert!(alarm.contains("too slow") && alarm.contains("camera 1 main"), "{alarm}");
    machine.clock.advance(600 * 1_000_000_000);
    parts.writer.end(&watchbook_media::RecordingEnd { stream: video(1), utc: START, reason: GapReason::CameraGone });
    parts.committer.step().unwrap();
    assert_eq!(parts.writer.stats().alarm, None, "and it is over some minutes after the last drop");
    assert_eq!(parts.writer.stats().overload_drops, refused);
    assert!(refused > 100);
    for pair in kept.windows(2) {
        assert!(pair[1].0 == pair[0].0 + 1 || pair[1].1, "after a hole footage goes on with a key frame");
    }
    let got = samples(&parts, video(1));
    assert!(got == kept.iter().map(|(_, _, utc, data)| (*utc, data.clone())).collect::<Vec<_>>());
    let gaps = parts.reader.gaps(&playback(1), video(1), ALL, START).unwrap();
    let holes = kept.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1).count();
    assert!(holes >= 2 && gaps.iter().filter(|gap| gap.reason == GapReason::Overload).count() >= holes, "{gaps:?}");
    assert_same_index(&machine);
}

#[test]
fn a_write_or_sync_that_fails_moves_on_and_loses_nothing() {
    for (seed, op, errno) in [(20, Op::Sync, libc::EIO), (21, Op::Write, libc::EIO), (22, Op::Write, libc::ENOSPC)] {
        for times in [1, 2, 5, 9] {
            let machine = Box_::new(seed + times * 100);
            let mut parts = machine.open();
            let mut cams = [Cam::new(1, 2000)];
            parts.writer.begin(&cams[0].start(&machine.clock));
            record(&machine, &mut parts, &mut cams, 5);
            machine.fs.fail(op, errno, 0, times);
            let mut failures = 0;
            for _ in 0..5 {
                (0..12).for_each(|_| parts.writer.append(cams[0].packet(&machine.clock)).unwrap());
                while let Err(error) = parts.committer.step() {
                    failures += 1;
                    assert!(failures < 10, "{error}");
                    assert!(parts.writer.stats().alarm.is_some(), "trouble is told");
                }
            }
            assert_eq!(parts.writer.stats().alarm, None, "and the alarm goes when it is over");
            assert_eq!(failures > 0, times > 3, "{times} failures of {op:?}");
            let check_all = |parts: &crate::store::Parts| {
                let got = samples(parts, video(1));
                assert_eq!(got.len(), 10 * 12, "{op:?} {errno} {times}");
                assert!(got.windows(2).all(|pair| pair[0].0 < pair[1].0));
            };
            check_all(&parts);
            machine.fs.cut();
            machine.fs.power_on();
            check_all(&machine.open());
            assert_same_index(&machine);
        }
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_alone_is_not_built_upon_by_the_next_start() {
    for seed in 200..216 {
        let machine = Box_::new(seed);
        let mut parts = machine.open();
        let mut cams = [Cam::new(1, 9000)];
        parts.writer.begin(&cams[0].start(&machine.clock));
        record(&machine, &mut parts, &mut cams, 60 + seed as usize % 7);
        let want = samples(&parts, video(1));
        // Every sync fails: the commit, and the headers of the segments that are tried instead. The kernel keeps showing what it has lost.
        machine.fs.fail(Op::Sync, libc::EIO, 0, u64::MAX);
        (0..12).for_each(|_| parts.writer.append(cams[0].packet(&machine.clock)).unwrap());
        assert!(parts.committer.step().is_err());
        // The program is killed and started again, and records. Only then the power goes.
        drop(parts);
        machine.fs.heal();
        let mut parts = machine.open();
        parts.writer.begin(&cams[0].start(&machine.clock));
        record(&machine, &mut parts, &mut cams, 5);
        let kept = samples(&parts, video(1));
        assert!(want.iter().filter(|sample| kept.contains(sample)).count() * 3 > want.len(), "seed {seed}");
        drop(parts);
        machine.fs.cut();
        machine.fs.power_on();
        let parts = machine.open();
        assert!(samples(&parts, video(1)) == kept, "seed {seed}: what was acknowledged after the restart is there");
        assert!(parts.opened.damage.is_empty(), "seed {seed}: {:?}", parts.opened.damage);
    }
}

#[test]
fn slots_that_cannot_be_written_are_passed_over_and_named() {
    for op in [Op::Open, Op::Write, Op::Sync] {
        let mut machine = Box_::new(35);
        machine.config.capacity_bytes = 24 * MIB;
        let mut parts = machine.open();
        let mut cams = [Cam::new(1, 9000)];
        parts.writer.begin(&cams[0].start(&machine.clock));
        record(&machine, &mut parts, &mut cams, 10);
        for slot in [2, 3] {
            let path = Path::new("/ring/segments").join(crate::format::segment_name(slot));
            assert!(machine.fs.fail_file(&path, op, libc::EIO));
        }
        record(&machine, &mut parts, &mut cams, 400);
        let written = parts.writer.stats().written_bytes;
        assert!(written > 48 * MIB, "{op:?}: {written} bytes went through the four good segments of 4 MiB");
        let alarm = parts.writer.stats().alarm.unwrap();
        assert!(alarm.contains("2 of 6 segments") && alarm.contains("000002.seg, 000003.seg"), "{op:?}: {alarm}");
        let want = samples(&parts, video(1));
        assert!(want.len() > 600, "{} samples are kept", want.len());
        drop(parts);
        let parts = machine.open();
        assert!(samples(&parts, video(1)) == want, "{op:?}");
        let alarm = parts.writer.stats().alarm;
        assert_eq!(
            alarm.is_some_and(|alarm| alarm.contains("000002.seg")),
            op == Op::Open,
            "told before the first commit"
        );
    }
}

#[test]
fn a_dying_disk_keeps_its_old_footage() {
    let mut machine = Box_::new(30);
    machine.config.capacity_bytes = 24 * MIB;
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 9000)];
    parts.writer.begin(&cams[0].start(&machine.clock));
    record(&machine, &mut parts, &mut cams, 140);
    let before = samples(&parts, video(1));
    machine.fs.fail(Op::Sync, libc::EIO, 0, u64::MAX);
    parts.writer.append(cams[0].packet(&machine.clock)).unwrap();
    (0..50).for_each(|_| assert!(parts.committer.step().is_err()));
    let after = samples(&parts, video(1));
    assert!(
        after.len() * 2 >= before.len() && before.ends_with(&after),
        "at most two of six segments were given up: {} of {}",
        after.len(),
        before.len()
    );
    machine.fs.heal();
    parts.committer.step().unwrap();
    assert_eq!(samples(&parts, video(1)).len(), after.len() + 1);
}

#[test]
fn a_dead_index_does_not_stop_recording() {
    let machine = Box_::new(31);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 3000)];
    parts.writer.begin(&cams[0].start(&machine.clock));
    record(&machine, &mut parts, &mut cams, 10);
    machine.kv.break_writes(true);
    record(&machine, &mut parts, &mut cams, 40);
    let end = watchbook_media::RecordingEnd { stream: video(1), utc: START, reason: GapReason::FormatChange };
    parts.writer.end(&end);
    parts.writer.begin(&cams[0].start(&machine.clock));
    record(&machine, &mut parts, &mut cams, 10);
    assert!(parts.writer.stats().alarm.unwrap().contains("index"));
    drop(parts.committer);
    machine.kv.break_writes(false);
    let parts = machine.open();
    assert_eq!(samples(&parts, video(1)).len(), 60 * 12, "the next start brings the index up to date");
    assert_same_index(&machine);
}

#[test]
fn a_full_disk_makes_a_smaller_ring_and_says_so() {
    let machine = Box_::new(32);
    let mut config = machine.config.clone();
    config.capacity_bytes = 40 * MIB;
    machine.fs.fail(Op::Allocate, libc::ENOSPC, 6, u64::MAX);
    let parts = crate::store::assemble(&config, &machine.deps()).unwrap();
    assert!(parts.writer.stats().alarm.unwrap().contains("6 of 10 segments"));
    assert_eq!(parts.reader.ring().unwrap().segments, 6);
    drop((parts.committer, parts.reader));
    machine.fs.heal();
    let parts = crate::store::assemble(&config, &machine.deps()).unwrap();
    assert_eq!((parts.reader.ring().unwrap().segments, parts.writer.stats().alarm), (10, None));
    let tiny = Box_::new(33);
    tiny.fs.fail(Op::Allocate, libc::ENOSPC, 2, u64::MAX);
    assert_eq!(tiny.try_open().err().unwrap().kind, Kind::Exhausted);
}

#[test]
fn a_new_ring_leaves_the_file_system_its_reserve() {
    use watchbook_base::fs::{Fs, Space};
    // 1 GiB stays free of 10 GiB, 2 % of 100 GiB.
    for (total_gib, reserve) in [(10, 1 << 30), (100, (100_u64 << 30) / 100 * 2)] {
        let machine = Box_::new(36);
        let mut config = machine.config.clone();
        config.capacity_bytes = 40 * MIB;
        machine.fs.set_space(Space { total_bytes: total_gib << 30, free_bytes: reserve + 26 * MIB });
        let parts = crate::store::assemble(&config, &machine.deps()).unwrap();
        let alarm = parts.writer.stats().alarm.unwrap();
        assert!(alarm.contains("6 of 10 segments") && alarm.contains("stay so"), "{alarm}");
        assert!(machine.fs.space(Path::new("/ring")).unwrap().free_bytes >= reserve);
        let tiny = Box_::new(37);
        tiny.fs.set_space(Space { total_bytes: total_gib << 30, free_bytes: 20 * MIB });
        assert_eq!(tiny.open().reader.ring().unwrap().segments, 4, "the smallest ring is made all the same");
    }
}

#[test]
fn bad_packets_are_refused_one_by_one() {
    let machine = Box_::new(34);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 100);
    let packet = cam.packet(&machine.clock);
    assert_eq!(parts.writer.append(packet).unwrap_err().kind, Kind::InvalidInput, "no recording has begun");
    parts.writer.begin(&cam.start(&machine.clock));
    let good = cam.packet(&machine.clock);
    let mut empty = cam.packet(&machine.clock);
    empty.data = bytes::Bytes::new();
    let mut huge = cam.packet(&machine.clock);
    huge.data = vec![0; 2 << 20].into();
    let mut late = cam.packet(&machine.clock);
    late.dts = good.dts;
    parts.writer.append(good.clone()).unwrap();
    for bad in [empty, huge, late] {
        assert_eq!(parts.writer.append(bad).unwrap_err().kind, Kind::InvalidInput);
    }
    parts.committer.step().unwrap();
    assert_eq!(samples(&parts, video(1)).len(), 1);
}

#[test]
fn a_segment_whose_header_cannot_be_read_is_reused_last() {
    let mut machine = Box_::new(36);
    machine.config.capacity_bytes = 24 * MIB;
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 9000)];
    parts.writer.begin(&cams[0].start(&machine.clock));
    record(&machine, &mut parts, &mut cams, 70);
    drop(parts);
    // The index is lost, and the second segment answers no read at this start.
    machine.kv.wipe();
    let path = Path::new("/ring/segments").join(crate::format::segment_name(2));
    assert!(machine.fs.fail_file(&path, Op::Read, libc::EIO));
    let mut parts = machine.open();
    machine.fs.heal();
    parts.writer.begin(&cams[0].start(&machine.clock));
    record(&machine, &mut parts, &mut cams, 40);
    drop(parts);
    machine.kv.wipe();
    let parts = machine.open();
    let first = samples(&parts, video(1)).first().map(|sample| sample.0);
    assert!(
        first.is_some_and(|first| first < START.plus_nanos(20_000_000_000)),
        "its footage is still there: {first:?}"
    );
}
