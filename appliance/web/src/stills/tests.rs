use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use watchbook_base::{CameraId, TrackRole};
use watchbook_media::{Codec, RunTable, Sample, SourceError, SpanTable, TrackFormat};

const SECOND: i64 = 1_000_000_000;

fn stream() -> StreamId {
    CameraId::new(1).unwrap().stream(TrackRole::MainVideo)
}

/// Samples a second apart; `keys` says which seconds of the recording are key frames.
struct Paper {
    keys: Vec<i64>,
    lost: Vec<TimeRange>,
}

impl SpanSource for Paper {
    fn table(&self, span: &SpanSummary) -> Result<Arc<SpanTable>, SourceError> {
        if span.locator == 9 {
            return Err(SourceError { kind: Kind::NotFound, message: "taken".to_owned() });
        }
        let first = span.first_dts.0 / 90_000;
        let sample = |second: i64| Sample {
            dts: Ticks90k(second * 90_000),
            cts_offset: 0,
            size_bytes: 10,
            key: self.keys.contains(&second),
            lost_before: 0,
        };
        let samples = (first..first + i64::from(span.sample_count)).map(sample).collect();
        Ok(Arc::new(SpanTable { runs: vec![RunTable { samples }] }))
    }

    fn read(&self, _: &SpanSummary, _: u64, _: u64) -> Result<Bytes, SourceError> {
        Err(SourceError { kind: Kind::Internal, message: "nothing is read to find a key frame".to_owned() })
    }

    fn lost(&self, _: StreamId) -> &[TimeRange] {
        &self.lost
    }
}

/// So many seconds of a recording from this second on.
fn span(recording: u64, from: i64, seconds: i64) -> SpanSummary {
    let codec = Codec::H264 { width: 640, height: 360 };
    SpanSummary {
        stream: stream(),
        recording: RecordingId(recording),
        format: Arc::new(TrackFormat { codec, config: Bytes::new() }),
        first_dts: Ticks90k(from * 90_000),
        end_dts: Ticks90k((from + seconds) * 90_000),
        start_utc: UtcNanos(from * SECOND),
        sample_count: u32::try_from(seconds).unwrap(),
        key_count: 1,
        run_count: 1,
        byte_count: 10,
        has_cts: false,
        has_lost: false,
        locator: 0,
    }
}

fn second(spans: &[SpanSummary], paper: &Paper, at: i64) -> Result<i64, String> {
    let found = find(stream(), UtcNanos(at), spans, paper);
    found.map(|found| found.utc.0 / SECOND).map_err(|error| error.message)
}

#[test]
fn the_key_frame_before_a_moment_stands_for_it_and_none_across_a_gap() {
    let paper = Paper { keys: vec![0, 4, 8, 60, 100], lost: Vec::new() };
    // Two spans of one recording, a gap of 10 s, another recording.
    let spans = [span(1, 0, 10), span(1, 10, 10), span(2, 60, 40)];
    let at = |second: i64| second * SECOND;
    assert_eq!(second(&spans, &paper, at(4)), Ok(4), "at the moment itself");
    assert_eq!(second(&spans, &paper, at(4) - 1), Ok(0));
    assert_eq!(second(&spans, &paper, at(19)), Ok(8), "in the span before");
    assert!(second(&spans, &paper, at(40)).unwrap_err().contains("nothing is recorded"));
    assert_eq!(second(&spans, &paper, at(89)), Ok(60));
    assert!(second(&spans, &paper, at(95)).unwrap_err().contains("no key frame in the 30 s"));
    assert!(second(&spans, &paper, at(-5)).is_err());
    assert!(second(&[], &paper, at(5)).is_err());
    // Another recording's key frame is not this one's, however near it is.
    let touching = [span(1, 0, 10), span(2, 10, 10)];
    assert!(second(&touching, &Paper { keys: vec![8], lost: Vec::new() }, at(12)).is_err());
}

#[test]
fn what_is_damaged_between_the_two_is_said_and_what_was_taken_is_passed_by() {
    let lost = vec![TimeRange { start: UtcNanos(5 * SECOND), end: UtcNanos(6 * SECOND) }];
    let paper = Paper { keys: vec![0, 4, 8], lost };
    let spans = [span(1, 0, 10)];
    assert!(second(&spans, &paper, 7 * SECOND).unwrap_err().contains("damaged"));
    assert_eq!(second(&spans, &paper, 9 * SECOND), Ok(8));
    let taken = [SpanSummary { locator: 9, ..span(1, 0, 10) }];
    assert!(second(&taken, &paper, 9 * SECOND).is_err());
}

proptest! {
    #[test]
    fn it_is_the_newest_of_all_that_are_near_enough(keys in proptest::collection::btree_set(0_i64..60, 0..12), at in 0_i64..60) {
        let paper = Paper { keys: keys.iter().copied().collect(), lost: Vec::new() };
        let spans = [span(1, 0, 25), span(1, 25, 20), span(1, 45, 15)];
        let expected = keys.iter().copied().filter(|key| (at - 30..=at).contains(key)).max();
        prop_assert_eq!(second(&spans, &paper, at * SECOND).ok(), expected);
    }
}

#[test]
fn kept_pictures_have_their_bounds_in_number_bytes_and_time() {
    let key = |dts: i64| StillKey { stream: stream(), recording: RecordingId(1), dts: Ticks90k(dts), width_px: 320 };
    let cache = StillCache::default();
    let small = || Bytes::from_static(b"picture");
    (0..300).for_each(|dts| cache.keep(key(dts), MonoNanos(0), small()));
    let kept = (0..300).filter(|dts| cache.get(&key(*dts), MonoNanos(1)).is_some()).count();
    assert_eq!((kept, cache.get(&key(299), MonoNanos(1))), (KEPT_MAX, Some(small())));
    assert_eq!(cache.get(&StillKey { width_px: 160, ..key(299) }, MonoNanos(1)), None);
    let large = || Bytes::from(vec![0; KEPT_BYTES_MAX / 2]);
    (400..404).for_each(|dts| cache.keep(key(dts), MonoNanos(1), large()));
    let found: Vec<i64> = (0..410).filter(|dts| cache.get(&key(*dts), MonoNanos(1)).is_some()).collect();
    assert_eq!(found, [402, 403]);
    assert_eq!(cache.get(&key(403), MonoNanos(KEPT_NANOS + 1)), None, "too old");
}
