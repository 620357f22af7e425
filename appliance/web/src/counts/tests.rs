use super::*;
use crate::ports::EventCursor;
use proptest::prelude::*;
use watchbook_base::{Event, EventSource};

const HOUR: i64 = 3_600 * NANOS_PER_SEC;

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

fn event(number: u32, kind: &str, start: i64) -> Event {
    let word = String::new;
    let source = EventSource { plugin: word(), version: word(), component_sha256: word(), settings_sha256: word() };
    Event {
        camera: camera(number),
        kind: kind.to_owned(),
        score: 1.0,
        start: UtcNanos(start),
        end: None,
        zone: None,
        detections: Vec::new(),
        note: String::new(),
        source,
        lead: None,
        camera_clock: None,
    }
}

fn asked(start: i64, end: i64, bucket: Bucket, offset_nanos: i64) -> Asked {
    let range = TimeRange { start: UtcNanos(start), end: UtcNanos(end) };
    Asked {
        query: EventQuery { range, cameras: None, kind: None, zone: None, plugin: None, limit: 1, after: None },
        bucket,
        offset_nanos,
    }
}

/// Pages of the events, newest first, as the store gives them.
fn paged(mut events: Vec<Event>) -> impl FnMut(&EventQuery) -> Result<EventPage, Error> {
    events.sort_by_key(|event| core::cmp::Reverse(event.start));
    move |query| {
        // The cursor's id is the place in the list.
        let from = query.after.map_or(0, |after| after.id as usize);
        let events_here: Vec<_> = events
            .iter()
            .enumerate()
            .skip(from)
            .take(query.limit)
            .map(|(at, event)| (at as u64, event.clone()))
            .collect();
        let end = from + events_here.len();
        let next = events.get(end).map(|next| EventCursor { start: next.start, camera: next.camera, id: end as u64 });
        Ok(EventPage { events: events_here, next })
    }
}

#[test]
fn each_event_is_counted_where_it_begins() {
    let asked = asked(HOUR / 2, 3 * HOUR, Bucket::Hour, 0);
    let events = vec![
        event(1, "crossing-in", HOUR / 2 - 1),
        event(1, "crossing-in", HOUR / 2),
        event(1, "crossing-in", HOUR - 1),
        event(1, "crossing-out", HOUR),
        event(2, "crossing-in", 3 * HOUR - 1),
        event(2, "crossing-in", 3 * HOUR),
    ];
    let counted = count(&asked, paged(events)).unwrap();
    assert_eq!(counted.starts, [UtcNanos(0), UtcNanos(HOUR), UtcNanos(2 * HOUR)]);
    let series: Vec<_> =
        counted.series.iter().map(|((id, kind), counts)| (id.get(), kind.as_str(), &counts[..])).collect();
    let expected: [(u32, &str, &[u64]); 3] =
        [(1, "crossing-in", &[2, 0, 0]), (1, "crossing-out", &[0, 1, 0]), (2, "crossing-in", &[0, 0, 1])];
    assert_eq!(series, expected);
    assert_eq!(counted.whole_from, None);
}

#[test]
fn days_begin_at_local_midnight() {
    // Phnom Penh is 7 h ahead: its days begin at 17:00 UTC.
    let asked = asked(0, 48 * HOUR, Bucket::Day, 7 * HOUR);
    let counted = count(&asked, paged(vec![event(1, "motion", 17 * HOUR - 1), event(1, "motion", 17 * HOUR)])).unwrap();
    assert_eq!(counted.starts, [UtcNanos(-7 * HOUR), UtcNanos(17 * HOUR), UtcNanos(41 * HOUR)]);
    assert_eq!(counted.series[&(camera(1), "motion".to_owned())], [1, 1, 0]);
}

#[test]
fn a_count_that_is_too_long_says_from_where_on_it_is_whole() {
    let asked = asked(0, 2 * HOUR, Bucket::Hour, 0);
    let older = (0..10).map(|at| event(1, "motion", at));
    let newer = (0..EVENTS_MAX as i64).map(|at| event(1, "motion", HOUR + at));
    let counted = count(&asked, paged(older.chain(newer).collect())).unwrap();
    assert_eq!(counted.whole_from, Some(UtcNanos(HOUR)));
    assert_eq!(counted.series[&(camera(1), "motion".to_owned())], [0, EVENTS_MAX as u64]);
}

#[test]
fn more_series_than_fit_are_refused_with_advice() {
    let events = (0..=SERIES_MAX as i64).map(|at| event(1, &format!("kind-{at}"), at)).collect();
    let error = count(&asked(0, HOUR, Bucket::Hour, 0), paged(events)).unwrap_err();
    assert!(error.next_step.unwrap().contains("one camera"));
}

#[test]
fn a_csv_field_is_quoted_when_it_must_be_and_is_never_a_formula() {
    for (text, expected) in [
        ("crossing-in", "crossing-in"),
        ("a,b", "\"a,b\""),
        ("say \"x\"", "\"say \"\"x\"\"\""),
        ("two\r\nlines", "\"two\r\nlines\""),
        ("=1+1", "\"'=1+1\""),
        ("@cmd", "\"'@cmd\""),
        ("", ""),
    ] {
        assert_eq!(csv_field(text), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_event_of_the_interval_is_lost_and_none_is_counted_twice(
        start in -100_i64..100, hours in 1_i64..200, offset in -14_i64..=14, days: bool,
        at in proptest::collection::vec((-200_i64..400, 0_u32..3), 0..1200),
    ) {
        let (from, to) = (start * HOUR + 7, (start + hours) * HOUR + 9);
        let bucket = if days { Bucket::Day } else { Bucket::Hour };
        let asked = asked(from, to, bucket, offset * HOUR);
        let events: Vec<_> = at.iter().map(|(hour, number)| event(number + 1, "motion", hour * HOUR)).collect();
        let expected = events.iter().filter(|event| from <= event.start.0 && event.start.0 < to).count() as u64;
        let counted = count(&asked, paged(events)).unwrap();
        prop_assert_eq!(counted.series.values().flatten().sum::<u64>(), expected);
        let steps = counted.starts.windows(2).all(|pair| pair[1].nanos_since(pair[0]) == bucket.nanos());
        prop_assert!(steps && counted.starts[0].0 <= from && from < counted.starts[0].0 + bucket.nanos());
    }
}
