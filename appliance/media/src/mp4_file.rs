//! A progressive MP4 of any length, as a plan: `moov` first, so that it plays while it arrives.
//!
//! Planning needs the span summaries and the sample tables at both ends only. The length of every table follows from the summaries; its bytes are made
//! when they are asked for, span by span. So a day of video starts to flow within milliseconds and takes a few hundred kilobytes of memory.
//!
//! ```text
//! ftyp  moov( mvhd  trak × 1–2( tkhd edts mdia( … stbl( stsd stts [ctts] [stss] stsc stsz co64 ))))  mdat
//! mdat: groups, one for each video span, with the audio spans that start before the next one; inside a group the runs of both in time order
//! ```
//! Media time is wall-clock time: the last sample before a gap lasts until the gap ends.

use crate::boxes::{self, BoxWriter, TrackHeader};
use crate::byte_file::{ByteFile, CHUNK_BYTES_MAX, join_pieces};
use crate::error::Error;
use crate::packet::TrackFormat;
use crate::sample_entry::same_family;
use crate::selection::{Selection, select};
use crate::span::{SpanSource, SpanSummary};
use crate::track_plan::{FORMATS_MAX, RunPart, TableKind, TrackPlan};
use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::{Ticks90k, TimeRange, UtcNanos};

/// Samples of one track of one file: 5 days at 60 a second. A sample needs at most 24 bytes of tables and a run (one sample or more) 20, so two
/// tracks stay under 2.4 GB, and every box of the header under the 4 GiB of its size field.
pub const SAMPLES_MAX: u64 = 26_000_000;
/// Audio spans in one group: normally one or two.
const GROUP_AUDIO_MAX: usize = 8;
/// `mdat` header with a 64-bit size.
const MDAT_HEADER_BYTES: u64 = 16;

/// A piece of the file between two offsets.
#[derive(Debug)]
struct Part {
    start: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// These bytes.
    Fixed(Bytes),
    /// All entries of one table of one track.
    Table(usize, TableKind),
    /// The samples of one group.
    Group(usize),
}

/// Spans whose runs are interleaved, as (track, index of the slice).
#[derive(Debug, Default)]
struct Group {
    start: u64,
    members: Vec<(usize, usize)>,
}

/// One run in the file.
struct Chunk {
    track: usize,
    slice: usize,
    start: u64,
    part: RunPart,
}

/// See the module's description.
#[derive(Debug)]
pub struct ProgressiveFile {
    requested: TimeRange,
    delivered: TimeRange,
    gaps: Vec<TimeRange>,
    /// What a player shows, which is shorter than the delivered interval when a gap was too long for the timeline.
    movie_ticks: u64,
    tracks: Vec<TrackPlan>,
    groups: Vec<Group>,
    parts: Vec<Part>,
    len: u64,
}

impl ProgressiveFile {
    /// Plans a file of the video and (when `audio` has spans) the sound of `range`. List the spans that overlap `range`, and those of the last
    /// [`crate::selection::LOOKBACK_MS`] before it, so that the key frame before its start is found.
    ///
    /// The file starts at that key frame and hides what comes before `range.start` by an edit list; without one it starts at the first key frame after
    /// it. It ends before the codec changes; another picture size or configuration of the same codec goes into the same file.
    ///
    /// # Errors
    /// `NotFound` when no video of `range` is stored, `Exhausted` over [`SAMPLES_MAX`] or [`crate::selection::SPANS_MAX`], `Corrupt` and whatever
    /// `source` reports for the tables at both ends.
    pub fn plan(
        video: &[SpanSummary],
        audio: &[SpanSummary],
        range: TimeRange,
        source: &dyn SpanSource,
    ) -> Result<Self, Error> {
        let mut video = select(video, range, source, same_family)?;
        video.limit_formats(FORMATS_MAX);
        let first_cts = first_cts(&video, source)?;
        let shown = video.start_utc.plus_ticks(first_cts);
        let start = range.start.max(shown);
        let end = range.end.min(video.end_utc.plus_ticks(first_cts)).max(start);
        let delivered = TimeRange { start, end };
        let movie_ticks = shown_ticks(&video, first_cts, start, range.end);
        let mut selections = vec![video];
        if !audio.is_empty() {
            // A file without sound is better than none, so footage that has no sound in this range is no error.
            match select(audio, delivered, source, same_family) {
                Ok(mut sound) => {
                    sound.limit_formats(FORMATS_MAX);
                    selections.push(sound);
                }
                Err(error) if error.kind == watchbook_base::Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let tracks: Vec<TrackPlan> = selections.iter().map(TrackPlan::new).collect();
        if let Some(track) = tracks.iter().find(|track| track.totals.samples > SAMPLES_MAX) {
            let count = track.totals.samples;
            return Err(Error::exhausted(format!(
                "planning a file of {count} samples; {SAMPLES_MAX} go: ask for less time"
            )));
        }
        let gaps = selections.first().map(|video| video.gaps.clone()).unwrap_or_default();
        let mut file = Self {
            requested: range,
            delivered,
            gaps,
            movie_ticks,
            tracks,
            groups: Vec::new(),
            parts: Vec::new(),
            len: 0,
        };
        file.lay_out(&selections);
        Ok(file)
    }

    /// What was asked for.
    #[must_use]
    pub fn requested(&self) -> TimeRange {
        self.requested
    }

    /// What a player shows: from the first to the last picture inside the requested interval.
    #[must_use]
    pub fn delivered(&self) -> TimeRange {
        self.delivered
    }

    /// Missing footage inside the delivered interval.
    #[must_use]
    pub fn gaps(&self) -> &[TimeRange] {
        &self.gaps
    }

    /// The formats of the video track in order of their first use.
    #[must_use]
    pub fn video_formats(&self) -> &[Arc<TrackFormat>] {
        self.tracks.first().map_or(&[], |track| &track.formats)
    }

    /// True when there is sound in it.
    #[must_use]
    pub fn has_audio(&self) -> bool {
        self.tracks.len() > 1
    }

    fn lay_out(&mut self, selections: &[Selection]) {
        let mut data_bytes = 0_u64;
        self.group_slices(&mut data_bytes);
        let (fixed, holes, tables) = self.header(selections, data_bytes);
        let header_len = holes.iter().fold(len_of(&fixed), |sum, hole| sum + hole.len);
        let fixed = Bytes::from(fixed);
        let (mut start, mut cut) = (0_u64, 0_usize);
        for (hole, (track, kind)) in holes.iter().zip(tables) {
            let piece = fixed.slice(cut..hole.at);
            let piece_len = len_of(&piece);
            self.parts.push(Part { start, what: What::Fixed(piece) });
            self.parts.push(Part { start: start + piece_len, what: What::Table(track, kind) });
            start += piece_len + hole.len;
            cut = hole.at;
        }
        self.parts.push(Part { start, what: What::Fixed(fixed.slice(cut..)) });
        for (index, group) in self.groups.iter_mut().enumerate() {
            group.start += header_len;
            self.parts.push(Part { start: group.start, what: What::Group(index) });
        }
        self.len = header_len + data_bytes;
        // An empty part would hide the one before it from the search by offset.
        let ends: Vec<u64> = self.parts.iter().skip(1).map(|part| part.start).chain([self.len]).collect();
        let mut ends = ends.into_iter();
        self.parts.retain(|part| ends.next().is_some_and(|end| end > part.start));
    }

    /// Puts every video slice into a group of its own, and every audio slice into the group that it starts in. Group offsets count from the first
    /// sample byte.
    fn group_slices(&mut self, data_bytes: &mut u64) {
        let base = |track: usize, tracks: &[TrackPlan]| -> Vec<UtcNanos> {
            let placed = tracks.get(track).map(|track| track.placed.as_slice()).unwrap_or_default();
            placed.iter().map(|placed| placed.slice.utc_of(placed.slice.first_dts)).collect()
        };
        let (video, audio) = (base(0, &self.tracks), base(1, &self.tracks));
        let mut sound = audio.iter().enumerate().peekable();
        for slice in 0..video.len() {
            let next = video.get(slice + 1);
            let mut members = vec![(0, slice)];
            loop {
                let index = sound.next_if(|(_, start)| next.is_none_or(|next| *start < next));
                if members.len() > GROUP_AUDIO_MAX || index.is_none() {
                    self.push_group(core::mem::take(&mut members), data_bytes);
                }
                let Some((index, _)) = index else { break };
                members.push((1, index));
            }
        }
    }

    fn push_group(&mut self, members: Vec<(usize, usize)>, data_bytes: &mut u64) {
        let group = self.groups.len();
        let start = *data_bytes;
        for &(track, slice) in &members {
            if let Some(placed) = self.tracks.get_mut(track).and_then(|track| track.placed.get_mut(slice)) {
                placed.group = group;
                *data_bytes += placed.slice.data.end - placed.slice.data.start;
            }
        }
        self.groups.push(Group { start, members });
    }

    /// Everything before the samples, with a hole for each table.
    fn header(
        &self,
        selections: &[Selection],
        data_bytes: u64,
    ) -> (Vec<u8>, Vec<boxes::Hole>, Vec<(usize, TableKind)>) {
        let created = boxes::secs_since_1904(self.delivered.start);
        let mut tables = Vec::new();
        let mut w = BoxWriter::default();
        boxes::ftyp(&mut w, &[b"isom", b"iso2", b"avc1", b"mp41"]);
        w.boxed(b"moov", |w| {
            boxes::mvhd(w, created, self.movie_ticks, u32::try_from(self.tracks.len()).unwrap_or(0) + 1);
            for ((index, track), selection) in self.tracks.iter().enumerate().zip(selections) {
                let Some(first) = track.formats.first() else { continue };
                let header = TrackHeader {
                    track_id: u32::try_from(index).unwrap_or(0) + 1,
                    format: first,
                    media_ticks: boxes::unsigned_ticks(Ticks90k(track.media_ticks)),
                    movie_ticks: self.movie_ticks,
                    created,
                };
                w.boxed(b"trak", |w| {
                    boxes::tkhd(w, header);
                    w.boxed(b"edts", |w| self.edit_list(w, selection, header));
                    let formats: Vec<&TrackFormat> = track.formats.iter().map(AsRef::as_ref).collect();
                    boxes::mdia(w, header, &formats, |w| track.write_tables(w, |kind| tables.push((index, kind))));
                });
            }
        });
        w.u32(1); // the size follows behind the type
        w.raw(b"mdat");
        w.u64(data_bytes + MDAT_HEADER_BYTES);
        let (bytes, holes) = w.finish();
        (bytes, holes, tables)
    }

    /// Edit list (§8.6.6), version 1: wait until the track's first sample if it comes late, else start inside it.
    fn edit_list(&self, w: &mut BoxWriter, selection: &Selection, track: TrackHeader<'_>) {
        let wait = ticks_between(self.delivered.start, selection.start_utc);
        let skip = ticks_between(selection.start_utc, self.delivered.start);
        // Sound may end before the pictures do. Pictures are what the length was made from.
        let left = if track.format.codec.is_video() { u64::MAX } else { track.media_ticks.saturating_sub(skip) };
        let duration = self.movie_ticks.saturating_sub(wait).min(left);
        w.full(b"elst", 1, 0, |w| {
            w.u32(1 + u32::from(wait > 0));
            if wait > 0 {
                w.u64(wait);
                w.u64(u64::MAX); // media time −1: nothing
                w.u32(0x1_0000);
            }
            w.u64(duration);
            w.u64(skip);
            w.u32(0x1_0000);
        });
    }

    /// The runs of a group in the order in which they lie in the file.
    fn chunks_of(&self, group: usize, source: &dyn SpanSource) -> Result<Vec<Chunk>, Error> {
        let group = self.groups.get(group).ok_or_else(|| Error::corrupt("reading a file: it has no such group"))?;
        let origin = self
            .tracks
            .first()
            .and_then(|track| track.placed.first())
            .map(|placed| placed.slice.utc_of(placed.slice.first_dts));
        let mut chunks = Vec::new();
        for &(index, slice) in &group.members {
            let track = self.track(index)?;
            let late = track.placed.first().zip(origin).map_or(0, |(placed, origin)| {
                Ticks90k::from_nanos(placed.slice.utc_of(placed.slice.first_dts).nanos_since(origin)).0
            });
            for mut part in track.run_parts(slice, &*track.table(slice, source)?)? {
                part.file_ticks = part.file_ticks.saturating_add(late);
                chunks.push(Chunk { track: index, slice, start: 0, part });
            }
        }
        chunks.sort_by_key(|chunk| (chunk.part.file_ticks, chunk.track));
        let mut start = group.start;
        for chunk in &mut chunks {
            chunk.start = start;
            start += chunk.part.len;
        }
        Ok(chunks)
    }

    fn track(&self, index: usize) -> Result<&TrackPlan, Error> {
        self.tracks.get(index).ok_or_else(|| Error::corrupt("reading a file: it has no such track"))
    }

    /// 1 to `len_max` bytes at `offset`; none at the end.
    fn piece(&self, offset: u64, len_max: usize, source: &dyn SpanSource) -> Result<Bytes, Error> {
        let index = self.parts.partition_point(|part| part.start <= offset);
        let (Some(part), true) = (index.checked_sub(1).and_then(|index| self.parts.get(index)), offset < self.len)
        else {
            return Ok(Bytes::new());
        };
        let at = offset - part.start;
        match &part.what {
            What::Fixed(bytes) => cut(bytes, at, len_max),
            What::Table(track, kind) => {
                let plan = self.track(*track)?;
                let slice = plan.slice_of_entry(*kind, at / kind.entry_bytes());
                let skipped = plan.placed(slice)?.before.entries(*kind) * kind.entry_bytes();
                let bytes = match kind {
                    TableKind::Co64 => self.chunk_offsets(*track, slice, source)?,
                    kind => plan.table_bytes(*kind, slice, source)?,
                };
                cut(&bytes, at - skipped, len_max)
            }
            What::Group(group) => self.sample_bytes(*group, offset, len_max, source),
        }
    }

    fn chunk_offsets(&self, track: usize, slice: usize, source: &dyn SpanSource) -> Result<Bytes, Error> {
        let group = self.track(track)?.placed(slice)?.group;
        let chunks = self.chunks_of(group, source)?;
        let own = chunks.iter().filter(|chunk| (chunk.track, chunk.slice) == (track, slice));
        Ok(Bytes::from(own.flat_map(|chunk| chunk.start.to_be_bytes()).collect::<Vec<u8>>()))
    }

    /// Sample bytes from `offset` on: as many whole runs of one span as fit, so that the store need not check a run twice.
    fn sample_bytes(&self, group: usize, offset: u64, len_max: usize, source: &dyn SpanSource) -> Result<Bytes, Error> {
        let chunks = self.chunks_of(group, source)?;
        let index = chunks.partition_point(|chunk| chunk.start <= offset).saturating_sub(1);
        let Some(first) = chunks.get(index) else { return Err(Error::corrupt("reading a file: a group without runs")) };
        let skip = offset - first.start;
        let len_max = u64::try_from(len_max.min(CHUNK_BYTES_MAX)).unwrap_or(0);
        let mut len = (first.part.len - skip).min(len_max);
        let mut end = first.part.offset + first.part.len;
        for chunk in chunks.iter().skip(index + 1) {
            let follows = (chunk.track, chunk.slice, chunk.part.offset) == (first.track, first.slice, end);
            if !follows || len + chunk.part.len > len_max {
                break;
            }
            len += chunk.part.len;
            end += chunk.part.len;
        }
        let span = &self.track(first.track)?.placed(first.slice)?.slice.span;
        let bytes = source.read(span, first.part.offset + skip, len)?;
        if len_of(&bytes) == len {
            return Ok(bytes);
        }
        Err(Error::corrupt(format!(
            "reading {len} bytes of a span of {} at {}: {} came",
            span.stream,
            span.start_utc,
            bytes.len()
        )))
    }
}

impl ByteFile for ProgressiveFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, len_max: usize, source: &dyn SpanSource) -> Result<Bytes, Error> {
        join_pieces(offset, len_max, |offset, len_max| self.piece(offset, len_max, source))
    }
}

/// Presentation − decode time of the first picture, 0 if negative.
fn first_cts(selection: &Selection, source: &dyn SpanSource) -> Result<Ticks90k, Error> {
    let Some(slice) = selection.slices.first().filter(|slice| slice.span.has_cts) else { return Ok(Ticks90k(0)) };
    let table = crate::selection::read_table(source, &slice.span)?;
    let index = usize::try_from(slice.samples.start).unwrap_or(usize::MAX);
    let cts = table.samples().nth(index).map_or(0, |(_, sample)| sample.cts_offset);
    Ok(Ticks90k(i64::from(cts.max(0))))
}

/// How long the video is shown: its media without what comes before `start` and behind `end`. Usually that is the time between the two, but media time
/// differs from UTC when the clock was set back or a gap was too long.
fn shown_ticks(video: &Selection, first_cts: Ticks90k, start: UtcNanos, end: UtcNanos) -> u64 {
    let Some(last) = video.slices.last() else { return 0 };
    let media = boxes::unsigned_ticks(Ticks90k(last.file_end_ticks()) + first_cts);
    let behind = ticks_between(end, last.utc_of(last.end_dts).plus_ticks(first_cts));
    media.saturating_sub(ticks_between(video.start_utc, start)).saturating_sub(behind)
}

/// From `a` to `b`, 0 when `b` is earlier.
fn ticks_between(a: UtcNanos, b: UtcNanos) -> u64 {
    boxes::unsigned_ticks(Ticks90k::from_nanos(b.nanos_since(a)))
}

fn cut(bytes: &Bytes, at: u64, len_max: usize) -> Result<Bytes, Error> {
    let start = usize::try_from(at).unwrap_or(usize::MAX);
    if start >= bytes.len() {
        return Err(Error::corrupt("reading a file: a sample table is shorter than its summary says"));
    }
    Ok(bytes.slice(start..bytes.len().min(start.saturating_add(len_max))))
}

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
