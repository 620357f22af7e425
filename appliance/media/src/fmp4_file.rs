//! A fragmented MP4 of up to 15 minutes, as a plan: for playback in a browser, which appends it to a timeline of its own.
//!
//! An initialization segment, then one fragment for each group of pictures, or for some tens of pictures that are groups of their own. Decode times count from a moment that the viewer chooses, so several
//! requests share one timeline and gaps show as gaps.

use crate::boxes::unsigned_ticks;
use crate::byte_file::{ByteFile, CHUNK_BYTES_MAX, join_pieces};
use crate::error::Error;
use crate::fragment::{FRAGMENT_BYTES_MAX, FRAGMENT_SAMPLES_MAX, FragmentHead, FragmentSample, fragment, init_segment};
use crate::packet::TrackFormat;
use crate::selection::{Slice, read_table, select};
use crate::span::{Sample, SpanSource, SpanSummary};
use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Ticks90k, TimeRange, UtcNanos};

/// Longest range of one file: the tables of 15 min at 60 pictures a second are 54,000 samples, about 1 MB of fragment heads.
pub const RANGE_NANOS_MAX: i64 = 900 * NANOS_PER_SEC;

/// Either bytes that are there, or a stretch of one span's data.
#[derive(Debug)]
enum What {
    Fixed(Bytes),
    Data { span: usize, offset: u64, len: u64 },
}

#[derive(Debug)]
struct Part {
    start: u64,
    what: What,
}

/// Samples of one fragment where each is a key: a second or two, and a fragment's head a picture would be a lot for nothing.
const INTRA_SAMPLES: usize = 32;

/// See the module's description.
#[derive(Debug)]
pub struct FragmentedFile {
    format: Arc<TrackFormat>,
    range: TimeRange,
    gaps: Vec<TimeRange>,
    spans: Vec<SpanSummary>,
    parts: Vec<Part>,
    fragment_count: u32,
    len: u64,
}

impl FragmentedFile {
    /// Plans the footage of `range` in one format: from the key frame shown at or before its start (else the first one after it) to the last sample
    /// that begins before its end, or to where the format changes. List the spans that overlap `range` and those of the last
    /// [`crate::selection::LOOKBACK_MS`] before it. Media time 0 is `base_utc`, by default the first sample.
    ///
    /// # Errors
    /// `InvalidInput` over [`RANGE_NANOS_MAX`] or for a `base_utc` after the first sample, `NotFound` when nothing of `range` is stored, `Corrupt`
    /// and whatever `source` reports for a table.
    pub fn plan(
        spans: &[SpanSummary],
        range: TimeRange,
        base_utc: Option<UtcNanos>,
        source: &dyn SpanSource,
    ) -> Result<Self, Error> {
        if range.nanos() > RANGE_NANOS_MAX {
            let secs = range.nanos() / NANOS_PER_SEC;
            return Err(Error::invalid(format!(
                "planning playback of {secs} s; ask for at most {} s at a time",
                RANGE_NANOS_MAX / NANOS_PER_SEC
            )));
        }
        let selection = select(spans, range, source)?;
        let base = base_utc.unwrap_or(selection.start_utc);
        if base > selection.start_utc {
            let start = selection.start_utc;
            return Err(Error::invalid(format!(
                "planning playback: time 0 is {base}, but the key frame before the range is at {start}; choose an earlier time 0"
            )));
        }
        let Some(format) = selection.slices.first().map(|slice| Arc::clone(&slice.span.format)) else {
            return Err(Error::invalid("planning playback: nothing is selected"));
        };
        let late = Ticks90k::from_nanos(selection.start_utc.nanos_since(base));
        let range = TimeRange { start: selection.start_utc, end: selection.end_utc.max(selection.start_utc) };
        let init = init_segment(&format);
        let mut file = Self {
            format,
            range,
            gaps: selection.gaps,
            spans: Vec::new(),
            parts: Vec::new(),
            fragment_count: 0,
            len: 0,
        };
        file.push(What::Fixed(init));
        for slice in &selection.slices {
            file.add(slice, late, source)?;
        }
        Ok(file)
    }

    /// The one format in it.
    #[must_use]
    pub fn format(&self) -> &TrackFormat {
        &self.format
    }

    /// From its first to the end of its last sample; the first one is a key frame, usually before the requested start.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        self.range
    }

    /// Missing footage inside [`FragmentedFile::range`].
    #[must_use]
    pub fn gaps(&self) -> &[TimeRange] {
        &self.gaps
    }

    fn push(&mut self, what: What) {
        let len = match &what {
            What::Fixed(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            What::Data { len, .. } => *len,
        };
        self.parts.push(Part { start: self.len, what });
        self.len += len;
    }

    /// The fragments of one slice: each begins at a key frame, at the start of the slice or where the one before is full.
    fn add(&mut self, slice: &Slice, late: Ticks90k, source: &dyn SpanSource) -> Result<(), Error> {
        let table = read_table(source, &slice.span)?;
        let skip = usize::try_from(slice.samples.start).unwrap_or(usize::MAX);
        let take = usize::try_from(slice.sample_count()).unwrap_or(0);
        let samples: Vec<(u64, Sample)> =
            table.samples().skip(skip).take(take).map(|(at, sample)| (at, *sample)).collect();
        self.spans.push(slice.span.clone());
        let intra = slice.span.format.codec.is_intra();
        let (mut from, mut bytes) = (0, 0_u64);
        for (index, (_, sample)) in samples.iter().enumerate() {
            let size = u64::from(sample.size_bytes);
            let full = index - from >= FRAGMENT_SAMPLES_MAX || bytes + size > FRAGMENT_BYTES_MAX;
            let begins = sample.key && (!intra || index - from >= INTRA_SAMPLES);
            if index > from && (begins || full) {
                self.add_fragment(slice, (samples.get(from..index).unwrap_or_default(), sample.dts.0), late)?;
                (from, bytes) = (index, 0);
            }
            bytes += size;
        }
        self.add_fragment(slice, (samples.get(from..).unwrap_or_default(), slice.end_dts), late)
    }

    /// One fragment of `samples` of the newest span, the last of which lasts until `end_dts`.
    fn add_fragment(
        &mut self,
        slice: &Slice,
        (samples, end_dts): (&[(u64, Sample)], i64),
        late: Ticks90k,
    ) -> Result<(), Error> {
        let Some((offset, first)) = samples.first().copied() else { return Ok(()) };
        let ends = samples.iter().skip(1).map(|(_, sample)| sample.dts.0).chain([end_dts]);
        let described: Vec<FragmentSample> = samples
            .iter()
            .zip(ends)
            .map(|((_, sample), end)| FragmentSample {
                // Within a span of at most SPAN_TICKS_MAX.
                duration_ticks: u32::try_from(end - sample.dts.0).unwrap_or(0),
                size_bytes: sample.size_bytes,
                cts_offset: sample.cts_offset,
                key: sample.key,
            })
            .collect();
        self.fragment_count = self.fragment_count.saturating_add(1);
        let decode_ticks = Ticks90k(slice.file_ticks + (first.dts.0 - slice.first_dts)) + late;
        let head = FragmentHead {
            sequence: self.fragment_count,
            decode_ticks: unsigned_ticks(decode_ticks),
            utc: Some(slice.utc_of(first.dts.0)),
        };
        self.push(What::Fixed(fragment(head, &described)?));
        let len = samples.iter().map(|(_, sample)| u64::from(sample.size_bytes)).sum();
        let span = self.spans.len().saturating_sub(1);
        self.push(What::Data { span, offset, len });
        Ok(())
    }

    fn piece(&self, offset: u64, len_max: usize, source: &dyn SpanSource) -> Result<Bytes, Error> {
        let index = self.parts.partition_point(|part| part.start <= offset);
        let (Some(part), true) = (index.checked_sub(1).and_then(|index| self.parts.get(index)), offset < self.len)
        else {
            return Ok(Bytes::new());
        };
        let at = offset - part.start;
        match &part.what {
            What::Fixed(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(at..bytes.len().min(at.saturating_add(len_max))))
            }
            What::Data { span, offset, len } => {
                let wanted = (len - at).min(u64::try_from(len_max.min(CHUNK_BYTES_MAX)).unwrap_or(0));
                let Some(span) = self.spans.get(*span) else {
                    return Err(Error::corrupt("reading playback: no such span"));
                };
                let bytes = source.read(span, offset + at, wanted)?;
                if u64::try_from(bytes.len()).is_ok_and(|came| came == wanted) {
                    return Ok(bytes);
                }
                let (stream, utc, came) = (span.stream, span.start_utc, bytes.len());
                Err(Error::corrupt(format!("reading {wanted} bytes of a span of {stream} at {utc}: {came} came")))
            }
        }
    }
}

impl ByteFile for FragmentedFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, len_max: usize, source: &dyn SpanSource) -> Result<Bytes, Error> {
        join_pieces(offset, len_max, |offset, len_max| self.piece(offset, len_max, source))
    }
}
