//! Which runs of a stream are handed out. Pure.

use crate::{Error, Result};
use std::collections::BTreeSet;
use std::sync::Arc;
use watchbook_base::{Kind, StreamId, Ticks90k, TimeRange, TrackRole, UtcNanos};
use watchbook_evidence::Hash;
use watchbook_evidence::run::Run;
use watchbook_media::{RunTable, TrackFormat, sample_table};

/// Runs of one export, withheld ones included; the manifest has about 450 bytes of each, and takes some times that in memory while it is made: 60 MB. Eighteen hours of
/// one stream with two runs a second.
pub const RUNS_MAX: usize = 1 << 17;
/// How much earlier than what was asked for a picture may lie that the first one needs: as for playback.
pub const PRE_ROLL_NANOS: i64 = watchbook_access::gate::EXPORT_PRE_ROLL_NANOS;

/// A run that may be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// What the log says of it.
    pub statement: Run,
    /// Its sample table, as it was hashed.
    pub table: Vec<u8>,
    /// Bytes of its samples.
    pub bytes: u64,
}

/// One run of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// Near enough to be handed out.
    Near(Near),
    /// Its leaf hash.
    Far(Hash),
}

/// All runs of one leaf of the log.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Number of the leaf.
    pub leaf: u64,
    /// Which recording.
    pub recording: u64,
    /// Its format.
    pub format: Arc<TrackFormat>,
    /// In the order of the leaf.
    pub runs: Vec<Logged>,
}

/// A stream as the log has it around what was asked for.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Which.
    pub stream: StreamId,
    /// In the order of the log.
    pub segments: Vec<Segment>,
}

/// A run by its segment and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Index into [`Stream::segments`].
    pub segment: usize,
    /// Index into [`Segment::runs`].
    pub run: usize,
}

impl Near {
    /// From its first sample to the end of its last.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        let start = UtcNanos(self.statement.first_utc_ns);
        TimeRange { start, end: start.plus_ticks(Ticks90k(i64::from(self.statement.length))) }
    }

    /// Its samples.
    ///
    /// # Errors
    /// `Corrupt` when the table is none.
    pub fn samples(&self) -> Result<RunTable> {
        Ok(sample_table::decode_run(&self.table)?)
    }

    /// UTC of a decode time.
    #[must_use]
    pub fn utc_of(&self, dts: i64) -> UtcNanos {
        UtcNanos(self.statement.first_utc_ns).plus_ticks(Ticks90k(dts.saturating_sub(self.statement.first_dts)))
    }
}

impl Stream {
    /// The run at `at`, if it may be handed out.
    #[must_use]
    pub fn near(&self, at: At) -> Option<&Near> {
        match self.segments.get(at.segment)?.runs.get(at.run)? {
            Logged::Near(near) => Some(near),
            Logged::Far(_) => None,
        }
    }

    /// The runs to hand out for `requested`, in the order of the log: those that share a moment with it, and for pictures those before them from the last key picture on, when
    /// that is near enough.
    ///
    /// # Errors
    /// `Exhausted` over [`RUNS_MAX`], `Corrupt` when a table is none.
    pub fn choose(&self, requested: TimeRange) -> Result<Vec<At>> {
        let all: usize = self.segments.iter().map(|segment| segment.runs.len()).sum();
        if all > RUNS_MAX {
            return Err(too_many(self.stream));
        }
        let places = self.segments.iter().enumerate().flat_map(|(segment, logged)| {
            logged.runs.iter().enumerate().filter_map(move |(run, logged)| match logged {
                Logged::Near(near) => Some((At { segment, run }, near)),
                Logged::Far(_) => None,
            })
        });
        let near: Vec<(At, &Near)> = places.collect();
        let inside = |(_, near): &(At, &Near)| near.range().overlaps(requested);
        let (Some(first), Some(last)) = (near.iter().position(inside), near.iter().rposition(inside)) else {
            return Ok(Vec::new());
        };
        let first =
            if self.stream.role == TrackRole::MainAudio { first } else { with_key(&near, first, requested.start)? };
        let chosen: Vec<At> = near.get(first..=last).unwrap_or_default().iter().map(|(at, _)| *at).collect();
        match self.is_one_piece(&chosen) {
            true => Ok(chosen),
            false => Err(Error::new(
                Kind::Conflict,
                format!(
                    "planning an export of {}: between its runs the log has runs of other times, as where the clock was set back, and a bundle that leaves these out is not verified. Ask for a \
                     time that begins before and ends after all that was recorded around the step, which the timeline shows as a gap; the case must have it",
                    self.stream
                ),
            )),
        }
    }

    /// No run that may not be handed out lies between those that are, in the leaves that they belong to: verifiers take that for footage that is held back.
    fn is_one_piece(&self, chosen: &[At]) -> bool {
        let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else { return true };
        let leaves: BTreeSet<usize> = chosen.iter().map(|at| at.segment).collect();
        let runs = leaves.iter().filter_map(|segment| Some((*segment, self.segments.get(*segment)?.runs.len())));
        let between = runs.flat_map(|(segment, len)| (0..len).map(move |run| At { segment, run }));
        between.filter(|at| first <= at && at <= last).eq(chosen.iter().copied())
    }
}

/// Too much was asked for.
pub(crate) fn too_many(stream: StreamId) -> Error {
    let message =
        format!("planning an export of {stream}: it has more than {RUNS_MAX} runs; ask for less time or fewer cameras");
    Error::new(Kind::Exhausted, message)
}

/// The run with the last key picture at or before `start`, looking back from run `first` within its recording; `first` when there is none.
fn with_key(near: &[(At, &Near)], first: usize, start: UtcNanos) -> Result<usize> {
    let Some((_, opening)) = near.get(first) else { return Ok(first) };
    let recording = opening.statement.recording;
    for (index, (_, run)) in near.iter().enumerate().take(first + 1).rev() {
        if run.statement.recording != recording || run.range().end < start.plus_nanos(-PRE_ROLL_NANOS) {
            break;
        }
        if run.samples()?.samples.iter().any(|sample| sample.key && run.utc_of(sample.dts.0) <= start) {
            return Ok(index);
        }
    }
    Ok(first)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bytes::Bytes;
    use watchbook_base::CameraId;
    use watchbook_evidence::run::ClockState;
    use watchbook_evidence::sha256_of;
    use watchbook_media::{Codec, Sample};

    pub(crate) const SECOND: i64 = 1_000_000_000;

    pub(crate) fn format() -> Arc<TrackFormat> {
        let config = Bytes::from_static(&[1, 0x64, 0, 0x1F, 0xFF, 0xE0, 0]);
        Arc::new(TrackFormat { codec: Codec::H264 { width: 64, height: 48 }, config })
    }

    /// Half a second from `half` × 0.5 s on, of two samples of 3 and 4 bytes, the first of which is a key where `key`.
    pub(crate) fn near(stream: StreamId, half: i64, key: bool) -> (Near, Vec<u8>) {
        let sample = |at: i64, size_bytes, key| Sample {
            dts: Ticks90k(half * 45_000 + at * 22_500),
            cts_offset: 0,
            size_bytes,
            key,
            lost_before: 0,
        };
        let mut table = Vec::new();
        sample_table::encode_run(&RunTable { samples: vec![sample(0, 3, key), sample(1, 4, false)] }, &mut table)
            .unwrap();
        let bytes: Vec<u8> = (0..7).map(|at| half.to_le_bytes()[0].wrapping_add(at)).collect();
        let statement = Run {
            clock: ClockState::Synchronised,
            stream: stream.to_u32(),
            recording: 5,
            first_dts: half * 45_000,
            length: 45_000,
            first_utc_ns: half * SECOND / 2,
            samples: 2,
            sha256: sha256_of(&[&table, &bytes]),
        };
        (Near { statement, table, bytes: 7 }, bytes)
    }

    /// Ten seconds in two leaves, a key each 2 s.
    pub(crate) fn stream() -> Stream {
        let stream = CameraId::new(1).unwrap().stream(TrackRole::MainVideo);
        let segment = |leaf, halves: core::ops::Range<i64>| Segment {
            leaf,
            recording: 5,
            format: format(),
            runs: halves.map(|half| Logged::Near(near(stream, half, half % 4 == 0).0)).collect(),
        };
        Stream { stream, segments: vec![segment(3, 0..12), segment(8, 12..20)] }
    }

    #[test]
    fn the_runs_begin_with_the_key_picture_before_what_was_asked_for() {
        let stream = stream();
        let chosen = |start, end| {
            let runs = stream.choose(TimeRange { start: UtcNanos(start), end: UtcNanos(end) }).unwrap();
            runs.first().copied().zip(runs.last().copied()).map(|(first, last)| (first, last, runs.len()))
        };
        let at = |segment, run| At { segment, run };
        assert_eq!(chosen(3 * SECOND, 7 * SECOND), Some((at(0, 4), at(1, 1), 10)), "the key picture is at 2 s");
        assert_eq!(chosen(2 * SECOND, 2 * SECOND + 1), Some((at(0, 4), at(0, 4), 1)));
        assert_eq!(chosen(20 * SECOND, 30 * SECOND), None);
        assert_eq!(chosen(-5 * SECOND, 30 * SECOND), Some((at(0, 0), at(1, 7), 20)));
    }

    #[test]
    fn what_a_clock_that_was_set_back_leaves_between_is_not_left_out_silently() {
        let mut stream = stream();
        let camera = stream.stream;
        // Six seconds, then the clock goes back by four: the seconds 2 to 6 are there twice.
        stream.segments[1].runs = (4..16).map(|half| Logged::Near(near(camera, half, half % 4 == 0).0)).collect();
        stream.segments[1].recording = 6;
        let asked = |stream: &Stream, start, end| {
            stream.choose(TimeRange { start: UtcNanos(start * SECOND), end: UtcNanos(end * SECOND) })
        };
        assert_eq!(asked(&stream, 2, 8).unwrap().len(), 8 + 12, "all around the step");
        // Only what shares a moment with the interval may be handed out.
        let interval = TimeRange { start: UtcNanos(4 * SECOND), end: UtcNanos(5 * SECOND) };
        for segment in &mut stream.segments {
            for run in &mut segment.runs {
                if let Logged::Near(known) = run
                    && !known.range().overlaps(interval)
                {
                    *run = Logged::Far(known.statement.hash());
                }
            }
        }
        let error = asked(&stream, 4, 5).unwrap_err();
        assert!(error.kind == Kind::Conflict && error.message.contains("clock was set back"), "{error}");
    }

    #[test]
    fn sound_needs_no_key_picture() {
        let mut sound = stream();
        sound.stream.role = TrackRole::MainAudio;
        let runs = sound.choose(TimeRange { start: UtcNanos(3 * SECOND), end: UtcNanos(4 * SECOND) }).unwrap();
        assert_eq!(runs, [At { segment: 0, run: 6 }, At { segment: 0, run: 7 }]);
    }
}
