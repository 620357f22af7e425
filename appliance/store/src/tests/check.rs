//! What `check` says of a ring whose power went, and of what it cannot open or read.

use super::harness::*;
use crate::catalog::rows;
use crate::format::segment_name;
use crate::kv::{Batch, Kv};
use std::path::Path;
use std::sync::Arc;
use watchbook_base::fs::sim::{Dice, Op};
use watchbook_base::{Clock, GapReason};
use watchbook_media::RecordingEnd;

/// Commits of 12 samples until the power goes, with a recording that ends and another that begins within one commit now and then.
fn record_until_cut(machine: &Box_) {
    let Ok(mut parts) = machine.try_open() else { return };
    let mut cam = Cam::new(1, 60_000);
    parts.writer.begin(&cam.start(&machine.clock));
    for commit in 0..24 {
        for frame in 0..12 {
            if commit % 3 == 1 && frame == 6 {
                let (stream, utc) = (cam.stream, machine.clock.utc());
                parts.writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
                parts.writer.begin(&cam.start(&machine.clock));
            }
            parts.writer.append(cam.packet(&machine.clock)).unwrap();
            machine.clock.advance(STEP_NANOS);
        }
        // A commit that is tried again without power would go on to change the index, which has no power either.
        if parts.committer.step().is_err() || machine.fs.is_off() {
            return;
        }
    }
}

#[test]
fn check_is_content_wherever_the_power_went() {
    let (mut torn, mut wrapped) = (0, 0);
    for step in 20..80 {
        // Without keys, so that each step is one of the ring's own.
        let machine = Box_ { sealed: false, ..Box_::new(step) };
        machine.fs.cut_after(step);
        record_until_cut(&machine);
        machine.fs.power_on();
        machine.kv.crash(&mut Dice::new(step));
        let report =
            crate::check(Path::new("/ring"), Arc::new(machine.fs.clone()), Some(&machine.kv), &mut |_| {}).unwrap();
        assert!(report.is_clean(), "cut at step {step}: {report:?}");
        torn += u64::from(report.torn_seq.is_some());
        wrapped += u64::from(report.last_seq > 20);
        let parts = machine.open();
        assert_eq!(parts.writer.stats().last_seq, report.last_seq, "cut at step {step}: a start sees what check saw");
    }
    assert!(torn > 0 && wrapped > 0, "{torn} cuts tore a commit, {wrapped} came after the ring had wrapped");
}

/// A ring of four segments that two cameras have filled, closed.
fn recorded(seed: u64) -> Box_ {
    let machine = Box_::new(seed);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 3000), Cam::new(2, 3000)];
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
    for _ in 0..80 {
        for _ in 0..12 {
            cams.iter_mut().for_each(|cam| parts.writer.append(cam.packet(&machine.clock)).unwrap());
            machine.clock.advance(STEP_NANOS);
        }
        parts.committer.step().unwrap();
    }
    machine
}

#[test]
fn progress_rises_to_the_number_of_segments() {
    let machine = recorded(100);
    let mut seen = Vec::new();
    let fs = Arc::new(machine.fs.clone());
    let report = crate::check(Path::new("/ring"), fs, Some(&machine.kv), &mut |progress| seen.push(progress)).unwrap();
    assert!(report.segments > 2, "{report:?}");
    assert!(seen.iter().all(|progress| progress.segments == report.segments), "{seen:?}");
    let done: Vec<u64> = seen.iter().map(|progress| progress.segments_done).collect();
    assert_eq!(done, (1..=report.segments).collect::<Vec<_>>());
}

#[test]
fn an_index_that_cannot_be_read_is_told_and_the_log_is_checked_without_it() {
    let machine = recorded(101);
    let clean = machine.check();
    assert!(clean.is_clean() && clean.missing_in_index == Some(0), "{clean:?}");
    let without_index = |found: &crate::Report| {
        assert!(found.index_error.is_some() && !found.is_clean() && found.is_log_clean(), "{found:?}");
        assert_eq!((found.missing_in_index, found.only_in_index), (None, None));
        assert_eq!((found.commits, found.runs, found.segments), (clean.commits, clean.runs, clean.segments));
    };
    machine.kv.break_reads(true);
    without_index(&machine.check());
    machine.kv.break_reads(false);
    // One row of one segment.
    let (key, _) = machine.kv.rows(rows::TABLES).pop_first().unwrap();
    let mut batch = Batch::default();
    batch.put(rows::TABLES, key, *b"no row");
    machine.kv.write(&batch, false).unwrap();
    without_index(&machine.check());
}

#[test]
fn a_segment_that_cannot_be_opened_is_told_and_the_others_are_checked() {
    let clean = recorded(102).check();
    assert!(clean.segments == 3 && clean.slots == 4, "{clean:?}");
    // From the first look at it on; and from when its commits are to be read: behind the superblock's open come two of each of the four files.
    for later in [false, true] {
        let machine = recorded(102);
        let slot = match later {
            false => {
                assert!(machine.fs.fail_file(
                    &Path::new("/ring/segments").join(segment_name(2)),
                    Op::Open,
                    libc::EACCES
                ));
                2
            }
            true => 0,
        };
        let ring = crate::ClosedRing::open(Path::new("/ring"), Arc::new(machine.fs.clone())).unwrap();
        let ring = ring.with_keys(machine.keys().unwrap());
        if later {
            machine.fs.fail(Op::Open, libc::EACCES, 1 + 2 * 4 + 1, 1);
        }
        let found = ring.check(Some(&machine.kv), &mut |_| {});
        let [bad] = found.bad_slots.as_slice() else { panic!("{found:?}") };
        assert!(slot == 0 || bad.slot == slot, "{bad:?}");
        assert!(bad.what.contains("opening segment"), "{bad:?}");
        let [lost] = found.damage.as_slice() else { panic!("{found:?}") };
        assert_eq!(found.commits + lost.seq_to - lost.seq_from, clean.commits, "all but those of the one segment");
        assert!(found.commits > clean.commits / 2 && !found.is_log_clean(), "{found:?}");
    }
}

#[test]
fn a_segment_whose_commits_the_disk_refuses_is_told() {
    let machine = recorded(103);
    machine.kv.wipe();
    let newest = u32::try_from(machine.check().segments).unwrap();
    let path = Path::new("/ring/segments").join(segment_name(newest));
    assert!(machine.fs.fail_file(&path, Op::Read, libc::EIO));
    let found = machine.check();
    assert!(found.bad_slots.iter().any(|bad| bad.slot == newest) && !found.is_log_clean(), "{found:?}");
}
