//! Start-up: find the end of the log and bring the index up to it.

use crate::catalog::Catalog;
use crate::catalog::rows::{Position, SlotRow};
use crate::error::Result;
use crate::format::{Commit, SegmentHeader};
use crate::kv::Kv;
use crate::ring::Ring;
use crate::scan::{Damage, first_position};
use std::collections::HashMap;
use std::sync::Arc;
use watchbook_evidence::Hash;

/// Slots in a row, in the order in which the writer would take them, that must hold nothing new before the search for newer segments ends. The writer passes
/// over slots that cannot be written; a disk with more of them than this is beyond use. Each costs one read.
const MISSES_MAX: u32 = 32;

/// The state in which writing goes on.
pub(crate) struct Recovered {
    pub(crate) catalog: Catalog,
    /// Where the next commit goes; generation 0 when there is no segment yet.
    pub(crate) at: Position,
    /// Newest generation in use by any slot.
    pub(crate) generation: u64,
    pub(crate) damage: Vec<Damage>,
    /// The index was empty, foreign or ahead of the log, and has been made anew.
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
pub(crate) fn recover(ring: &Ring, kv: Arc<dyn Kv>) -> Result<Recovered> {
    match Catalog::load(kv.clone(), ring.superblock.disk) {
        Ok(Some(catalog)) => match catch_up(ring, catalog) {
            Ok(Some(recovered)) => return Ok(recovered),
            Ok(None) => tracing::warn!("the index does not belong to this state of the log; it is rebuilt"),
            // A segment that cannot be read shows again below.
            Err(error) => tracing::error!(%error, "the index cannot be brought up to date; it is rebuilt"),
        },
        Ok(None) => tracing::info!("there is no index yet; it is made from the log"),
        Err(error) => tracing::error!(%error, "the index cannot be read; it is rebuilt"),
    }
    rebuild(ring, kv, &mut |_| {})
}

/// Goes on from where the index stopped; `None` when index and log do not fit.
fn catch_up(ring: &Ring, mut catalog: Catalog) -> Result<Option<Recovered>> {
    let replay = catalog.tail().replay;
    let indexed = catalog.slots()?;
    let first = ring.header(replay.slot).filter(|header| header.generation == replay.generation);
    let Some(first) = first else { return Ok(None) };
    let mut newer = newer_segments(ring, &indexed, replay.generation);
    for (slot, row) in &indexed {
        ring.slots.set(*slot, row.generation);
        // The ring was made smaller, and the power went before the rows did.
        if !ring.slots.has(*slot) {
            catalog.reuse_slot(*slot, row.generation, None)?;
        }
    }
    for (slot, header) in &newer.probed {
        let known = indexed.get(slot).copied().unwrap_or_default();
        let actual = header.as_ref().map(slot_row);
        if actual.map_or(0, |row| row.generation) != known.generation {
            catalog.reuse_slot(*slot, known.generation, actual)?;
        }
        ring.slots.set(*slot, actual.map_or(0, |row| row.generation));
    }
    let mut segments = vec![(first, replay)];
    newer.found.sort_by_key(|header| header.generation);
    segments.extend(newer.found.into_iter().map(|header| (header, first_position(&header))));
    let applied_seq = catalog.tail().applied_seq;
    let mut scan = Scan::new(catalog);
    scan.run(ring, &segments, &mut |_| {})?;
    let recovered = scan.finish(ring);
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

fn slot_row(header: &SegmentHeader) -> SlotRow {
    SlotRow { generation: header.generation, first_seq: header.first_seq, utc: header.utc.0 }
}

/// Makes the index anew from all segments.
pub(crate) fn rebuild(ring: &Ring, kv: Arc<dyn Kv>, progress: &mut dyn FnMut(Progress)) -> Result<Recovered> {
    let mut catalog = Catalog::fresh(kv, ring.superblock.disk)?;
    let mut headers: Vec<SegmentHeader> = ring.slots.numbers().filter_map(|slot| ring.header(slot)).collect();
    headers.sort_by_key(|header| header.generation);
    for header in &headers {
        ring.slots.set(header.slot, header.generation);
        catalog.reuse_slot(header.slot, 0, Some(slot_row(header)))?;
    }
    let segments: Vec<_> = headers.iter().map(|header| (*header, first_position(header))).collect();
    let mut scan = Scan::new(catalog);
    scan.run(ring, &segments, progress)?;
    let mut recovered = scan.finish(ring);
    recovered.rebuilt = true;
    Ok(recovered)
}

/// One commit is held back, because the last one counts only if its payloads are there.
struct Scan {
    catalog: Catalog,
    held: Option<(Position, Commit, Hash)>,
    at: Position,
    damage: Vec<Damage>,
    newest: Option<SegmentHeader>,
}

impl Scan {
    fn new(catalog: Catalog) -> Self {
        Self { catalog, held: None, at: Position::default(), damage: Vec::new(), newest: None }
    }

    /// Scans segments in log order, each from its position.
    fn run(
        &mut self,
        ring: &Ring,
        segments: &[(SegmentHeader, Position)],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        let total = crate::codec::wide(segments.len());
        for (index, (header, start)) in segments.iter().enumerate() {
            let void_from = segments.get(index + 1).map(|(next, _)| next.first_seq);
            if index > 0 && start.seq > self.at.seq {
                self.damage.push(Damage {
                    slot: self.at.slot,
                    from: self.at.offset,
                    to: ring.superblock.segment_bytes,
                    seq_from: self.at.seq,
                    seq_to: start.seq,
                });
            }
            let reader = ring.reader(header.slot, header.generation)?;
            let (at, damage) = reader.scan(*start, void_from, &mut |at, commit, hash| self.take(at, commit, hash));
            self.at = at;
            self.damage.extend(damage);
            self.newest = Some(*header);
            progress(Progress { segments_done: crate::codec::wide(index) + 1, segments: total });
        }
        Ok(())
    }

    fn take(&mut self, at: Position, commit: Commit, hash: Hash) {
        if let Some((at, commit, hash)) = self.held.replace((at, commit, hash)) {
            self.catalog.apply(&commit, at, hash);
        }
    }

    fn finish(mut self, ring: &Ring) -> Recovered {
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
        Recovered { catalog: self.catalog, at: self.at, generation, damage: self.damage, rebuilt: false }
    }
}
