//! The index on a thread of its own: late, dead and back again, made anew while recording goes on. The recorder's threads are stepped by hand, in an order
//! that the seed decides.

use super::basics::assert_same_index;
use super::harness::*;
use crate::index::{Indexer, Step};
use crate::kv::Kv;
use crate::store::{Parts, assemble};
use bytes::Bytes;
use watchbook_base::UtcNanos;
use watchbook_base::fs::sim::{Dice, Op};
use watchbook_base::{Clock, GapReason};
use watchbook_media::RecordingEnd;

const SEEDS: u64 = if cfg!(debug_assertions) { 15 } else { 60 };

/// A ring with twice the room of the others, so that a rebuild has something to do.
fn machine(seed: u64) -> Box_ {
    let mut machine = Box_::new(seed);
    machine.config.capacity_bytes = 32 * MIB;
    machine
}

/// Opened with its indexer in hand.
fn open(machine: &Box_) -> (Parts, Indexer) {
    let mut parts = assemble(&machine.config, &machine.deps()).unwrap();
    let indexer = parts.committer.take_indexer().unwrap();
    (parts, indexer)
}

fn half_second(machine: &Box_, parts: &mut Parts, cams: &mut [Cam]) {
    for _ in 0..12 {
        cams.iter_mut().for_each(|cam| parts.writer.append(cam.packet(&machine.clock)).unwrap());
        machine.clock.advance(STEP_NANOS);
    }
    parts.committer.step().unwrap();
}

fn begin(machine: &Box_, parts: &Parts, cams: &mut [Cam]) {
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
}

/// What readers find of both cameras.
fn found(parts: &Parts) -> Vec<Vec<(UtcNanos, Bytes)>> {
    [1, 2].map(|number| samples(parts, video(number))).to_vec()
}

#[test]
fn what_the_index_does_not_have_yet_is_found_all_the_same() {
    let machine = machine(1);
    let (mut parts, mut indexer) = open(&machine);
    let mut cams = [Cam::new(1, 500), Cam::new(2, 2000)];
    begin(&machine, &parts, &mut cams);
    parts.writer.end(&RecordingEnd {
        stream: cams[0].stream,
        utc: machine.clock.utc(),
        reason: GapReason::CameraSilent,
    });
    machine.clock.advance(3_000_000_000);
    parts.writer.begin(&cams[0].start(&machine.clock));
    // Two minutes: several spans are closed, and none is in the index.
    (0..260).for_each(|_| half_second(&machine, &mut parts, &mut cams));
    assert!(machine.kv.rows(crate::catalog::rows::SPANS).is_empty());
    let before = found(&parts);
    assert!(before.iter().all(|samples| samples.len() > 300), "{:?}", before.iter().map(Vec::len).collect::<Vec<_>>());
    assert!(parts.index.status().backlog_bytes > 0);
    let gaps = |parts: &Parts| parts.reader.gaps(&playback(1), video(1), ALL, machine.clock.utc()).unwrap();
    let gaps_before = gaps(&parts);
    assert_eq!(gaps_before.iter().map(|gap| gap.reason).collect::<Vec<_>>(), [GapReason::CameraSilent]);
    indexer.drain();
    assert!(!machine.kv.rows(crate::catalog::rows::SPANS).is_empty());
    assert_eq!(gaps(&parts), gaps_before);
    assert!(found(&parts) == before, "the same is found once it is in the index");
    assert_eq!(parts.index.status(), crate::IndexStatus::default());
    drop(parts);
    assert_same_index(&machine);
}

#[test]
fn an_index_that_was_away_for_long_is_made_good_from_the_log() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let machine = machine(seed);
        let (mut parts, mut indexer) = open(&machine);
        parts.index.set_backlog_bytes_max(60_000);
        let mut cams = [Cam::new(1, 3000), Cam::new(2, 9000)];
        begin(&machine, &parts, &mut cams);
        for phase in 0..4 {
            machine.kv.break_writes(phase % 2 == 1);
            for _ in 0..dice.below(140) {
                half_second(&machine, &mut parts, &mut cams);
                if dice.percent(4) {
                    let (stream, utc) = (cams[0].stream, machine.clock.utc());
                    parts.writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraSilent });
                    machine.clock.advance(3_000_000_000);
                    parts.writer.begin(&cams[0].start(&machine.clock));
                }
                if dice.percent(60) {
                    indexer.step();
                }
            }
        }
        machine.kv.break_writes(false);
        while indexer.step() != Step::Idle {}
        // A span that was open when the index came back closes later, over what the backfill made of it.
        (0..130).for_each(|_| half_second(&machine, &mut parts, &mut cams));
        while indexer.step() != Step::Idle {}
        assert_eq!(parts.index.status(), crate::IndexStatus::default(), "seed {seed}");
        drop(parts);
        assert_same_index(&machine);
    }
}

#[test]
fn a_lost_index_is_made_again_while_recording_goes_on() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let machine = machine(seed);
        let mut cams = [Cam::new(1, 3000), Cam::new(2, 9000)];
        let (mut parts, mut indexer) = open(&machine);
        begin(&machine, &parts, &mut cams);
        for _ in 0..60 + dice.below(200) {
            half_second(&machine, &mut parts, &mut cams);
            indexer.drain();
            if dice.percent(3) {
                let (stream, utc) = (cams[1].stream, machine.clock.utc());
                parts.writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
                machine.clock.advance(40_000_000_000);
                parts.writer.begin(&cams[1].start(&machine.clock));
            }
        }
        drop((parts, indexer));
        machine.kv.wipe();
        let mut rebuilt = 0;
        // Restarts in the middle of the rebuild go on with it.
        for _ in 0..3 {
            let (mut parts, mut indexer) = open(&machine);
            rebuilt += u32::from(parts.opened.index_rebuilt);
            begin(&machine, &parts, &mut cams);
            for _ in 0..dice.below(30) {
                half_second(&machine, &mut parts, &mut cams);
                (0..dice.below(3)).for_each(|_| _ = indexer.step());
            }
            drop((parts, indexer));
            machine.kv.crash(&mut dice);
        }
        assert!(rebuilt >= 1, "seed {seed}");
        let (mut parts, mut indexer) = open(&machine);
        begin(&machine, &parts, &mut cams);
        half_second(&machine, &mut parts, &mut cams);
        while indexer.step() != Step::Idle {}
        assert_eq!(parts.index.status(), crate::IndexStatus::default(), "seed {seed}");
        let report = crate::check::check(
            std::path::Path::new("/ring"),
            std::sync::Arc::new(machine.fs.clone()),
            Some(&machine.kv),
            &mut |_| {},
        )
        .unwrap();
        assert!(report.is_clean(), "seed {seed}: {report:?}");
        drop(parts);
        assert_same_index(&machine);
    }
}

#[test]
fn recording_begins_before_a_lost_index_is_made_again() {
    let machine = machine(5);
    let mut cams = [Cam::new(1, 3000), Cam::new(2, 9000)];
    let (mut parts, indexer) = open(&machine);
    begin(&machine, &parts, &mut cams);
    (0..300).for_each(|_| half_second(&machine, &mut parts, &mut cams));
    let before = found(&parts);
    drop((parts, indexer));
    machine.kv.wipe();
    let (mut parts, mut indexer) = open(&machine);
    let rebuilding = parts.index.status().rebuilding.expect("older segments are still to be done");
    assert!(rebuilding.segments >= 4 && rebuilding.segments_done == 0, "{rebuilding:?}");
    begin(&machine, &parts, &mut cams);
    half_second(&machine, &mut parts, &mut cams);
    let now = samples(&parts, video(1));
    assert!(now.len() >= 12 && now.len() < before[0].len(), "the newest footage is there, the older not yet");
    while indexer.step() != Step::Idle {}
    let after = samples(&parts, video(1));
    assert!(
        after.len() >= before[0].len() && after.first().map(|first| first.0) == before[0].first().map(|first| first.0)
    );
}

#[test]
fn an_index_that_cannot_even_be_emptied_keeps_nobody_from_recording() {
    let machine = machine(6);
    machine.kv.break_writes(true);
    let (mut parts, mut indexer) = open(&machine);
    let mut cams = [Cam::new(1, 500), Cam::new(2, 2000)];
    begin(&machine, &parts, &mut cams);
    (0..60).for_each(|_| half_second(&machine, &mut parts, &mut cams));
    assert_eq!(indexer.step(), Step::Failed);
    let status = parts.index.status();
    assert!(status.given_up && status.failed.is_some(), "{status:?}");
    assert!(parts.writer.stats().alarm.is_some_and(|alarm| alarm.contains("the index cannot be written")));
    machine.kv.break_writes(false);
    while indexer.step() != Step::Idle {}
    (0..130).for_each(|_| half_second(&machine, &mut parts, &mut cams));
    while indexer.step() != Step::Idle {}
    assert_eq!(found(&parts).iter().map(Vec::len).collect::<Vec<_>>(), [190 * 12, 190 * 12]);
    drop(parts);
    assert_same_index(&machine);
}

#[test]
fn a_span_that_closes_before_the_backfill_comes_to_it_stays_whole() {
    let machine = machine(7);
    machine.kv.break_writes(true);
    let (mut parts, mut indexer) = open(&machine);
    // Small enough for a whole minute, and more, to lie in one segment.
    let mut cams = [Cam::new(1, 40), Cam::new(2, 60)];
    begin(&machine, &parts, &mut cams);
    (0..30).for_each(|_| half_second(&machine, &mut parts, &mut cams));
    assert_eq!(indexer.step(), Step::Failed);
    machine.kv.break_writes(false);
    assert_eq!(indexer.step(), Step::Worked, "the index is begun again");
    assert!(!parts.index.status().given_up);
    // Its changes go before the backfill.
    (0..150).for_each(|_| half_second(&machine, &mut parts, &mut cams));
    while indexer.step() != Step::Idle {}
    assert_eq!(found(&parts).iter().map(Vec::len).collect::<Vec<_>>(), [180 * 12, 180 * 12]);
    drop(parts);
    assert_same_index(&machine);
}

/// Opened, with two recordings that have begun.
fn open_with(machine: &Box_, cams: &mut [Cam]) -> Parts {
    let mut parts = assemble(&machine.config, &machine.deps()).unwrap();
    parts.committer.finish_index();
    begin(machine, &parts, cams);
    parts
}

#[test]
fn an_index_older_than_the_log_is_brought_up_to_it() {
    // The ring goes on by less than a segment; by several; and so far that it overwrites the segment from which the old index would go on.
    for (later, reused) in [(16, false), (90, false), (420, true)] {
        let machine = machine(8);
        let mut cams = [Cam::new(1, 3000), Cam::new(2, 9000)];
        let mut parts = open_with(&machine, &mut cams);
        (0..100).for_each(|_| half_second(&machine, &mut parts, &mut cams));
        parts.committer.finish_index();
        drop(parts);
        let old = machine.kv.all(&crate::INDEX_TABLES);
        let mut parts = open_with(&machine, &mut cams);
        for commit in 0..later {
            half_second(&machine, &mut parts, &mut cams);
            if commit == later - 10 {
                let (stream, utc) = (cams[0].stream, machine.clock.utc());
                parts.writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
                machine.clock.advance(4_000_000_000);
                parts.writer.begin(&cams[0].start(&machine.clock));
            }
        }
        let want = found(&parts);
        let gaps = |parts: &Parts| parts.reader.gaps(&playback(1), video(1), ALL, machine.clock.utc()).unwrap();
        let want_gaps = gaps(&parts);
        assert!(want_gaps.iter().any(|gap| gap.reason == GapReason::CameraGone), "{want_gaps:?}");
        parts.committer.finish_index();
        drop(parts);
        machine.kv.wipe();
        machine.kv.write(&old, true).unwrap();

        let parts = machine.open();
        assert_eq!(parts.opened.index_rebuilt, reused, "{later} commits later");
        assert!(found(&parts) == want, "{later} commits later: every sample and none besides");
        assert_eq!(gaps(&parts)[..want_gaps.len()], want_gaps);
        drop(parts);
        assert_same_index(&machine);
        assert!(machine.check().is_clean());
    }
}

/// Commits until a segment with this generation is opened.
fn commits_until(generation: u64) -> u64 {
    let machine = Box_ { sealed: false, ..Box_::new(10) };
    let mut cams = [Cam::new(1, 9000)];
    let mut parts = open_with(&machine, &mut cams);
    let opened = || {
        let ring =
            crate::ring::Ring::open_existing(&machine.config.dir, std::sync::Arc::new(machine.fs.clone())).unwrap();
        (1..=4).any(|slot| ring.header(slot).is_some_and(|header| header.generation == generation))
    };
    let commits = (1..1000).find(|_| {
        half_second(&machine, &mut parts, &mut cams);
        opened()
    });
    commits.unwrap()
}

#[test]
fn a_torn_first_commit_behind_a_segment_opened_in_vain_hides_no_recording_from_a_rebuild() {
    let machine = Box_ { sealed: false, ..Box_::new(10) };
    let mut cams = [Cam::new(1, 9000)];
    let mut parts = open_with(&machine, &mut cams);
    (1..commits_until(2)).for_each(|_| half_second(&machine, &mut parts, &mut cams));
    let end = machine.clock.utc();
    // The header of segment 2 can be written and its first commit cannot, so that the commit goes to segment 3.
    machine.fs.fail(Op::Write, libc::EIO, 1, 1);
    half_second(&machine, &mut parts, &mut cams);
    drop(parts);
    // The power ends before what it carries is on the disk.
    let ring = crate::ring::Ring::open_existing(&machine.config.dir, std::sync::Arc::new(machine.fs.clone())).unwrap();
    let [in_vain, header] = [2, 3].map(|slot| ring.header(slot).unwrap());
    assert_eq!(in_vain.first_seq, header.first_seq, "what the first of them holds is void");
    let first = ring.reader(3, header.generation).unwrap().commit_at(crate::format::BLOCK_BYTES);
    let (commit, _) = first.unwrap();
    assert!(machine.fs.rot(&ring.path(3), crate::format::BLOCK_BYTES + commit.runs[0].payload_offset, 1));
    drop(ring);
    machine.kv.wipe();
    machine.clock.advance(7_000_000_000);

    let mut parts = machine.open();
    assert!(parts.opened.index_rebuilt);
    parts.committer.step().unwrap();
    let now = machine.clock.utc();
    let gaps = parts.reader.gaps(&playback(1), video(1), ALL, now).unwrap();
    let told: Vec<_> = gaps.iter().map(|gap| (gap.range, gap.reason)).collect();
    assert_eq!(told, [(watchbook_base::TimeRange { start: end, end: now }, GapReason::Restart)]);
}

#[test]
fn a_clock_that_was_set_back_before_a_restart_hides_neither_side() {
    // By less than the pause, so that UTC still goes forward; and to the very moment at which the first recording began.
    for set_back_to_start in [false, true] {
        let machine = machine(9);
        // Small enough for one segment, so that each recording is one span.
        let mut cams = [Cam::new(1, 300), Cam::new(2, 900)];
        let mut parts = open_with(&machine, &mut cams);
        (0..20).for_each(|_| half_second(&machine, &mut parts, &mut cams));
        let before = found(&parts);
        let end = machine.clock.utc();
        drop(parts);
        machine.clock.advance(30_000_000_000);
        let utc = if set_back_to_start { START } else { end.plus_nanos(10_000_000_000) };
        machine.clock.step(utc.nanos_since(machine.clock.utc()));
        let mut parts = open_with(&machine, &mut cams);
        (0..10).for_each(|_| half_second(&machine, &mut parts, &mut cams));

        for (number, before) in [1, 2].into_iter().zip(&before) {
            let all = samples(&parts, video(number));
            assert!(all[..before.len()] == **before && all.len() == before.len() + 120, "{} samples", all.len());
            let spans = parts.reader.spans(&playback(number), video(number), ALL).unwrap();
            let starts: Vec<_> = spans.iter().map(|span| span.start_utc).collect();
            assert_eq!(starts, [START, utc], "by start, and of one moment what was recorded first");
            assert!(spans[0].recording < spans[1].recording);
            let gaps = parts.reader.gaps(&playback(number), video(number), ALL, machine.clock.utc()).unwrap();
            // Where UTC tells of no time between, there is none to show.
            let restart = watchbook_base::TimeRange::new(end, utc).map(|range| (range, GapReason::Restart));
            let told: Vec<_> = gaps.iter().map(|gap| (gap.range, gap.reason)).collect();
            assert_eq!(told, restart.into_iter().collect::<Vec<_>>());
        }
        drop(parts);
        assert_same_index(&machine);
        assert!(machine.check().is_clean());
    }
}
