//! The scrub: what it finds, what it must not find, and who hears of it.

use super::basics::assert_same_index;
use super::harness::*;
use crate::format::{BLOCK_BYTES, Commit, DamageKind, DamagedRun, segment_name};
use crate::scan::first_position;
use crate::store::Parts;
use std::path::{Path, PathBuf};
use watchbook_base::fs::sim::{Dice, Op};
use watchbook_base::{Kind, UtcNanos};
use watchbook_media::SpanSource;

const SECOND_NANOS: u64 = 1_000_000_000;

fn segment(slot: u32) -> PathBuf {
    Path::new("/ring/segments").join(segment_name(slot))
}

fn record(machine: &Box_, parts: &mut Parts, cams: &mut [Cam], commits: usize) {
    for _ in 0..commits {
        for _ in 0..12 {
            cams.iter_mut().for_each(|cam| parts.writer.append(cam.packet(&machine.clock)).unwrap());
            machine.clock.advance(STEP_NANOS);
        }
        parts.committer.step().unwrap();
    }
}

/// A ring that has gone round once, with its two cameras.
fn recorded(seed: u64, commits: usize) -> (Box_, Parts, [Cam; 2]) {
    let machine = Box_::new(seed);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 4000), Cam::new(2, 9000)];
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
    record(&machine, &mut parts, &mut cams, commits);
    (machine, parts, cams)
}

/// Steps until the scrub has ended a pass that began after now.
fn whole_pass(machine: &Box_, parts: &mut Parts) {
    let before = parts.reader.scrubs()[0].1.last_full_utc;
    for _ in 0..20_000 {
        machine.clock.advance(SECOND_NANOS);
        parts.care.step();
        let progress = parts.reader.scrubs()[0].1;
        if progress.last_full_utc != before {
            parts.committer.step().unwrap();
            return;
        }
        assert!(progress.bytes_done <= progress.bytes_total, "{progress:?}");
    }
    panic!("no pass has ended: {:?}", parts.reader.scrubs());
}

/// Every commit of the closed segments: slot, offset and what it is.
fn commits(parts: &Parts) -> Vec<(u32, u64, Commit)> {
    let ring = &parts.part.ring;
    let newest = ring.slots.all().map(|(_, generation)| generation).max().unwrap();
    let mut all = Vec::new();
    for (slot, generation) in ring.slots.all().filter(|(_, generation)| *generation != newest && *generation != 0) {
        let header = ring.header(slot).unwrap();
        let reader = ring.reader(slot, generation).unwrap();
        let (_, damage) = reader.scan(first_position(&header), None, &mut |at, commit, _| {
            all.push((slot, at.offset, commit));
        });
        assert!(damage.is_empty());
    }
    all
}

fn damage(parts: &Parts, number: u32) -> Vec<DamagedRun> {
    parts.reader.damage(&playback(number), video(number), ALL).unwrap()
}

fn alarm(parts: &Parts) -> String {
    parts.writer.stats().alarm.unwrap_or_default()
}

/// Looks at the alarms again.
fn later(machine: &Box_, parts: &mut Parts) {
    machine.clock.advance(61 * SECOND_NANOS);
    parts.care.step();
}

#[test]
fn a_pass_over_a_healthy_ring_that_goes_round_finds_nothing() {
    let (machine, mut parts, mut cams) = recorded(60, 130);
    for _ in 0..60 {
        record(&machine, &mut parts, &mut cams, 2);
        machine.clock.advance(SECOND_NANOS);
        parts.care.step();
    }
    whole_pass(&machine, &mut parts);
    let progress = parts.reader.scrubs()[0].1;
    assert!(progress.last_found == 0 && progress.last_verified_bytes > 0, "{progress:?}");
    whole_pass(&machine, &mut parts);
    let progress = parts.reader.scrubs()[0].1;
    assert_eq!((progress.last_found, progress.started_utc, alarm(&parts)), (0, None, String::new()));
    assert!(progress.last_verified_bytes > 10 * MIB, "three closed segments of 4 MiB: {progress:?}");
    assert_eq!(parts.reader.damaged(None, 10).unwrap(), []);
}

#[test]
fn commits_that_were_never_acknowledged_are_no_damage() {
    for (seed, op, errno) in [(61, Op::Sync, libc::EIO), (62, Op::Write, libc::EIO)] {
        let (machine, mut parts, mut cams) = recorded(seed, 40);
        for _ in 0..6 {
            machine.fs.fail(op, errno, 0, 1);
            record(&machine, &mut parts, &mut cams, 9);
        }
        machine.fs.cut_after(1);
        parts.writer.append(cams[0].packet(&machine.clock)).unwrap();
        assert!(parts.committer.step().is_err());
        machine.fs.power_on();
        let mut parts = machine.open();
        cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
        record(&machine, &mut parts, &mut cams, 9);
        whole_pass(&machine, &mut parts);
        let progress = parts.reader.scrubs()[0].1;
        assert_eq!(progress.last_found, 0, "{op:?}: {progress:?}");
    }
}

#[test]
fn a_segment_that_outlives_those_behind_it_has_lost_nothing() {
    let (machine, mut parts, mut cams) = recorded(63, 20);
    let slot = parts.part.ring.slots.all().max_by_key(|(_, generation)| *generation).unwrap().0;
    let generation = parts.part.ring.slots.get(slot);
    // From here on nobody can write to it: it is passed over when its turn comes.
    record(&machine, &mut parts, &mut cams, 20);
    assert!(machine.fs.fail_file(&segment(slot), Op::Open, libc::EACCES));
    record(&machine, &mut parts, &mut cams, 150);
    machine.fs.heal();
    drop(parts);
    machine.kv.wipe();
    let mut parts = machine.open();
    let left: Vec<u64> = parts.part.ring.slots.all().map(|(_, generation)| generation).collect();
    assert!(left.contains(&generation) && !left.contains(&(generation + 1)), "{left:?}");
    whole_pass(&machine, &mut parts);
    assert_eq!(parts.reader.scrubs()[0].1.last_found, 0);
    assert_eq!(parts.reader.damaged(None, 10).unwrap(), []);
}

/// Where a byte is turned over, and what must come of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rot {
    Payload,
    CommitHeader,
    Directory,
    Table,
    Records,
    SegmentHeader,
    Padding,
}

#[test]
fn rot_is_found_wherever_footage_depends_on_it() {
    use Rot::{CommitHeader, Directory, Padding, Payload, Records, SegmentHeader, Table};
    for (seed, rot) in (70..).zip([Payload, CommitHeader, Directory, Table, Records, SegmentHeader, Padding]) {
        let (machine, mut parts, _) = recorded(seed, 60);
        let mut dice = Dice::new(seed);
        let all = commits(&parts);
        let fits = |commit: &Commit| commit.runs.len() == 2 && (rot != Records || !commit.records.is_empty());
        let some: Vec<_> = all.iter().filter(|(_, _, commit)| fits(commit)).collect();
        let (slot, offset, commit) = some[dice.below(some.len() as u64) as usize];
        let (slot, offset, run) = (*slot, *offset, &commit.runs[0]);
        let tables_at = commit.clone().encode().len() - commit.runs.iter().map(|run| run.table.len()).sum::<usize>();
        let at = match rot {
            Payload => offset + run.payload_offset + dice.below(run.payload_len),
            CommitHeader => offset + dice.below(192),
            Directory => offset + 192 + dice.below(128),
            Records => offset + 192 + 2 * 128 + dice.below(16),
            Table => offset + tables_at as u64,
            SegmentHeader => dice.below(256),
            Padding => offset + commit.commit_len - 1,
        };
        assert!(machine.fs.rot(&segment(slot), at, 1 << dice.below(8)), "{rot:?}");
        whole_pass(&machine, &mut parts);
        later(&machine, &mut parts);
        let progress = parts.reader.scrubs()[0].1;
        let told: Vec<_> = damage(&parts, 1).into_iter().chain(damage(&parts, 2)).collect();
        match rot {
            Payload => {
                assert_eq!(
                    (told.len(), told[0].kind, told[0].stream),
                    (1, DamageKind::Checksum, run.stream),
                    "{told:?}"
                );
                assert_eq!((told[0].range.start, told[0].offset), (run.first_utc, offset + run.payload_offset));
                assert_eq!(told[0].range.nanos(), 12 * STEP_NANOS as i64, "the twelve samples of the run");
            }
            CommitHeader | Directory | Table | Records => {
                assert_eq!(told.len(), 2, "{rot:?}: one run of each camera lies in the commit: {told:?}");
                assert!(told.iter().all(|run| run.kind == DamageKind::Description), "{rot:?}: {told:?}");
                assert_eq!(
                    told.iter().map(|run| run.range.start).min(),
                    commit.runs.iter().map(|run| run.first_utc).min()
                );
            }
            // A header can be made again from the first commit, and nobody looks at padding.
            SegmentHeader | Padding => assert_eq!(told, [], "{rot:?}"),
        }
        let places = u64::from(rot == SegmentHeader);
        assert_eq!(progress.last_found, told.len() as u64 + places, "{rot:?}: {progress:?}");
        let text = alarm(&parts);
        assert_eq!(text.is_empty(), rot == Padding, "{rot:?}: {text}");
        assert!(rot != Payload || text.contains("1 runs of cameras 1 are damaged"), "{text}");
        assert!(rot == SegmentHeader || rot == Padding || text.contains("SMART"), "{text}");
    }
}

#[test]
fn a_damaged_run_is_refused_told_once_and_forgotten_with_its_segment() {
    let (machine, mut parts, mut cams) = recorded(80, 60);
    let (slot, offset, commit) = commits(&parts).remove(3);
    let run = commit.runs[1].clone();
    assert!(machine.fs.rot(&segment(slot), offset + run.payload_offset, 1));
    // A player meets it first.
    let number = run.stream.camera.get();
    let footage = parts.reader.footage(&playback(number), camera(number), ALL).unwrap();
    let spans = parts.reader.spans(&playback(number), run.stream, ALL).unwrap();
    for _ in 0..2 {
        let errors: Vec<_> = spans.iter().filter_map(|span| footage.read(span, 0, span.byte_count).err()).collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].kind, Kind::Corrupt);
        assert!(errors[0].message.contains("this run is damaged"), "{}", errors[0].message);
    }
    parts.committer.step().unwrap();
    let told = damage(&parts, number);
    assert_eq!((told.len(), told[0].range.start, told[0].kind), (1, run.first_utc, DamageKind::Checksum));
    let (next, _) = (told[0].range.end, told[0].found);
    assert_eq!(next, run.first_utc.plus_nanos(12 * STEP_NANOS as i64));
    whole_pass(&machine, &mut parts);
    whole_pass(&machine, &mut parts);
    assert_eq!(damage(&parts, number), told, "the scrub finds what is known");
    assert_eq!(parts.reader.damaged(None, 10).unwrap(), told);
    let others = [camera(9)].into_iter().collect();
    assert_eq!(parts.reader.damaged(Some(&others), 10).unwrap(), []);
    let outside = watchbook_base::TimeRange { start: next, end: UtcNanos(i64::MAX / 2) };
    assert_eq!(parts.reader.damage(&playback(number), run.stream, outside).unwrap(), []);
    // It is in the log, so an index made anew has it too.
    drop(parts);
    assert_same_index(&machine);
    machine.kv.wipe();
    let mut parts = machine.open();
    assert_eq!(damage(&parts, number), told);
    later(&machine, &mut parts);
    assert!(alarm(&parts).contains("1 runs"), "{}", alarm(&parts));
    // And it goes with the segment.
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
    record(&machine, &mut parts, &mut cams, 150);
    assert_eq!(damage(&parts, number), []);
    later(&machine, &mut parts);
    assert_eq!((alarm(&parts), machine.kv.rows(crate::catalog::rows::DAMAGE).len()), (String::new(), 0));
}

#[test]
fn a_wrong_hash_with_right_checksums_is_found_by_check_and_scrub() {
    let (machine, parts, _) = recorded(85, 60);
    let closed = parts.part.ring.slots.all().filter(|(_, generation)| *generation != 0);
    let (slot, _) = closed.min_by_key(|(_, generation)| *generation).unwrap();
    drop(parts);
    let (offset, commit) = machine.forge_hash(slot);
    let run = &commit.runs[0];
    let report = machine.check();
    let (at, what) = (offset + run.payload_offset, "its digest does not match");
    let bad = crate::BadRun { slot, offset: at, seq: commit.seq, stream: run.stream, recording: run.recording.0, what };
    assert_eq!((report.bad_runs.as_slice(), report.bad_run_count), (&[bad][..], 1));
    let mut parts = machine.open();
    whole_pass(&machine, &mut parts);
    let told = damage(&parts, run.stream.camera.get());
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((told.kind, told.slot, told.offset), (DamageKind::Digest, slot, at));
    assert_eq!(told.range.start, run.first_utc);
}

#[test]
fn a_record_that_comes_after_its_segment_has_gone_leaves_no_row() {
    let (machine, mut parts, mut cams) = recorded(81, 60);
    let (slot, offset, commit) = commits(&parts).remove(0);
    let run = &commit.runs[0];
    let late = DamagedRun {
        stream: run.stream,
        range: watchbook_base::TimeRange { start: run.first_utc, end: run.first_utc.plus_nanos(5) },
        kind: DamageKind::Checksum,
        slot,
        generation: commit.generation,
        offset: offset + run.payload_offset,
        found: START,
    };
    record(&machine, &mut parts, &mut cams, 150);
    assert!(parts.part.ring.slots.get(slot) != commit.generation && parts.part.care.findings.report(late));
    parts.committer.step().unwrap();
    assert_eq!((damage(&parts, 1), damage(&parts, 2)), (vec![], vec![]), "readers never see it");
    later(&machine, &mut parts);
    assert_eq!((alarm(&parts), machine.kv.rows(crate::catalog::rows::DAMAGE).len()), (String::new(), 0));
}

#[test]
fn the_scrub_goes_on_after_a_restart_and_waits_for_the_recording() {
    let (machine, mut parts, mut cams) = recorded(82, 60);
    // At the least rate of 1 MiB/s three closed segments of 4 MiB take 12 s; the place is kept every 30 s and at the end of a pass.
    machine.clock.advance(31 * SECOND_NANOS);
    parts.care.step();
    for _ in 0..2 {
        machine.clock.advance(2 * SECOND_NANOS);
        parts.care.step();
    }
    machine.clock.advance(31 * SECOND_NANOS);
    parts.care.step();
    let before = parts.reader.scrubs()[0].1;
    assert!(before.bytes_done > 0 && before.bytes_done < before.bytes_total, "{before:?}");
    drop(parts);
    let mut parts = machine.open();
    parts.care.step();
    let after = parts.reader.scrubs()[0].1;
    assert_eq!((after.bytes_done, after.started_utc), (before.bytes_done, before.started_utc));
    // Something is written all the time, but nothing committed.
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
    let mut small = machine.config.clone();
    small.pending_bytes_max = MIB;
    drop(parts);
    let mut parts = crate::store::assemble(&small, &machine.deps()).unwrap();
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
    for _ in 0..24 {
        cams.iter_mut().for_each(|cam| parts.writer.append(cam.packet(&machine.clock)).unwrap());
    }
    machine.clock.advance(2 * SECOND_NANOS);
    parts.care.step();
    machine.clock.advance(2 * SECOND_NANOS);
    parts.care.step();
    let waiting = parts.reader.scrubs()[0].1;
    assert_eq!((waiting.yields, waiting.bytes_done), (true, before.bytes_done), "the disk is behind");
    parts.committer.step().unwrap();
    machine.clock.advance(2 * SECOND_NANOS);
    parts.care.step();
    let on = parts.reader.scrubs()[0].1;
    assert!(!on.yields && on.bytes_done > before.bytes_done, "{on:?}");
    whole_pass(&machine, &mut parts);
}

#[test]
fn a_segment_that_cannot_be_read_is_told_by_its_spans_and_a_dead_disk_is_left_alone() {
    let (machine, mut parts, _) = recorded(83, 60);
    let (slot, ..) = commits(&parts).remove(0);
    assert!(machine.fs.fail_file(&segment(slot), Op::Read, libc::EIO));
    whole_pass(&machine, &mut parts);
    let told = damage(&parts, 1);
    assert!(
        told.len() > 3 && told.iter().all(|run| run.slot == slot && run.kind == DamageKind::Unreadable),
        "{told:?}"
    );
    assert!(told.iter().all(|run| run.offset > BLOCK_BYTES));
    machine.fs.heal();
    // Nothing at all can be read: that is told of three of seven segments, and then it is left to others.
    let mut machine = Box_::new(84);
    machine.config.capacity_bytes = 32 * MIB;
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 4000), Cam::new(2, 9000)];
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
    record(&machine, &mut parts, &mut cams, 150);
    machine.fs.fail(Op::Read, libc::EIO, 0, u64::MAX);
    for _ in 0..150 {
        machine.clock.advance(10 * SECOND_NANOS);
        parts.care.step();
    }
    machine.fs.heal();
    parts.committer.step().unwrap();
    let told: std::collections::BTreeSet<u32> =
        parts.reader.damaged(None, 10_000).unwrap().iter().map(|run| run.slot).collect();
    assert_eq!((told.len(), parts.reader.scrubs()[0].1.last_full_utc), (3, None), "{told:?}");
}
