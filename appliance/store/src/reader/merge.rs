//! What several parts have, as one. Pure.

use super::{EVENTS_PER_PAGE_MAX, EventCursor, EventPage, EventQuery, RingInfo, StoredEvent};
use std::cmp::Reverse;
use watchbook_base::{Gap, GapReason, StreamId, TimeRange};
use watchbook_media::SpanSummary;

/// A hole of which no disk tells, and that is not longer than this, is none: the length of a last sample is an estimate.
pub(super) const HOLE_NANOS_MIN: i64 = 1_000_000_000;

/// By start; of what a clock step put on the same moment, the recording that began first.
pub(super) fn spans(of_parts: Vec<Vec<SpanSummary>>) -> Vec<SpanSummary> {
    let mut spans: Vec<SpanSummary> = of_parts.into_iter().flatten().collect();
    spans.sort_by_key(|span| (span.start_utc, span.recording));
    spans
}

/// Gaps and footage of one stream on one disk, in one range.
pub(super) struct PartGaps {
    pub(super) gaps: Vec<Gap>,
    /// Gaps of which its log does not tell yet.
    pub(super) unsaid: Vec<Gap>,
    pub(super) spans: Vec<TimeRange>,
    /// The disk is not there: what it holds is a gap until it is back.
    pub(super) absent: bool,
}

/// The gaps of a stream over all disks, by start. A gap of one disk is none where another has footage: the stream was recorded there. Where disks tell of
/// several gaps at the same moment, the one that began last counts: it is what the disk says to which the stream had moved.
///
/// `known`: while a disk is not there, what lies between the first and the last footage of the stream; not beyond `range` by more than
/// [`HOLE_NANOS_MIN`], and `of_parts` must cover it. The missing disk's index may lack its last minute, and its log cannot be asked, so a hole in there of which
/// no disk tells is what it holds.
pub(super) fn gaps(
    stream: StreamId,
    (range, known): (TimeRange, Option<TimeRange>),
    of_parts: Vec<PartGaps>,
) -> Vec<Gap> {
    let mut told: Vec<(Option<usize>, Gap)> = Vec::new();
    let mut taken: Vec<(Option<usize>, TimeRange)> = Vec::new();
    for (at, part) in of_parts.into_iter().enumerate() {
        told.extend(part.gaps.into_iter().map(|gap| (Some(at), gap)));
        told.extend(part.unsaid.into_iter().map(|gap| (None, gap)));
        match part.absent {
            true => told
                .extend(part.spans.into_iter().map(|range| (Some(at), Gap { stream, range, reason: GapReason::Disk }))),
            false => taken.extend(part.spans.into_iter().map(|range| (Some(at), range))),
        }
    }
    told.sort_by_key(|(_, gap)| (Reverse(gap.range.start), gap.range.end));
    let mut gaps: Vec<Gap> = Vec::new();
    for (at, gap) in told {
        // A disk's own log tells its gaps and its footage apart by itself.
        let others = taken.iter().filter(|(part, _)| at.is_none() || *part != at).map(|(_, range)| *range);
        for left in without(gap.range, others.collect()) {
            taken.push((None, left));
            if left.overlaps(range) {
                gaps.push(Gap { range: left, ..gap });
            }
        }
    }
    if let Some(known) = known {
        let all = taken.into_iter().map(|(_, range)| range).collect();
        let holes = without(known, all).into_iter();
        let holes = holes.filter(|hole| hole.overlaps(range) && hole.end.nanos_since(hole.start) > HOLE_NANOS_MIN);
        gaps.extend(holes.map(|range| Gap { stream, range, reason: GapReason::Disk }));
    }
    gaps.sort_by_key(|gap| gap.range.start);
    joined(gaps)
}

/// What of `range` lies in none of `others`.
fn without(range: TimeRange, mut others: Vec<TimeRange>) -> Vec<TimeRange> {
    others.sort_by_key(|other| other.start);
    let mut left = Vec::new();
    let mut from = range.start;
    for other in others {
        if other.start > from && from < range.end {
            left.push(TimeRange { start: from, end: other.start.min(range.end) });
        }
        from = from.max(other.end);
    }
    if from < range.end {
        left.push(TimeRange { start: from, end: range.end });
    }
    left
}

/// Neighbours for the same reason as one gap.
fn joined(gaps: Vec<Gap>) -> Vec<Gap> {
    let mut out: Vec<Gap> = Vec::new();
    for gap in gaps {
        match out.last_mut().filter(|last| last.reason == gap.reason && last.range.end == gap.range.start) {
            Some(last) => last.range.end = gap.range.end,
            None => out.push(gap),
        }
    }
    out
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

/// Days that all footage of a camera is kept: those of the ring that is reused first among `rings`, of which each says whether it has footage of the camera,
/// and how many days it lasts. A camera without footage may come to any of them.
pub(super) fn days_of_camera(rings: &[(bool, Option<f64>)]) -> Option<f64> {
    let any = rings.iter().any(|(has_footage, _)| *has_footage);
    let days = rings.iter().filter(|(has_footage, _)| *has_footage || !any).filter_map(|(_, days)| *days);
    days.min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::{CameraId, Event, EventSource, TrackRole, UtcNanos};

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
            lead: None,
            camera_clock: None,
        };
        StoredEvent { number, event }
    }

    fn query(limit: usize, newest_first: bool) -> EventQuery {
        let range = TimeRange { start: UtcNanos(0), end: UtcNanos(1000) };
        EventQuery {
            camera: None,
            only: None,
            kind: None,
            zone: None,
            plugin: None,
            range,
            newest_first,
            limit,
            after: None,
        }
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
    fn a_gap_ends_where_another_disk_has_footage() {
        let stream = CameraId::new(1).unwrap().stream(TrackRole::MainVideo);
        let range = |start, end| TimeRange { start: UtcNanos(start), end: UtcNanos(end) };
        let gap = |start, end, reason| Gap { stream, range: range(start, end), reason };
        let all = (range(0, 100), None);
        let part = |gaps: &[Gap], spans: &[(i64, i64)]| PartGaps {
            gaps: gaps.to_vec(),
            unsaid: Vec::new(),
            spans: spans.iter().map(|(start, end)| range(*start, *end)).collect(),
            absent: false,
        };
        // The stream moved at 10, went on at 12 on the other disk, and the camera was away from 30 to 40.
        let old = part(&[gap(10, 100, GapReason::Restart)], &[(0, 10)]);
        let new = part(&[gap(10, 12, GapReason::Disk), gap(30, 40, GapReason::CameraGone)], &[(12, 30), (40, 100)]);
        let merged = gaps(stream, all, vec![old, new]);
        assert_eq!(merged, [gap(10, 12, GapReason::Disk), gap(30, 40, GapReason::CameraGone)]);
        // What a missing disk holds is a gap, but not where it was recorded again.
        let missing = PartGaps { absent: true, ..part(&[], &[(0, 5), (5, 20)]) };
        let merged = gaps(stream, all, vec![missing, part(&[], &[(15, 100)])]);
        assert_eq!(merged, [gap(0, 15, GapReason::Disk)]);
        let outside = gaps(
            stream,
            (range(50, 60), None),
            vec![part(&[gap(10, 100, GapReason::Restart)], &[]), part(&[], &[(48, 61)])],
        );
        assert_eq!(outside, [], "what is left of it lies outside of what was asked for");
    }

    #[test]
    fn a_hole_of_which_no_disk_tells_is_a_gap_while_a_disk_is_missing() {
        const SEC: i64 = 1_000_000_000;
        let stream = CameraId::new(1).unwrap().stream(TrackRole::MainVideo);
        let range = |start, end| TimeRange { start: UtcNanos(start * SEC), end: UtcNanos(end * SEC) };
        let gap = |start, end, reason| Gap { stream, range: range(start, end), reason };
        let here = || PartGaps {
            gaps: vec![gap(30, 40, GapReason::CameraGone)],
            unsaid: Vec::new(),
            spans: vec![range(0, 10), range(20, 30), range(40, 41), range(42, 50)],
            absent: false,
        };
        // The index of the missing disk has lost all that it knew of the last minute.
        let missing = || PartGaps { gaps: Vec::new(), unsaid: Vec::new(), spans: Vec::new(), absent: true };
        let all = range(-9, 99);
        let merged = gaps(stream, (all, Some(range(0, 50))), vec![here(), missing()]);
        assert_eq!(merged, [gap(10, 20, GapReason::Disk), gap(30, 40, GapReason::CameraGone)]);
        let merged = gaps(stream, (all, None), vec![here()]);
        assert_eq!(merged, [gap(30, 40, GapReason::CameraGone)], "all disks are there: nothing is made up");
        let merged = gaps(stream, (range(13, 14), Some(range(12, 15))), vec![missing()]);
        assert_eq!(merged, [gap(12, 15, GapReason::Disk)], "footage on both sides lies outside of what was asked for");
    }

    #[test]
    fn a_camera_has_the_days_of_the_ring_that_is_reused_first() {
        let days = |rings: &[(bool, Option<f64>)]| days_of_camera(rings);
        assert_eq!(days(&[(true, Some(30.0)), (true, Some(9.0)), (false, Some(2.0))]), Some(9.0));
        assert_eq!(days(&[(false, Some(30.0)), (false, Some(9.0))]), Some(9.0), "it has not been recorded yet");
        assert_eq!(days(&[(true, None), (true, Some(9.0))]), Some(9.0), "one is not full yet");
        assert_eq!((days(&[(true, None), (false, Some(1.0))]), days(&[])), (None, None));
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
