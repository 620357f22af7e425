//! What the index knows about stored footage: spans (about a minute of one stream) made of runs (one commit's worth of samples).
//! `store` makes these; [`crate::fmp4_file`] turns them into files.

use crate::packet::TrackFormat;
use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::{StreamId, Ticks90k, TimeRange, UtcNanos};

/// Which recording a span belongs to: grows with time within one store, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(pub u64);

/// One sample of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Decode time since the recording's start.
    pub dts: Ticks90k,
    /// Presentation − decode time in 1/90,000 s.
    pub cts_offset: i32,
    /// Coded size.
    pub size_bytes: u32,
    /// Decoding can start here.
    pub key: bool,
    /// What is missing just before it, as in [`crate::Packet::lost_before`].
    pub lost_before: u16,
}

/// The samples of one run, in decode order; their bytes lie one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTable {
    /// 1 or more.
    pub samples: Vec<Sample>,
}

impl RunTable {
    /// Bytes of all samples together.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.size_bytes)).sum()
    }
}

/// The sample tables of one span, run by run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanTable {
    /// In decode order.
    pub runs: Vec<RunTable>,
}

impl SpanTable {
    /// Every sample with its byte offset from the start of the span.
    pub fn samples(&self) -> impl Iterator<Item = (u64, &Sample)> {
        let mut offset = 0_u64;
        self.runs.iter().flat_map(|run| &run.samples).map(move |sample| {
            let at = offset;
            offset += u64::from(sample.size_bytes);
            (at, sample)
        })
    }
}

/// About a minute of one stream: one recording, one format, one segment of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanSummary {
    /// Of which stream.
    pub stream: StreamId,
    /// Part of which recording. Two neighbouring spans of the same recording touch without a gap.
    pub recording: RecordingId,
    /// Format of all samples.
    pub format: Arc<TrackFormat>,
    /// Decode time of the first sample.
    pub first_dts: Ticks90k,
    /// Decode time at which the last sample ends: where the recording's next sample starts, or an estimate after its last one.
    pub end_dts: Ticks90k,
    /// UTC of `first_dts`; the span covers `end_dts - first_dts` from there.
    pub start_utc: UtcNanos,
    /// Samples.
    pub sample_count: u32,
    /// Samples with `key` set.
    pub key_count: u32,
    /// Runs.
    pub run_count: u32,
    /// Bytes of all samples.
    pub byte_count: u64,
    /// Some sample has a `cts_offset` other than 0.
    pub has_cts: bool,
    /// Some sample has a `lost_before` other than 0.
    pub has_lost: bool,
    /// Where the store keeps it; means nothing to others.
    pub locator: u64,
}

impl SpanSummary {
    /// The UTC interval that the span covers.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        let end = self.start_utc.plus_ticks(self.end_dts - self.first_dts);
        TimeRange { start: self.start_utc, end: end.max(self.start_utc) }
    }
}

/// Why a span's table or bytes could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// What kind of failure.
    pub kind: watchbook_base::Kind,
    /// What was attempted, on which stream, segment and offset.
    pub message: String,
}

impl core::fmt::Display for SourceError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for SourceError {}

/// Where a file builder gets tables and bytes from. Blocking; called from threads that may block.
pub trait SpanSource: Send + Sync {
    /// The sample tables of `span`, which must agree with its summary.
    ///
    /// # Errors
    /// [`watchbook_base::Kind::NotFound`] when the ring has since reused the space, `Corrupt` when the bytes fail their check.
    fn table(&self, span: &SpanSummary) -> Result<Arc<SpanTable>, SourceError>;

    /// `len` sample bytes of `span` from byte `offset` of its data, verified against their checksum.
    ///
    /// # Errors
    /// As [`SpanSource::table`]; `InvalidInput` when the interval leaves the span.
    fn read(&self, span: &SpanSummary, offset: u64, len: u64) -> Result<Bytes, SourceError>;

    /// Footage of `stream` that is known to be damaged, each from the first to the end of the last sample. A plan leaves it out, so that it is a gap
    /// and not a broken file.
    fn lost(&self, _stream: StreamId) -> &[TimeRange] {
        &[]
    }
}
