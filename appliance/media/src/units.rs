//! The access units of a short range, one by one: for whoever decodes them, where [`crate::fmp4_file`] plans a file of them.

use crate::byte_file::CHUNK_BYTES_MAX;
use crate::error::Error;
use crate::fmp4_file::RANGE_NANOS_MAX;
use crate::packet::TrackFormat;
use crate::selection::{read_table, select};
use crate::span::{SpanSource, SpanSummary};
use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::{Ticks90k, TimeRange, UtcNanos};

/// One access unit and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Presentation on the viewer's timeline.
    pub shown: Ticks90k,
    /// Decoding can start here.
    pub key: bool,
    span: usize,
    offset: u64,
    size_bytes: u32,
}

/// See the module's description.
#[derive(Debug)]
pub struct Units {
    format: Arc<TrackFormat>,
    range: TimeRange,
    from: Ticks90k,
    end: Ticks90k,
    spans: Vec<SpanSummary>,
    list: Vec<Unit>,
}

impl Units {
    /// Plans the same footage as [`crate::FragmentedFile::plan`], and takes the same.
    ///
    /// # Errors
    /// As [`crate::FragmentedFile::plan`].
    pub fn plan(
        spans: &[SpanSummary],
        range: TimeRange,
        base_utc: Option<UtcNanos>,
        source: &dyn SpanSource,
    ) -> Result<Self, Error> {
        if range.nanos() > RANGE_NANOS_MAX {
            return Err(Error::invalid("planning access units of more than 15 min"));
        }
        let selection = select(spans, range, source)?;
        let base = base_utc.unwrap_or(selection.start_utc);
        let Some(format) = selection.slices.first().map(|slice| Arc::clone(&slice.span.format)) else {
            return Err(Error::invalid("planning access units: nothing is selected"));
        };
        if base > selection.start_utc {
            return Err(Error::invalid(
                "planning access units: time 0 is after the first one; choose an earlier time 0",
            ));
        }
        let late = Ticks90k::from_nanos(selection.start_utc.nanos_since(base));
        let (mut planned, mut used, mut end) = (Vec::new(), Vec::new(), Ticks90k(0));
        for slice in &selection.slices {
            let table = read_table(source, &slice.span)?;
            let skip = usize::try_from(slice.samples.start).unwrap_or(usize::MAX);
            let take = usize::try_from(slice.sample_count()).unwrap_or(0);
            let at = |dts: i64| Ticks90k(slice.file_ticks + (dts - slice.first_dts)) + late;
            for (offset, sample) in table.samples().skip(skip).take(take) {
                let shown = at(sample.dts.0.saturating_add(i64::from(sample.cts_offset)));
                planned.push(Unit { shown, key: sample.key, span: used.len(), offset, size_bytes: sample.size_bytes });
            }
            end = end.max(at(slice.end_dts));
            used.push(slice.span.clone());
        }
        // What is shown at the start was shown before it already.
        let wanted = Ticks90k::from_nanos(range.start.nanos_since(base));
        let before = planned.iter().map(|unit| unit.shown).filter(|shown| *shown <= wanted).max();
        let from = before.or_else(|| planned.iter().map(|unit| unit.shown).min()).unwrap_or(wanted);
        let range = TimeRange { start: selection.start_utc, end: selection.end_utc.max(selection.start_utc) };
        Ok(Self { format, range, from, end, spans: used, list: planned })
    }

    /// The one format of all.
    #[must_use]
    pub fn format(&self) -> &TrackFormat {
        &self.format
    }

    /// From the first to the end of the last one; the first is a key frame, usually before the start that was asked for.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        self.range
    }

    /// Presentation of the picture that stands at the start that was asked for: those before it are decoded for it and the ones behind.
    #[must_use]
    pub fn from(&self) -> Ticks90k {
        self.from
    }

    /// Where the last one ends.
    #[must_use]
    pub fn end(&self) -> Ticks90k {
        self.end
    }

    /// All, in decode order.
    #[must_use]
    pub fn list(&self) -> &[Unit] {
        &self.list
    }

    /// The bytes of the unit with this index, and of those behind it as far as they lie in one piece of at most [`CHUNK_BYTES_MAX`]. None behind the last one.
    ///
    /// # Errors
    /// What `source` reports; `Corrupt` when bytes are missing.
    pub fn read(&self, index: usize, source: &dyn SpanSource) -> Result<Vec<(Unit, Bytes)>, Error> {
        let behind = self.list.get(index..).unwrap_or_default();
        let Some(first) = behind.first() else { return Ok(Vec::new()) };
        let Some(span) = self.spans.get(first.span) else { return Err(Error::corrupt("reading: no such span")) };
        let room = u64::try_from(CHUNK_BYTES_MAX).unwrap_or(u64::MAX);
        let mut end = first.offset + u64::from(first.size_bytes);
        let mut count = 1;
        for unit in behind.iter().skip(1) {
            let next = unit.offset + u64::from(unit.size_bytes);
            if unit.span != first.span || unit.offset != end || next - first.offset > room {
                break;
            }
            (end, count) = (next, count + 1);
        }
        let mut rest = source.read(span, first.offset, end - first.offset)?;
        let mut out = Vec::with_capacity(count);
        for unit in behind.iter().take(count) {
            let size = usize::try_from(unit.size_bytes).unwrap_or(usize::MAX);
            if rest.len() < size {
                return Err(Error::corrupt(format!("reading a span of {}: bytes are missing", span.stream)));
            }
            out.push((*unit, rest.split_to(size)));
        }
        Ok(out)
    }
}
