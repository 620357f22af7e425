//! What several parts have, as one. Pure.

use super::{EVENTS_PER_PAGE_MAX, EventCursor, EventPage, EventQuery, RingInfo, StoredEvent};
use watchbook_base::Gap;
use watchbook_media::SpanSummary;

/// By start; of what a clock step put on the same moment, the recording that began first.
pub(super) fn spans(of_parts: Vec<Vec<SpanSummary>>) -> Vec<SpanSummary> {
    let mut spans: Vec<SpanSummary> = of_parts.into_iter().flatten().collect();
    spans.sort_by_key(|span| (span.start_utc, span.recording));
    spans
}

/// By start.
pub(super) fn gaps(of_parts: Vec<Vec<Gap>>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = of_parts.into_iter().flatten().collect();
    gaps.sort_by_key(|gap| gap.range.start);
    gaps
}

/// One page of many. A part's page ends where that part stopped looking, so nothing behind the first such place may be shown before the parts were asked
/// again from there.
pub(super) fn events(pages: Vec<EventPage>, query: &EventQuery) -> EventPage {
    let place = |found: &StoredEvent| EventCursor {
        camera: found.event.camera,
        start: found.event.start,
        number: found.number,
    };
    let before = |a: &EventCursor, b: &EventCursor| {
        let order = (a.start, a.number, a.camera).cmp(&(b.start, b.number, b.camera));
        if query.newest_first { order.reverse() } else { order }
    };
    let stop = pages.iter().filter_map(|page| page.next).min_by(before);
    let mut events: Vec<StoredEvent> = pages.into_iter().flat_map(|page| page.events).collect();
    events.retain(|found| stop.is_none_or(|stop| before(&place(found), &stop).is_le()));
    events.sort_by(|a, b| before(&place(a), &place(b)));
    // The same event on two disks: it was on its way to one when that one failed.
    events.dedup_by_key(|found| found.number);
    let limit = query.limit.clamp(1, EVENTS_PER_PAGE_MAX);
    let next = match events.len() > limit {
        true => {
            events.truncate(limit);
            events.last().map(place)
        }
        false => stop,
    };
    EventPage { events, next }
}

/// Sums; the oldest footage of all; and the days that the sum of capacities lasts at the sum of the rates.
pub(super) fn rings(infos: impl Iterator<Item = RingInfo>) -> RingInfo {
    let mut sum =
        RingInfo { capacity_bytes: 0, used_bytes: 0, segments: 0, oldest_utc: None, days_now: None, segment_bytes: 0 };
    let mut bytes_per_day = 0.0;
    let mut usable_bytes = 0.0;
    for info in infos {
        sum.capacity_bytes += info.capacity_bytes;
        sum.used_bytes += info.used_bytes;
        sum.segments += info.segments;
        sum.oldest_utc = [sum.oldest_utc, info.oldest_utc].into_iter().flatten().min();
        sum.segment_bytes = sum.segment_bytes.max(info.segment_bytes);
        // One segment of each ring is always being reused.
        let usable = info.capacity_bytes.saturating_sub(info.segment_bytes) as f64;
        usable_bytes += usable;
        bytes_per_day += info.days_now.filter(|days| *days > 0.0).map_or(0.0, |days| usable / days);
    }
    sum.days_now = (bytes_per_day > 0.0).then(|| usable_bytes / bytes_per_day);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::{CameraId, Event, EventSource, TimeRange, UtcNanos};

    fn event(number: u64, start: i64) -> StoredEvent {
        let source = EventSource {
            plugin: "p".into(),
            version: "1".into(),
            component_sha256: "a".into(),
            settings_sha256: "b".into(),
        };
        let camera = CameraId::new(1).unwrap();
        let (start, kind) = (UtcNanos(start), "k".into());
        let event = Event {
            camera,
            kind,
            score: 0.5,
            start,
            end: None,
            zone: None,
            detections: vec![],
            note: "".into(),
            source,
        };
        StoredEvent { number, event }
    }

    fn query(limit: usize, newest_first: bool) -> EventQuery {
        let range = TimeRange { start: UtcNanos(0), end: UtcNanos(1000) };
        EventQuery { camera: None, only: None, kind: None, range, newest_first, limit, after: None }
    }

    fn numbers(page: &EventPage) -> Vec<u64> {
        page.events.iter().map(|found| found.number).collect()
    }

    #[test]
    fn a_merged_page_ends_where_a_part_stopped_looking() {
        let cursor = |start, number| EventCursor { camera: CameraId::new(1).unwrap(), start: UtcNanos(start), number };
        let ends = EventPage { events: vec![event(1, 10), event(4, 40)], next: None };
        let goes_on = EventPage { events: vec![event(2, 20)], next: Some(cursor(30, 3)) };
        let page = events(vec![ends.clone(), goes_on], &query(10, false));
        assert_eq!((numbers(&page), page.next), (vec![1, 2], Some(cursor(30, 3))), "event 4 comes with the next page");
        let page = events(vec![ends.clone(), EventPage::default()], &query(1, false));
        assert_eq!((numbers(&page), page.next), (vec![1], Some(cursor(10, 1))));
        let backwards = EventPage { events: vec![event(4, 40), event(1, 10)], next: None };
        let twice = EventPage { events: vec![event(5, 50), event(4, 40)], next: None };
        let page = events(vec![backwards, twice], &query(10, true));
        assert_eq!((numbers(&page), page.next), (vec![5, 4, 1], None), "one event, on two disks");
    }

    #[test]
    fn capacities_and_rates_add_up() {
        let info = |gib: u64, days: Option<f64>, oldest: i64| RingInfo {
            capacity_bytes: (gib + 1) << 30,
            used_bytes: 1 << 30,
            segments: 10,
            segment_bytes: 1 << 30,
            oldest_utc: Some(UtcNanos(oldest)),
            days_now: days,
        };
        let sum = rings([info(100, Some(10.0), 5), info(300, Some(10.0), 3)].into_iter());
        assert_eq!((sum.capacity_bytes, sum.segments, sum.oldest_utc), (402 << 30, 20, Some(UtcNanos(3))));
        assert!((sum.days_now.unwrap() - 10.0).abs() < 1e-9, "{sum:?}");
        let one = rings([info(100, Some(7.0), 5)].into_iter());
        assert!((one.days_now.unwrap() - 7.0).abs() < 1e-9, "one disk is what it was");
        assert_eq!(rings([info(100, None, 5)].into_iter()).days_now, None);
    }
}
