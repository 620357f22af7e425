//! The scrub of the vault: reads held segments again, one after another, slowly, and verifies every checksum, tag and digest. On the vault's own thread, when
//! there is nothing to copy.

use super::cells;
use super::hold::HoldId;
use super::keys::HoldKeys;
use super::load::Unsound;
use super::queue::retry_pause;
use super::segment::{Wrong, first_seq, opened, wrong_with};
use super::state::{OpenVault, VaultDeps};
use crate::care::{ScrubProgress, plan_rate};
use crate::catalog::rows::{self, Position, pack, unpack};
use crate::error::{Error, Result};
use crate::format::{BLOCK_BYTES, DamageKind, DamagedRun, Run, SegmentHeader};
use crate::kv::Batch;
use crate::scan::SegmentReader;
use serde::{Deserialize, Serialize};
use watchbook_base::{Kind, MonoNanos, Ticks90k, TimeRange, UtcNanos};

/// Unused time counts for so long: the vault's thread wakes every five seconds.
const BURST_SECS: u64 = 10;
/// Rest between two passes. A small vault is read within minutes; a sector does not rot within a day of the last look at it more often than later.
const PASS_PAUSE_NANOS: u64 = 86_400 * 1_000_000_000;
/// Attempts at what the disk does not give before the pass goes on without it.
const ATTEMPTS_MAX: u32 = 3;
/// Row of the index's table `meta` that says where the pass goes on after a restart.
const SCRUB_KEY: &[u8] = b"vault-scrub";

/// Value of [`SCRUB_KEY`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ScrubRow {
    /// Segment that is read next, from its beginning; 0 between passes.
    next: u32,
    started: i64,
    verified_bytes: u64,
    found: u64,
    /// When the last whole pass ended, and what it found and verified.
    last: Option<(i64, u64, u64)>,
}

/// A segment being read.
struct Segment {
    at: Position,
    /// Behind the last commit that the index has.
    end: u64,
    /// The start found its last commit torn: nothing of it was ever held.
    torn: bool,
    reader: SegmentReader,
    /// What the disk has refused of it in this pass.
    refused: Option<Error>,
    /// Damage in which no run lies.
    places: u64,
}

/// What one piece of work came to.
enum Advanced {
    /// So many bytes were read.
    Read(u64),
    /// Nothing to do before then.
    Rest(MonoNanos),
    /// Something of a hold, or of nobody knows which, does not count any more.
    Changed(Option<HoldId>),
}

/// What was found at one place.
#[derive(Default)]
struct Looked {
    damaged: Vec<DamagedRun>,
    refused: Option<Error>,
    bytes: u64,
}

/// The scrub of one vault.
#[derive(Default)]
pub(super) struct Scrub {
    row: Option<ScrubRow>,
    segment: Option<Segment>,
    last_step: Option<MonoNanos>,
    /// Bytes that may be read now; below zero after a commit that was larger than that.
    allowance: i64,
    not_before: MonoNanos,
    attempts: u32,
}

impl Scrub {
    /// Reads what the rate allows since the last call, commit by commit until `yields`. Gives the holds of which something does not count any more.
    pub(super) fn step(
        &mut self,
        vault: &OpenVault,
        deps: &VaultDeps,
        yields: &dyn Fn() -> bool,
    ) -> Vec<Option<HoldId>> {
        let now = deps.clock.mono();
        let row = || vault.kv.get(rows::META, SCRUB_KEY).ok().flatten();
        self.row.get_or_insert_with(|| row().and_then(|row| unpack(rows::META, &row).ok()).unwrap_or_default());
        let rate = plan_rate(vault.state().held_bytes());
        let elapsed = now.nanos_since(self.last_step.replace(now).unwrap_or(now)).min(BURST_SECS * 1_000_000_000);
        let earned = u128::from(rate) * u128::from(elapsed) / 1_000_000_000;
        let burst = i64::try_from(rate * BURST_SECS).unwrap_or(i64::MAX);
        self.allowance = self.allowance.saturating_add(i64::try_from(earned).unwrap_or(burst)).min(burst);
        let mut changed = Vec::new();
        while self.allowance > 0 && now >= self.not_before && !yields() {
            match self.advance(vault, deps) {
                Ok(Advanced::Read(bytes)) => self.allowance -= i64::try_from(bytes.max(1)).unwrap_or(i64::MAX),
                Ok(Advanced::Rest(until)) => self.not_before = until,
                Ok(Advanced::Changed(hold)) => changed.push(hold),
                Err(error) => {
                    tracing::warn!(%error, "held footage cannot be verified now; it is tried again");
                    self.not_before = later(deps, retry_pause(deps.clock.mono().nanos_since(now)));
                }
            }
        }
        vault.part.care.set_scrub(self.progress(vault, rate));
        changed
    }

    fn progress(&self, vault: &OpenVault, rate: u64) -> ScrubProgress {
        let row = self.row.clone().unwrap_or_default();
        let into = self.segment.as_ref().map_or(0, |segment| segment.at.offset);
        let state = vault.state();
        let before = state.slots.iter().filter(|(slot, _)| **slot < row.next).map(|(_, info)| info.bytes).sum::<u64>();
        ScrubProgress {
            bytes_done: before + into,
            bytes_total: state.held_bytes(),
            verified_bytes: row.verified_bytes,
            bytes_per_sec: rate,
            started_utc: (row.next > 0).then_some(UtcNanos(row.started)),
            found: row.found,
            last_full_utc: row.last.map(|(ended, ..)| UtcNanos(ended)),
            last_found: row.last.map_or(0, |(_, found, _)| found),
            last_verified_bytes: row.last.map_or(0, |(.., bytes)| bytes),
            yields: false,
        }
    }

    /// The next commit, the end of a segment, or the beginning or end of a pass.
    fn advance(&mut self, vault: &OpenVault, deps: &VaultDeps) -> Result<Advanced> {
        // What was released, or is looked at otherwise, is left.
        self.segment.take_if(|segment| !is_held(vault, segment.at.slot, segment.at.generation));
        if self.segment.is_none() {
            return self.open_next(vault, deps);
        }
        let (Some(segment), Some(row)) = (self.segment.as_mut(), self.row.as_mut()) else {
            return Ok(Advanced::Read(0));
        };
        let Position { slot, generation, .. } = segment.at;
        if segment.at.offset >= segment.end {
            let segment = self.segment.take();
            return self.close(vault, segment);
        }
        let began = deps.clock.mono();
        let (looked, next) = look(vault, segment, &*deps.keys, deps.clock.utc())?;
        if !is_held(vault, slot, generation) {
            // Released while it was read: whatever was read means nothing.
            return Ok(Advanced::Read(looked.bytes));
        }
        let fresh = unknown(vault, slot, &looked.damaged);
        let mut refused = looked.refused;
        let mut changed = None;
        if !fresh.is_empty() {
            match mark(vault, (slot, generation), &fresh, &*deps.keys) {
                Ok(hold) => changed = Some(Advanced::Changed(hold)),
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            tell_refused(vault, slot, &error);
            if self.attempts + 1 < ATTEMPTS_MAX {
                self.attempts += 1;
                self.not_before = later(deps, retry_pause(deps.clock.mono().nanos_since(began)));
                return Ok(changed.unwrap_or(Advanced::Rest(self.not_before)));
            }
            segment.refused.get_or_insert(error);
        } else {
            row.verified_bytes += looked.bytes;
        }
        self.attempts = 0;
        row.found += crate::codec::wide(looked.damaged.len());
        segment.at = next;
        self.allowance -= i64::try_from(looked.bytes.max(1)).unwrap_or(i64::MAX);
        Ok(changed.unwrap_or(Advanced::Read(0)))
    }

    /// Opens the next segment, or ends the pass.
    fn open_next(&mut self, vault: &OpenVault, deps: &VaultDeps) -> Result<Advanced> {
        let Some(row) = self.row.as_mut() else { return Ok(Advanced::Read(0)) };
        if row.next == 0 {
            *row = ScrubRow { next: 1, started: deps.clock.utc().0, last: row.last, ..ScrubRow::default() };
        }
        let next = {
            let state = vault.state();
            state.slots.range(row.next..).map(|(slot, info)| (*slot, info.generation)).collect::<Vec<_>>()
        };
        let next = next.into_iter().find(|(slot, generation)| is_held(vault, *slot, *generation));
        let Some((slot, generation)) = next else {
            let last = Some((deps.clock.utc().0, row.found, row.verified_bytes));
            *row = ScrubRow { last, ..ScrubRow::default() };
            save(vault, row);
            return Ok(Advanced::Rest(later(deps, PASS_PAUSE_NANOS)));
        };
        row.next = slot;
        let known = cells::slot_rows(&*vault.kv)?.remove(&slot).filter(|known| known.generation == generation);
        let reader = match vault.dir.reader(slot, Some(generation)) {
            Ok(reader) => reader,
            Err(error) if error.kind == Kind::NotFound => {
                let unsound = Unsound { why: "its file is missing".to_owned(), waits: true, lost: false };
                vault.state().unsound.insert(slot, unsound);
                return Ok(Advanced::Changed(None));
            }
            Err(error) => {
                tell_refused(vault, slot, &error);
                self.attempts += 1;
                if self.attempts >= ATTEMPTS_MAX {
                    (self.attempts, row.next) = (0, slot + 1);
                }
                return Ok(Advanced::Rest(later(deps, retry_pause(0))));
            }
        };
        // What the system remembers of a segment says nothing about the disk.
        reader.forget_all();
        let at = Position { slot, generation, offset: BLOCK_BYTES, seq: first_seq(slot), ..Position::default() };
        let header = reader.bytes(0, BLOCK_BYTES).and_then(|block| SegmentHeader::decode(&block));
        let refused = reader.take_refused();
        if let Some(error) = refused.as_ref().filter(|_| self.attempts + 1 < ATTEMPTS_MAX) {
            tell_refused(vault, slot, error);
            self.attempts += 1;
            return Ok(Advanced::Rest(later(deps, retry_pause(0))));
        }
        self.attempts = 0;
        let is_right = header.is_some_and(|header| header.slot == slot && header.generation == generation);
        let places = u64::from(refused.is_none() && !is_right);
        let torn = cells::is_torn(&*vault.kv, slot)?;
        let end = known.map_or(BLOCK_BYTES, |known| known.end);
        self.segment = Some(Segment { at, end, torn, reader, refused, places });
        Ok(Advanced::Read(BLOCK_BYTES))
    }

    /// The segment was read to its end.
    fn close(&mut self, vault: &OpenVault, segment: Option<Segment>) -> Result<Advanced> {
        let (Some(segment), Some(row)) = (segment, self.row.as_mut()) else { return Ok(Advanced::Read(0)) };
        {
            let mut state = vault.state();
            let rot = state.rot.entry(segment.at.slot).or_default();
            rot.places = segment.places;
            rot.refused = segment.refused.map(|error| error.to_string());
        }
        row.found += segment.places;
        row.next = segment.at.slot + 1;
        save(vault, row);
        Ok(Advanced::Read(0))
    }
}

/// True when readers get what the segment has, and nothing else is to be found out about it first.
fn is_held(vault: &OpenVault, slot: u32, generation: u64) -> bool {
    let state = vault.state();
    let is_active = |hold: &HoldId| state.holds.get(hold).is_some_and(super::state::Hold::is_active);
    vault.dir.ring.slots.get(slot) == generation
        && !state.unsound.contains_key(&slot)
        && state.slots.get(&slot).is_some_and(|info| info.generation == generation && is_active(&info.hold))
}

fn save(vault: &OpenVault, row: &ScrubRow) {
    let mut batch = Batch::default();
    batch.put(rows::META, SCRUB_KEY, pack(row));
    if let Err(error) = vault.kv.write(&batch, false) {
        tracing::warn!(%error, "the place of the vault's scrub cannot be kept; after a restart it reads some footage again");
    }
}

fn tell_refused(vault: &OpenVault, slot: u32, error: &Error) {
    vault.state().rot.entry(slot).or_default().refused = Some(error.to_string());
}

fn later(deps: &VaultDeps, nanos: u64) -> MonoNanos {
    MonoNanos(deps.clock.mono().0.saturating_add(nanos))
}

/// Runs of a segment do not count as held from here on. Gives its hold.
fn mark(vault: &OpenVault, at: (u32, u64), fresh: &[DamagedRun], keys: &dyn HoldKeys) -> Result<Option<HoldId>> {
    for run in fresh {
        tracing::error!(stream = %run.stream, from = %run.range.start, to = %run.range.end, slot = run.slot, offset = run.offset,
            what = run.kind.text(), "held footage has rotted; it is copied again where there is another copy");
    }
    vault.mark_damaged(at, fresh, keys)?;
    Ok(vault.state().slots.get(&at.0).map(|info| info.hold))
}

/// What of `found` is not marked yet as it is.
fn unknown(vault: &OpenVault, slot: u32, found: &[DamagedRun]) -> Vec<DamagedRun> {
    let state = vault.state();
    let known = state.rot.get(&slot).map(|rot| rot.runs.as_slice()).unwrap_or_default();
    let is_known = |run: &&DamagedRun| known.iter().any(|one| one.offset == run.offset && one.kind == run.kind);
    found.iter().filter(|run| !is_known(run)).copied().collect()
}

/// Verifies the commit at the segment's place, or what the index tells of a stretch without one. Gives the place behind it.
fn look(vault: &OpenVault, segment: &mut Segment, keys: &dyn HoldKeys, now: UtcNanos) -> Result<(Looked, Position)> {
    let Segment { at, end, torn, reader, places, .. } = segment;
    let (at, end) = (*at, *end);
    let commit = || reader.next(at, None).filter(|(offset, ..)| *offset < end);
    let mut found = commit();
    if found.as_ref().is_none_or(|(offset, ..)| *offset > at.offset) {
        // An error on the way from the disk is not one on the disk.
        let _ = reader.take_refused();
        reader.forget_all();
        found = commit();
    }
    let mut looked = Looked { refused: reader.take_refused(), ..Looked::default() };
    let (to, seq) = found.as_ref().map_or((end, at.seq), |(offset, commit, _)| (*offset, commit.seq));
    if to > at.offset {
        looked.bytes = to - at.offset;
        if looked.refused.is_none() {
            let runs = cells::runs_of(&*vault.kv, at.generation)?;
            let lost: Vec<&Run> = runs.iter().filter(|run| (at.offset..to).contains(&run.payload_offset)).collect();
            *places += u64::from(lost.is_empty());
            lost.into_iter().for_each(|run| looked.take(stored(reader, run, keys).map(Some), (run, 0), at, now));
        }
        return Ok((looked, Position { offset: to, seq, ..at }));
    }
    let Some((offset, commit, hash)) = found else { return Ok((looked, Position { offset: end, ..at })) };
    looked.bytes = commit.commit_len;
    let next = Position { offset: offset + commit.commit_len, seq: commit.seq + 1, prev_hash: hash, ..at };
    if !(*torn && next.offset >= end) {
        let verified = |run: &Run| verified(reader, offset, run, keys);
        commit.runs.iter().for_each(|run| looked.take(verified(run), (run, offset), at, now));
    }
    Ok((looked, next))
}

impl Looked {
    /// Notes what was found of a run of the commit at an offset of the segment `at`.
    fn take(&mut self, found: Result<Option<DamageKind>>, of: (&Run, u64), at: Position, now: UtcNanos) {
        let (run, offset) = of;
        match found {
            Ok(None) => {}
            Ok(Some(kind)) => {
                let end = run.first_utc.plus_ticks(Ticks90k(i64::from(run.length_ticks)));
                self.damaged.push(DamagedRun {
                    stream: run.stream,
                    range: TimeRange { start: run.first_utc, end: end.max(run.first_utc) },
                    kind,
                    slot: at.slot,
                    generation: at.generation,
                    offset: offset + run.payload_offset,
                    found: now,
                });
            }
            Err(error) => {
                self.refused.get_or_insert(error);
            }
        }
    }
}

/// What is wrong with a run, asked twice: an error on the way from the disk is not one on the disk.
fn verified(reader: &SegmentReader, offset: u64, run: &Run, keys: &dyn HoldKeys) -> Result<Option<DamageKind>> {
    let look = || wrong_with(reader, offset, run, keys);
    let wrong = look().and_then(|_| {
        reader.forget(offset + run.payload_offset, run.payload_len);
        look()
    });
    wrong.map_or(Ok(None), |wrong| kind_of(wrong).map(Some))
}

/// What is wrong with a run that only the index describes any more: its hash lay in the commit.
fn stored(reader: &SegmentReader, run: &Run, keys: &dyn HoldKeys) -> Result<DamageKind> {
    opened(reader, 0, run, keys).map_or_else(kind_of, |_| Ok(DamageKind::Description))
}

/// # Errors
/// What says nothing about the bytes.
fn kind_of(wrong: Wrong) -> Result<DamageKind> {
    match wrong {
        Wrong::Checksum => Ok(DamageKind::Checksum),
        Wrong::Digest => Ok(DamageKind::Digest),
        Wrong::Unread(error) | Wrong::Sealed(error) => Err(error),
    }
}
