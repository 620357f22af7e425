//! What is still to be copied, what is missing, and what is listed once. Pure.

use super::hold::{HoldRequest, MissingFootage, MissingReason};
use crate::format::DiskId;
use std::collections::BTreeMap;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{StreamId, TimeRange, UtcNanos};
use watchbook_media::{RecordingId, SpanSummary};

/// Footage is held by whole minutes of UTC, so that what two holds have of one minute is the same and is listed once.
pub(crate) const CELL_NANOS: i64 = 60 * NANOS_PER_SEC;
/// Held before the range begins, because decoding starts at a key frame: cameras with a long GOP send one every 10 s.
pub(crate) const LEAD_NANOS: i64 = 10 * NANOS_PER_SEC;
/// Between two samples that follow each other: a span's end is an estimate until the next one is known.
pub(crate) const TOUCH_NANOS: i64 = NANOS_PER_SEC;
/// Holes up to this long are not listed as missing: a camera of one picture in two seconds has one after each.
pub(crate) const HOLE_NANOS_MAX: i64 = 2 * NANOS_PER_SEC;

/// Disjoint intervals of numbers, by start; both ends are inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        if to < from {
            return;
        }
        let (mut from, mut to) = (from, to);
        let touching: Vec<u64> = self
            .0
            .range(..=to.saturating_add(1))
            .rev()
            .take_while(|(_, end)| end.saturating_add(1) >= from)
            .map(|(start, _)| *start)
            .collect();
        for start in touching {
            from = from.min(start);
            to = self.0.remove(&start).map_or(to, |end| to.max(end));
        }
        self.0.insert(from, to);
    }

    /// The first number from `from` on that is not inside.
    pub(crate) fn first_outside(&self, from: u64) -> u64 {
        match self.0.range(..=from).next_back() {
            Some((_, end)) if *end >= from => end + 1,
            _ => from,
        }
    }

    /// The stretches between `from` and `to` that are not inside; both ends belong to them.
    fn outside(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let mut at = self.first_outside(from);
        while at <= to {
            let end = self.0.range(at..).next().map_or(to, |(start, _)| to.min(start.saturating_sub(1)));
            found.push((at, end));
            at = self.first_outside(end.saturating_add(1)).max(at.saturating_add(1));
        }
        found
    }
}

/// Which commits of which ring have been looked through for a hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage(BTreeMap<[u8; 16], Numbers>);

impl Coverage {
    pub(crate) fn add(&mut self, disk: DiskId, seq_from: u64, seq_to: u64) {
        self.0.entry(disk.0).or_default().add(seq_from, seq_to);
    }

    pub(crate) fn of(&self, disk: DiskId) -> Numbers {
        self.0.get(&disk.0).cloned().unwrap_or_default()
    }
}

/// A span of a ring, as its index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceSpan {
    pub(crate) stream: StreamId,
    pub(crate) range: TimeRange,
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) bytes: u64,
    pub(crate) recording: u64,
    /// Decode times of the first sample and behind the last one.
    pub(crate) dts: (i64, i64),
    /// Key that it is sealed with, or the first of them.
    pub(crate) key_id: u32,
}

/// A stretch of one segment of a ring that is to be looked through for a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    pub(crate) seq_from: u64,
    pub(crate) seq_to: u64,
    /// Estimate.
    pub(crate) bytes: u64,
}

/// What of a range is copied: whole minutes, with a lead for the key frame.
pub(crate) fn copied_range(range: TimeRange) -> TimeRange {
    let floor = |utc: i64| utc.div_euclid(CELL_NANOS).saturating_mul(CELL_NANOS);
    let start = floor(range.start.0.saturating_sub(LEAD_NANOS));
    let end = floor(range.end.0.saturating_add(CELL_NANOS - 1));
    TimeRange { start: UtcNanos(start), end: UtcNanos(end.max(start)) }
}

/// What of a range must be there to play it: the lead is for the key frame.
pub(crate) fn needed_range(range: TimeRange) -> TimeRange {
    TimeRange { start: range.start.plus_nanos(-LEAD_NANOS), end: range.end }
}

/// True when a run that begins at `first_utc` is held.
pub(crate) fn takes(request: &HoldRequest, stream: StreamId, first_utc: UtcNanos) -> bool {
    request.cameras.contains(&stream.camera) && copied_range(request.range).contains(first_utc)
}

/// Stretches that are still to be looked through, in the order in which the ring will overwrite them. What was passed over before is one of its own.
pub(crate) fn plan_tasks(spans: &[SourceSpan], covered: &Numbers) -> Vec<Task> {
    let mut of_segment: BTreeMap<u64, Vec<&SourceSpan>> = BTreeMap::new();
    for span in spans.iter().filter(|span| covered.first_outside(span.first_seq) <= span.last_seq) {
        of_segment.entry(span.generation).or_default().push(span);
    }
    let mut tasks = Vec::new();
    for (generation, spans) in of_segment {
        let from = spans.iter().map(|span| span.first_seq).min().unwrap_or(0);
        let to = spans.iter().map(|span| span.last_seq).max().unwrap_or(0);
        for (seq_from, seq_to) in covered.outside(from, to) {
            let wanted = spans.iter().filter(|span| span.first_seq <= seq_to && seq_from <= span.last_seq);
            // Runs are of like size: the share of the commits is the share of the bytes.
            let share = |span: &&&SourceSpan| {
                let left = span.last_seq.min(seq_to) - span.first_seq.max(seq_from) + 1;
                let all = span.last_seq - span.first_seq + 1;
                u64::try_from(u128::from(span.bytes) * u128::from(left) / u128::from(all)).unwrap_or(span.bytes)
            };
            let slot = wanted.clone().map(|span| span.slot).next();
            let bytes = wanted.map(|span| share(&span)).sum();
            tasks.extend(slot.map(|slot| Task { slot, generation, seq_from, seq_to, bytes }));
        }
    }
    tasks
}

/// When the footage of the commits `of`, first and last, of a segment was recorded, stream by stream: as if it had come evenly.
pub(crate) fn share_of(spans: &[SourceSpan], generation: u64, of: (u64, u64)) -> Vec<(StreamId, TimeRange)> {
    let (from, to) = of;
    let concerned = |span: &&SourceSpan| {
        span.generation == generation
            && span.first_seq <= to
            && from <= span.last_seq
            && span.first_seq <= span.last_seq
    };
    let share = |span: &SourceSpan| {
        let (from, to) = (from.max(span.first_seq) - span.first_seq, to.min(span.last_seq) - span.first_seq + 1);
        let (nanos, all) = (span.range.end.nanos_since(span.range.start), span.last_seq - span.first_seq + 1);
        let at = |commits: u64| {
            let nanos = i128::from(nanos) * i128::from(commits) / i128::from(all);
            span.range.start.plus_nanos(i64::try_from(nanos).unwrap_or(0))
        };
        let (start, end) = (at(from), at(to));
        (span.stream, TimeRange { start, end: end.max(UtcNanos(start.0.saturating_add(1))) })
    };
    spans.iter().filter(concerned).map(share).collect()
}

/// `task` cut at `stretches` of commits, first and last, sorted by the first: each piece, with the number of the stretch that it lies in.
pub(crate) fn cut(task: &Task, stretches: &[(u64, u64)]) -> Vec<(Task, Option<usize>)> {
    let mut pieces = Vec::new();
    let mut at = task.seq_from;
    let mut piece = |seq_from: u64, seq_to: u64, stretch: Option<usize>| {
        if seq_from <= seq_to {
            pieces.push((Task { seq_from, seq_to, ..task.clone() }, stretch));
        }
    };
    for (number, (from, to)) in stretches.iter().enumerate() {
        let (from, end) = ((*from).max(at), (*to).min(task.seq_to));
        if from > end {
            continue;
        }
        piece(at, from.saturating_sub(1), None);
        piece(from, end, Some(number));
        at = end.saturating_add(1);
    }
    piece(at, task.seq_to, None);
    pieces
}

/// The parts of `range` that `have` leaves open, but for holes of [`HOLE_NANOS_MAX`].
pub(crate) fn plan_missing(range: TimeRange, have: &[TimeRange]) -> Vec<TimeRange> {
    let mut sorted: Vec<TimeRange> = have.iter().copied().filter(|part| part.overlaps(range)).collect();
    sorted.sort_by_key(|part| part.start);
    let mut open = Vec::new();
    let mut at = range.start;
    let mut hole = |from: UtcNanos, to: UtcNanos| {
        if to.nanos_since(from) > HOLE_NANOS_MAX {
            open.push(TimeRange { start: from, end: to });
        }
    };
    for part in sorted {
        hole(at, part.start.min(range.end));
        at = at.max(part.end);
    }
    hole(at, range.end);
    open
}

/// Reasons for what is missing: those that are known; for the rest, that the ring overwrote it when it lies before `oldest`, the first moment that the
/// rings still know about, and else that it was never stored.
pub(crate) fn with_reasons(
    stream: StreamId,
    open: &[TimeRange],
    known: &[MissingFootage],
    oldest: UtcNanos,
) -> Vec<MissingFootage> {
    let mut missing = Vec::new();
    for hole in open {
        let known: Vec<&MissingFootage> = known
            .iter()
            .filter(|known| known.stream == stream && known.start < hole.end && hole.start < known.end)
            .collect();
        let parts: Vec<TimeRange> =
            known.iter().map(|k| TimeRange { start: k.start, end: k.end.max(k.start) }).collect();
        for known in known {
            let (start, end) = (known.start.max(hole.start), known.end.min(hole.end));
            missing.push(MissingFootage { stream, start, end, reason: known.reason });
        }
        for rest in plan_missing(*hole, &parts) {
            let cut = oldest.max(rest.start).min(rest.end);
            for (start, end, reason) in
                [(rest.start, cut, MissingReason::Overwritten), (cut, rest.end, MissingReason::NotStored)]
            {
                if start < end {
                    missing.push(MissingFootage { stream, start, end, reason });
                }
            }
        }
    }
    missing.sort();
    missing
}

/// Spans of the rings, and those that the vault has beside them. What both have is listed once: a minute of the vault comes from one segment of a ring,
/// which has all of it or nothing.
pub(crate) fn merge_spans(mut ring: Vec<SpanSummary>, mut held: Vec<SpanSummary>) -> Vec<SpanSummary> {
    // Of what two holds have of one minute the fuller one.
    held.sort_by_key(|span| (span.recording, span.first_dts, core::cmp::Reverse(span.end_dts), span.locator));
    let mut of_recording: BTreeMap<RecordingId, Vec<(i64, i64)>> = BTreeMap::new();
    for span in &ring {
        of_recording.entry(span.recording).or_default().push((span.first_dts.0, span.end_dts.0));
    }
    of_recording.values_mut().for_each(|spans| spans.sort_unstable());
    // Two holds may have cut a minute in different places: first those that go on where others end, and then those that a part of is open.
    let mut behind = Vec::new();
    for span in held {
        let dts = (span.first_dts.0, span.end_dts.0);
        let listed = of_recording.entry(span.recording).or_default();
        let overlaps = listed.iter().any(|(from, to)| *from < dts.1 && dts.0 < *to);
        if overlaps {
            behind.push(span);
        } else {
            let at = listed.partition_point(|known| *known < dts);
            listed.insert(at, dts);
            ring.push(span);
        }
    }
    for span in behind {
        let dts = (span.first_dts.0, span.end_dts.0);
        let listed = of_recording.entry(span.recording).or_default();
        if !is_covered(dts, listed) {
            let at = listed.partition_point(|known| *known < dts);
            listed.insert(at, dts);
            ring.push(span);
        }
    }
    ring.sort_by_key(|span| (span.start_utc, span.recording, span.first_dts));
    mend_ends(&mut ring);
    ring
}

/// What spans list of each recording of a stream, by decode time.
type Listed = BTreeMap<(StreamId, u64), Vec<(i64, i64)>>;

fn listed(spans: &[SourceSpan]) -> Listed {
    let mut listed = Listed::new();
    for span in spans {
        listed.entry((span.stream, span.recording)).or_default().push(span.dts);
    }
    listed.values_mut().for_each(|spans| spans.sort_unstable());
    listed
}

/// Spans of `others` that those of `have` do not cover from the first sample to the last one.
pub(crate) fn not_covered(others: Vec<SourceSpan>, have: &[SourceSpan]) -> Vec<SourceSpan> {
    let listed = listed(have);
    let is_open = |span: &SourceSpan| {
        let of_recording = listed.get(&(span.stream, span.recording)).map(Vec::as_slice).unwrap_or_default();
        open_ticks(span.dts, of_recording) > 0
    };
    others.into_iter().filter(is_open).collect()
}

/// Bytes of `spans` that those of `have` do not cover; what several of them have counts once. An estimate: as if bytes came evenly.
pub(crate) fn bytes_beside(spans: &[SourceSpan], have: &[SourceSpan]) -> u64 {
    let mut listed = listed(have);
    let mut bytes = 0_u64;
    for span in spans {
        let of_recording = listed.entry((span.stream, span.recording)).or_default();
        let all = span.dts.1.saturating_sub(span.dts.0).max(1).unsigned_abs();
        let open = open_ticks(span.dts, of_recording).min(all);
        let share = u128::from(span.bytes) * u128::from(open) / u128::from(all);
        bytes = bytes.saturating_add(u64::try_from(share).unwrap_or(span.bytes));
        let at = of_recording.partition_point(|known| *known < span.dts);
        of_recording.insert(at, span.dts);
    }
    bytes
}

/// How much of `span` is outside of `listed`, which is sorted.
fn open_ticks(span: (i64, i64), listed: &[(i64, i64)]) -> u64 {
    let (mut at, end) = (span.0, span.1.max(span.0.saturating_add(1)));
    let mut open = 0_u64;
    for (from, to) in listed {
        open = open.saturating_add((*from).min(end).saturating_sub(at).max(0).unsigned_abs());
        at = at.max(*to);
    }
    open.saturating_add(end.saturating_sub(at).max(0).unsigned_abs())
}

/// True when the first half of `span` at least is inside `listed`, which is sorted: the end of a span is an estimate.
fn is_covered(span: (i64, i64), listed: &[(i64, i64)]) -> bool {
    let (first, end) = span;
    let enough = first + (end - first).max(2) / 2;
    let mut at = first;
    for (from, to) in listed {
        if *from > at {
            break;
        }
        at = at.max(*to);
    }
    at >= enough
}

/// The end of a span is where the next one of its recording begins, when the two touch.
fn mend_ends(spans: &mut [SpanSummary]) {
    let mut last: BTreeMap<RecordingId, usize> = BTreeMap::new();
    for at in 0..spans.len() {
        let Some((recording, first)) = spans.get(at).map(|span| (span.recording, span.first_dts)) else { continue };
        let before = last.insert(recording, at).and_then(|before| spans.get_mut(before));
        if let Some(before) = before
            && (first - before.end_dts).as_nanos().abs() <= TOUCH_NANOS
            && first > before.first_dts
        {
            before.end_dts = first;
        }
    }
}

#[cfg(test)]
mod tests;
