//! Where footage may look wrong.

use crate::memory::{Memory, NewSpan, h264, range_ms, samples, utc_ms};
use proptest::prelude::*;
use std::sync::atomic::Ordering;
use watchbook_base::TrackRole;
use watchbook_media::SpanSummary;
use watchbook_media::impaired::{Impaired, impaired, merged};

/// Spans of one recording with pictures 100 ms apart and a key every 2 s; `lost` names pictures and what is missing before each.
fn recording(
    memory: &mut Memory,
    number: u64,
    offset_ms: i64,
    counts: &[i64],
    lost: &[(i64, u16)],
) -> Vec<SpanSummary> {
    let mut first = 0;
    let span = |count: &i64| {
        let mut made = samples(first * 9000, *count, 9000, 1);
        for (at, (sample, _)) in (first..).zip(&mut made) {
            sample.key = at % 20 == 0;
            sample.lost_before = lost.iter().find(|(picture, _)| *picture == at).map_or(0, |(_, lost)| *lost);
        }
        first += count;
        memory.add(NewSpan {
            role: TrackRole::MainVideo,
            recording: number,
            format: &h264(1),
            samples: &made,
            end_dts: first * 9000,
            utc: utc_ms(offset_ms + (first - count) * 100),
            run_len: 5,
        })
    };
    counts.iter().map(span).collect()
}

fn shown(start_ms: i64, end_ms: i64, lost: u64) -> Impaired {
    Impaired { range: range_ms(start_ms, end_ms), lost }
}

#[test]
fn a_loss_impairs_what_follows_until_the_next_key_sample() {
    let mut memory = Memory::default();
    // Picture 33 is at 3.3 s, its key frame at 2 s, the next one at 4 s. Before 80, a key frame, pictures are only missing.
    let spans = recording(&mut memory, 1, 0, &[100], &[(33, 2), (36, 5), (80, 3)]);
    assert_eq!(impaired(&spans, &memory).unwrap(), [shown(3_200, 4_000, 7), shown(7_900, 8_000, 3)]);
}

#[test]
fn intervals_go_on_from_span_to_span_and_end_with_the_recording() {
    let mut memory = Memory::default();
    // Spans of 10 s that begin without a key frame. The loss before picture 90 lies between the first two, and another just before the end.
    let mut spans = recording(&mut memory, 1, 0, &[90, 90, 10], &[(90, 1), (178, 1)]);
    spans.extend(recording(&mut memory, 2, 30_000, &[50], &[(0, 4), (49, 1)]));
    let found = impaired(&spans, &memory).unwrap();
    let second = [shown(30_000, 30_000, 4), shown(34_800, 35_000, 1)];
    assert_eq!(found, [[shown(8_900, 10_000, 1), shown(17_700, 18_000, 1)], second].concat());
    // Without the span in between nothing is known of it.
    spans.remove(1);
    assert_eq!(impaired(&spans, &memory).unwrap(), second);
}

#[test]
fn only_tables_that_say_something_are_read() {
    let mut memory = Memory::default();
    let counts = [100; 50];
    let spans = recording(&mut memory, 1, 0, &counts, &[(2_505, 1)]);
    assert_eq!(impaired(&spans, &memory).unwrap(), [shown(250_400, 252_000, 1)]);
    assert_eq!(
        memory.tables_read.load(Ordering::Relaxed),
        2,
        "that of the loss, and the one before for its last picture"
    );
}

#[test]
fn a_span_that_the_ring_has_reused_is_passed_over() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, &[100, 100, 100], &[(150, 1), (250, 1)]);
    spans[1].locator = 99;
    assert_eq!(impaired(&spans, &memory).unwrap(), [shown(24_900, 26_000, 1)]);
}

/// Every interval on its own, then the touching ones joined: what the words say, done the slow way.
fn expected(keys: &[bool], lost: &[u16]) -> Vec<Impaired> {
    let ms = |picture: usize| picture as i64 * 100;
    let mut all: Vec<Impaired> = Vec::new();
    for at in (0..keys.len()).filter(|at| lost[*at] > 0) {
        let end = (at..keys.len()).find(|next| keys[*next]).unwrap_or(keys.len());
        let one = shown(ms(at.saturating_sub(1)), ms(end), u64::from(lost[at]));
        match all.last_mut().filter(|last| one.range.start <= last.range.end) {
            Some(last) => (last.range.end, last.lost) = (one.range.end, last.lost + one.lost),
            None => all.push(one),
        }
    }
    all
}

proptest! {
    #[test]
    fn it_is_what_the_words_say(pictures in prop::collection::vec((prop::bool::weighted(0.1), prop_oneof![6 => Just(0_u16), 1 => any::<u16>()]), 1..120), cuts in prop::collection::vec(1_usize..40, 1..8)) {
        let keys: Vec<bool> = pictures.iter().map(|(key, _)| *key).collect();
        let lost: Vec<u16> = pictures.iter().map(|(_, lost)| *lost).collect();
        let mut memory = Memory::default();
        let (mut spans, mut first) = (Vec::new(), 0);
        for cut in cuts.iter().cycle() {
            let end = (first + cut).min(keys.len());
            let mut made = samples(first as i64 * 9000, (end - first) as i64, 9000, 1);
            for (at, (sample, _)) in (first..).zip(&mut made) {
                (sample.key, sample.lost_before) = (keys[at], lost[at]);
            }
            spans.push(memory.add(NewSpan {
                role: TrackRole::MainVideo,
                recording: 1,
                format: &h264(1),
                samples: &made,
                end_dts: end as i64 * 9000,
                utc: utc_ms(first as i64 * 100),
                run_len: 7,
            }));
            first = end;
            if end == keys.len() {
                break;
            }
        }
        prop_assert_eq!(impaired(&spans, &memory).unwrap(), expected(&keys, &lost));
    }

    #[test]
    fn few_intervals_cover_many(steps in prop::collection::vec((1_i64..5_000, 0_i64..5_000, 1_u64..9), 0..60), max in 1_usize..20) {
        let mut at = 0;
        let list: Vec<Impaired> = steps.iter().map(|(pause, length, lost)| {
            let start = at + pause;
            at = start + length;
            shown(start, at, *lost)
        }).collect();
        let (few, joined) = merged(list.clone(), max);
        prop_assert_eq!(few.len(), list.len().min(max));
        prop_assert_eq!(joined, list.len() > max);
        prop_assert_eq!(few.iter().map(|one| one.lost).sum::<u64>(), list.iter().map(|one| one.lost).sum::<u64>());
        let covers = |one: &Impaired| few.iter().any(|few| few.range.start <= one.range.start && one.range.end <= few.range.end);
        prop_assert!(list.iter().all(covers));
        prop_assert!(few.windows(2).all(|pair| pair[0].range.end < pair[1].range.start));
        // The longest pauses are the ones that stay.
        let pauses = |list: &[Impaired]| -> Vec<i64> { list.windows(2).map(|pair| pair[1].range.start.nanos_since(pair[0].range.end)).collect() };
        let (mut all, mut kept) = (pauses(&list), pauses(&few));
        all.sort_unstable();
        kept.sort_unstable();
        prop_assert!(all.ends_with(&kept));
    }
}
