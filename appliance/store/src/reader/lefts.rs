//! Recordings that were left: they go on as others on another disk, and what the first disk has of them from that moment on is void.

use crate::catalog::rows::TablesRow;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use watchbook_base::UtcNanos;
use watchbook_media::{RecordingId, SpanSummary, sample_table};

/// Kept: a disk with 200 streams that fails and comes back every ten minutes leaves so many in a fortnight. Of more, the oldest recordings are forgotten, which
/// are the first that the rings overwrite.
const LEFTS_MAX: usize = 400_000;

/// Where each of them was left. A few hundred a failed disk, 16 B each.
#[derive(Debug, Default)]
pub(crate) struct Lefts(RwLock<BTreeMap<RecordingId, UtcNanos>>);

impl Lefts {
    pub(crate) fn insert(&self, recording: RecordingId, utc: UtcNanos) {
        let mut lefts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lefts.insert(recording, utc);
        if lefts.len() > LEFTS_MAX {
            lefts.pop_first();
        }
    }

    pub(crate) fn of(&self, recording: RecordingId) -> Option<UtcNanos> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&recording).copied()
    }
}

/// What of `span` lies before `utc`: whole runs; `None` when nothing does.
pub(super) fn cut(span: SpanSummary, utc: UtcNanos, tables: &TablesRow) -> Result<Option<SpanSummary>> {
    let mut left = SpanSummary { run_count: 0, sample_count: 0, key_count: 0, byte_count: 0, ..span.clone() };
    (left.has_cts, left.has_lost) = (false, false);
    let mut cursor = tables.tables.as_slice();
    for _ in 0..span.run_count {
        let run = sample_table::take_run(&mut cursor).map_err(|error| {
            Error::corrupt(format!("reading the sample table of {} at {}: {error}", span.stream, span.start_utc))
        })?;
        let first = run.samples.first().map_or(span.first_dts, |sample| sample.dts);
        if span.start_utc.plus_ticks(first - span.first_dts) >= utc {
            left.end_dts = first;
            break;
        }
        left.run_count += 1;
        left.sample_count += crate::codec::count(run.samples.len());
        left.key_count += crate::codec::count(run.samples.iter().filter(|sample| sample.key).count());
        left.byte_count += run.samples.iter().map(|sample| u64::from(sample.size_bytes)).sum::<u64>();
        left.has_cts |= run.samples.iter().any(|sample| sample.cts_offset != 0);
        left.has_lost |= run.samples.iter().any(|sample| sample.lost_before != 0);
    }
    Ok((left.run_count > 0).then_some(left))
}
