use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use watchbook_base::{CameraId, Ticks90k, TrackRole};
use watchbook_media::{Codec, TrackFormat};

fn stream() -> StreamId {
    CameraId::new(1).unwrap().stream(TrackRole::MainVideo)
}

fn secs(from: i64, to: i64) -> TimeRange {
    TimeRange { start: UtcNanos(from * NANOS_PER_SEC), end: UtcNanos(to * NANOS_PER_SEC) }
}

proptest! {
    #[test]
    fn numbers_are_a_set(intervals in proptest::collection::vec((0_u64..60, 0_u64..9), 0..20), from in 0_u64..70, len in 0_u64..9) {
        let mut numbers = Numbers::default();
        let mut model = BTreeSet::new();
        for (from, len) in intervals {
            numbers.add(from, from + len);
            model.extend(from..=from + len);
        }
        let inside = (from..=from + len).all(|n| model.contains(&n));
        prop_assert_eq!(numbers.first_outside(from) > from + len, inside);
        prop_assert_eq!(numbers.first_outside(from), (from..).find(|n| !model.contains(n)).unwrap());
        let listed: Vec<u64> = numbers.0.iter().flat_map(|(from, to)| *from..=*to).collect();
        prop_assert_eq!(listed, model.into_iter().collect::<Vec<_>>());
        let ends: Vec<_> = numbers.0.iter().collect();
        prop_assert!(ends.windows(2).all(|pair| pair[0].1 + 1 < *pair[1].0), "what touches is one");
    }
}

#[test]
fn tasks_are_what_is_not_covered_oldest_segment_first() {
    let span = |generation, first_seq, last_seq| SourceSpan {
        stream: stream(),
        range: secs(0, 1),
        slot: 9 - generation as u32,
        generation,
        first_seq,
        last_seq,
        bytes: 1000,
        recording: 1,
        dts: (0, 90_000),
        key_id: 0,
    };
    let mut covered = Numbers::default();
    covered.add(1, 14);
    let tasks = plan_tasks(&[span(3, 21, 30), span(2, 11, 20), span(1, 1, 10), span(3, 25, 40)], &covered);
    let listed: Vec<_> = tasks.iter().map(|task| (task.slot, task.seq_from, task.seq_to, task.bytes)).collect();
    assert_eq!(listed, [(7, 15, 20, 600), (6, 21, 40, 2000)]);
    // One commit was passed over, and nobody wants what lies between the two spans.
    let mut covered = Numbers::default();
    covered.add(1, 3);
    covered.add(5, 12);
    covered.add(14, 15);
    let tasks = plan_tasks(&[span(1, 1, 10), span(1, 15, 24)], &covered);
    let listed: Vec<_> = tasks.iter().map(|task| (task.seq_from, task.seq_to, task.bytes)).collect();
    assert_eq!(listed, [(4, 4, 100), (16, 24, 900)]);
}

#[test]
fn footage_of_a_stretch_of_commits_is_their_share_of_each_span() {
    let span = |generation, first_seq, last_seq| SourceSpan {
        stream: stream(),
        range: secs(100, 110),
        slot: 1,
        generation,
        first_seq,
        last_seq,
        bytes: 1,
        recording: 1,
        dts: (0, 90_000),
        key_id: 0,
    };
    let spans = [span(1, 1, 10), span(2, 11, 20)];
    assert_eq!(share_of(&spans, 1, (4, 4)), [(stream(), secs(103, 104))]);
    assert_eq!(share_of(&spans, 2, (4, u64::MAX)), [(stream(), secs(100, 110))]);
    assert_eq!(share_of(&spans, 1, (11, 12)), []);
}

#[test]
fn a_hold_takes_whole_minutes_and_the_key_frame_before_them() {
    assert_eq!(copied_range(secs(125, 180)), secs(60, 180), "10 s before 125 s lies in the minute from 60 s on");
    assert_eq!(copied_range(secs(130, 181)), secs(120, 240));
    assert_eq!(copied_range(secs(-1, 1)), secs(-60, 60));
}

#[test]
fn holes_are_missing_with_the_reason_that_is_known() {
    let have = [secs(10, 20), secs(15, 30), secs(31, 40), secs(70, 200)];
    let open = plan_missing(secs(0, 100), &have);
    assert_eq!(open, [secs(0, 10), secs(40, 70)], "a second is no hole");
    let known = MissingFootage {
        stream: stream(),
        start: UtcNanos(-5),
        end: UtcNanos(50 * NANOS_PER_SEC),
        reason: MissingReason::NotStored,
    };
    let listed: Vec<_> = with_reasons(stream(), &open, &[known], UtcNanos(65 * NANOS_PER_SEC))
        .iter()
        .map(|missing| (missing.start.0 / NANOS_PER_SEC, missing.end.0 / NANOS_PER_SEC, missing.reason))
        .collect();
    let (gone, lost) = (MissingReason::NotStored, MissingReason::Overwritten);
    assert_eq!(listed, [(0, 10, gone), (40, 50, gone), (50, 65, lost), (65, 70, gone)]);
}

fn summary(recording: u64, first_secs: i64, end_secs: i64, locator: u64) -> SpanSummary {
    SpanSummary {
        stream: stream(),
        recording: RecordingId(recording),
        format: Arc::new(TrackFormat { codec: Codec::H264 { width: 1, height: 1 }, config: bytes::Bytes::new() }),
        first_dts: Ticks90k(first_secs * 90_000),
        end_dts: Ticks90k(end_secs * 90_000),
        start_utc: UtcNanos((recording as i64 * 1000 + first_secs) * NANOS_PER_SEC),
        sample_count: 1,
        key_count: 1,
        run_count: 1,
        byte_count: 1,
        has_cts: false,
        has_lost: false,
        locator,
    }
}

#[test]
fn what_ring_and_vault_both_have_is_listed_once() {
    let ring = vec![summary(2, 60, 115, 1), summary(2, 115, 180, 2)];
    let held = vec![
        summary(1, 0, 30, 10),
        summary(2, 0, 60, 11),
        // The same minute of another hold, of which it has the end.
        summary(2, 30, 60, 12),
        // Across two spans of the ring.
        summary(2, 60, 120, 13),
        summary(2, 120, 180, 14),
        summary(2, 180, 181, 15),
    ];
    let listed: Vec<u64> = merge_spans(ring, held).iter().map(|span| span.locator).collect();
    assert_eq!(listed, [10, 11, 1, 2, 15]);
}

#[test]
fn a_minute_that_two_holds_have_cut_in_different_places_is_listed_once() {
    let held = vec![summary(1, 0, 40, 1), summary(1, 40, 60, 2), summary(1, 0, 30, 3), summary(1, 30, 60, 4)];
    let listed: Vec<u64> = merge_spans(Vec::new(), held).iter().map(|span| span.locator).collect();
    assert_eq!(listed, [1, 2]);
    let listed = merge_spans(Vec::new(), vec![summary(1, 0, 40, 1), summary(1, 30, 60, 4)]);
    assert_eq!(listed.len(), 2, "what nobody else has is listed");
}

#[test]
fn of_what_others_have_all_is_wanted_that_lacks_a_part() {
    let span = |slot, from: i64, to: i64| SourceSpan {
        stream: stream(),
        range: secs(from, to),
        slot,
        generation: u64::from(slot),
        first_seq: 1,
        last_seq: 10,
        bytes: 6000,
        recording: 1,
        dts: (from * 90_000, to * 90_000),
        key_id: 0,
    };
    let have = [span(1, 0, 60), span(1, 60, 110)];
    let others = vec![span(2, 0, 60), span(2, 60, 120), span(3, 60, 120), span(3, 180, 240)];
    let wanted = not_covered(others, &have);
    let places: Vec<_> = wanted.iter().map(|span| (span.slot, span.range)).collect();
    assert_eq!(places, [(2, secs(60, 120)), (3, secs(60, 120)), (3, secs(180, 240))], "every copy of it");
    assert_eq!(bytes_beside(&wanted, &have), 1000 + 6000, "one copy of what is not there");
}

#[test]
fn spans_that_follow_each_other_touch() {
    let mut first = summary(1, 0, 60, 1);
    first.end_dts = Ticks90k(60 * 90_000 - 300);
    let listed = merge_spans(vec![summary(1, 60, 90, 2), summary(1, 100, 110, 3)], vec![first]);
    let ends: Vec<i64> = listed.iter().map(|span| span.end_dts.0 / 90_000).collect();
    assert_eq!(ends, [60, 90, 110], "a hole stays one");
}

#[test]
fn a_task_is_cut_at_what_was_put_off() {
    let task = Task { slot: 3, generation: 7, seq_from: 10, seq_to: 20, bytes: 0 };
    let pieces = |stretches: &[(u64, u64)]| -> Vec<(u64, u64, Option<usize>)> {
        cut(&task, stretches).into_iter().map(|(piece, stretch)| (piece.seq_from, piece.seq_to, stretch)).collect()
    };
    assert_eq!(pieces(&[]), [(10, 20, None)]);
    assert_eq!(pieces(&[(1, 9), (21, 30)]), [(10, 20, None)]);
    assert_eq!(
        pieces(&[(10, 10), (13, 14), (20, 25)]),
        [(10, 10, Some(0)), (11, 12, None), (13, 14, Some(1)), (15, 19, None), (20, 20, Some(2))]
    );
    assert_eq!(pieces(&[(5, u64::MAX), (13, 14)]), [(10, 20, Some(0))], "nothing behind it can be told");
    assert_eq!(pieces(&[(12, 15), (14, 17)]), [(10, 11, None), (12, 15, Some(0)), (16, 17, Some(1)), (18, 20, None)]);
}
