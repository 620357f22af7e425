//! One track of a progressive MP4: its slices with running totals, and the bytes that each slice contributes to each sample table
//! (ISO/IEC 14496-12 §8.6 and §8.7).

use crate::boxes::BoxWriter;
use crate::error::Error;
use crate::packet::TrackFormat;
use crate::selection::{Selection, Slice, read_table};
use crate::span::{Sample, SpanSource, SpanTable};
use bytes::Bytes;
use std::sync::{Arc, Mutex};

/// Sample entries of one track. A camera whose settings change more often than this within one file is cut off there.
pub(crate) const FORMATS_MAX: usize = 64;
/// Decoded tables that one open file keeps. Reading goes span by span with two tracks at a time; eight minute-long tables are about 350 kB.
const TABLES_KEPT_MAX: usize = 8;

/// The tables whose bytes are produced on demand, in the order in which they stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// Durations.
    Stts,
    /// Composition offsets.
    Ctts,
    /// Key frames.
    Stss,
    /// Which chunk has how many samples.
    Stsc,
    /// Sizes.
    Stsz,
    /// Chunk offsets.
    Co64,
}

impl TableKind {
    /// Bytes of one entry.
    pub(crate) fn entry_bytes(self) -> u64 {
        match self {
            Self::Stts | Self::Ctts | Self::Co64 => 8,
            Self::Stsc => 12,
            Self::Stss | Self::Stsz => 4,
        }
    }
}

/// Running totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) samples: u64,
    pub(crate) keys: u64,
    pub(crate) runs: u64,
}

impl Counts {
    /// Entries that these make in a table.
    pub(crate) fn entries(self, kind: TableKind) -> u64 {
        match kind {
            TableKind::Stts | TableKind::Ctts | TableKind::Stsz => self.samples,
            TableKind::Stss => self.keys,
            TableKind::Stsc | TableKind::Co64 => self.runs,
        }
    }
}

/// A slice and what comes before it.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) slice: Slice,
    /// Of all slices before it.
    pub(crate) before: Counts,
    /// Its sample entry, counted from 1.
    pub(crate) entry: u32,
    /// Index of the group whose part of `mdat` has its samples.
    pub(crate) group: usize,
}

/// Some samples of one run, which are one chunk of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunPart {
    /// First sample's decode time on the file's timeline.
    pub(crate) file_ticks: i64,
    /// Samples.
    pub(crate) sample_count: u32,
    /// Where its bytes start in the span's data.
    pub(crate) offset: u64,
    /// Its bytes.
    pub(crate) len: u64,
}

/// A track of the file.
#[derive(Debug)]
pub(crate) struct TrackPlan {
    pub(crate) placed: Vec<Placed>,
    pub(crate) formats: Vec<Arc<TrackFormat>>,
    pub(crate) totals: Counts,
    pub(crate) has_cts: bool,
    /// Length of the media: where the last sample ends on the file's timeline.
    pub(crate) media_ticks: i64,
    tables: Mutex<Vec<(usize, Arc<SpanTable>)>>,
}

impl TrackPlan {
    /// Counts what comes before each slice, and gives each format its sample entry.
    pub(crate) fn new(selection: &Selection) -> Self {
        let mut plan = Self {
            placed: Vec::with_capacity(selection.slices.len()),
            formats: Vec::new(),
            totals: Counts::default(),
            has_cts: false,
            media_ticks: 0,
            tables: Mutex::new(Vec::new()),
        };
        for slice in &selection.slices {
            let entry = plan.formats.iter().position(|format| *format == slice.span.format).unwrap_or_else(|| {
                plan.formats.push(Arc::clone(&slice.span.format));
                plan.formats.len() - 1
            });
            let entry = u32::try_from(entry + 1).unwrap_or(u32::MAX);
            plan.placed.push(Placed { slice: slice.clone(), before: plan.totals, entry, group: 0 });
            plan.totals.samples += u64::from(slice.sample_count());
            plan.totals.keys += u64::from(slice.key_count);
            plan.totals.runs += u64::from(slice.run_count);
            plan.has_cts |= slice.span.has_cts;
            plan.media_ticks = slice.file_end_ticks();
        }
        plan
    }

    /// The boxes of the sample table behind `stsd`; `kinds` hears of each hole.
    pub(crate) fn write_tables(&self, w: &mut BoxWriter, mut kinds: impl FnMut(TableKind)) {
        let some_keys = self.formats.first().is_some_and(|format| format.codec.is_video() && !format.codec.is_intra());
        let mut table = |w: &mut BoxWriter, name: &[u8; 4], version: u8, kind: TableKind| {
            let count = self.totals.entries(kind);
            w.full(name, version, 0, |w| {
                if kind == TableKind::Stsz {
                    w.u32(0); // sizes differ
                }
                w.u32(u32::try_from(count).unwrap_or(u32::MAX));
                w.hole(count * kind.entry_bytes());
            });
            kinds(kind);
        };
        table(w, b"stts", 0, TableKind::Stts);
        if self.has_cts {
            table(w, b"ctts", 1, TableKind::Ctts);
        }
        // Without `stss` every sample is a key.
        if some_keys {
            table(w, b"stss", 0, TableKind::Stss);
        }
        table(w, b"stsc", 0, TableKind::Stsc);
        table(w, b"stsz", 0, TableKind::Stsz);
        table(w, b"co64", 0, TableKind::Co64);
    }

    /// The index of the slice that has entry `number` (from 0) of a table.
    pub(crate) fn slice_of_entry(&self, kind: TableKind, number: u64) -> usize {
        self.placed.partition_point(|placed| placed.before.entries(kind) <= number).saturating_sub(1)
    }

    /// The checked table of slice `index`, from the few that are kept or from the source.
    pub(crate) fn table(&self, index: usize, source: &dyn SpanSource) -> Result<Arc<SpanTable>, Error> {
        let kept = || self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, table)) = kept().iter().find(|(at, _)| *at == index) {
            return Ok(Arc::clone(table));
        }
        let placed = self.placed(index)?;
        let table = read_table(source, &placed.slice.span)?;
        let mut kept = kept();
        if kept.len() >= TABLES_KEPT_MAX {
            kept.remove(0);
        }
        kept.push((index, Arc::clone(&table)));
        Ok(table)
    }

    /// Slice `index`.
    pub(crate) fn placed(&self, index: usize) -> Result<&Placed, Error> {
        self.placed.get(index).ok_or_else(|| Error::corrupt(format!("reading a file: it has no span {index}")))
    }

    /// The chunks of slice `index`, in order.
    pub(crate) fn run_parts(&self, index: usize, table: &SpanTable) -> Result<Vec<RunPart>, Error> {
        let slice = &self.placed(index)?.slice;
        let (mut number, mut offset) = (0_u32, 0_u64);
        let mut parts = Vec::with_capacity(table.runs.len());
        for run in &table.runs {
            let mut part: Option<RunPart> = None;
            for sample in &run.samples {
                if slice.samples.contains(&number) {
                    let file_ticks = slice.file_ticks + (sample.dts.0 - slice.first_dts);
                    let part = part.get_or_insert(RunPart { file_ticks, sample_count: 0, offset, len: 0 });
                    part.sample_count += 1;
                    part.len += u64::from(sample.size_bytes);
                }
                (number, offset) = (number + 1, offset + u64::from(sample.size_bytes));
            }
            parts.extend(part);
        }
        Ok(parts)
    }

    /// What slice `index` contributes to the table `kind`; chunk offsets come from elsewhere.
    pub(crate) fn table_bytes(&self, kind: TableKind, index: usize, source: &dyn SpanSource) -> Result<Bytes, Error> {
        let placed = self.placed(index)?;
        let table = self.table(index, source)?;
        let skip = usize::try_from(placed.slice.samples.start).unwrap_or(usize::MAX);
        let take = usize::try_from(placed.slice.sample_count()).unwrap_or(0);
        let samples = table.samples().map(|(_, sample)| sample).skip(skip).take(take);
        let first = placed.before.samples + 1;
        let mut out: Vec<u8> = Vec::with_capacity(take.saturating_mul(8));
        match kind {
            TableKind::Stts => self.durations(index, samples, &mut out)?,
            TableKind::Ctts => samples.for_each(|sample| {
                out.extend_from_slice(&1_u32.to_be_bytes());
                out.extend_from_slice(&sample.cts_offset.to_be_bytes());
            }),
            TableKind::Stss => samples.zip(first..).filter(|(sample, _)| sample.key).for_each(|(_, number)| {
                out.extend_from_slice(&low_32(number).to_be_bytes());
            }),
            TableKind::Stsz => samples.for_each(|sample| out.extend_from_slice(&sample.size_bytes.to_be_bytes())),
            TableKind::Stsc => {
                for (part, number) in self.run_parts(index, &table)?.iter().zip(placed.before.runs + 1..) {
                    for field in [low_32(number), part.sample_count, placed.entry] {
                        out.extend_from_slice(&field.to_be_bytes());
                    }
                }
            }
            TableKind::Co64 => {}
        }
        Ok(Bytes::from(out))
    }

    /// `stts` entries: until the next sample, or for the last one until the next slice, gap included.
    fn durations<'a>(
        &self,
        index: usize,
        samples: impl Iterator<Item = &'a Sample>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let slice = &self.placed(index)?.slice;
        let end = self.placed.get(index + 1).map_or(slice.file_end_ticks(), |next| next.slice.file_ticks);
        // On the recording's clock.
        let end = end - slice.file_ticks + slice.first_dts;
        let mut samples = samples.peekable();
        while let Some(sample) = samples.next() {
            let next = samples.peek().map_or(end, |next| next.dts.0);
            let duration =
                next.checked_sub(sample.dts.0).filter(|ticks| *ticks > 0).and_then(|ticks| i32::try_from(ticks).ok());
            let duration = duration.ok_or_else(|| {
                let (stream, utc) = (slice.span.stream, slice.span.start_utc);
                Error::corrupt(format!(
                    "reading the sample table of a span of {stream} at {utc}: the next span starts inside it"
                ))
            })?;
            out.extend_from_slice(&1_u32.to_be_bytes());
            out.extend_from_slice(&duration.to_be_bytes());
        }
        Ok(())
    }
}

/// Table entries hold 32 bits; [`crate::mp4_file::SAMPLES_MAX`] keeps every number below that.
fn low_32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
