//! Looking over a ring that nobody has open: every checksum, every link of the chain, every digest; and index against log.

use crate::catalog::rows::{self, SpanKey, SpanRow, StreamRow, TablesRow, TailRow, owned, unpack};
use crate::codec::wide;
use crate::error::Result;
use crate::format::{Commit, DiskId, SegmentHeader};
use crate::kv::{Keys, Kv, collect};
use crate::recover::{Progress, rebuild};
use crate::ring::Ring;
use crate::scan::{Damage, SegmentReader, first_position};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use watchbook_base::StreamId;
use watchbook_base::fs::Fs;
use watchbook_evidence::sha256_of;

/// Findings listed one by one; the rest is counted.
const LISTED_MAX: usize = 1000;

/// A run whose bytes are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRun {
    /// File number.
    pub slot: u32,
    /// Of the payload in the file.
    pub offset: u64,
    /// Commit.
    pub seq: u64,
    /// Whose samples.
    pub stream: StreamId,
    /// What is wrong.
    pub what: &'static str,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whose ring.
    pub disk: Option<DiskId>,
    /// Slots of the ring.
    pub slots: u64,
    /// Slots that hold a segment.
    pub segments: u64,
    /// Commits that check out.
    pub commits: u64,
    /// Runs whose digest is right.
    pub runs: u64,
    /// Sample bytes read and verified.
    pub payload_bytes: u64,
    /// Number of the newest commit.
    pub last_seq: u64,
    /// Stretches without the commits that should be there.
    pub damage: Vec<Damage>,
    /// Runs whose bytes are wrong; the first [`LISTED_MAX`].
    pub bad_runs: Vec<BadRun>,
    /// How many there are.
    pub bad_run_count: u64,
    /// Runs that the log has and the index, which should, has not or has otherwise; `None` when there was no index to compare.
    pub missing_in_index: Option<u64>,
    /// Runs that the index has and the log has not.
    pub only_in_index: Option<u64>,
}

impl Report {
    /// True when nothing is wrong with log and index.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.is_log_clean() && self.missing_in_index.unwrap_or(0) == 0 && self.only_in_index.unwrap_or(0) == 0
    }

    /// True when nothing is wrong with the log; the index can always be rebuilt from it.
    #[must_use]
    pub fn is_log_clean(&self) -> bool {
        self.damage.is_empty() && self.bad_run_count == 0
    }
}

/// Reads all of the ring in `dir` and verifies it; changes nothing. With `index`, compares that too.
///
/// # Errors
/// `Conflict` when the recorder has the ring open, `Corrupt` when not even its identity can be found, `Io` when a segment file cannot be opened.
pub fn check(
    dir: &Path,
    fs: Arc<dyn Fs>,
    index: Option<&dyn Kv>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report> {
    let ring = Ring::open_existing(dir, fs)?;
    let mut headers: Vec<SegmentHeader> = (1..=ring.slots.count()).filter_map(|slot| ring.header(slot)).collect();
    headers.sort_by_key(|header| header.generation);
    let mut report = Report {
        disk: Some(ring.superblock.disk),
        slots: u64::from(ring.slots.count()),
        segments: wide(headers.len()),
        ..Report::default()
    };
    let horizon = index.map(Horizon::load).transpose()?;
    if horizon.is_some() {
        report.missing_in_index = Some(0);
        report.only_in_index = Some(0);
    }
    let mut expected_seq = None;
    for (at, header) in headers.iter().enumerate() {
        let void_from = headers.get(at + 1).map(|next| next.first_seq);
        let reader = ring.reader(header.slot, header.generation)?;
        let mut runs: BTreeMap<IndexedRun, u64> = BTreeMap::new();
        if let Some(seq) = expected_seq.filter(|seq| header.first_seq > *seq) {
            let end = ring.superblock.segment_bytes;
            report.damage.push(Damage { slot: header.slot, from: 0, to: end, seq_from: seq, seq_to: header.first_seq });
        }
        let (end, damage) = reader.scan(first_position(header), void_from, &mut |place, commit, _| {
            check_commit(&reader, (header.slot, place.offset), &commit, &mut report);
            for run in &commit.runs {
                runs.insert((run.stream, place.offset + run.payload_offset, run.payload_len, run.crc), commit.seq);
            }
        });
        // A torn last commit was never acknowledged; anything else that ends early shows as a jump in the next segment's first number.
        report.damage.extend(damage);
        expected_seq = Some(end.seq);
        if let (Some(index), Some(horizon)) = (index, &horizon) {
            compare(index, horizon, header.generation, runs, &mut report)?;
        }
        progress(Progress { segments_done: wide(at) + 1, segments: wide(headers.len()) });
    }
    Ok(report)
}

/// Stream, payload offset in the segment, length and checksum.
type IndexedRun = (StreamId, u64, u64, u32);

fn check_commit(reader: &SegmentReader, place: (u32, u64), commit: &Commit, report: &mut Report) {
    let (slot, offset) = place;
    report.commits += 1;
    report.last_seq = commit.seq;
    for run in &commit.runs {
        let payload = reader.payload(offset, run);
        let what = match &payload {
            None => Some("it cannot be read"),
            Some(bytes) if crc32c::crc32c(bytes) != run.crc => Some("its checksum does not match"),
            // The digest is over the plain bytes, which only the holder of the key can make.
            Some(bytes) if run.seal.is_none() && sha256_of(&[&run.table, bytes]) != run.sha256 => {
                Some("its digest does not match")
            }
            Some(bytes) => {
                report.runs += 1;
                report.payload_bytes += wide(bytes.len());
                None
            }
        };
        if let Some(what) = what {
            report.bad_run_count += 1;
            if report.bad_runs.len() < LISTED_MAX {
                let offset = offset + run.payload_offset;
                report.bad_runs.push(BadRun { slot, offset, seq: commit.seq, stream: run.stream, what });
            }
        }
    }
}

/// How far the index claims to be.
struct Horizon {
    /// Runs of each stream up to this commit are in the index.
    closed: BTreeMap<StreamId, u64>,
    replay_seq: u64,
}

impl Horizon {
    fn load(kv: &dyn Kv) -> Result<Self> {
        let tail = kv.get(rows::META, rows::TAIL_KEY)?.map(|tail| unpack::<TailRow>(rows::META, &tail)).transpose()?;
        let mut closed = BTreeMap::new();
        for (key, value) in collect(kv, rows::META, &Keys::prefix(b"stream/"))? {
            let stream = key.last_chunk::<4>().and_then(|bytes| StreamId::from_u32(u32::from_be_bytes(*bytes)));
            let row: StreamRow = unpack(rows::META, &value)?;
            if let Some(stream) = stream {
                closed.insert(stream, row.closed_seq);
            }
        }
        Ok(Self { closed, replay_seq: tail.map_or(0, |tail| tail.replay.seq) })
    }

    /// True when a start-up would find this run in the index and not replay it.
    fn claims(&self, stream: StreamId, seq: u64) -> bool {
        seq < self.replay_seq || self.closed.get(&stream).is_some_and(|closed| seq <= *closed)
    }
}

/// Compares one generation's runs.
fn compare(
    kv: &dyn Kv,
    horizon: &Horizon,
    generation: u64,
    mut runs: BTreeMap<IndexedRun, u64>,
    report: &mut Report,
) -> Result<()> {
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
    let missing = runs.iter().filter(|((stream, ..), seq)| horizon.claims(*stream, **seq)).count();
    report.only_in_index = report.only_in_index.map(|sum| sum + wide(only_in_index));
    report.missing_in_index = report.missing_in_index.map(|sum| sum + wide(missing));
    Ok(())
}

/// Makes the index of the ring in `dir` anew from its log.
///
/// # Errors
/// `Conflict` when the recorder has the ring open, `Io` when a segment cannot be opened or the index cannot be written.
pub fn rebuild_index(
    dir: &Path,
    fs: Arc<dyn Fs>,
    index: Arc<dyn Kv>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Damage>> {
    let ring = Ring::open_existing(dir, fs)?;
    Ok(rebuild(&ring, index, progress)?.damage)
}
