//! The gaps of which a disk's log tells, as its commits come: a twin of what the catalog makes of them, without an index.
//!
//! A gap that is over is logged with the commit in which it ends, so each is logged once. One that goes on is told of up to a moment ([`SoFar`]), and the rest later.

use crate::format::{Commit, Record};
use crate::register::ToldGap;
use std::collections::BTreeMap;
use watchbook_base::{GapReason, StreamId, UtcNanos};
use watchbook_media::RecordingEnd;

/// A gap that goes on is told of up to so long ago: a picture that came since may wait for the disk.
const OPEN_GAP_LAG_NANOS: i64 = 10 * 1_000_000_000;
/// A gap that goes on gets no further leaf for less: a day, so that what counts leaves does not take one gap for hundreds, but when somebody asks, who may be about to hand out footage.
pub(super) const PIECE_NANOS_MIN: i64 = 86_400 * 1_000_000_000;
pub(super) const ASKED_PIECE_NANOS_MIN: i64 = 1_000_000_000;

/// Beginning of a gap that goes on, by stream, and up to when the audit log tells of it.
pub(crate) type SoFar = BTreeMap<StreamId, (i64, i64)>;

/// Gaps that go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps(BTreeMap<StreamId, (i64, GapReason)>);

impl Gaps {
    /// Takes in a commit; the gaps that end in it go to `ended`. The first commit of a segment states all that go on.
    pub(super) fn take(&mut self, commit: &Commit, ended: &mut Vec<ToldGap>) {
        let mut records = commit.records.iter().peekable();
        for (index, run) in commit.runs.iter().enumerate() {
            let index = crate::codec::count(index);
            while let Some((_, record)) = records.next_if(|(position, _)| *position <= index) {
                self.record(record, ended);
            }
            self.end(run.stream, run.first_utc, ended);
        }
        records.for_each(|(_, record)| self.record(record, ended));
    }

    fn record(&mut self, record: &Record, ended: &mut Vec<ToldGap>) {
        match record {
            Record::End { end: RecordingEnd { stream, utc, reason }, restated, .. } => {
                // The same again, or an attempt that failed for the same reason.
                let same = |&(start, of): &(i64, GapReason)| of == *reason && (*restated || start <= utc.0);
                if !self.0.get(stream).is_some_and(same) {
                    self.end(*stream, *utc, ended);
                    self.0.insert(*stream, (utc.0, *reason));
                }
            }
            // The stream goes on elsewhere. A gap that began later is not over.
            Record::Left(left) => {
                let stream = left.stream;
                if self.0.get(&stream).is_some_and(|gap| gap.0 <= left.utc.0) {
                    self.end(stream, left.utc, ended);
                }
            }
            _ => {}
        }
    }

    /// The gap of `stream` is over. One without length is none, but for a clock that was put back.
    fn end(&mut self, stream: StreamId, utc: UtcNanos, ended: &mut Vec<ToldGap>) {
        let Some((start, reason)) = self.0.remove(&stream) else { return };
        if utc.0 > start || (utc.0 < start && reason == GapReason::ClockStep) {
            ended.push(ToldGap { stream, start, from: start, to: utc.0, reason, goes_on: false });
        }
    }

    /// What is to be told now of the gaps that go on.
    pub(super) fn going_on(&self, now: UtcNanos) -> Vec<ToldGap> {
        let to = now.0.saturating_sub(OPEN_GAP_LAG_NANOS);
        let told = |(stream, (start, reason)): (&StreamId, &(i64, GapReason))| {
            let (stream, start, reason) = (*stream, *start, *reason);
            ToldGap { stream, start, from: start, to, reason, goes_on: true }
        };
        self.0.iter().map(told).collect()
    }
}

/// Leaves out what is told already, and takes note of what will be. A piece of a gap that goes on has `piece_min` nanoseconds at least.
pub(super) fn untold(gaps: Vec<ToldGap>, so_far: &mut SoFar, piece_min: i64) -> Vec<ToldGap> {
    let mut left = Vec::new();
    for mut gap in gaps {
        let told = so_far.get(&gap.stream).filter(|(start, _)| *start == gap.start).map(|(_, to)| *to);
        if gap.goes_on {
            gap.from = told.unwrap_or(gap.start);
            if gap.to.saturating_sub(gap.from) < piece_min {
                continue;
            }
            so_far.insert(gap.stream, (gap.start, gap.to));
            left.push(gap);
            continue;
        }
        if let Some(told) = told {
            so_far.remove(&gap.stream);
            gap.from = told;
            if gap.to <= told {
                continue;
            }
        }
        left.push(gap);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::DiskId;
    use watchbook_base::{CameraId, SyncState, TrackRole};

    const S: i64 = 1_000_000_000;

    fn stream() -> watchbook_base::StreamId {
        CameraId::new(1).unwrap().stream(TrackRole::MainVideo)
    }

    fn commit(records: Vec<Record>, runs_at_s: &[i64]) -> Commit {
        let run = |at_s: &i64| crate::format::Run {
            first_utc: UtcNanos(at_s * S),
            ..crate::tests::harness::run_of(CameraId::new(1).unwrap())
        };
        Commit {
            seq: 1,
            generation: 1,
            disk: DiskId([1; 16]),
            prev_hash: [0; 32],
            commit_len: 0,
            sync: SyncState::Synchronised,
            utc: UtcNanos(0),
            mono: watchbook_base::MonoNanos(0),
            next_recording: 0,
            next_event: 0,
            records: records.into_iter().map(|record| (0, record)).collect(),
            runs: runs_at_s.iter().map(run).collect(),
        }
    }

    fn end(at_s: i64, reason: GapReason, restated: bool) -> Record {
        let end = RecordingEnd { stream: stream(), utc: UtcNanos(at_s * S), reason };
        Record::End { recording: None, end, restated }
    }

    fn told(gaps: &[ToldGap]) -> Vec<(i64, i64, GapReason)> {
        gaps.iter().map(|gap| (gap.from / S, gap.to / S, gap.reason)).collect()
    }

    #[test]
    fn a_gap_ends_with_footage_or_with_another_reason() {
        use GapReason::{CameraDenied, CameraGone, ClockStep, Restart};
        for (records, runs, expected) in [
            (vec![end(10, CameraGone, false)], vec![17], vec![(10, 17, CameraGone)]),
            (vec![end(10, CameraGone, true), end(12, CameraGone, false)], vec![17], vec![(10, 17, CameraGone)]),
            (
                vec![end(10, CameraGone, false), end(12, CameraDenied, false)],
                vec![17],
                vec![(10, 12, CameraGone), (12, 17, CameraDenied)],
            ),
            (vec![end(10, Restart, false)], vec![10], vec![]),
            (vec![end(10, CameraGone, false)], vec![9], vec![]),
            (vec![end(4_000, ClockStep, false)], vec![400], vec![(4_000, 400, ClockStep)]),
            (vec![end(10, CameraGone, false)], vec![], vec![]),
        ] {
            let (mut gaps, mut ended) = (Gaps::default(), Vec::new());
            gaps.take(&commit(records.clone(), &runs), &mut ended);
            assert_eq!(told(&ended), expected, "{records:?}");
            assert_eq!(gaps.going_on(UtcNanos(90 * S)).len(), usize::from(runs.is_empty()));
        }
    }

    #[test]
    fn a_gap_that_goes_on_is_told_in_pieces_that_follow_each_other() {
        let (mut gaps, mut so_far, mut all) = (Gaps::default(), SoFar::new(), Vec::new());
        let mut ended = Vec::new();
        gaps.take(&commit(vec![end(100, GapReason::CameraGone, false)], &[]), &mut ended);
        for now_s in [105, 130, 130, 131, 400] {
            all.extend(untold(gaps.going_on(UtcNanos(now_s * S)), &mut so_far, S));
        }
        // A new segment states it again.
        gaps = Gaps::default();
        gaps.take(&commit(vec![end(100, GapReason::CameraGone, true)], &[500]), &mut ended);
        all.extend(untold(ended, &mut so_far, S));
        let gone = GapReason::CameraGone;
        assert_eq!(told(&all), [(100, 120, gone), (120, 121, gone), (121, 390, gone), (390, 500, gone)]);
        assert!(so_far.is_empty());
        // One that ended earlier than was told adds nothing.
        so_far.insert(stream(), (600 * S, 700 * S));
        let over =
            ToldGap { stream: stream(), start: 600 * S, from: 600 * S, to: 695 * S, reason: gone, goes_on: false };
        assert_eq!(untold(vec![over], &mut so_far, S), []);
    }
}
