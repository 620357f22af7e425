//! A span that still grows: committed runs only.

use super::SPAN_NANOS_MAX;
use super::rows::{self, Position, RunPlace, SpanFlags, SpanKey, SpanRow, TablesRow};
use crate::error::Result;
use crate::format::Run;
use crate::kv::{Keys, Kv};
use std::sync::Arc;
use watchbook_base::{Ticks90k, TimeRange, UtcNanos};
use watchbook_media::sample_table::{RUNS_PER_SPAN_MAX, SAMPLES_PER_SPAN_MAX};
use watchbook_media::{RecordingId, SpanSummary, TrackFormat};

/// What is known of it so far.
#[derive(Clone, Debug)]
pub(crate) struct OpenSpan {
    first: Position,
    key: SpanKey,
    row: SpanRow,
    tables: TablesRow,
    format: Arc<TrackFormat>,
}

impl OpenSpan {
    /// A span that begins with `run` of the commit `seq` at `at`.
    pub(crate) fn new(seq: u64, run: &Run, at: Position, format: Arc<TrackFormat>) -> Self {
        let row = SpanRow {
            recording: run.recording.0,
            first_dts: run.first_dts.0,
            end_dts: run.first_dts.0,
            sample_count: 0,
            key_count: 0,
            run_count: 0,
            byte_count: 0,
            flags: SpanFlags::default(),
            slot: at.slot,
            generation: at.generation,
            last_seq: seq,
            key_id: key_id_of(run),
        };
        let key = SpanKey { stream: run.stream, start: run.first_utc, first_seq: seq };
        let mut span = Self { first: Position { seq, ..at }, key, row, tables: TablesRow::default(), format };
        span.push(seq, run, at.offset);
        span
    }

    /// Position of the commit with its first run.
    pub(crate) fn first(&self) -> Position {
        self.first
    }

    pub(crate) fn recording(&self) -> RecordingId {
        RecordingId(self.row.recording)
    }

    /// True when `run` can join: same recording, same key, later, and no bound is broken.
    pub(crate) fn takes(&self, run: &Run) -> bool {
        let end = run.first_dts.0.saturating_add(i64::from(run.length_ticks));
        self.row.recording == run.recording.0
            && self.row.key_id == key_id_of(run)
            && run.first_dts.0 >= self.row.first_dts
            && Ticks90k(end.saturating_sub(self.row.first_dts)).as_nanos() <= SPAN_NANOS_MAX
            && self.tables.runs.len() < RUNS_PER_SPAN_MAX
            && crate::codec::narrow(u64::from(self.row.sample_count) + u64::from(run.sample_count))
                <= SAMPLES_PER_SPAN_MAX
    }

    /// Adds a run of the commit `seq`, which starts at `commit_offset` of its segment.
    pub(crate) fn push(&mut self, seq: u64, run: &Run, commit_offset: u64) {
        let row = &mut self.row;
        row.end_dts = run.first_dts.0.saturating_add(i64::from(run.length_ticks));
        row.sample_count += run.sample_count;
        row.key_count += run.key_count;
        row.run_count += 1;
        row.byte_count += run.plain_len();
        row.flags.add(run);
        row.last_seq = seq;
        self.tables.runs.push(RunPlace {
            offset: commit_offset + run.payload_offset,
            len: run.payload_len,
            crc: run.crc,
            seal: RunPlace::seal_of(run.seal),
            table_len: crate::codec::count(run.table.len()),
        });
        self.tables.tables.extend_from_slice(&run.table);
    }

    /// Key and rows as they go into the index.
    pub(crate) fn rows(&self) -> (SpanKey, SpanRow, TablesRow) {
        (self.key, self.row.clone(), self.tables.clone())
    }

    /// What readers see.
    pub(crate) fn summary(&self) -> SpanSummary {
        summary_of(&self.key, &self.row, self.format.clone())
    }

    /// Number of the key of all its runs; 0: none.
    pub(crate) fn key_id(&self) -> u32 {
        self.row.key_id
    }

    pub(crate) fn key(&self) -> SpanKey {
        self.key
    }

    pub(crate) fn tables(&self) -> &TablesRow {
        &self.tables
    }

    pub(crate) fn place(&self) -> (u32, u64) {
        (self.row.slot, self.row.generation)
    }
}

fn key_id_of(run: &Run) -> u32 {
    run.seal.map_or(0, |seal| seal.key_id)
}

/// Shows the spans that the index has between `keys`, in their order.
///
/// # Errors
/// When the index cannot be read, or one of its rows.
pub(crate) fn scan(kv: &dyn Kv, keys: &Keys, visit: &mut dyn FnMut(SpanKey, SpanRow)) -> Result<()> {
    let mut failed = None;
    kv.scan(rows::SPANS, keys, &mut |key, value| {
        match (SpanKey::decode(key), rows::unpack(rows::SPANS, value)) {
            (Some(key), Ok(row)) => visit(key, row),
            (_, Err(error)) => failed = Some(error),
            (None, _) => {}
        }
        failed.is_none()
    })?;
    failed.map_or(Ok(()), Err)
}

/// From the first sample of a row to the end of its last one.
pub(crate) fn range_of(key: &SpanKey, row: &SpanRow) -> TimeRange {
    let end = key.start.plus_ticks(rows::ticks_between(row.first_dts, row.end_dts));
    TimeRange { start: key.start, end: end.max(key.start) }
}

/// The summary of a row.
pub(crate) fn summary_of(key: &SpanKey, row: &SpanRow, format: Arc<TrackFormat>) -> SpanSummary {
    SpanSummary {
        stream: key.stream,
        recording: RecordingId(row.recording),
        format,
        first_dts: Ticks90k(row.first_dts),
        end_dts: Ticks90k(row.end_dts),
        start_utc: UtcNanos(key.start.0),
        sample_count: row.sample_count,
        key_count: row.key_count,
        run_count: row.run_count,
        byte_count: row.byte_count,
        has_cts: row.flags.has_cts(),
        has_lost: row.flags.has_lost(),
        locator: key.first_seq,
    }
}
