//! From a vault's commits to rows of its index: spans of whole minutes, formats, gaps. The copier and the scan at the start call the same code.

use super::hold::HoldId;
use super::leaf::LeafOf;
use super::plan::CELL_NANOS;
use super::record::{Copied, VaultRecord};
use crate::catalog::rows::{self, GapRow, Position, RecordingRow, SpanKey, SpanRow, TablesRow, owned, pack, unpack};
use crate::catalog::span::OpenSpan;
use crate::codec::{count, narrow};
use crate::error::Result;
use crate::format::{Commit, DamageKind, DamagedRun, DiskId, Record, Run, Seal};
use crate::kv::{Batch, Keys, Kv, collect};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use watchbook_base::{Gap, MonoNanos, StreamId, UtcNanos};
use watchbook_evidence::Hash;
use watchbook_media::sample_table::decode_run;
use watchbook_media::{RecordingId, RecordingStart, TrackFormat};

/// Version of the rows that only a vault's index has.
const VAULT_INDEX_VERSION: u32 = 1;
/// Key of the row that says whose index this is.
const FORMAT_KEY: &[u8] = b"vault";
/// Begins keys that tell which segments state a row that several may state.
const SHARED: &[u8] = b"shared/";
/// Begins keys of segments whose last commit a power cut tore: what is not whole of it was never held.
const TORN: &[u8] = b"torn/";

/// What the index knows of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VaultSlotRow {
    pub(crate) generation: u64,
    pub(crate) hold: u64,
    /// Behind the last commit that is in the index.
    pub(crate) end: u64,
    /// Of the last commit.
    pub(crate) last_hash: Hash,
    /// Stretches of rings' logs: disk, first and last commit.
    pub(crate) covered: Vec<([u8; 16], u64, u64)>,
}

/// One segment on its way into the index.
pub(crate) struct Cells {
    slot: u32,
    pub(crate) row: VaultSlotRow,
    formats: HashMap<RecordingId, Arc<TrackFormat>>,
    open: BTreeMap<StreamId, OpenSpan>,
    /// Runs that are not listed, because they are damaged: no span goes over one.
    damaged: BTreeSet<(StreamId, UtcNanos)>,
    /// Disk and generation that the open spans came from.
    source: Option<(DiskId, u64)>,
    /// Commits whose runs do not count yet.
    waiting: Vec<(Commit, Position)>,
}

impl Cells {
    pub(crate) fn new(slot: u32, generation: u64, hold: HoldId) -> Self {
        let row = VaultSlotRow { generation, hold: hold.0, ..VaultSlotRow::default() };
        let (formats, open, damaged) = (HashMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { slot, row, formats, open, damaged, source: None, waiting: Vec::new() }
    }

    /// Goes on from what the rows of the segment told before, of recordings and of whose it is.
    pub(crate) fn restate(&mut self, batch: &mut Batch, starts: Vec<(RecordingId, RecordingStart)>) {
        starts.iter().for_each(|(recording, start)| self.begin(batch, *recording, start));
        batch.put(rows::META, rows::slot_key(self.slot), pack(&self.row));
    }

    fn begin(&mut self, batch: &mut Batch, recording: RecordingId, start: &RecordingStart) {
        self.formats.insert(recording, Arc::new(start.format.clone()));
        let row = pack(&RecordingRow::new(start, self.row.generation));
        self.put_shared(batch, owned::RECORDING, &rows::recording_key(recording), row);
    }

    /// A damaged run of the segment: what it would say is not listed as long as its row is there.
    pub(crate) fn damage(&mut self, batch: &mut Batch, run: &DamagedRun) {
        if run.kind != DamageKind::Description {
            self.damaged.insert((run.stream, run.range.start));
        }
        let (key, row) = rows::damage_row(run);
        batch.put(rows::SEGMENTS, rows::owned_key(self.row.generation, owned::DAMAGE, &key), Vec::new());
        batch.put(rows::DAMAGE, key, pack(&row));
    }

    /// The rows of one commit that lies at `at`. Its runs count with the next commit that says what was looked through: a crash between the two leaves
    /// runs that are copied again.
    pub(crate) fn apply(&mut self, commit: Commit, at: Position, hash: Hash) -> Batch {
        let mut batch = Batch::default();
        self.row.end = at.offset + commit.commit_len;
        self.row.last_hash = hash;
        for (_, record) in &commit.records {
            match record {
                Record::Start { recording, start, .. } => self.begin(&mut batch, *recording, start),
                Record::Vault(VaultRecord::Gap { gap, .. }) => self.gap(&mut batch, gap),
                Record::Vault(VaultRecord::Leaf(leaf)) => {
                    self.put_shared(&mut batch, owned::LEAF, &leaf.key(), pack(&leaf.row()));
                }
                _ => {}
            }
        }
        let copied = commit.records.iter().filter_map(|(_, record)| match record {
            Record::Vault(VaultRecord::Copied(copied)) => Some(*copied),
            _ => None,
        });
        let copied: Vec<Copied> = copied.collect();
        let covered = !copied.is_empty();
        // Behind a damaged commit that stated a recording, runs of it cannot be listed: what a ring still has of them is copied again.
        let mut runs = self.waiting.iter().flat_map(|(waiting, _)| &waiting.runs).chain(&commit.runs);
        let all_listed = runs.all(|run| self.formats.contains_key(&run.recording));
        copied.iter().for_each(|copied| self.cover(copied, all_listed));
        self.waiting.push((commit, at));
        if covered {
            let mut touched = BTreeSet::new();
            for (commit, at) in std::mem::take(&mut self.waiting) {
                for run in &commit.runs {
                    if self.run(&mut batch, commit.seq, run, at) {
                        touched.insert(run.stream);
                    }
                }
            }
            touched.into_iter().for_each(|stream| self.put_span(&mut batch, stream));
        }
        batch.put(rows::META, rows::slot_key(self.slot), pack(&self.row));
        batch
    }

    fn cover(&mut self, copied: &Copied, all_listed: bool) {
        // A span comes from one segment of one ring, which has all of it or nothing.
        if self.source.replace(copied.origin) != Some(copied.origin) {
            self.open.clear();
        }
        if copied.seq_to < copied.seq_from || !all_listed {
            // All of it is copied again: a copy of it covers what is listed of this one.
            self.open.clear();
            return;
        }
        match self.row.covered.last_mut() {
            Some((disk, _, to)) if *disk == copied.disk.0 && to.checked_add(1) == Some(copied.seq_from) => {
                *to = copied.seq_to;
            }
            _ => {
                // What was passed over may come later: it must not lie inside a span that is listed.
                self.open.clear();
                self.row.covered.push((copied.disk.0, copied.seq_from, copied.seq_to));
            }
        }
    }

    fn gap(&self, batch: &mut Batch, gap: &Gap) {
        let key = rows::stream_time(gap.stream, gap.range.start);
        let row = GapRow { end: Some(gap.range.end.0), reason: gap.reason as u8, generation: self.row.generation };
        self.put_shared(batch, owned::GAP, &key, pack(&row));
    }

    /// True when the run is in a span now.
    fn run(&mut self, batch: &mut Batch, seq: u64, run: &Run, at: Position) -> bool {
        let minute = |open: &OpenSpan| open.key().start.0.div_euclid(CELL_NANOS);
        let is_whole = |from: UtcNanos| {
            from >= run.first_utc
                || self.damaged.range((run.stream, from)..(run.stream, run.first_utc)).next().is_none()
        };
        let goes_on = self.open.get(&run.stream).is_some_and(|open| {
            open.takes(run) && minute(open) == run.first_utc.0.div_euclid(CELL_NANOS) && is_whole(open.key().start)
        });
        if goes_on && let Some(open) = self.open.get_mut(&run.stream) {
            open.push(seq, run, at.offset);
            return true;
        }
        let Some(format) = self.formats.get(&run.recording) else {
            tracing::warn!(stream = %run.stream, seq, "a held run of an unknown recording is left out of the index");
            return false;
        };
        self.put_span(batch, run.stream);
        self.open.insert(run.stream, OpenSpan::new(seq, run, at, format.clone()));
        true
    }

    fn put_span(&self, batch: &mut Batch, stream: StreamId) {
        let Some(open) = self.open.get(&stream) else { return };
        let (key, row, tables) = open.rows();
        let key = key.encode();
        batch.put(rows::SEGMENTS, rows::owned_key(self.row.generation, owned::SPAN, &key), Vec::new());
        batch.put(rows::SPANS, key.clone(), pack(&row));
        batch.put(rows::TABLES, key, pack(&tables));
    }

    /// A row that other segments may state too: it goes with the last of them.
    fn put_shared(&self, batch: &mut Batch, kind: u8, key: &[u8], value: Vec<u8>) {
        let generation = self.row.generation;
        batch.put(rows::SEGMENTS, rows::owned_key(generation, kind, key), Vec::new());
        batch.put(rows::META, [&shared_prefix(kind, key)[..], &generation.to_be_bytes()].concat(), value.clone());
        batch.put(shared_table(kind), key, value);
    }
}

fn shared_table(kind: u8) -> crate::kv::Table {
    match kind {
        owned::GAP => rows::GAPS,
        owned::LEAF => rows::META,
        _ => rows::RECORDINGS,
    }
}

/// The length comes first, so that no key is the beginning of another.
fn shared_prefix(kind: u8, key: &[u8]) -> Vec<u8> {
    [SHARED, &[kind, u8::try_from(key.len()).unwrap_or(u8::MAX)], key].concat()
}

/// Removes what the segment `slot` of `generation` put into the index; rows that other segments state too say what those say.
pub(crate) fn remove_rows(kv: &dyn Kv, slot: u32, generation: u64) -> Result<()> {
    kv.write(&rows_removed(kv, slot, generation)?, false)
}

/// What [`remove_rows`] does, as a batch.
pub(crate) fn rows_removed(kv: &dyn Kv, slot: u32, generation: u64) -> Result<Batch> {
    let mut batch = Batch::default();
    for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&generation.to_be_bytes()))? {
        let Some((kind, inner)) = key.get(8..).and_then(|rest| rest.split_first()) else { continue };
        if *kind == owned::SPAN {
            batch.delete(rows::SPANS, inner);
            batch.delete(rows::TABLES, inner);
        } else if *kind == owned::DAMAGE {
            batch.delete(rows::DAMAGE, inner);
        } else {
            let prefix = shared_prefix(*kind, inner);
            let own = [&prefix[..], &generation.to_be_bytes()].concat();
            let others = collect(kv, rows::META, &Keys::prefix(&prefix))?;
            match others.into_iter().rev().find(|(key, _)| *key != own) {
                Some((_, value)) => batch.put(shared_table(*kind), inner, value),
                None => batch.delete(shared_table(*kind), inner),
            }
            batch.delete(rows::META, own);
        }
        batch.delete(rows::SEGMENTS, key);
    }
    batch.delete(rows::META, rows::slot_key(slot));
    batch.delete(rows::META, torn_key(slot));
    Ok(batch)
}

/// Takes spans and damaged runs of the segment of `generation` out of the index, as a batch: they are made anew. What its commits said of recordings and gaps
/// stays, because they may be damaged since.
pub(crate) fn spans_removed(kv: &dyn Kv, generation: u64) -> Result<Batch> {
    let mut batch = Batch::default();
    for (kind, tables) in [(owned::SPAN, &[rows::SPANS, rows::TABLES][..]), (owned::DAMAGE, &[rows::DAMAGE][..])] {
        let prefix = rows::owned_key(generation, kind, &[]);
        for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))? {
            let inner = key.get(prefix.len()..).unwrap_or_default();
            tables.iter().for_each(|table| batch.delete(*table, inner));
            batch.delete(rows::SEGMENTS, key);
        }
    }
    Ok(batch)
}

/// The runs of the segment of `generation` that are known to be damaged.
pub(crate) fn damaged_of(kv: &dyn Kv, generation: u64) -> Result<Vec<DamagedRun>> {
    let prefix = rows::owned_key(generation, owned::DAMAGE, &[]);
    let mut found = Vec::new();
    for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))? {
        let Some(key) = key.get(prefix.len()..) else { continue };
        let Some(row) = kv.get(rows::DAMAGE, key)? else { continue };
        found.extend(rows::damaged_run(key, unpack(rows::DAMAGE, &row)?));
    }
    Ok(found)
}

/// The runs of the segment of `generation` as its spans tell them, by place; offsets are those of the file. Their hash is not known.
pub(crate) fn runs_of(kv: &dyn Kv, generation: u64) -> Result<Vec<Run>> {
    let prefix = rows::owned_key(generation, owned::SPAN, &[]);
    let mut found = Vec::new();
    for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))? {
        let Some(key) = key.get(prefix.len()..) else { continue };
        let (row, tables) = (kv.get(rows::SPANS, key)?, kv.get(rows::TABLES, key)?);
        let (Some(span), Some(row), Some(tables)) = (SpanKey::decode(key), row, tables) else { continue };
        let (row, tables): (SpanRow, TablesRow) = (unpack(rows::SPANS, &row)?, unpack(rows::TABLES, &tables)?);
        found.extend(runs_of_span(&span, &row, &tables));
    }
    found.sort_by_key(|run| run.payload_offset);
    Ok(found)
}

fn runs_of_span(span: &SpanKey, row: &SpanRow, tables: &TablesRow) -> Vec<Run> {
    let mut rest = tables.tables.as_slice();
    let mut found: Vec<Run> = Vec::new();
    for place in &tables.runs {
        let Some((table, behind)) = rest.split_at_checked(narrow(u64::from(place.table_len))) else { break };
        rest = behind;
        let samples = decode_run(table).map(|table| table.samples).unwrap_or_default();
        let Some(first) = samples.first() else { continue };
        if let Some(before) = found.last_mut() {
            before.length_ticks = length(before.first_dts.0, first.dts.0);
        }
        found.push(Run {
            stream: span.stream,
            recording: RecordingId(row.recording),
            payload_offset: place.offset,
            payload_len: place.len,
            table: table.to_vec(),
            sample_count: count(samples.len()),
            key_count: count(samples.iter().filter(|sample| sample.key).count()),
            has_cts: samples.iter().any(|sample| sample.cts_offset != 0),
            has_lost: samples.iter().any(|sample| sample.lost_before != 0),
            first_dts: first.dts,
            length_ticks: length(first.dts.0, row.end_dts),
            first_utc: span.start.plus_ticks(rows::ticks_between(row.first_dts, first.dts.0)),
            first_mono: MonoNanos(0),
            crc: place.crc,
            sha256: [0; 32],
            seal: place.seal.map(|(cipher, key_id, nonce)| Seal { cipher, key_id, nonce }),
        });
    }
    found
}

fn length(from: i64, to: i64) -> u32 {
    u32::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// How the recordings began that the segment of `generation` states, as its rows tell.
pub(crate) fn starts_of(kv: &dyn Kv, generation: u64) -> Result<Vec<(RecordingId, RecordingStart)>> {
    let prefix = rows::owned_key(generation, owned::RECORDING, &[]);
    let mut found = Vec::new();
    for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))? {
        let Some(inner) = key.get(prefix.len()..).and_then(|inner| <[u8; 8]>::try_from(inner).ok()) else { continue };
        let own = [&shared_prefix(owned::RECORDING, &inner)[..], &generation.to_be_bytes()].concat();
        let row = kv.get(rows::META, &own)?.map(|row| unpack::<RecordingRow>(rows::META, &row)).transpose()?;
        let start = row.and_then(|row| row.start());
        found.extend(start.map(|start| (RecordingId(u64::from_be_bytes(inner)), start)));
    }
    Ok(found)
}

fn torn_key(slot: u32) -> Vec<u8> {
    [TORN, &slot.to_be_bytes()].concat()
}

/// What the index knows of a segment that was read again, and whether its last commit is torn.
pub(crate) fn slot_batch(slot: u32, row: &VaultSlotRow, torn: bool) -> Batch {
    let mut batch = Batch::default();
    batch.put(rows::META, rows::slot_key(slot), pack(row));
    if torn {
        batch.put(rows::META, torn_key(slot), Vec::new());
    }
    batch
}

/// True when the start found the last commit of the segment torn.
pub(crate) fn is_torn(kv: &dyn Kv, slot: u32) -> Result<bool> {
    Ok(kv.get(rows::META, &torn_key(slot))?.is_some())
}

/// Empties the index unless it is one of this vault and version.
pub(crate) fn prepare_index(kv: &dyn Kv, vault: DiskId) -> Result<()> {
    let wanted = pack(&(VAULT_INDEX_VERSION, rows::FormatRow::of(vault)));
    if kv.get(rows::META, FORMAT_KEY).is_ok_and(|row| row.as_ref() == Some(&wanted)) {
        return Ok(());
    }
    crate::catalog::empty_index(kv, vault)?;
    let mut batch = Batch::default();
    batch.put(rows::META, FORMAT_KEY, wanted);
    kv.write(&batch, false)
}

/// What the index knows of each segment.
pub(crate) fn slot_rows(kv: &dyn Kv) -> Result<BTreeMap<u32, VaultSlotRow>> {
    let mut found = BTreeMap::new();
    for (key, value) in collect(kv, rows::META, &Keys::prefix(b"slot/"))? {
        if let Some(slot) = key.last_chunk::<4>() {
            found.insert(u32::from_be_bytes(*slot), unpack(rows::META, &value)?);
        }
    }
    Ok(found)
}

/// Leaves of which the segment of `generation` has records, each with the number of its first hash.
pub(crate) fn leaves_of(kv: &dyn Kv, generation: u64) -> Result<Vec<(LeafOf, u32)>> {
    let prefix = rows::owned_key(generation, owned::LEAF, &[]);
    let keys = collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))?;
    Ok(keys.iter().filter_map(|(key, _)| LeafOf::of_key(key.get(prefix.len()..)?)).collect())
}

/// Gaps that the segment of `generation` states: stream and start.
pub(crate) fn gaps_of(kv: &dyn Kv, generation: u64) -> Result<BTreeSet<(StreamId, i64)>> {
    let prefix = rows::owned_key(generation, owned::GAP, &[]);
    let keys = collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))?;
    let gap = |key: &[u8]| rows::decode_stream_time(key.get(prefix.len()..)?);
    Ok(keys.iter().filter_map(|(key, _)| gap(key)).map(|(stream, start)| (stream, start.0)).collect())
}
