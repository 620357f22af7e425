//! Looking over a ring that nobody has open: every checksum, every link of the chain, every digest; and index against log.

use crate::catalog::rows::{
    self, BackfillRow, Position, SlotRow, SpanKey, SpanRow, StreamRow, TablesRow, TailRow, owned, unpack,
};
use crate::codec::wide;
use crate::error::Result;
use crate::format::{Commit, DiskId, SegmentHeader};
use crate::index::load_backfill;
use crate::kv::{Keys, Kv, collect};
use crate::recover::{Progress, rebuild};
use crate::ring::Ring;
use crate::scan::{Damage, SegmentReader, first_position};
use crate::seal::{Digest, digest_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use watchbook_base::StreamId;
use watchbook_base::fs::Fs;

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

/// A segment that does not go on from the commit before it: somebody has written one of the two anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenLink {
    /// File number of the later segment.
    pub slot: u32,
    /// Its first commit.
    pub seq: u64,
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
    /// Runs whose checksum is right and whose digest cannot be verified: their key is destroyed, or not at hand.
    pub unreadable_runs: u64,
    /// Sample bytes read and verified.
    pub payload_bytes: u64,
    /// Number of the newest commit.
    pub last_seq: u64,
    /// Number of a commit behind it that a power cut has torn. It was never acknowledged, and the next start drops it.
    pub torn_seq: Option<u64>,
    /// Stretches without the commits that should be there.
    pub damage: Vec<Damage>,
    /// Segments whose header names another commit before them than there is.
    pub broken_links: Vec<BrokenLink>,
    /// Runs whose bytes are wrong; the first [`LISTED_MAX`].
    pub bad_runs: Vec<BadRun>,
    /// How many there are.
    pub bad_run_count: u64,
    /// Runs that the log has and the index, which should, has not or has otherwise; `None` when there was no index, or an empty one.
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
        self.damage.is_empty() && self.broken_links.is_empty() && self.bad_run_count == 0
    }
}

/// A ring that is locked against the recorder, for as long as it is checked.
pub struct ClosedRing(Arc<Ring>, Option<Arc<crate::keys::Keys>>);

impl ClosedRing {
    /// Locks the ring in `dir`. To be done before its index is opened.
    ///
    /// # Errors
    /// `Conflict` when the recorder has the ring open, `Corrupt` when not even its identity can be found, `NotFound` when there is none.
    pub fn open(dir: &Path, fs: Arc<dyn Fs>) -> Result<Self> {
        Ok(Self(Arc::new(Ring::open_existing(dir, fs)?), None))
    }

    /// With these keys the digests of sealed runs are verified too.
    #[must_use]
    pub fn with_keys(self, keys: Arc<crate::keys::Keys>) -> Self {
        Self(self.0, Some(keys))
    }

    /// Whose ring.
    #[must_use]
    pub fn disk(&self) -> DiskId {
        self.0.superblock.disk
    }

    /// Reads all of the ring and verifies it; changes nothing. With `index`, compares that too.
    ///
    /// # Errors
    /// `Io` when a segment file cannot be opened or the index cannot be read.
    pub fn check(&self, index: Option<&dyn Kv>, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
        let ring = &self.0;
        let mut headers: Vec<SegmentHeader> = ring.slots.numbers().filter_map(|slot| ring.header(slot)).collect();
        headers.sort_by_key(|header| header.generation);
        let mut report = Report {
            disk: Some(ring.superblock.disk),
            slots: u64::from(ring.slots.count()),
            segments: wide(headers.len()),
            ..Report::default()
        };
        // An index without a tail has taken in no commit: it can neither agree nor disagree.
        let horizon = index.map(Horizon::load).transpose()?.flatten();
        if horizon.is_some() {
            (report.missing_in_index, report.only_in_index) = (Some(0), Some(0));
        }
        let mut before: Option<Position> = None;
        for (at, header) in headers.iter().enumerate() {
            let void_from = headers.get(at + 1).map(|next| next.first_seq);
            let all_known = headers.len() == crate::codec::narrow(u64::from(ring.slots.count()));
            follow((before, all_known), header, ring.superblock.segment_bytes, &mut report);
            let reader = ring.reader(header.slot, header.generation)?;
            // One commit is held back: the last one of the log counts only if its payloads are there, as at a start.
            let mut held: Option<(Position, Commit)> = None;
            let mut runs = IndexedRuns::new();
            let (end, damage) = reader.scan(first_position(header), void_from, &mut |place, commit, _| {
                if let Some((place, commit)) = held.replace((place, commit)) {
                    check_commit(&reader, self.1.as_deref(), (header.slot, place.offset), &commit, &mut report);
                    list(&mut runs, place.offset, &commit);
                }
            });
            if let Some((place, commit)) = held {
                let known = horizon.as_ref().is_some_and(|horizon| commit.seq <= horizon.applied_seq);
                let last_of_log = at + 1 == headers.len();
                if last_of_log && !known && !reader.payloads_are_right(place.offset, &commit) {
                    report.torn_seq = Some(commit.seq);
                } else {
                    check_commit(&reader, self.1.as_deref(), (header.slot, place.offset), &commit, &mut report);
                    list(&mut runs, place.offset, &commit);
                }
            }
            // What ends early shows as a jump in the next segment's first number.
            report.damage.extend(damage);
            before = Some(end);
            if let (Some(index), Some(horizon)) = (index, &horizon) {
                compare(index, horizon, header, runs, &mut report)?;
            }
            progress(Progress { segments_done: wide(at) + 1, segments: wide(headers.len()) });
        }
        if let Some(horizon) = &horizon {
            horizon.find_lost(&headers, ring.superblock.segment_bytes, &mut report);
        }
        Ok(report)
    }

    /// Makes the index anew from the log.
    ///
    /// # Errors
    /// `Io` when a segment cannot be opened or the index cannot be written.
    pub fn rebuild_index(&self, index: Arc<dyn Kv>, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Damage>> {
        let mut recovered = rebuild(&self.0, index)?;
        let segments = wide(self.0.slots.all().filter(|(_, generation)| *generation != 0).count());
        recovered.indexer.finish(&mut |older| {
            progress(Progress { segments_done: segments - older.segments + older.segments_done, segments });
        })?;
        progress(Progress { segments_done: segments, segments });
        let mut damage = recovered.damage;
        damage.extend(recovered.indexer.queue().damage());
        Ok(damage)
    }
}

/// [`ClosedRing::check`] of the ring in `dir`.
///
/// # Errors
/// Those of [`ClosedRing::open`] and [`ClosedRing::check`].
pub fn check(
    dir: &Path,
    fs: Arc<dyn Fs>,
    index: Option<&dyn Kv>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report> {
    ClosedRing::open(dir, fs)?.check(index, progress)
}

/// Holds a segment's header against the end of the segment before it. `all_known`: every slot has a header.
fn follow(
    (before, all_known): (Option<Position>, bool),
    header: &SegmentHeader,
    segment_bytes: u64,
    report: &mut Report,
) {
    let Some(before) = before else { return };
    let (slot, seq) = (header.slot, header.first_seq);
    // A segment that could not be reused in its turn outlives those that came after it: their generations are in no slot any more.
    let outlived = all_known && header.generation > before.generation + 1;
    if seq > before.seq && !outlived {
        report.damage.push(Damage { slot, from: 0, to: segment_bytes, seq_from: before.seq, seq_to: seq });
    } else if seq == before.seq && header.prev_hash != before.prev_hash {
        report.broken_links.push(BrokenLink { slot, seq });
    }
}

/// Stream, payload offset in the segment, length and checksum.
type IndexedRun = (StreamId, u64, u64, u32);
/// The runs of a segment as an index would have them, with commit and recording.
type IndexedRuns = BTreeMap<IndexedRun, (u64, u64)>;

fn list(runs: &mut IndexedRuns, offset: u64, commit: &Commit) {
    runs.extend(commit.runs.iter().map(|run| {
        ((run.stream, offset + run.payload_offset, run.payload_len, run.crc), (commit.seq, run.recording.0))
    }));
}

fn check_commit(
    reader: &SegmentReader,
    keys: Option<&crate::keys::Keys>,
    place: (u32, u64),
    commit: &Commit,
    report: &mut Report,
) {
    let (slot, offset) = place;
    report.commits += 1;
    report.last_seq = commit.seq;
    for run in &commit.runs {
        let what = match reader.payload(offset, run) {
            None => Some("it cannot be read"),
            Some(stored) if crc32c::crc32c(&stored) != run.crc => Some("its checksum does not match"),
            Some(stored) => match digest_of(keys, run, stored) {
                Digest::Wrong => Some("its digest does not match"),
                Digest::Unknown => {
                    report.unreadable_runs += 1;
                    None
                }
                Digest::Right => {
                    report.runs += 1;
                    report.payload_bytes += run.plain_len();
                    None
                }
            },
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
    /// Runs of each stream up to this commit, and to this recording within it, are in the index.
    closed: BTreeMap<StreamId, (u64, u64)>,
    replay_seq: u64,
    /// Newest commit in the index.
    applied_seq: u64,
    /// Generation and first commit of each slot.
    slots: BTreeMap<u32, SlotRow>,
    /// Generations whose rows are still to be made.
    backfill: Option<BackfillRow>,
}

impl Horizon {
    /// `None` when the index holds nothing.
    fn load(kv: &dyn Kv) -> Result<Option<Self>> {
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
    fn find_lost(&self, headers: &[SegmentHeader], segment_bytes: u64, report: &mut Report) {
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

/// Compares one generation's runs.
fn compare(
    kv: &dyn Kv,
    horizon: &Horizon,
    header: &SegmentHeader,
    mut runs: IndexedRuns,
    report: &mut Report,
) -> Result<()> {
    if horizon.has_given_up(header) {
        return Ok(());
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
    ClosedRing::open(dir, fs)?.rebuild_index(index, progress)
}
