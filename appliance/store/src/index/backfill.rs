//! Making the rows of segments that the index lacks. Each segment is understood alone (FORMAT.md, invariant 8), so they are taken newest first: recent
//! footage is what people look for, and the oldest is the next to be overwritten.

use crate::catalog::Catalog;
use crate::catalog::rows::{self, BackfillRow, Position, pack};
use crate::format::SegmentHeader;
use crate::kv::Batch;
use crate::recover::Progress;
use crate::ring::Ring;
use crate::scan::{Damage, SegmentReader, first_position};
use std::collections::HashMap;
use watchbook_base::{Ticks90k, UtcNanos};
use watchbook_media::RecordingId;

/// Commits looked at before what waits for the index gets its turn: 64 of 64 streams are 2.5 MB of metadata.
const COMMITS_PER_STEP: u32 = 64;

/// Where each recording goes on in the segment that was looked at before.
pub(crate) type Firsts = HashMap<RecordingId, Ticks90k>;

/// The work that is left.
pub(crate) struct Backfill {
    /// Slot and generation, oldest first.
    left: Vec<(u32, u64)>,
    low: u64,
    high: u64,
    /// First commit that does not count in the segment looked at next.
    void_from: Option<u64>,
    total: u64,
    current: Option<Current>,
    firsts: Firsts,
    finished: bool,
}

struct Current {
    header: SegmentHeader,
    reader: SegmentReader,
    at: Position,
    catalog: Catalog,
    firsts: Firsts,
}

/// What a step brought.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) generation: u64,
    pub(crate) rows: Batch,
    pub(crate) damage: Vec<Damage>,
    /// Recordings that other disks took over, and when.
    pub(crate) lefts: Vec<(RecordingId, UtcNanos)>,
    /// The segment was overwritten meanwhile: its rows are to be removed.
    pub(crate) void: bool,
}

impl Backfill {
    /// Segments with a generation from `low` up to before `high`. `void_from`: first commit of the log that is not to be looked at.
    pub(crate) fn of(ring: &Ring, generations: (u64, u64), void_from: Option<u64>) -> Self {
        let (low, high) = generations;
        let within = |generation: u64| generation != 0 && (low..high).contains(&generation);
        let mut left: Vec<(u32, u64)> = ring.slots.all().filter(|(_, generation)| within(*generation)).collect();
        left.sort_by_key(|(_, generation)| *generation);
        let high = left.last().map_or(low, |(_, generation)| generation + 1);
        let total = crate::codec::wide(left.len());
        Self { left, low, high, void_from, total, current: None, firsts: Firsts::new(), finished: false }
    }

    /// Where recordings go on in the segment after the newest one of this backfill.
    pub(crate) fn with_firsts(self, firsts: Firsts) -> Self {
        Self { firsts, ..self }
    }

    /// First commit of the log that is not to be looked at, unless one is known.
    pub(crate) fn set_void_from(&mut self, seq: u64) {
        self.void_from.get_or_insert(seq);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.finished
    }

    pub(crate) fn progress(&self) -> Progress {
        let left = crate::codec::wide(self.left.len()) + u64::from(self.current.is_some());
        Progress { segments_done: self.total.saturating_sub(left), segments: self.total }
    }

    /// The note that a start-up goes on from.
    pub(crate) fn row_batch(&self) -> Batch {
        let mut batch = Batch::default();
        let row = BackfillRow { low: self.low, high: self.high };
        batch.put(rows::META, rows::BACKFILL_KEY, pack(&row));
        batch
    }

    /// Looks at some commits.
    pub(crate) fn step(&mut self, ring: &Ring) -> Made {
        let Some(current) = self.current.take().or_else(|| self.open_next(ring)) else {
            self.finished = true;
            let mut rows = Batch::default();
            rows.delete(rows::META, rows::BACKFILL_KEY);
            return Made { rows, ..Made::default() };
        };
        self.look(ring, current)
    }

    fn open_next(&mut self, ring: &Ring) -> Option<Current> {
        while let Some((slot, generation)) = self.left.pop() {
            // One that was overwritten since is the writer's.
            let header = ring.header(slot).filter(|header| header.generation == generation);
            let Some(header) = header.filter(|_| ring.slots.get(slot) == generation) else { continue };
            match ring.reader(slot, generation) {
                Ok(reader) => {
                    let at = first_position(&header);
                    return Some(Current { header, reader, at, catalog: Catalog::of_segment(), firsts: Firsts::new() });
                }
                Err(error) => tracing::error!(%error, slot, "a segment cannot be read; its footage is not found"),
            }
        }
        None
    }

    fn look(&mut self, ring: &Ring, mut current: Current) -> Made {
        let generation = current.header.generation;
        let mut left = COMMITS_PER_STEP;
        let Current { reader, at, catalog, firsts, .. } = &mut current;
        let (end, damage) = reader.scan_while(*at, self.void_from, &mut |at, commit, hash| {
            for run in &commit.runs {
                firsts.entry(run.recording).or_insert(run.first_dts);
            }
            catalog.apply(&commit, at, hash);
            left -= 1;
            left > 0
        });
        *at = end;
        let lefts = catalog.take_lefts().iter().filter_map(|left| Some((left.recording?, left.utc))).collect();
        let mut made = Made { generation, damage, lefts, ..Made::default() };
        let reused = ring.slots.get(current.header.slot) != generation;
        if reused {
            made.damage.clear();
            made.void = true;
        } else if left == 0 {
            made.rows = current.catalog.take_rows();
            self.current = Some(current);
            return made;
        } else {
            current.catalog.close_all(&self.firsts);
            made.rows = current.catalog.take_rows();
        }
        // What the next older segment may say at most.
        self.void_from = Some(current.header.first_seq);
        self.firsts = current.firsts;
        self.high = generation;
        made.rows.changes.extend(self.row_batch().changes);
        made
    }
}
