//! Spans in memory, made from samples as a store would.

use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use watchbook_base::{CameraId, Kind, StreamId, Ticks90k, TimeRange, TrackRole, UtcNanos};
use watchbook_media::{
    ByteFile, Codec, RecordingId, RunTable, Sample, SourceError, SpanSource, SpanSummary, SpanTable, TrackFormat,
    chunks,
};

/// 2026-01-01 00:00:00 UTC (`date -u -d 2026-01-01 +%s`).
pub(crate) const NEW_YEAR: UtcNanos = UtcNanos(1_767_225_600 * 1_000_000_000);

#[derive(Default)]
pub(crate) struct Memory {
    stored: HashMap<u64, (Arc<SpanTable>, Bytes)>,
    pub(crate) tables_read: AtomicUsize,
    /// What of the video cannot be read.
    pub(crate) lost: Vec<TimeRange>,
}

impl Memory {
    /// Stores one span of `samples`, split into runs of `run_len`.
    pub(crate) fn add(&mut self, span: NewSpan<'_>) -> SpanSummary {
        let table = SpanTable {
            runs: span
                .samples
                .chunks(span.run_len)
                .map(|run| RunTable { samples: run.iter().map(|(sample, _)| *sample).collect() })
                .collect(),
        };
        let data: Vec<u8> = span.samples.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let locator = self.stored.len() as u64;
        let count =
            |found: &dyn Fn(&Sample) -> bool| span.samples.iter().filter(|(sample, _)| found(sample)).count() as u32;
        let summary = SpanSummary {
            stream: CameraId::new(1).unwrap().stream(span.role),
            recording: RecordingId(span.recording),
            format: Arc::clone(span.format),
            first_dts: span.samples[0].0.dts,
            end_dts: Ticks90k(span.end_dts),
            start_utc: span.utc,
            sample_count: count(&|_| true),
            key_count: count(&|sample| sample.key),
            run_count: table.runs.len() as u32,
            byte_count: data.len() as u64,
            has_cts: count(&|sample| sample.cts_offset != 0) > 0,
            has_lost: count(&|sample| sample.lost_before != 0) > 0,
            locator,
        };
        self.stored.insert(locator, (Arc::new(table), Bytes::from(data)));
        summary
    }
}

/// What [`Memory::add`] stores.
pub(crate) struct NewSpan<'a> {
    pub(crate) role: TrackRole,
    pub(crate) recording: u64,
    pub(crate) format: &'a Arc<TrackFormat>,
    pub(crate) samples: &'a [(Sample, Bytes)],
    pub(crate) end_dts: i64,
    pub(crate) utc: UtcNanos,
    pub(crate) run_len: usize,
}

impl SpanSource for Memory {
    fn table(&self, span: &SpanSummary) -> Result<Arc<SpanTable>, SourceError> {
        self.tables_read.fetch_add(1, Ordering::Relaxed);
        self.stored.get(&span.locator).map(|(table, _)| Arc::clone(table)).ok_or_else(|| gone(span.stream))
    }

    fn read(&self, span: &SpanSummary, offset: u64, len: u64) -> Result<Bytes, SourceError> {
        let (_, data) = self.stored.get(&span.locator).ok_or_else(|| gone(span.stream))?;
        let end = offset.checked_add(len).filter(|end| *end <= data.len() as u64);
        let end = end.ok_or_else(|| SourceError {
            kind: Kind::InvalidInput,
            message: format!("{offset}+{len} leaves the span"),
        })?;
        Ok(data.slice(offset as usize..end as usize))
    }

    fn lost(&self, stream: StreamId) -> &[TimeRange] {
        if stream.role.is_video() { &self.lost } else { &[] }
    }
}

fn gone(stream: StreamId) -> SourceError {
    SourceError { kind: Kind::NotFound, message: format!("a span of {stream} is gone") }
}

/// Every byte of `file`.
pub(crate) fn whole(file: &dyn ByteFile, source: &dyn SpanSource) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in chunks(file, 0..u64::MAX, source) {
        all.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(all.len() as u64, file.len(), "the announced length");
    all
}

/// A video format; `id` makes several differ.
pub(crate) fn h264(id: u8) -> Arc<TrackFormat> {
    let config = Bytes::from(vec![1, 0x64, 0, id, 0xFF, 0xE0, 0]);
    Arc::new(TrackFormat { codec: Codec::H264 { width: 640, height: 360 }, config })
}

/// `count` samples of `step` ticks from `first` on, a key every `gop`; contents tell them apart.
pub(crate) fn samples(first: i64, count: i64, step: i64, gop: i64) -> Vec<(Sample, Bytes)> {
    let sample = |i: i64| {
        let bytes = Bytes::from(vec![(first / step + i) as u8; 5 + (i as usize * 7) % 40]);
        (
            Sample {
                dts: Ticks90k(first + i * step),
                cts_offset: 0,
                size_bytes: bytes.len() as u32,
                key: i % gop == 0,
                lost_before: 0,
            },
            bytes,
        )
    };
    (0..count).map(sample).collect()
}

pub(crate) fn utc_ms(ms: i64) -> UtcNanos {
    NEW_YEAR.plus_nanos(ms * 1_000_000)
}

pub(crate) fn range_ms(from: i64, to: i64) -> TimeRange {
    TimeRange::new(utc_ms(from), utc_ms(to)).unwrap()
}
