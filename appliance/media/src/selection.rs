//! Which samples of which spans make up a time range, and where they stand on the file's timeline.

use crate::error::Error;
use crate::lost::spared;
use crate::sample_table::{DTS_TICKS_MAX, RUNS_PER_SPAN_MAX, SAMPLES_PER_SPAN_MAX};
use crate::span::{Sample, SpanSource, SpanSummary, SpanTable};
use core::ops::Range;
use std::sync::Arc;
use watchbook_base::time::TICKS_PER_SEC;
use watchbook_base::{Kind, Ticks90k, TimeRange, UtcNanos};

/// Spans of one track in one file: 45 days of one-minute spans.
pub const SPANS_MAX: usize = 1 << 16;
/// How far before the wanted start spans should be listed, so that the key frame before it is among them. Cameras with long groups of pictures send
/// a key frame every 10 to 30 s.
pub const LOOKBACK_MS: i64 = 120_000;
/// Longest span that is believed: half an hour, for about a minute.
pub const SPAN_TICKS_MAX: i64 = 1800 * TICKS_PER_SEC;

/// Differences of UTC under a millisecond are rounding, not gaps.
const GAP_TICKS_MIN: i64 = TICKS_PER_SEC / 1000;

/// A part of a span that goes into a file: all of it, or at the ends of the range some of its samples.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    /// What it is cut from.
    pub(crate) span: SpanSummary,
    /// Which samples, as indices into the span's table.
    pub(crate) samples: Range<u32>,
    /// Key frames among them.
    pub(crate) key_count: u32,
    /// Runs that have some of them.
    pub(crate) run_count: u32,
    /// Where their bytes lie in the span's data.
    pub(crate) data: Range<u64>,
    /// Decode time of the first one, on the recording's clock.
    pub(crate) first_dts: i64,
    /// Where the last one ends, on the recording's clock.
    pub(crate) end_dts: i64,
    /// Decode time of the first one on the file's timeline, which starts with the first slice.
    pub(crate) file_ticks: i64,
}

impl Slice {
    fn whole(span: &SpanSummary) -> Self {
        Self {
            samples: 0..span.sample_count,
            key_count: span.key_count,
            run_count: span.run_count,
            data: 0..span.byte_count,
            first_dts: span.first_dts.0,
            end_dts: span.end_dts.0,
            file_ticks: 0,
            span: span.clone(),
        }
    }

    /// Keeps the samples in `keep` only; `None` when that leaves none.
    pub(crate) fn cut(span: &SpanSummary, table: &SpanTable, keep: Range<u32>) -> Option<Self> {
        let mut slice = Self { samples: keep.clone(), key_count: 0, run_count: 0, data: 0..0, ..Self::whole(span) };
        let (mut index, mut offset) = (0_u32, 0_u64);
        for run in &table.runs {
            let mut used = false;
            for sample in &run.samples {
                let end = offset + u64::from(sample.size_bytes);
                if index == keep.start {
                    slice.first_dts = sample.dts.0;
                    slice.data = offset..offset;
                }
                if index == keep.end {
                    slice.end_dts = sample.dts.0;
                }
                if keep.contains(&index) {
                    slice.key_count += u32::from(sample.key);
                    slice.data.end = end;
                    used = true;
                }
                (index, offset) = (index + 1, end);
            }
            slice.run_count += u32::from(used);
        }
        (slice.run_count > 0).then_some(slice)
    }

    /// Samples in it.
    pub(crate) fn sample_count(&self) -> u32 {
        self.samples.end.saturating_sub(self.samples.start)
    }

    /// UTC of a decode time on the recording's clock.
    pub(crate) fn utc_of(&self, dts: i64) -> UtcNanos {
        self.span.start_utc.plus_ticks(Ticks90k(dts) - self.span.first_dts)
    }

    /// Where it ends on the file's timeline, before a gap is added.
    pub(crate) fn file_end_ticks(&self) -> i64 {
        self.file_ticks + (self.end_dts - self.first_dts)
    }
}

/// What a file is made of.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// In order; never empty.
    pub(crate) slices: Vec<Slice>,
    /// UTC of the first sample's decode time: where the file's timeline starts.
    pub(crate) start_utc: UtcNanos,
    /// UTC at which the last sample ends; where the clock was set back, the latest such moment.
    pub(crate) end_utc: UtcNanos,
    /// What is missing between the first and the last sample.
    pub(crate) gaps: Vec<TimeRange>,
}

fn latest_end(slices: &[Slice]) -> Option<UtcNanos> {
    slices.iter().map(|slice| slice.utc_of(slice.end_dts)).max()
}

/// The samples for `range`: from the last key frame that is shown at or before its start (else the first one after it), to the last sample that begins
/// before its end. What is lost is left out. Stops before the first other format. Reads the tables at both ends and
/// beside lost footage only.
///
/// # Errors
/// `NotFound` when no key frame lies there, `Corrupt` when a summary or table is impossible, `Exhausted` for more than [`SPANS_MAX`] spans.
pub(crate) fn select(spans: &[SpanSummary], range: TimeRange, source: &dyn SpanSource) -> Result<Selection, Error> {
    if spans.len() > SPANS_MAX {
        return Err(Error::exhausted(format!(
            "planning a file of {} spans; {SPANS_MAX} go: ask for less time",
            spans.len()
        )));
    }
    let mut ordered: Vec<&SpanSummary> = spans.iter().filter(|span| span.start_utc < range.end).collect();
    ordered.iter().try_for_each(|span| check_summary(span))?;
    // Recordings are numbered in time order even where the clock was set back.
    ordered.sort_by_key(|span| (span.recording, span.first_dts));
    let (first, key_index) = find_start(&ordered, range.start, source)?;
    let Some(opening) = ordered.get(first) else { return Err(nothing(range)) };
    let mut slices = Vec::with_capacity(ordered.len() - first);
    for (index, span) in ordered.iter().enumerate().skip(first) {
        if opening.format != span.format {
            break;
        }
        // A later recording can lie before the range only when the clock was set back.
        let behind = span.range().end <= range.start && span.recording != opening.recording;
        let skip = if index == first { key_index } else { 0 };
        if !behind && let Some(slice) = trim(span, skip, range.end, source)? {
            slices.push(slice);
        }
    }
    let mut slices = spared(slices, source)?;
    let gaps = place(&mut slices);
    let Some(start_utc) = slices.first().map(|slice| slice.utc_of(slice.first_dts)) else {
        return Err(nothing(range));
    };
    let end_utc = latest_end(&slices).unwrap_or(start_utc);
    Ok(Selection { start_utc, end_utc, gaps, slices })
}

fn nothing(range: TimeRange) -> Error {
    let message = format!("planning a file from {} to {}: no key frame of it is stored", range.start, range.end);
    Error { kind: Kind::NotFound, message }
}

/// Which span, and which of its samples, to start with.
fn find_start(ordered: &[&SpanSummary], from: UtcNanos, source: &dyn SpanSource) -> Result<(usize, u32), Error> {
    let missing =
        || Error { kind: Kind::NotFound, message: format!("planning a file from {from}: nothing is stored after it") };
    let at = ordered.iter().position(|span| span.range().end > from).ok_or_else(missing)?;
    let mut next: Option<&SpanSummary> = None;
    for (index, span) in ordered.iter().enumerate().take(at + 1).rev() {
        // Backwards only while the samples run on into the span where the range starts.
        let runs_on = next.is_none_or(|next| next.recording == span.recording && next.first_dts <= span.end_dts);
        if span.start_utc > from || !runs_on {
            break;
        }
        if span.key_count > 0 {
            let table = read_table(source, span)?;
            let target = span.first_dts.0.saturating_add(Ticks90k::from_nanos(from.nanos_since(span.start_utc)).0);
            let shown = |sample: &Sample| sample.key && sample.dts.0 + i64::from(sample.cts_offset) <= target;
            if let Some(found) =
                index_of(table.samples().map(|(_, sample)| shown(sample)).enumerate().filter(|(_, yes)| *yes).last())
            {
                return Ok((index, found));
            }
        }
        next = Some(span);
    }
    for (index, span) in ordered.iter().enumerate().skip(at).filter(|(_, span)| span.key_count > 0) {
        let table = read_table(source, span)?;
        let target = span.first_dts.0.saturating_add(Ticks90k::from_nanos(from.nanos_since(span.start_utc)).0);
        let after = |sample: &Sample| sample.key && (sample.dts.0 >= target || index > at);
        if let Some(found) =
            index_of(table.samples().map(|(_, sample)| after(sample)).enumerate().find(|(_, yes)| *yes))
        {
            return Ok((index, found));
        }
    }
    Err(Error {
        kind: Kind::NotFound,
        message: format!("planning a file from {from}: no key frame is stored after it"),
    })
}

fn index_of(found: Option<(usize, bool)>) -> Option<u32> {
    found.and_then(|(index, _)| u32::try_from(index).ok())
}

/// The samples of `span` from index `skip` on that begin before `to`.
fn trim(span: &SpanSummary, skip: u32, to: UtcNanos, source: &dyn SpanSource) -> Result<Option<Slice>, Error> {
    if skip == 0 && span.range().end <= to {
        return Ok(Some(Slice::whole(span)));
    }
    let table = read_table(source, span)?;
    let target = span.first_dts.0.saturating_add(Ticks90k::from_nanos(to.nanos_since(span.start_utc)).0);
    let before = table.samples().take_while(|(_, sample)| sample.dts.0 < target).count();
    Ok(Slice::cut(span, &table, skip..u32::try_from(before).unwrap_or(u32::MAX)))
}

/// Gives every slice its place on the timeline, and lists the gaps. Within a recording its own clock counts; between recordings UTC does, but never
/// backwards.
fn place(slices: &mut [Slice]) -> Vec<TimeRange> {
    let mut gaps = Vec::new();
    let mut previous: Option<Slice> = None;
    let origin = slices.first().map_or(UtcNanos(0), |slice| slice.utc_of(slice.first_dts));
    for slice in slices {
        let start = slice.utc_of(slice.first_dts);
        if let Some(before) = &previous {
            let end = before.file_end_ticks();
            let wanted = if before.span.recording == slice.span.recording {
                before.file_ticks + (slice.first_dts - before.first_dts)
            } else {
                Ticks90k::from_nanos(start.nanos_since(origin)).0.max(end)
            };
            slice.file_ticks = wanted;
            let gap = TimeRange { start: before.utc_of(before.end_dts), end: start };
            if wanted - end >= GAP_TICKS_MIN && gap.start < gap.end {
                gaps.push(gap);
            }
        }
        previous = Some(slice.clone());
    }
    gaps
}

/// Refuses numbers that no store writes, so that everything computed from them stays in bounds.
fn check_summary(span: &SpanSummary) -> Result<(), Error> {
    let counts = [u64::from(span.run_count), u64::from(span.sample_count), span.byte_count];
    let sample_max = u64::try_from(SAMPLES_PER_SPAN_MAX).unwrap_or(0);
    let bytes_max = u64::try_from(watchbook_base::limits::ACCESS_UNIT_BYTES_MAX).unwrap_or(0).saturating_mul(counts[1]);
    let ticks = span.end_dts.0.saturating_sub(span.first_dts.0);
    let fine = span.run_count >= 1
        && counts.is_sorted()
        && usize::try_from(span.run_count).is_ok_and(|count| count <= RUNS_PER_SPAN_MAX)
        && counts[1] <= sample_max
        && span.key_count <= span.sample_count
        && span.byte_count <= bytes_max
        && (0..=DTS_TICKS_MAX).contains(&span.first_dts.0)
        && (1..=SPAN_TICKS_MAX).contains(&ticks);
    if fine {
        Ok(())
    } else {
        Err(Error::corrupt(format!("planning a file: impossible summary of a span of {}: {span:?}", span.stream)))
    }
}

/// The table of `span`, checked against its summary.
///
/// # Errors
/// What the source reports, or `Corrupt`.
pub(crate) fn read_table(source: &dyn SpanSource, span: &SpanSummary) -> Result<Arc<SpanTable>, Error> {
    let table = source.table(span)?;
    let mut seen =
        SpanSummary { sample_count: 0, key_count: 0, byte_count: 0, has_cts: false, has_lost: false, ..span.clone() };
    let mut last = -1;
    let mut rising = true;
    for sample in table.runs.iter().flat_map(|run| &run.samples) {
        rising &= sample.dts.0 > last && sample.size_bytes > 0;
        last = sample.dts.0;
        seen.sample_count = seen.sample_count.saturating_add(1);
        seen.key_count += u32::from(sample.key);
        seen.byte_count += u64::from(sample.size_bytes);
        seen.has_cts |= sample.cts_offset != 0;
        seen.has_lost |= sample.lost_before != 0;
    }
    seen.run_count = u32::try_from(table.runs.len()).unwrap_or(u32::MAX);
    seen.first_dts = table.samples().next().map_or(Ticks90k(-1), |(_, sample)| sample.dts);
    let full_runs = table.runs.iter().all(|run| !run.samples.is_empty());
    if rising && full_runs && last < span.end_dts.0 && seen == *span {
        return Ok(table);
    }
    Err(Error::corrupt(format!(
        "reading the sample table of a span of {} at {}: it does not agree with its summary",
        span.stream, span.start_utc
    )))
}
