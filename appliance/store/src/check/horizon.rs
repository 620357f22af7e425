//! The index beside the log: what it claims to have, and what it has.

use super::Report;
use crate::catalog::rows::{
    self, BackfillRow, SlotRow, SpanKey, SpanRow, StreamRow, TablesRow, TailRow, owned, unpack,
};
use crate::codec::wide;
use crate::error::Result;
use crate::format::SegmentHeader;
use crate::index::load_backfill;
use crate::kv::{Keys, Kv, collect};
use crate::scan::Damage;
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::StreamId;

/// Stream, payload offset in the segment, length and checksum.
pub(super) type IndexedRun = (StreamId, u64, u64, u32);
/// The runs of a segment as an index would have them, with commit and recording.
pub(super) type IndexedRuns = BTreeMap<IndexedRun, (u64, u64)>;

/// How far the index claims to be.
pub(super) struct Horizon {
    /// Runs of each stream up to this commit, and to this recording within it, are in the index.
    closed: BTreeMap<StreamId, (u64, u64)>,
    replay_seq: u64,
    /// Newest commit in the index.
    pub(super) applied_seq: u64,
    /// Generation and first commit of each slot.
    slots: BTreeMap<u32, SlotRow>,
    /// Generations whose rows are still to be made.
    backfill: Option<BackfillRow>,
}

impl Horizon {
    /// `None` when the index holds nothing.
    pub(super) fn load(kv: &dyn Kv) -> Result<Option<Self>> {
        let Some(tail) = kv.get(rows::META, rows::TAIL_KEY)? else { return Ok(None) };
        let tail: TailRow = unpack(rows::META, &tail)?;
        let mut slots = BTreeMap::new();
        for (key, value) in collect(kv, rows::META, &Keys::prefix(b"slot/"))? {
            if let Some(slot) = key.last_chunk::<4>() {
                slots.insert(u32::from_be_bytes(*slot), unpack(rows::META, &value)?);
            }
        }
        let mut closed = BTreeMap::new();
        for (key, value) in collect(kv, rows::META, &Keys::prefix(b"stream/"))? {
            let stream = key.last_chunk::<4>().and_then(|bytes| StreamId::from_u32(u32::from_be_bytes(*bytes)));
            let row: StreamRow = unpack(rows::META, &value)?;
            if let Some(stream) = stream {
                closed.insert(stream, (row.closed_seq, row.closed_recording));
            }
        }
        Ok(Some(Self {
            closed,
            replay_seq: tail.replay.seq,
            applied_seq: tail.applied_seq,
            slots,
            backfill: load_backfill(kv)?,
        }))
    }

    /// Reports segments whose commits the index has taken in and whose header is gone or an older one, and a log that ends before the index does.
    pub(super) fn find_lost(&self, headers: &[SegmentHeader], segment_bytes: u64, report: &mut Report) {
        let found: BTreeMap<u32, u64> = headers.iter().map(|header| (header.slot, header.generation)).collect();
        let firsts: BTreeMap<u64, u64> = (self.slots.values().map(|row| (row.generation, row.first_seq)))
            .chain(headers.iter().map(|header| (header.generation, header.first_seq)))
            .collect();
        let mut lost = Vec::new();
        for (slot, row) in &self.slots {
            // A slot that was reused since has a newer header; one that could not be written has a row and no commits.
            let next = firsts.range(row.generation + 1..).next().map_or(self.applied_seq + 1, |(_, first)| *first);
            if found.get(slot).is_none_or(|generation| *generation < row.generation) && next > row.first_seq {
                lost.push((*slot, row.first_seq, next));
            }
        }
        if self.applied_seq > report.last_seq {
            lost.push((headers.last().map_or(0, |header| header.slot), report.last_seq + 1, self.applied_seq + 1));
        }
        for (slot, seq_from, seq_to) in lost {
            let told = |damage: &Damage| damage.seq_from <= seq_from && seq_to <= damage.seq_to;
            if !report.damage.iter().any(told) {
                report.damage.push(Damage { slot, from: 0, to: segment_bytes, seq_from, seq_to });
            }
        }
    }

    /// True when a start-up would find this run in the index and not replay it.
    fn claims(&self, stream: StreamId, (seq, recording): (u64, u64)) -> bool {
        seq < self.replay_seq || self.closed.get(&stream).is_some_and(|closed| (seq, recording) <= *closed)
    }

    /// True when the index was told that this segment is given up, and the power went before its new header was written.
    fn has_given_up(&self, header: &SegmentHeader) -> bool {
        self.slots.get(&header.slot).is_some_and(|row| row.generation > header.generation)
    }
}

/// Compares one generation's runs. Gives how many the index lacks, and how many it has too many.
pub(super) fn compare(
    kv: &dyn Kv,
    horizon: &Horizon,
    header: &SegmentHeader,
    mut runs: IndexedRuns,
) -> Result<(u64, u64)> {
    if horizon.has_given_up(header) {
        return Ok((0, 0));
    }
    let generation = header.generation;
    let mut indexed = BTreeSet::new();
    let prefix = rows::owned_key(generation, owned::SPAN, &[]);
    for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))? {
        let Some(span) = key.get(prefix.len()..) else { continue };
        let (row, tables) = (kv.get(rows::SPANS, span)?, kv.get(rows::TABLES, span)?);
        if let (Some(key), Some(row), Some(tables)) = (SpanKey::decode(span), row, tables) {
            let row: SpanRow = unpack(rows::SPANS, &row)?;
            let tables: TablesRow = unpack(rows::TABLES, &tables)?;
            if row.generation == generation {
                indexed.extend(tables.runs.iter().map(|run| (key.stream, run.offset, run.len, run.crc)));
            }
        }
    }
    let only_in_index = indexed.iter().filter(|run| runs.remove(*run).is_none()).count();
    // What the index says is still to be made is no surprise.
    let awaited = horizon.backfill.is_some_and(|row| (row.low..row.high).contains(&generation));
    runs.retain(|_, _| !awaited);
    let missing = runs.iter().filter(|((stream, ..), place)| horizon.claims(*stream, **place)).count();
    Ok((wide(missing), wide(only_in_index)))
}
