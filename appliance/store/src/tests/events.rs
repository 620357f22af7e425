//! What a search finds, against a list that is gone through one by one.

use super::harness::{ALL, Box_, START, camera, grant};
use crate::reader::{EventCursor, EventPage, EventQuery};
use std::collections::BTreeSet;
use watchbook_access::Action;
use watchbook_base::{CameraId, Event, EventSource, TimeRange, UtcNanos};

const STEP_NANOS: i64 = 1_000_000_000;

/// The event of this number: its camera, kind, zone and plugin repeat with steps that have no divisor in common.
fn event(number: i64) -> Event {
    let word = |words: &[&str]| words[usize::try_from(number).unwrap() % words.len()].to_owned();
    let start = START.plus_nanos(number * STEP_NANOS);
    Event {
        camera: camera(1 + u32::try_from(number % 4).unwrap()),
        kind: word(&["motion", "vehicle", "crossing-in"]),
        score: 0.5,
        start,
        end: (number % 2 == 0).then(|| start.plus_nanos(3 * STEP_NANOS)),
        zone: (number % 5 != 0).then(|| word(&["gate", "road", "<b>yard</b>", "gate", "road", "bank", "gate"])),
        detections: vec![],
        note: String::new(),
        source: EventSource {
            plugin: word(&["a.motion", "a.vehicle", "a.lines", "camera", "recorder"]),
            version: "1.0.0".into(),
            component_sha256: String::new(),
            settings_sha256: String::new(),
        },
        lead: None,
        camera_clock: None,
    }
}

fn everything() -> EventQuery {
    EventQuery {
        camera: None,
        only: None,
        kind: None,
        zone: None,
        plugin: None,
        range: ALL,
        newest_first: true,
        limit: 7,
        after: None,
    }
}

/// All pages of `query`, one after the other, as starts and cameras.
fn found(query: &EventQuery, mut page: impl FnMut(&EventQuery) -> EventPage) -> Vec<(UtcNanos, CameraId)> {
    let (mut list, mut query, mut after) = (Vec::new(), query.clone(), None::<EventCursor>);
    for _ in 0..200 {
        query.after = after;
        let got = page(&query);
        assert!(got.events.len() <= query.limit);
        list.extend(got.events.iter().map(|found| (found.event.start, found.event.camera)));
        after = got.next;
        if after.is_none() {
            return list;
        }
    }
    panic!("the pages of {query:?} do not end");
}

#[test]
fn every_filter_finds_what_going_through_the_list_finds() {
    let machine = Box_::new(31);
    let mut parts = machine.open();
    let events: Vec<Event> = (0..240).map(event).collect();
    for event in &events {
        parts.writer.event(event).unwrap();
    }
    parts.committer.step().unwrap();
    let grant = grant(Action::SearchEvents { camera: None, cameras: Vec::new(), range: ALL });
    let at = |second: i64| START.plus_nanos(second * STEP_NANOS);
    let part = TimeRange::new(at(50), at(180)).unwrap();
    let text = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    let mut seen = 0;
    for cameras in [vec![], vec![1], vec![2, 4], vec![1, 2, 3, 4], vec![9]] {
        let cameras: Option<BTreeSet<CameraId>> =
            (!cameras.is_empty()).then(|| cameras.into_iter().map(camera).collect());
        for kind in ["", "vehicle", "nothing"] {
            for (zone, plugin) in [("", ""), ("gate", ""), ("", "recorder"), ("<b>yard</b>", "a.lines"), ("none", "")] {
                for range in [ALL, part] {
                    let single = cameras.as_ref().filter(|cameras| cameras.len() == 1).and_then(BTreeSet::first);
                    let query = EventQuery {
                        camera: single.copied(),
                        only: cameras.clone(),
                        kind: text(kind),
                        zone: text(zone),
                        plugin: text(plugin),
                        range,
                        ..everything()
                    };
                    let wanted = events.iter().rev().filter(|event| {
                        let end = event.end.unwrap_or(event.start);
                        let in_time = event.start < range.end && (event.start >= range.start || end > range.start);
                        in_time
                            && cameras.as_ref().is_none_or(|cameras| cameras.contains(&event.camera))
                            && (kind.is_empty() || event.kind == kind)
                            && (zone.is_empty() || event.zone.as_deref() == Some(zone))
                            && (plugin.is_empty() || event.source.plugin == plugin)
                    });
                    let wanted: Vec<_> = wanted.map(|event| (event.start, event.camera)).collect();
                    seen += wanted.len();
                    assert_eq!(found(&query, |query| parts.reader.events(&grant, query).unwrap()), wanted, "{query:?}");
                }
            }
        }
    }
    assert!(seen > 1000, "{seen} events were to be found");
}

#[test]
fn named_cameras_need_no_more_than_a_grant_for_them() {
    let machine = Box_::new(32);
    let mut parts = machine.open();
    for number in 0..8 {
        parts.writer.event(&event(number)).unwrap();
    }
    parts.committer.step().unwrap();
    let two = grant(Action::SearchEvents { camera: None, cameras: vec![camera(1), camera(2)], range: ALL });
    let ask = |only: Option<BTreeSet<CameraId>>| {
        let page = parts.reader.events(&two, &EventQuery { only, limit: 100, ..everything() });
        page.map(|page| page.events.len()).map_err(|error| error.kind)
    };
    assert_eq!(ask(Some([camera(1), camera(2)].into())), Ok(4));
    assert_eq!(ask(Some([camera(2)].into())), Ok(2));
    assert_eq!(ask(Some([camera(2), camera(3)].into())), Err(watchbook_base::Kind::Denied));
    assert_eq!(ask(None), Err(watchbook_base::Kind::Denied), "all cameras are more than those two");
}
