//! What was handed over, what of it was acknowledged, and what a ring may show after a crash.

use crate::error::{Error, Result, ensure};
use crate::footage::{Mark, STEP_NANOS};
use crate::ring::Found;
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::{Gap, GapReason, StreamId, UtcNanos};

/// What P1 promises.
pub const LOSS_NANOS_MAX: u64 = 1_000_000_000;
/// Rounding of media time to nanoseconds and back.
const TOLERANCE_NANOS: i64 = 1_000_000;

/// One stream's samples in the order in which they were handed over.
#[derive(Clone, Debug, Default)]
struct Samples {
    handed: Vec<Mark>,
    /// So many of them are acknowledged.
    acknowledged: usize,
    /// Why a take ended, where somebody knows.
    ends: BTreeMap<u32, Vec<GapReason>>,
    /// The last samples of footage that outlived what came after it.
    islands: BTreeSet<Mark>,
}

/// The model of one ring.
#[derive(Clone, Debug, Default)]
pub struct Model {
    streams: BTreeMap<StreamId, Samples>,
    events: Vec<u64>,
    events_acknowledged: usize,
    /// Acknowledged samples that damage to the disk may have taken: bit rot, never a power cut.
    pub damage_expected: bool,
    /// A segment could not be reused in its turn, because the disk failed: what it holds stays, while newer footage goes.
    pub island_expected: bool,
}

/// How much had been handed over at one moment.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    streams: BTreeMap<StreamId, usize>,
    events: usize,
}

/// What a comparison showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// Most that one camera lost, in stream time.
    pub lost_nanos: u64,
    /// Acknowledged samples that are there.
    pub kept: u64,
    /// Acknowledged samples that were overwritten by newer ones.
    pub evicted: u64,
    /// Bytes of all samples that are there.
    pub bytes: u64,
    /// Of these, the bytes behind the last hole that is there because older footage outlived newer; `None` when there is no such hole.
    pub behind_islands_bytes: Option<u64>,
}

fn end_of(mark: &Mark) -> UtcNanos {
    mark.utc.plus_nanos(STEP_NANOS.cast_signed())
}

impl Model {
    /// A sample was taken by the ring.
    pub fn hand(&mut self, stream: StreamId, mark: Mark) {
        self.streams.entry(stream).or_default().handed.push(mark);
    }

    /// An event was taken by the ring.
    pub fn hand_event(&mut self, number: u64) {
        self.events.push(number);
    }

    /// The script ended a take, or the ring dropped what came after.
    pub fn end(&mut self, stream: StreamId, take: u32, reason: GapReason) {
        self.streams.entry(stream).or_default().ends.entry(take).or_default().push(reason);
    }

    /// What has been handed over until now.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            streams: self.streams.iter().map(|(stream, samples)| (*stream, samples.handed.len())).collect(),
            events: self.events.len(),
        }
    }

    /// All that had been handed over at `moment` is durable.
    pub fn acknowledge(&mut self, moment: &Moment) {
        for (stream, count) in &moment.streams {
            let samples = self.streams.entry(*stream).or_default();
            samples.acknowledged = samples.acknowledged.max(*count);
        }
        self.events_acknowledged = self.events_acknowledged.max(moment.events);
    }

    /// Acknowledged samples so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.streams.values().map(|samples| samples.acknowledged as u64).sum()
    }

    /// Holds what a ring shows of `stream` against what it was given, and forgets what is gone.
    ///
    /// # Errors
    /// When an acknowledged sample is missing without a newer one in its place, or one is there that nobody gave.
    pub fn compare(&mut self, stream: StreamId, found: &Found) -> Result<Compared> {
        let (damage_expected, island_expected) = (self.damage_expected, self.island_expected);
        let samples = self.streams.entry(stream).or_default();
        let known: BTreeMap<Mark, usize> = samples.handed.iter().enumerate().map(|(at, mark)| (*mark, at)).collect();
        let mut places = Vec::with_capacity(found.marks.len());
        for mark in &found.marks {
            let place = known.get(mark).copied();
            places.push(place.ok_or_else(|| Error(format!("{stream}: nobody gave {mark:?}")))?);
        }
        ensure(damage_expected || places.is_sorted_by(|a, b| a < b), || {
            format!("{stream}: samples are out of order or there twice")
        })?;
        ensure(damage_expected || found.unreadable.is_empty(), || format!("{stream}: {:?}", found.unreadable))?;
        let first = places.first().copied().unwrap_or(samples.handed.len().min(samples.acknowledged));
        let last = places.last().map_or(first, |last| last + 1);
        let holes = last.saturating_sub(first).saturating_sub(places.len());
        if !damage_expected {
            ensure(holes == 0 || island_expected, || format!("{stream}: {holes} samples are missing between others"))?;
            ensure(last >= samples.acknowledged, || {
                let (lost, of) = (samples.acknowledged - last, samples.acknowledged);
                format!("{stream}: {lost} of {of} acknowledged samples are lost; {} are there", places.len())
            })?;
            ensure(!places.is_empty() || samples.acknowledged == 0, || {
                format!("{stream}: all acknowledged samples are gone")
            })?;
        }
        let shores: Vec<usize> = places
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| matches!(pair, [a, b] if *b > a + 1))
            .map(|(at, _)| at)
            .collect();
        let behind =
            shores.last().map(|shore| (places.len() - shore) as u64 * found.bytes / (places.len() as u64).max(1));
        if island_expected {
            samples.islands.extend(shores.iter().filter_map(|shore| found.marks.get(*shore)));
        }
        let compared = Compared {
            behind_islands_bytes: behind,
            lost_nanos: samples.handed.len().saturating_sub(last) as u64 * STEP_NANOS,
            kept: samples.acknowledged.min(last).saturating_sub(first) as u64,
            evicted: first as u64,
            bytes: found.bytes,
        };
        if damage_expected {
            // What cannot be read now may be read again after the index was made anew.
            return Ok(compared);
        }
        let there: BTreeSet<usize> = places.into_iter().collect();
        let mut at = 0;
        samples.handed.retain(|_| {
            at += 1;
            there.contains(&(at - 1))
        });
        samples.acknowledged = samples.handed.len();
        Ok(compared)
    }

    /// Holds the events that a ring shows against those that it was given.
    ///
    /// # Errors
    /// When an acknowledged one is missing, or one is there that nobody gave.
    pub fn compare_events(&mut self, found: &[u64]) -> Result<()> {
        // Evicted ones are older than every one that is left.
        let oldest = found.first().copied().unwrap_or(u64::MAX);
        let acknowledged = self.events.get(..self.events_acknowledged).unwrap_or_default();
        let missing = acknowledged.iter().filter(|number| **number >= oldest && !found.contains(number)).count();
        ensure(missing == 0 || self.damage_expected || self.island_expected, || {
            format!("{missing} acknowledged events are lost")
        })?;
        if let Some(stranger) = found.iter().find(|number| !self.events.contains(number)) {
            return Err(Error(format!("event {stranger} was given by nobody")));
        }
        if !self.damage_expected {
            self.events = found.to_vec();
            self.events_acknowledged = found.len();
        }
        Ok(())
    }

    /// P5: between any two samples of `stream` that do not touch, and behind the last one, there are gap rows with a fitting reason.
    ///
    /// # Errors
    /// The first hole without one.
    pub fn compare_gaps(&self, stream: StreamId, gaps: &[Gap], now: UtcNanos) -> Result<()> {
        if let Some(empty) = gaps.iter().find(|gap| gap.range.nanos() <= 0 && gap.range.start < now) {
            return Err(Error(format!("{stream}: {empty:?} has no length")));
        }
        let Some(samples) = self.streams.get(&stream) else { return Ok(()) };
        if self.damage_expected {
            return Ok(());
        }
        let ends = samples.handed.iter().map(end_of);
        let nexts = samples.handed.iter().skip(1).map(|mark| mark.utc).chain([now]);
        for ((mark, end), next) in samples.handed.iter().zip(ends).zip(nexts) {
            if next.nanos_since(end) > TOLERANCE_NANOS && !samples.islands.contains(mark) {
                self.covered(stream, (mark, end, next), gaps)?;
            }
        }
        Ok(())
    }

    fn covered(&self, stream: StreamId, hole: (&Mark, UtcNanos, UtcNanos), gaps: &[Gap]) -> Result<()> {
        let (mark, end, next) = hole;
        let known =
            self.streams.get(&stream).and_then(|samples| samples.ends.get(&mark.take)).cloned().unwrap_or_default();
        let mut covered = end;
        for gap in gaps {
            let touches = gap.range.start.nanos_since(covered) <= TOLERANCE_NANOS && gap.range.end > covered;
            if touches {
                let fits = gap.reason == GapReason::Restart || known.contains(&gap.reason) || covered > end;
                ensure(fits, || {
                    format!("{stream}: the hole from {end} has {:?} as its reason, not {known:?}", gap.reason)
                })?;
                covered = gap.range.end;
            }
        }
        ensure(next.nanos_since(covered) <= TOLERANCE_NANOS, || {
            format!("{stream}: nothing says why there is no footage from {covered} to {next}; rows: {gaps:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::{CameraId, TimeRange, TrackRole};

    fn stream() -> StreamId {
        CameraId::new(1).unwrap().stream(TrackRole::MainVideo)
    }

    fn mark(frame: u32) -> Mark {
        Mark { stream: stream().to_u32(), take: 1, frame, utc: UtcNanos(i64::from(frame) * STEP_NANOS as i64) }
    }

    fn ten() -> Model {
        let mut model = Model::default();
        (0..8).for_each(|frame| model.hand(stream(), mark(frame)));
        model.acknowledge(&model.moment());
        (8..10).for_each(|frame| model.hand(stream(), mark(frame)));
        model
    }

    fn found(frames: impl Iterator<Item = u32>) -> Found {
        Found { marks: frames.map(mark).collect(), ..Found::default() }
    }

    #[test]
    fn what_was_acknowledged_may_only_go_from_the_old_end() {
        let compared = ten().compare(stream(), &found(2..9)).unwrap();
        assert_eq!((compared.lost_nanos, compared.kept, compared.evicted), (STEP_NANOS, 6, 2));
        assert!(ten().compare(stream(), &found(0..7)).unwrap_err().0.contains("1 of 8"));
        assert!(ten().compare(stream(), &found((0..3).chain(4..9))).is_err(), "a hole");
        assert!(ten().compare(stream(), &found(0..11)).is_err(), "a sample of nobody");
        assert!(ten().compare(stream(), &found([1, 0].into_iter().chain(2..8))).is_err(), "out of order");
        assert!(ten().compare(stream(), &found(0..0)).is_err(), "all gone");
    }

    #[test]
    fn a_hole_needs_a_row_with_a_fitting_reason() {
        let mut model = ten();
        model.end(stream(), 1, GapReason::CameraGone);
        let second = 1_000_000_000;
        let row = |from: i64, to: i64, reason| Gap {
            stream: stream(),
            range: TimeRange { start: UtcNanos(from), end: UtcNanos(to) },
            reason,
        };
        let end = 10 * STEP_NANOS as i64;
        let check = |rows: &[Gap]| model.compare_gaps(stream(), rows, UtcNanos(9 * second));
        assert!(check(&[]).is_err());
        check(&[row(end, 9 * second, GapReason::CameraGone)]).unwrap();
        check(&[row(end, 2 * second, GapReason::CameraGone), row(2 * second, 9 * second, GapReason::CameraDenied)])
            .unwrap();
        assert!(check(&[row(end, 8 * second, GapReason::CameraGone)]).is_err(), "too short");
        assert!(check(&[row(end, 9 * second, GapReason::Overload)]).is_err(), "another reason");
    }

    #[test]
    fn events_that_were_acknowledged_stay() {
        let mut model = Model::default();
        (1..=3).for_each(|number| model.hand_event(number));
        model.acknowledge(&model.moment());
        model.hand_event(4);
        model.clone().compare_events(&[2, 3]).unwrap();
        assert!(model.clone().compare_events(&[1, 3]).is_err());
        assert!(model.compare_events(&[1, 2, 3, 9]).is_err());
    }
}
