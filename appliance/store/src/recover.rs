//! Start-up: find the end of the log and bring the index up to it.

use crate::catalog::rows::{Position, SlotRow};
use crate::catalog::{self, Catalog, Live};
use crate::error::Result;
use crate::format::{BLOCK_BYTES, Commit, SegmentHeader};
use crate::index::{Backfill, IndexQueue, Indexer, load_backfill};
use crate::kv::{Batch, Kv};
use crate::ring::Ring;
use crate::scan::{Damage, first_position};
use std::collections::HashMap;
use std::sync::Arc;
use watchbook_base::Ticks90k;
use watchbook_evidence::Hash;
use watchbook_media::RecordingId;

/// Slots in a row, in the order in which the writer would take them, that must hold nothing new before the search for newer segments ends. The writer passes
/// over slots that cannot be written; a disk with more of them than this is beyond use. Each costs one read.
const MISSES_MAX: u32 = 32;

/// Segments at the end of the log that are read before recording goes on when the index is lost, and more until one has a commit. A recording that goes on, or a
/// gap, is stated in the newest one, unless that has just been opened, or was opened in vain, as may several before it.
const TAIL_SEGMENTS: usize = 2;
/// Threads that read segment headers: a hard disk answers several waiting reads in one turn.
const HEADER_READERS: usize = 8;

/// The state in which writing goes on.
pub(crate) struct Recovered {
    pub(crate) catalog: Catalog,
    pub(crate) indexer: Indexer,
    /// Where the next commit goes; generation 0 when there is no segment yet.
    pub(crate) at: Position,
    /// Newest generation in use by any slot.
    pub(crate) generation: u64,
    pub(crate) damage: Vec<Damage>,
    /// The index was empty, foreign or ahead of the log, and is being made anew.
    pub(crate) rebuilt: bool,
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Segments done.
    pub segments_done: u64,
    /// Segments in use.
    pub segments: u64,
}

/// FORMAT.md "Start-up".
pub(crate) fn recover(ring: &Arc<Ring>, kv: Arc<dyn Kv>) -> Result<Recovered> {
    let queue = Arc::new(IndexQueue::new(Live::default()));
    match Catalog::load(&*kv, ring.superblock.disk, queue.clone()) {
        Ok(Some(catalog)) => match catch_up(ring, &kv, catalog, queue) {
            Ok(Some(recovered)) => return Ok(recovered),
            Ok(None) => tracing::warn!("the index does not belong to this state of the log; it is made again"),
            // A segment that cannot be read shows again below.
            Err(error) => tracing::error!(%error, "the index cannot be brought up to date; it is made again"),
        },
        Ok(None) => tracing::info!("there is no index yet; it is made from the log"),
        Err(error) => tracing::error!(%error, "the index cannot be read; it is made again"),
    }
    rebuild(ring, kv)
}

/// Goes on from where the index stopped; `None` when index and log do not fit.
fn catch_up(
    ring: &Arc<Ring>,
    kv: &Arc<dyn Kv>,
    mut catalog: Catalog,
    queue: Arc<IndexQueue>,
) -> Result<Option<Recovered>> {
    let replay = catalog.tail().replay;
    let indexed = catalog::slots(&**kv)?;
    let unfinished = load_backfill(&**kv)?;
    let first = ring.header(replay.slot).filter(|header| header.generation == replay.generation);
    let Some(first) = first else { return Ok(None) };
    let mut newer = newer_segments(ring, &indexed, replay.generation);
    for (slot, row) in &indexed {
        ring.slots.set(*slot, row.generation);
        // The ring was made smaller, and the power went before the rows did.
        if !ring.slots.has(*slot) {
            catalog.reuse_slot(*slot, row.generation, None);
        }
    }
    for (slot, header) in &newer.probed {
        let known = indexed.get(slot).copied().unwrap_or_default();
        let actual = header.as_ref().map(slot_row);
        let same_generation = actual.is_some_and(|row| row.generation == known.generation);
        if actual.unwrap_or_default() != known {
            // The same number may have been given out twice, when a cut took the first one from the log and left it in the index.
            catalog.reuse_slot(*slot, if same_generation { 0 } else { known.generation }, actual);
        }
        ring.slots.set(*slot, actual.map_or(0, |row| row.generation));
    }
    let backfill = unfinished.map(|row| {
        let next = indexed.values().filter(|slot| slot.generation >= row.high).min_by_key(|slot| slot.generation);
        Backfill::of(ring, (row.low, row.high), next.map(|slot| slot.first_seq))
    });
    let mut segments = vec![(first, replay)];
    newer.found.sort_by_key(|header| header.generation);
    segments.extend(newer.found.into_iter().map(|header| (header, first_position(&header))));
    let applied_seq = catalog.tail().applied_seq;
    let mut indexer = Indexer::new(kv.clone(), ring.clone(), queue, backfill);
    let mut scan = Scan::new(catalog);
    scan.run(ring, &segments, &mut indexer)?;
    let recovered = scan.finish(ring, indexer);
    // A log that ends before the index does has lost what it had acknowledged: the index now tells of footage that is not there.
    Ok((recovered.at.seq > applied_seq).then_some(recovered))
}

struct Newer {
    found: Vec<SegmentHeader>,
    probed: Vec<(u32, Option<SegmentHeader>)>,
}

/// Headers of the segments that are newer than `generation`, found in the order in which the writer reuses slots, without reading them all.
fn newer_segments(ring: &Ring, indexed: &HashMap<u32, SlotRow>, generation: u64) -> Newer {
    let known = |slot: u32| indexed.get(&slot).map_or(0, |row| row.generation);
    let mut order: Vec<u32> = ring.slots.numbers().filter(|slot| known(*slot) != generation).collect();
    // What the index has as newer comes first, then the oldest, as the writer takes them.
    order.sort_by_key(|slot| (known(*slot) < generation, known(*slot), *slot));
    let mut newer = Newer { found: Vec::new(), probed: Vec::new() };
    let mut misses = 0;
    for slot in order {
        if misses >= MISSES_MAX {
            break;
        }
        let header = ring.header(slot);
        newer.probed.push((slot, header));
        match header.filter(|header| header.generation > generation) {
            Some(header) => {
                newer.found.push(header);
                misses = 0;
            }
            None => misses += 1,
        }
    }
    newer
}

/// What the index notes of a segment with this header.
pub(crate) fn slot_row(header: &SegmentHeader) -> SlotRow {
    SlotRow { generation: header.generation, first_seq: header.first_seq, utc: header.utc.0 }
}

/// The header of every slot that holds a segment, in log order.
fn headers(ring: &Ring) -> Vec<SegmentHeader> {
    let slots: Vec<u32> = ring.slots.numbers().collect();
    let share = slots.len().div_ceil(HEADER_READERS).max(1);
    let mut headers: Vec<SegmentHeader> = std::thread::scope(|scope| {
        let readers: Vec<_> = slots
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().filter_map(|slot| ring.header(*slot)).collect::<Vec<_>>()))
            .collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap_or_default()).collect()
    });
    headers.sort_by_key(|header| header.generation);
    headers
}

/// Where the tail of the log begins among its segments.
fn tail_at(ring: &Ring, headers: &[SegmentHeader]) -> usize {
    let has_commits = |at: &usize| {
        let Some(header) = headers.get(*at) else { return false };
        let Ok(reader) = ring.reader(header.slot, header.generation) else { return false };
        let Some((first, _)) = reader.commit_at(BLOCK_BYTES) else { return false };
        match headers.get(at + 1) {
            // One that the next header voids is as good as none.
            Some(next) => first.seq < next.first_seq,
            // So is one that the end of the power tore: it is dropped.
            None => reader.payloads_are_right(BLOCK_BYTES, &first),
        }
    };
    let newest = (0..headers.len()).rev().find(has_commits).unwrap_or(0);
    newest.min(headers.len().saturating_sub(TAIL_SEGMENTS))
}

/// FORMAT.md "Rebuild": makes the index anew. The end of the log is read at once, so that recording can go on; the backfill brings the rest.
pub(crate) fn rebuild(ring: &Arc<Ring>, kv: Arc<dyn Kv>) -> Result<Recovered> {
    let headers = headers(ring);
    for header in &headers {
        ring.slots.set(header.slot, header.generation);
    }
    let tail_at = tail_at(ring, &headers);
    let (older, tail) = headers.split_at(tail_at);
    let queue = Arc::new(IndexQueue::new(Live::default()));
    let high = tail.first().map_or(0, |header| header.generation);
    let backfill = Backfill::of(ring, (0, high), tail.first().map(|header| header.first_seq));
    let prepared = prepare(&*kv, ring, &headers, &backfill);
    let mut catalog = Catalog::empty(queue.clone());
    if let Some(newest) = headers.last() {
        catalog.raise_numbers(newest.next_recording, newest.next_event);
    }
    let backfill = (!older.is_empty() && prepared.is_ok()).then_some(backfill);
    let mut indexer = Indexer::new(kv, ring.clone(), queue, backfill);
    if let Err(error) = prepared {
        tracing::error!(%error, "the index can be neither read nor made anew; recording goes on without it");
        indexer.give_up(&error);
    }
    let segments: Vec<_> = tail.iter().map(|header| (*header, first_position(header))).collect();
    let mut scan = Scan::new(catalog);
    scan.run(ring, &segments, &mut indexer)?;
    indexer.set_firsts(std::mem::take(&mut scan.firsts));
    let mut recovered = scan.finish(ring, indexer);
    recovered.rebuilt = true;
    Ok(recovered)
}

/// Empties the index and notes what is where and what is still to be made.
fn prepare(kv: &dyn Kv, ring: &Ring, headers: &[SegmentHeader], backfill: &Backfill) -> Result<()> {
    catalog::empty_index(kv, ring.superblock.disk)?;
    // A note of nothing would be taken for an index that is being made again, at the next start.
    let nothing = backfill.progress().segments == 0;
    let mut batch = if nothing { Batch::default() } else { backfill.row_batch() };
    for header in headers {
        batch.put(catalog::rows::META, catalog::rows::slot_key(header.slot), catalog::rows::pack(&slot_row(header)));
    }
    kv.write(&batch, false)
}

/// One commit is held back, because the last one counts only if its payloads are there.
struct Scan {
    catalog: Catalog,
    held: Option<(Position, Commit, Hash)>,
    at: Position,
    damage: Vec<Damage>,
    newest: Option<SegmentHeader>,
    /// Where each recording goes on in the first segment.
    firsts: HashMap<RecordingId, Ticks90k>,
}

impl Scan {
    fn new(catalog: Catalog) -> Self {
        Self { catalog, held: None, at: Position::default(), damage: Vec::new(), newest: None, firsts: HashMap::new() }
    }

    /// Scans segments in log order, each from its position.
    fn run(&mut self, ring: &Ring, segments: &[(SegmentHeader, Position)], indexer: &mut Indexer) -> Result<()> {
        for (index, (header, start)) in segments.iter().enumerate() {
            let void_from = segments.get(index + 1).map(|(next, _)| next.first_seq);
            // A segment that could not be reused in its turn outlives those that came after it: their generations are in no slot any more.
            let outlived =
                ring.slots.all().all(|(_, generation)| generation != 0) && header.generation > self.at.generation + 1;
            if index > 0 && start.seq > self.at.seq && !outlived {
                self.damage.push(Damage {
                    slot: self.at.slot,
                    from: self.at.offset,
                    to: ring.superblock.segment_bytes,
                    seq_from: self.at.seq,
                    seq_to: start.seq,
                });
            }
            let reader = ring.reader(header.slot, header.generation)?;
            let (at, damage) = reader.scan(*start, void_from, &mut |at, commit, hash| {
                if index == 0 {
                    for run in &commit.runs {
                        self.firsts.entry(run.recording).or_insert(run.first_dts);
                    }
                }
                self.take(at, commit, hash);
                indexer.drain();
            });
            self.at = at;
            self.damage.extend(damage);
            self.newest = Some(*header);
        }
        Ok(())
    }

    fn take(&mut self, at: Position, commit: Commit, hash: Hash) {
        if let Some((at, commit, hash)) = self.held.replace((at, commit, hash)) {
            self.catalog.apply(&commit, at, hash);
        }
    }

    fn finish(mut self, ring: &Ring, mut indexer: Indexer) -> Recovered {
        if let Some((at, commit, hash)) = self.held.take() {
            let last_of_log = self.newest.is_some_and(|newest| newest.generation == at.generation);
            // What the index has was synced and acknowledged; a later bit error in it is damage, not a torn write.
            let known = commit.seq <= self.catalog.tail().applied_seq;
            let whole = known
                || !last_of_log
                || ring
                    .reader(at.slot, at.generation)
                    .is_ok_and(|reader| reader.payloads_are_right(at.offset, &commit));
            if whole {
                self.catalog.apply(&commit, at, hash);
            } else {
                tracing::warn!(
                    seq = commit.seq,
                    "the last commit was torn by a power cut; it was never acknowledged and is dropped"
                );
                self.at = at;
            }
        }
        if self.newest.is_none() {
            self.at.seq = 1;
        }
        let generation = ring.slots.all().map(|(_, generation)| generation).max().unwrap_or(0);
        if let Some(newest) = self.newest {
            self.catalog.raise_numbers(newest.next_recording, newest.next_event);
        }
        indexer.drain();
        indexer.set_void_from(self.at.seq);
        let Self { catalog, at, damage, .. } = self;
        Recovered { catalog, indexer, at, generation, damage, rebuilt: false }
    }
}
