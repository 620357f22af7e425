//! The scrub: reads the whole ring again, oldest segment first, slowly, and verifies every checksum, hash and link of the chain.

use super::findings::{Findings, run_times};
use crate::catalog::rows::{self, Position, SlotRow, SpanKey, SpanRow, TablesRow, owned, pack, unpack};
use crate::codec::wide;
use crate::error::Result;
use crate::format::{BLOCK_BYTES, Commit, DamageKind, DamagedRun, Run, SegmentHeader};
use crate::kv::{Batch, Keys, collect};
use crate::reader::Part;
use crate::scan::{SegmentReader, first_position};
use crate::seal::{Digest, digest_of};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use watchbook_base::fs::OpenMode;
use watchbook_base::{MonoNanos, Ticks90k, TimeRange, UtcNanos};

/// How long one pass should take: long enough to be a whisper beside the recording, short enough that a sector that rots is found while its neighbours can
/// still be copied. 8 TB in two weeks are 6.6 MB/s, 3 % of what a disk reads.
const PASS_SECS: u64 = 14 * 86_400;
/// A small ring is read no slower than this: 100 GiB in 28 hours.
const RATE_MIN_BYTES_PER_SEC: u64 = 1 << 20;
/// A large one no faster: a tenth of what one hard disk reads. 24 TB in two weeks.
const RATE_MAX_BYTES_PER_SEC: u64 = 20 << 20;
/// Unused time counts for so long: no burst after a pause.
const BURST_SECS: u64 = 2;
/// Rest between two passes: a ring of a few MiB would be read all the time.
const PASS_PAUSE_NANOS: u64 = 3600 * 1_000_000_000;
/// Rest after a segment that cannot be opened or whose first block cannot be read.
const RETRY_PAUSE_NANOS: u64 = 60 * 1_000_000_000;
/// Attempts at such a segment before it is told as unreadable.
const ATTEMPTS_MAX: u32 = 3;
/// Segments in a row that cannot be read at all before the pass is given up: then it is the disk, and others tell.
const UNREADABLE_SEGMENTS_MAX: u32 = 3;
/// The place is kept on disk so often: what a restart reads again, at most 600 MB.
const SAVE_NANOS: u64 = 30 * 1_000_000_000;

/// Row of the index's table `meta` that says how far the scrub is.
pub(crate) const SCRUB_KEY: &[u8] = b"scrub";

/// Value of [`SCRUB_KEY`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ScrubRow {
    /// Where the pass goes on; `None` between passes.
    at: Option<Position>,
    /// Newest generation that belongs to the pass.
    until: u64,
    started: i64,
    segments: u64,
    segments_done: u64,
    verified_bytes: u64,
    found: u64,
    /// Damage of the log in which no run lies that the index knows.
    places: u64,
    last: Option<LastPass>,
}

/// What a whole pass found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LastPass {
    ended: i64,
    found: u64,
    places: u64,
    verified_bytes: u64,
}

/// How far the scrub of a disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubProgress {
    /// Of this pass, segments that the ring reused meanwhile included.
    pub bytes_done: u64,
    /// That this pass goes over.
    pub bytes_total: u64,
    /// Read and verified in this pass.
    pub verified_bytes: u64,
    /// How fast it may read.
    pub bytes_per_sec: u64,
    /// When this pass began; `None` between passes.
    pub started_utc: Option<UtcNanos>,
    /// Damaged runs and places of the log found in this pass, known ones included.
    pub found: u64,
    /// When the last whole pass ended; `None` when there was none.
    pub last_full_utc: Option<UtcNanos>,
    /// What that one found.
    pub last_found: u64,
    /// What it verified.
    pub last_verified_bytes: u64,
    /// It waits because the disk is behind with recording.
    pub yields: bool,
}

/// Bytes a second at which a ring of this size is read.
pub(crate) fn plan_rate(capacity_bytes: u64) -> u64 {
    (capacity_bytes / PASS_SECS).clamp(RATE_MIN_BYTES_PER_SEC, RATE_MAX_BYTES_PER_SEC)
}

/// A segment being read.
struct Segment {
    reader: SegmentReader,
    /// First commit of the next newer segment that is there.
    void_from: Option<u64>,
    /// That segment came right behind this one; else those between are in no slot any more.
    followed: bool,
}

/// What one piece of work came to.
enum Advanced {
    /// So many bytes were read.
    Read(u64),
    /// Nothing to do before then.
    Rest(MonoNanos),
}

/// The scrub of one ring.
pub(crate) struct Scrub {
    part: Arc<Part>,
    findings: Arc<Findings>,
    row: ScrubRow,
    segment: Option<Segment>,
    last_step: Option<MonoNanos>,
    /// Bytes that may be read now; below zero after a commit that was larger than that.
    allowance: i64,
    not_before: MonoNanos,
    saved: MonoNanos,
    attempts: u32,
    unreadable: u32,
    yields: bool,
}

impl Scrub {
    /// Goes on where the index says.
    pub(crate) fn new(part: Arc<Part>) -> Self {
        let row = part.kv.get(rows::META, SCRUB_KEY).ok().flatten();
        let row = row.and_then(|row| unpack::<ScrubRow>(rows::META, &row).ok()).unwrap_or_default();
        let findings = part.care.findings.clone();
        Self {
            part,
            findings,
            row,
            segment: None,
            last_step: None,
            allowance: 0,
            not_before: MonoNanos(0),
            saved: MonoNanos(0),
            attempts: 0,
            unreadable: 0,
            yields: false,
        }
    }

    /// Damage of the log in which no run lies, of this pass or, when it is more, of the last one.
    pub(crate) fn places(&self) -> u64 {
        self.row.places.max(self.row.last.map_or(0, |last| last.places))
    }

    fn segment_bytes(&self) -> u64 {
        self.part.ring.superblock.segment_bytes
    }

    fn capacity_bytes(&self) -> u64 {
        crate::ring::capacity_bytes(&self.part.ring.slots, &self.part.ring.superblock)
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> ScrubProgress {
        let row = &self.row;
        let into = row.at.map_or(0, |at| at.offset);
        let last = row.last.as_ref();
        ScrubProgress {
            bytes_done: row.segments_done.saturating_mul(self.segment_bytes()).saturating_add(into),
            bytes_total: row.segments.saturating_mul(self.segment_bytes()),
            verified_bytes: row.verified_bytes,
            bytes_per_sec: plan_rate(self.capacity_bytes()),
            started_utc: row.at.map(|_| UtcNanos(row.started)),
            found: row.found.saturating_add(row.places),
            last_full_utc: last.map(|last| UtcNanos(last.ended)),
            last_found: last.map_or(0, |last| last.found.saturating_add(last.places)),
            last_verified_bytes: last.map_or(0, |last| last.verified_bytes),
            yields: self.yields,
        }
    }

    /// Closes the segment when it is not there any more: a removed file gives its room back only when nobody has it open.
    pub(crate) fn let_go(&mut self) {
        if self.row.at.is_none_or(|at| self.part.ring.slots.get(at.slot) != at.generation) {
            self.segment = None;
        }
    }

    /// Reads what the rate allows since the last call. `late`: the disk is behind with recording, so nothing is read now.
    pub(crate) fn step(&mut self, now: MonoNanos, utc: UtcNanos, late: bool) {
        let rate = plan_rate(self.capacity_bytes());
        let elapsed = now.nanos_since(self.last_step.replace(now).unwrap_or(now)).min(BURST_SECS * 1_000_000_000);
        let earned = u128::from(rate) * u128::from(elapsed) / 1_000_000_000;
        let burst = i64::try_from(rate * BURST_SECS).unwrap_or(i64::MAX);
        self.allowance = self.allowance.saturating_add(i64::try_from(earned).unwrap_or(burst)).min(burst);
        self.yields = late;
        if late {
            return;
        }
        while self.allowance > 0 && now >= self.not_before {
            match self.advance(now, utc) {
                Advanced::Read(bytes) => {
                    self.allowance = self.allowance.saturating_sub(i64::try_from(bytes.max(1)).unwrap_or(i64::MAX));
                }
                Advanced::Rest(until) => self.not_before = until,
            }
        }
        if now.nanos_since(self.saved) >= SAVE_NANOS {
            self.save(now);
        }
    }

    fn save(&mut self, now: MonoNanos) {
        self.saved = now;
        let mut batch = Batch::default();
        batch.put(rows::META, SCRUB_KEY, pack(&self.row));
        if let Err(error) = self.part.kv.write(&batch, false) {
            tracing::warn!(%error, "the place of the scrub cannot be kept; after a restart it reads some footage again");
        }
    }

    /// The next commit, the end of a segment, or the beginning or end of a pass.
    fn advance(&mut self, now: MonoNanos, utc: UtcNanos) -> Advanced {
        let Some(at) = self.row.at else { return self.begin_pass(now, utc) };
        if self.part.ring.slots.get(at.slot) != at.generation {
            return self.next_segment(at, now, utc);
        }
        if self.segment.is_none()
            && let Err(why) = self.open(at, utc)
        {
            return self.unreadable_segment(at, now, utc, &why);
        }
        let Some(segment) = self.segment.as_ref() else { return Advanced::Rest(now) };
        let found = segment.reader.next(at, segment.void_from);
        let mut damaged = Vec::new();
        let mut places = 0;
        let next = match found {
            Some((offset, commit, hash)) => {
                let linked = commit.seq == at.seq && commit.prev_hash == at.prev_hash;
                if offset > at.offset {
                    damaged = self.described(at, offset, utc, false);
                }
                places += u64::from(!linked && damaged.is_empty());
                damaged.extend(self.verify(at, offset, &commit, utc));
                Some(Position { offset: offset + commit.commit_len, seq: commit.seq + 1, prev_hash: hash, ..at })
            }
            None => {
                // Commits of this segment are missing at its end.
                if segment.followed && segment.void_from.is_some_and(|first| at.seq < first) {
                    damaged = self.described(at, self.segment_bytes(), utc, false);
                    places += u64::from(damaged.is_empty());
                }
                None
            }
        };
        // Reused while it was read: whatever was read means nothing.
        if self.part.ring.slots.get(at.slot) == at.generation {
            self.row.found += wide(damaged.len());
            self.row.places += places;
            for run in damaged {
                let _ = self.findings.report(run);
            }
        }
        match next {
            Some(next) => {
                let read = next.offset - at.offset;
                segment.reader.forget(at.offset, read);
                self.row.verified_bytes += read;
                self.row.at = Some(next);
                Advanced::Read(read)
            }
            None => self.next_segment(at, now, utc),
        }
    }

    /// Every segment but the one being written belongs to a pass.
    fn begin_pass(&mut self, now: MonoNanos, utc: UtcNanos) -> Advanced {
        let mut generations: Vec<u64> = self.part.ring.slots.all().map(|(_, generation)| generation).collect();
        generations.retain(|generation| *generation != 0);
        generations.sort_unstable();
        generations.pop();
        let (Some(until), segments) = (generations.last().copied(), wide(generations.len())) else {
            return Advanced::Rest(later(now, PASS_PAUSE_NANOS));
        };
        let last = self.row.last;
        self.row = ScrubRow { until, started: utc.0, segments, last, ..ScrubRow::default() };
        self.unreadable = 0;
        self.go_to(0, now, utc)
    }

    /// On to the oldest segment behind this one.
    fn next_segment(&mut self, at: Position, now: MonoNanos, utc: UtcNanos) -> Advanced {
        self.go_to(at.generation, now, utc)
    }

    fn go_to(&mut self, behind: u64, now: MonoNanos, utc: UtcNanos) -> Advanced {
        self.segment = None;
        self.attempts = 0;
        let until = self.row.until;
        let slots = self.part.ring.slots.all();
        let left: Vec<(u64, u32)> = slots
            .filter(|(_, generation)| *generation > behind && *generation <= until)
            .map(|(slot, generation)| (generation, slot))
            .collect();
        self.row.segments_done = self.row.segments.saturating_sub(wide(left.len()));
        let next = left.into_iter().min();
        self.row.at = next.map(|(generation, slot)| {
            let row = self.slot_row(slot, generation);
            let (seq, prev_hash) = row.map_or((1, [0; 32]), |(seq, hash)| (seq, hash));
            Position { slot, generation, offset: BLOCK_BYTES, seq, prev_hash }
        });
        if self.row.at.is_some() {
            return Advanced::Read(BLOCK_BYTES);
        }
        let (found, places, verified_bytes) = (self.row.found, self.row.places, self.row.verified_bytes);
        self.row.last = Some(LastPass { ended: utc.0, found, places, verified_bytes });
        self.row.segments_done = self.row.segments;
        tracing::info!(verified_bytes, found, places, "the scrub has read the whole ring");
        self.save(now);
        Advanced::Rest(later(now, PASS_PAUSE_NANOS))
    }

    /// Number and previous hash of the first commit of a segment, from its header.
    fn slot_row(&self, slot: u32, generation: u64) -> Option<(u64, watchbook_evidence::Hash)> {
        let header = self.part.ring.header(slot).filter(|header| header.generation == generation)?;
        let at = first_position(&header);
        Some((at.seq, at.prev_hash))
    }

    /// First commit of the next newer segment than `generation`, and whether that came right behind it.
    fn first_behind(&self, generation: u64) -> Option<(u64, bool)> {
        let newer = self.part.ring.slots.all().filter(|(_, other)| *other > generation);
        let (slot, next) = newer.min_by_key(|(_, generation)| *generation)?;
        let row = self.part.kv.get(rows::META, &rows::slot_key(slot)).ok().flatten();
        let row = row.and_then(|row| unpack::<SlotRow>(rows::META, &row).ok()).filter(|row| row.generation == next);
        let header = || self.part.ring.header(slot).filter(|header| header.generation == next);
        let first = row.map(|row| row.first_seq).or_else(|| header().map(|header| header.first_seq))?;
        Some((first, next == generation + 1))
    }

    /// Opens the segment of `at`. A header that is not what was written is a place of the log; the commits behind it say the same.
    fn open(&mut self, at: Position, utc: UtcNanos) -> core::result::Result<(), String> {
        let ring = &self.part.ring;
        let file = ring.open_slot(at.slot, OpenMode::Read).map_err(|error| error.to_string())?;
        let mut block = vec![0; crate::codec::narrow(BLOCK_BYTES)];
        file.read_exact_at(&mut block, 0).map_err(|error| error.to_string())?;
        let whole = SegmentHeader::decode(&block)
            .is_some_and(|header| header.disk == ring.superblock.disk && header.generation == at.generation);
        if !whole && at.offset == BLOCK_BYTES && ring.slots.get(at.slot) == at.generation {
            tracing::error!(slot = at.slot, %utc, "the header of a segment is damaged; its commits say the same, so nothing is lost yet");
            self.row.places += 1;
        }
        // What lies in memory says nothing about the disk.
        file.forget(0, ring.superblock.segment_bytes);
        let reader = SegmentReader::new(file, &ring.superblock, Some(at.generation));
        let behind = self.first_behind(at.generation);
        let (void_from, followed) = (behind.map(|(first, _)| first), behind.is_some_and(|(_, followed)| followed));
        self.segment = Some(Segment { reader, void_from, followed });
        self.unreadable = 0;
        Ok(())
    }

    /// A segment that cannot be opened is tried again for a while, and then told as unreadable.
    fn unreadable_segment(&mut self, at: Position, now: MonoNanos, utc: UtcNanos, why: &str) -> Advanced {
        self.attempts += 1;
        if self.attempts < ATTEMPTS_MAX {
            return Advanced::Rest(later(now, RETRY_PAUSE_NANOS));
        }
        self.unreadable += 1;
        if self.unreadable > UNREADABLE_SEGMENTS_MAX {
            tracing::error!(why, "the scrub is given up for an hour: no segment can be read");
            self.row.at = None;
            return Advanced::Rest(later(now, PASS_PAUSE_NANOS));
        }
        tracing::error!(slot = at.slot, why, "a segment cannot be read");
        let damaged = self.described(at, self.segment_bytes(), utc, true);
        if self.part.ring.slots.get(at.slot) == at.generation {
            self.row.places += u64::from(damaged.is_empty());
            self.row.found += wide(damaged.len());
            for run in damaged {
                let _ = self.findings.report(run);
            }
        }
        self.next_segment(at, now, utc)
    }

    /// The runs of a commit that are not what was written.
    fn verify(&self, at: Position, offset: u64, commit: &Commit, utc: UtcNanos) -> Vec<DamagedRun> {
        let Some(segment) = &self.segment else { return Vec::new() };
        let wrong = commit.runs.iter().filter_map(|run| {
            let kind = wrong_with(&segment.reader, self.part.sealed_with.as_deref(), offset, run)?;
            let end = run.first_utc.plus_ticks(Ticks90k(i64::from(run.length_ticks)));
            Some(DamagedRun {
                stream: run.stream,
                range: TimeRange { start: run.first_utc, end },
                kind,
                slot: at.slot,
                generation: at.generation,
                offset: offset + run.payload_offset,
                found: utc,
            })
        });
        wrong.collect()
    }

    /// The runs that the index has between `at` and `to` of the segment, where the log does not describe them any more. `unreadable`: the file is not there.
    fn described(&self, at: Position, to: u64, utc: UtcNanos, unreadable: bool) -> Vec<DamagedRun> {
        match self.indexed(at, to, utc, unreadable) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, slot = at.slot, "what lies in a damaged part of the log cannot be looked up");
                Vec::new()
            }
        }
    }

    fn indexed(&self, at: Position, to: u64, utc: UtcNanos, unreadable: bool) -> Result<Vec<DamagedRun>> {
        let kv = &*self.part.kv;
        let prefix = rows::owned_key(at.generation, owned::SPAN, &[]);
        let mut found = Vec::new();
        for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&prefix))? {
            let Some(key) = key.get(prefix.len()..) else { continue };
            let (row, tables) = (kv.get(rows::SPANS, key)?, kv.get(rows::TABLES, key)?);
            let (Some(span), Some(row), Some(tables)) = (SpanKey::decode(key), row, tables) else { continue };
            let row: SpanRow = unpack(rows::SPANS, &row)?;
            let tables: TablesRow = unpack(rows::TABLES, &tables)?;
            let times = run_times(&span, (row.first_dts, row.end_dts), &tables);
            for (run, range) in tables.runs.iter().zip(times) {
                if (at.offset..to).contains(&run.offset) {
                    let kind = if unreadable { DamageKind::Unreadable } else { self.stored(run) };
                    let (slot, generation, offset) = (at.slot, at.generation, run.offset);
                    found.push(DamagedRun { stream: span.stream, range, kind, slot, generation, offset, found: utc });
                }
            }
        }
        Ok(found)
    }

    /// What is wrong with a run that only the index describes.
    fn stored(&self, run: &rows::RunPlace) -> DamageKind {
        let Some(segment) = &self.segment else { return DamageKind::Unreadable };
        match segment.reader.bytes(run.offset, run.len) {
            None => DamageKind::Unreadable,
            Some(bytes) if crc32c::crc32c(&bytes) != run.crc => DamageKind::Checksum,
            Some(_) => DamageKind::Description,
        }
    }
}

fn later(now: MonoNanos, nanos: u64) -> MonoNanos {
    MonoNanos(now.0.saturating_add(nanos))
}

/// What is wrong with a run, asked twice: an error on the way from the disk is not one on the disk.
fn wrong_with(reader: &SegmentReader, keys: Option<&crate::keys::Keys>, offset: u64, run: &Run) -> Option<DamageKind> {
    let look = || match reader.payload(offset, run) {
        None => Some(DamageKind::Unreadable),
        Some(bytes) if crc32c::crc32c(&bytes) != run.crc => Some(DamageKind::Checksum),
        Some(bytes) => match digest_of(keys, run, bytes) {
            Digest::Wrong => Some(DamageKind::Digest),
            Digest::Right | Digest::Unknown => None,
        },
    };
    look()?;
    reader.forget(offset + run.payload_offset, run.payload_len);
    look()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_size_of_the_ring() {
        assert_eq!(plan_rate(8_000_000_000_000), 6_613_756);
        assert_eq!(plan_rate(100 << 30), RATE_MIN_BYTES_PER_SEC);
        assert_eq!(plan_rate(100 << 40), RATE_MAX_BYTES_PER_SEC);
    }
}
