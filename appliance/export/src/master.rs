//! Writes the master file of one camera: the chosen runs of its streams, sample by sample as they were recorded.

use crate::plan::{At, Near, Stream};
use crate::{Error, Result};
use bytes::Bytes;
use std::collections::BTreeMap;
use watchbook_base::{Kind, Ticks90k, UtcNanos};
use watchbook_media::fragment::{FRAGMENT_SAMPLES_MAX, FragmentSample};
use watchbook_media::oeff::{self, ExportNote, Place, SealRoom, Track};

/// Gives the samples of a run; `None`: they fail their checks and are withheld.
pub type ReadRun<'a> = dyn FnMut(usize, At) -> Result<Option<Bytes>> + 'a;
/// Takes bytes of the file, in order. Its error ends the writing: also that of somebody who does not want the file any more.
pub type TakeBytes<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;
/// Where the samples of a run lie in the file: offset and length of each piece.
pub type Ranges = Vec<(u64, u64)>;

/// A stream and the runs of it that are wanted.
pub struct Chosen<'a> {
    /// The stream.
    pub stream: &'a Stream,
    /// In the order of the log.
    pub runs: &'a [At],
}

/// What the file holds.
#[derive(Debug, Default)]
pub struct Written {
    /// For each stream the runs that are in it.
    pub ranges: Vec<BTreeMap<At, Ranges>>,
    /// The end of the file, which is not written yet: the bytes of the signature in it are zeros.
    pub tail: Vec<u8>,
    /// Where in the tail the signature goes.
    pub signature: core::ops::Range<usize>,
}

struct Writer<'a> {
    take: &'a mut TakeBytes<'a>,
    tracks: Vec<Track>,
    sequence: u32,
    at: u64,
    states: Vec<State>,
    start: UtcNanos,
}

/// How far a stream is.
#[derive(Clone, Copy, Default)]
struct State {
    /// Recording, decode time of its first sample, and where that lies in the file.
    recording: Option<(u64, i64, i64)>,
    /// End of what is written, in ticks of the file.
    end_ticks: i64,
    /// A key was shown: what follows can be decoded.
    shown: bool,
}

/// UTC of the first run of all.
#[must_use]
pub fn start_of(streams: &[Chosen<'_>]) -> Option<UtcNanos> {
    let first = |chosen: &Chosen<'_>| Some(chosen.stream.near(*chosen.runs.first()?)?.range().start);
    streams.iter().filter_map(first).min()
}

/// Writes the file but for its tail. `read` gives the samples, `take` takes the file.
///
/// # Errors
/// `NotFound` when no runs are chosen, what `read` and `take` say, `Corrupt` when a table does not fit its run.
pub fn write<'a>(
    streams: &[Chosen<'_>],
    note: &ExportNote,
    seal: Option<&SealRoom>,
    read: &mut ReadRun<'_>,
    take: &'a mut TakeBytes<'a>,
) -> Result<Written> {
    let start = start_of(streams).ok_or_else(|| Error::new(Kind::NotFound, "writing a master: there is no footage"))?;
    let tracks = tracks(streams);
    let ends = streams.iter().flat_map(|chosen| chosen.runs.iter().filter_map(|at| chosen.stream.near(*at)));
    let end = ends.map(|near| near.range().end).max().unwrap_or(start);
    let ticks = u64::try_from(Ticks90k::from_nanos(end.nanos_since(start)).0).unwrap_or(0);
    let mut writer = Writer { take, tracks, sequence: 0, at: 0, states: vec![State::default(); streams.len()], start };
    let head = oeff::head(&writer.tracks, ticks, start)?;
    writer.put(&head)?;
    let mut written = Written { ranges: vec![BTreeMap::new(); streams.len()], ..Written::default() };
    for (index, at, next) in in_order_of_time(streams) {
        let Some(chosen) = streams.get(index) else { continue };
        let Some(bytes) = read(index, at)? else { continue };
        let ranges = writer.run((index, chosen.stream), (at, next), &bytes)?;
        if let Some(of) = written.ranges.get_mut(index) {
            of.insert(at, ranges);
        }
    }
    let note = ExportNote { start, ..note.clone() };
    (written.tail, written.signature) = oeff::tail(&note, writer.tracks.len(), seal);
    Ok(written)
}

/// One track for each stream and codec.
fn tracks(streams: &[Chosen<'_>]) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    for chosen in streams {
        for segment in chosen.runs.iter().filter_map(|at| chosen.stream.segments.get(at.segment)) {
            match tracks.iter_mut().find(|track| track.takes(&segment.format)) {
                Some(track) if track.formats.contains(&segment.format) => {}
                Some(track) => track.formats.push(segment.format.clone()),
                None => tracks.push(Track { formats: vec![segment.format.clone()] }),
            }
        }
    }
    tracks
}

/// The runs of all streams as they follow each other, each stream in its own order, with the run after it.
fn in_order_of_time(streams: &[Chosen<'_>]) -> Vec<(usize, At, Option<At>)> {
    let mut left: Vec<&[At]> = streams.iter().map(|chosen| chosen.runs).collect();
    let mut order = Vec::new();
    loop {
        let heads = left.iter().zip(streams).enumerate().filter_map(|(index, (runs, chosen))| {
            let at = *runs.first()?;
            Some((chosen.stream.near(at)?.range().start, index, at))
        });
        let Some((_, index, at)) = heads.min_by_key(|(start, index, _)| (*start, *index)) else { return order };
        if let Some(runs) = left.get_mut(index) {
            *runs = runs.get(1..).unwrap_or_default();
            order.push((index, at, runs.first().copied()));
        }
    }
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        (self.take)(bytes)?;
        self.at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Writes a run as one fragment, or as some when it has many samples. `at`: the run, and the one after it.
    fn run(&mut self, of: (usize, &Stream), at: (At, Option<At>), bytes: &Bytes) -> Result<Ranges> {
        let (index, stream) = of;
        let gone = || Error::new(Kind::Internal, format!("writing a run of {}: it is not there", stream.stream));
        let near = stream.near(at.0).ok_or_else(gone)?;
        let segment = stream.segments.get(at.0.segment).ok_or_else(gone)?;
        let (samples, length) = described(near, at.1.and_then(|next| stream.near(next)))?;
        let total: u64 = samples.iter().map(|sample| u64::from(sample.size_bytes)).sum();
        if u64::try_from(bytes.len()).ok() != Some(total) {
            return Err(Error::new(
                Kind::Corrupt,
                format!("writing a run of {}: its table is of other samples", stream.stream),
            ));
        }
        let mut state = self.states.get(index).copied().unwrap_or_default();
        let mut ticks = state.place(near, self.start);
        let track = self.tracks.iter().position(|track| track.takes(&segment.format)).ok_or_else(gone)?;
        let formats = self.tracks.get(track).map(|track| track.formats.as_slice()).unwrap_or_default();
        let format = formats.iter().position(|format| *format == segment.format).ok_or_else(gone)?;
        state.end_ticks = ticks.saturating_add(length);
        let mut rest = bytes.clone();
        let mut ranges = Ranges::new();
        for piece in samples.chunks(FRAGMENT_SAMPLES_MAX) {
            let hidden =
                if state.shown { 0 } else { piece.iter().position(|sample| sample.key).unwrap_or(piece.len()) };
            state.shown |= hidden < piece.len();
            let before: i64 = piece.iter().take(hidden).map(|sample| i64::from(sample.duration_ticks)).sum();
            let decode_ticks = u64::try_from(ticks.saturating_add(before)).unwrap_or(0);
            self.sequence += 1;
            let place = Place { sequence: self.sequence, track, format, decode_ticks };
            let head = oeff::fragment_head(place, piece, hidden..piece.len())?;
            self.put(&head)?;
            let len: u64 = piece.iter().map(|sample| u64::from(sample.size_bytes)).sum();
            let data = rest.split_to(usize::try_from(len).unwrap_or(usize::MAX).min(rest.len()));
            ranges.push((self.at, len));
            self.put(&data)?;
            ticks += piece.iter().map(|sample| i64::from(sample.duration_ticks)).sum::<i64>();
        }
        if let Some(kept) = self.states.get_mut(index) {
            *kept = state;
        }
        Ok(ranges)
    }
}

impl State {
    /// Where a run begins in the file: by its decode time within a recording, by UTC between two, and never before what is there already.
    fn place(&mut self, near: &Near, start: UtcNanos) -> i64 {
        let statement = &near.statement;
        let ticks = match self.recording {
            Some((recording, first_dts, base)) if recording == statement.recording => {
                base.saturating_add(statement.first_dts.saturating_sub(first_dts))
            }
            _ => Ticks90k::from_nanos(near.range().start.nanos_since(start)).0,
        };
        let ticks = ticks.max(self.end_ticks);
        if self.recording.is_none_or(|(recording, ..)| recording != statement.recording) {
            self.recording = Some((statement.recording, statement.first_dts, ticks));
        }
        ticks
    }
}

/// The samples with the time until the next one, and the time of all. `next`: the run that follows.
fn described(near: &Near, next: Option<&Near>) -> Result<(Vec<FragmentSample>, i64)> {
    let table = near.samples()?;
    let statement = &near.statement;
    let end = statement.first_dts.saturating_add(i64::from(statement.length));
    let end = next.filter(|next| next.statement.recording == statement.recording).map_or(end, |next| {
        next.statement.first_dts.min(end.saturating_add(crate::holes::HOLE_NANOS_MIN * 9 / 100_000))
    });
    let ends = table.samples.iter().skip(1).map(|sample| sample.dts.0).chain([end]);
    let samples = table.samples.iter().zip(ends).map(|(sample, end)| FragmentSample {
        duration_ticks: u32::try_from(end.saturating_sub(sample.dts.0)).unwrap_or(1),
        size_bytes: sample.size_bytes,
        cts_offset: sample.cts_offset,
        key: sample.key,
    });
    let samples: Vec<FragmentSample> = samples.collect();
    let length = samples.iter().map(|sample| i64::from(sample.duration_ticks)).sum();
    Ok((samples, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{SECOND, near, stream};
    use watchbook_base::TimeRange;

    #[test]
    fn the_ranges_of_a_run_are_its_bytes_and_a_damaged_one_is_left_out() {
        let stream = stream();
        let runs = stream.choose(TimeRange { start: UtcNanos(3 * SECOND), end: UtcNanos(7 * SECOND) }).unwrap();
        let chosen = [Chosen { stream: &stream, runs: &runs }];
        let note = ExportNote {
            unit: "box".to_owned(),
            time: UtcNanos(0),
            operator: "3".to_owned(),
            camera: "gate".to_owned(),
            start: UtcNanos(0),
        };
        let bytes_of = |at: At| {
            near(
                stream.stream,
                if at.segment == 0 { at.run as i64 } else { 12 + at.run as i64 },
                at.run.is_multiple_of(4),
            )
            .1
        };
        let mut file = Vec::new();
        let mut take = |bytes: &[u8]| {
            file.extend_from_slice(bytes);
            Ok(())
        };
        let mut read = |_: usize, at: At| Ok((at != runs[3]).then(|| Bytes::from(bytes_of(at))));
        let written = write(&chosen, &note, None, &mut read, &mut take).unwrap();
        let ranges = &written.ranges[0];
        assert_eq!(ranges.len(), runs.len() - 1);
        for (at, ranges) in ranges {
            let bytes: Vec<u8> =
                ranges.iter().flat_map(|(at, len)| file[*at as usize..(at + len) as usize].to_vec()).collect();
            assert_eq!(bytes, bytes_of(*at), "{at:?}");
        }
        assert!(written.signature.is_empty() && written.tail.len() > 50);
    }
}
