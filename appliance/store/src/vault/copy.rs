//! Copying held footage into the vault, the oldest first. Runs on the vault's own thread; nothing that records waits for it.

use super::copies::Copies;
use super::hold::{HoldId, MissingFootage, MissingReason};
use super::plan::{SourceSpan, Task, needed_range, share_of, takes};
use super::record::{Copied, VaultRecord};
use super::segment::{Owner, Piece, SegmentWriter};
use super::source::{Cursor, Found, Payload, Source, Window};
use super::state::{OpenVault, SlotInfo, VaultDeps};
use crate::codec::wide;
use crate::error::{Error, Result};
use crate::format::{COMMIT_BYTES_MAX, DiskId, Run};
use crate::scan::SegmentReader;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use watchbook_base::{Gap, Kind, StreamId, TimeRange, UtcNanos};
use watchbook_evidence::sha256_of;

/// Sample bytes of one commit of the vault: long enough that a disk streams, short enough that closing the store waits for a tenth of a second.
pub(crate) const BATCH_BYTES: u64 = 8 << 20;
/// Of one source commit that is larger, what goes into one commit of the vault: with the formats that it states it stays below [`COMMIT_BYTES_MAX`].
const SPLIT_BYTES: u64 = COMMIT_BYTES_MAX / 2;
/// Runs of one batch that are left out: each takes a look into the index.
const LEFT_OUT_MAX: usize = 2000;

/// A stretch of one ring's segment, to be looked through for one hold.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) hold: HoldId,
    pub(crate) source: Source,
    pub(crate) task: Task,
    /// What the index of the source listed for the hold.
    pub(crate) spans: Arc<Vec<SourceSpan>>,
}

impl Job {
    /// What of the hold its commits have, or had.
    pub(crate) fn footage(&self) -> Vec<(StreamId, TimeRange)> {
        self.footage_of(&self.spans)
    }

    /// What of it lay in `spans`.
    pub(crate) fn footage_of(&self, spans: &[SourceSpan]) -> Vec<(StreamId, TimeRange)> {
        share_of(spans, self.task.generation, (self.task.seq_from, self.task.seq_to))
    }
}

/// What one batch came to.
pub(crate) enum Outcome {
    /// The rest of the job.
    Goes(Job),
    Done,
    /// The ring has reused the segment.
    Gone(HoldId),
    /// A part of the job cannot be read now; the rest of the job behind it, if there is one.
    Unread(Unread, Option<Job>),
    /// The hold cannot go on now, for this reason.
    Stopped(HoldId, Error),
}

/// Commits of a ring that cannot be read now.
pub(crate) struct Unread {
    pub(crate) from: u64,
    /// The last of them; `u64::MAX` when nothing behind the first can be told.
    pub(crate) to: u64,
    pub(crate) error: Error,
}

type CursorKey = (HoldId, DiskId, u64);

/// What the copier keeps between batches.
#[derive(Default)]
pub(crate) struct Copier {
    writers: BTreeMap<HoldId, SegmentWriter>,
    cursors: BTreeMap<CursorKey, Cursor>,
    /// The window being copied.
    window: Option<(CursorKey, Open)>,
    /// Highest segment number given out.
    last_slot: u32,
}

struct Open {
    /// First commit that was not collected yet.
    next: u64,
    found: VecDeque<Found>,
    seq_to: u64,
    cursor: Cursor,
    reader: SegmentReader,
    /// Commits that the disk does not give now, first to last, and what it said: they are passed over and tried again.
    unread: BTreeMap<u64, (u64, String)>,
    /// Why nothing behind `seq_to` can be told.
    refused: Option<String>,
    /// Commits of another hold that do not check out, first to last: what they had may come from a third one.
    holes: Vec<(u64, u64)>,
}

/// What was read of a window.
struct Collected {
    batch: Batch,
    /// Last commit of which all is in the batch.
    seq_to: u64,
    /// Where it goes on.
    next: u64,
    /// Why what lies between is passed over.
    passed: Option<String>,
}

/// The runs of one source commit or of several, ready to be written.
#[derive(Default)]
struct Batch {
    pieces: Vec<Piece>,
    bytes: u64,
    missing: Vec<MissingFootage>,
    /// Ring and generation that all of it first came from.
    origin: Option<(DiskId, u64)>,
    /// Runs that its commits have and it does not, because the hold has them already or another copy of them is asked.
    left_out: usize,
    /// Streams of which a run was left out behind the last piece.
    holes: BTreeSet<StreamId>,
    /// Nobody knows of which streams.
    hole_in_any: bool,
}

impl Copier {
    /// Forgets everything about a hold: it is released, or its segment may not be written any more.
    pub(crate) fn forget(&mut self, hold: HoldId) {
        self.writers.remove(&hold);
        self.cursors.retain(|(of, ..), _| *of != hold);
        self.window.take_if(|((of, ..), _)| *of == hold);
    }

    /// Copies about [`BATCH_BYTES`] of a job.
    pub(crate) fn batch(&mut self, vault: &OpenVault, deps: &VaultDeps, quota_bytes: u64, mut job: Job) -> Outcome {
        let hold = job.hold;
        let key = (hold, job.source.disk(), job.task.generation);
        // Of a job that begins elsewhere than where the last batch ended, the window lacks what was passed over.
        let kept = self.window.take_if(|(of, _)| *of == key).filter(|(_, open)| open.next == job.task.seq_from);
        let mut open = match kept {
            Some((_, open)) => open,
            None => match self.open(vault, &job, key) {
                Ok(Some(open)) => open,
                Ok(None) => return Outcome::Gone(hold),
                Err(error) => return nothing_behind(&job, error),
            },
        };
        if open.seq_to < job.task.seq_from {
            return nothing_behind(&job, ends_early(&open, key.1));
        }
        let Collected { batch, seq_to, next, passed } = match self.collect(vault, deps, &job, &mut open) {
            Ok(Some(collected)) => collected,
            Ok(None) => return Outcome::Gone(hold),
            Err(error) => return Outcome::Stopped(hold, error),
        };
        let origin = batch.origin.unwrap_or((key.1, key.2));
        let seq_from = std::mem::replace(&mut job.task.seq_from, next);
        open.next = next;
        if seq_from <= seq_to {
            let copied = Copied { hold, disk: key.1, generation: key.2, seq_from, seq_to, origin };
            if let Err(error) = self.put(vault, deps, quota_bytes, (copied, batch)) {
                return Outcome::Stopped(hold, error);
            }
        }
        let is_over = job.task.seq_from > job.task.seq_to;
        let passed =
            passed.map(|why| Unread { from: seq_from.max(seq_to + 1), to: next - 1, error: unread(key.1, &why) });
        if seq_to < seq_from
            && is_over
            && let Some(unread) = passed
        {
            return Outcome::Unread(unread, None);
        }
        if open.found.is_empty() && next > open.seq_to {
            self.cursors.retain(|(of, disk, _), _| *of != hold || *disk != key.1);
            self.cursors.insert(key, open.cursor);
        } else {
            self.window = Some((key, open));
        }
        match (passed, is_over) {
            (Some(unread), _) => Outcome::Unread(unread, (!is_over).then_some(job)),
            (None, true) => Outcome::Done,
            (None, false) => Outcome::Goes(job),
        }
    }

    /// Lists what the next window of the segment has for the hold.
    fn open(&mut self, vault: &OpenVault, job: &Job, key: CursorKey) -> Result<Option<Open>> {
        let Some(request) = vault.state().holds.get(&job.hold).map(|hold| hold.logged.request.clone()) else {
            return Ok(None);
        };
        let cursor = self.cursors.get(&key).filter(|cursor| cursor.is_before(job.task.seq_from)).cloned();
        let wanted = |run: &Run| takes(&request, run.stream, run.first_utc);
        let Some(window) = job.source.window(&job.task, cursor, &wanted)? else { return Ok(None) };
        let Window { found, seq_to, cursor, passed, refused } = window;
        if refused.is_none() {
            // What the disk gives and does not check out is lost. The commits around it may come to lie in one span, so nobody could tell later.
            self.note_missing(vault, job.hold, &damaged_in(vault, job, &passed))?;
        }
        let holes = if job.source.part.is_vault() { passed.clone() } else { Vec::new() };
        let unread = passed.iter().zip(refused.iter().cycle()).map(|((from, to), why)| (*from, (*to, why.clone())));
        let unread = unread.collect();
        let reader = job.source.reader(&job.task)?;
        Ok(Some(Open { next: job.task.seq_from, found: found.into(), seq_to, cursor, reader, unread, refused, holes }))
    }

    /// Reads, verifies and seals runs of whole source commits. `None`: the ring has reused the segment. A commit that cannot be read is passed over as a
    /// whole, unless its segment is overwritten next: then what can be had of it counts.
    fn collect(&self, vault: &OpenVault, deps: &VaultDeps, job: &Job, open: &mut Open) -> Result<Option<Collected>> {
        let key_id = vault.state().holds.get(&job.hold).map(|hold| hold.logged.key_id);
        let Some(key_id) = key_id else { return Ok(None) };
        let last_chance = job.source.is_next(&job.task);
        let mut copies = Copies::of(vault, job.hold);
        let mut batch = Batch::default();
        let mut mark = batch.mark();
        let mut last_seq = None;
        while let Some(found) = open.found.front() {
            let seq = found.seq;
            if last_seq != Some(seq) {
                let behind_unread = open.unread.first_key_value().is_some_and(|(from, _)| *from < seq);
                if behind_unread || batch.is_full() || batch.is_from_elsewhere(found.origin) {
                    break;
                }
                if open.has_hole(last_seq.map_or(open.next, |last| last + 1), seq) {
                    batch.passes_over();
                }
                mark = batch.mark();
            }
            batch.origin = Some(found.origin);
            if batch.has(&found.run) || copies.has(&found.run)? {
                last_seq = Some(seq);
                batch.leave_out(found.run.stream);
                open.found.pop_front();
                continue;
            }
            let payload = match job.source.payload(&job.task, &open.reader, found) {
                Payload::Gone => return Ok(None),
                Payload::Unreadable(error) if !last_chance => {
                    batch.go_back(mark);
                    open.found.retain(|found| found.seq != seq);
                    open.unread.insert(seq, (seq, error.to_string()));
                    break;
                }
                Payload::Damaged | Payload::Unreadable(_) => Err(MissingReason::Damaged),
                Payload::Bytes(bytes) => verified(deps, &found.run, bytes)?,
            };
            let Some(found) = open.found.pop_front() else { break };
            last_seq = Some(found.seq);
            match payload {
                Ok(payload) => batch.add(deps, key_id, found, payload)?,
                Err(_) if job.source.part.is_vault() && copies.is_elsewhere(&found.run, job.task.slot)? => {
                    batch.leave_out(found.run.stream);
                }
                Err(reason) => batch.missing.push(missing(&found.run, reason)),
            }
        }
        let end = open.found.front().map_or(open.seq_to, |next| next.seq.saturating_sub(1));
        if open.has_hole(last_seq.map_or(open.next, |last| last + 1), end.saturating_add(1)) {
            batch.passes_over();
        }
        let unread =
            open.unread.first_entry().filter(|unread| *unread.key() <= end).map(|unread| unread.remove_entry());
        Ok(Some(match unread {
            Some((from, (to, why))) => {
                Collected { batch, seq_to: from.saturating_sub(1), next: to + 1, passed: Some(why) }
            }
            None => Collected { batch, seq_to: end, next: end + 1, passed: None },
        }))
    }

    /// Writes a batch and says that it is held.
    fn put(&mut self, vault: &OpenVault, deps: &VaultDeps, quota_bytes: u64, what: (Copied, Batch)) -> Result<()> {
        let (copied, batch) = what;
        let hold = copied.hold;
        self.note_missing(vault, hold, &batch.missing)?;
        if !batch.pieces.is_empty() {
            check_room(vault, quota_bytes, batch.bytes)?;
            self.write_all(vault, deps, (copied, batch))?;
        }
        // Of a batch without pieces that is all: it costs another look after a restart, and no write now.
        if let Some(hold) = vault.state().holds.get_mut(&hold) {
            hold.covered.add(copied.disk, copied.seq_from, copied.seq_to);
        }
        Ok(())
    }

    /// Writes the pieces of a batch as one commit or several.
    fn write_all(&mut self, vault: &OpenVault, deps: &VaultDeps, what: (Copied, Batch)) -> Result<()> {
        let (copied, batch) = what;
        // What these commits have in all lies in several segments, any of which may be lost: after a restart or a loss they are looked through again.
        let partial = batch.left_out > 0;
        let record = if partial { Copied { seq_from: 1, seq_to: 0, ..copied } } else { copied };
        let mut rest = batch.pieces;
        loop {
            // All runs of one source commit go into one segment, and the last of them say that it was looked through. No span may go over what is left out.
            let mut bytes = 0;
            let cut = rest.iter().enumerate().position(|(at, piece)| {
                bytes += piece.run.payload_len;
                bytes > SPLIT_BYTES || (at > 0 && piece.behind_hole)
            });
            let behind = rest.split_off(cut.unwrap_or(rest.len()).max(1));
            let last = behind.is_empty();
            let records = if last || partial { vec![VaultRecord::Copied(record)] } else { Vec::new() };
            self.write(vault, deps, copied.hold, (&rest, records))?;
            if last {
                return Ok(());
            }
            rest = behind;
        }
    }

    /// Writes gaps of a hold.
    pub(crate) fn put_gaps(
        &mut self,
        vault: &OpenVault,
        deps: &VaultDeps,
        quota_bytes: u64,
        of: (HoldId, Vec<Gap>),
    ) -> Result<()> {
        let (hold, gaps) = of;
        check_room(vault, quota_bytes, 0)?;
        for chunk in gaps.chunks(GAPS_PER_COMMIT_MAX) {
            let records = chunk.iter().map(|gap| VaultRecord::Gap { hold, gap: *gap }).collect();
            self.write(vault, deps, hold, (&[], records))?;
            if let Some(hold) = vault.state().holds.get_mut(&hold) {
                hold.gaps.extend(chunk.iter().map(|gap| (gap.stream, gap.range.start.0)));
            }
        }
        Ok(())
    }

    /// Writes records of a hold as one commit.
    pub(super) fn put_records(
        &mut self,
        vault: &OpenVault,
        deps: &VaultDeps,
        quota_bytes: u64,
        of: (HoldId, Vec<VaultRecord>),
    ) -> Result<()> {
        let (hold, records) = of;
        let bytes: usize = records.iter().map(|record| record.encode().2.len()).sum();
        check_room(vault, quota_bytes, wide(bytes))?;
        self.write(vault, deps, hold, (&[], records))
    }

    /// One commit of the hold, in its segment or in a new one. After an error the segment is left as it is.
    fn write(
        &mut self,
        vault: &OpenVault,
        deps: &VaultDeps,
        hold: HoldId,
        what: (&[Piece], Vec<VaultRecord>),
    ) -> Result<()> {
        // Never between the parts of one source commit: only the last part may find the segment full.
        let counts = !what.1.is_empty();
        let mut writer = match self.writers.remove(&hold) {
            Some(writer) => writer,
            None => self.create(vault, deps, hold)?,
        };
        let rows = match writer.append(what.0, what.1, &*deps.keys, &*deps.clock) {
            Ok(rows) => rows,
            Err(error) => {
                leave(vault, hold, writer);
                return Err(error);
            }
        };
        if let Err(error) = vault.kv.write(&rows, false) {
            // The segment has it: the next start finds a row that stops before the segment's end.
            tracing::error!(%error, "the vault's index cannot be written; held footage is listed again after the next start");
        }
        let mut state = vault.state();
        if let Some(known) = state.holds.get_mut(&hold).filter(|hold| hold.is_active()) {
            known.last_hash = writer.last_hash();
            vault.dir.ring.slots.put_back(writer.slot, writer.generation);
        }
        let info = SlotInfo { hold, generation: writer.generation, bytes: writer.bytes() };
        state.slots.insert(writer.slot, info);
        drop(state);
        if !(counts && writer.is_full()) {
            self.writers.insert(hold, writer);
        }
        Ok(())
    }

    fn create(&mut self, vault: &OpenVault, deps: &VaultDeps, hold: HoldId) -> Result<SegmentWriter> {
        let slot = vault.free_slot(self.last_slot).ok_or_else(|| {
            Error::new(Kind::Exhausted, "the vault has no segment numbers left; restart the recorder")
        })?;
        self.last_slot = slot;
        let (owner, prev_hash, generation) = {
            let state = vault.state();
            let known = state
                .holds
                .get(&hold)
                .filter(|hold| hold.is_active())
                .ok_or_else(|| Error::new(Kind::NotFound, format!("hold {hold} is released")))?;
            let newest = state.slots.values().map(|slot| slot.generation).max().unwrap_or(0);
            let logged = &known.logged;
            let record = VaultRecord::Hold {
                hold,
                key_id: logged.key_id,
                request: logged.request.clone(),
                placed: logged.placed,
                restated: true,
            };
            // Grows even when all segments are gone: the time is part of it.
            let now = u64::try_from(deps.clock.utc().0).unwrap_or(0);
            (Owner { hold, record }, known.last_hash, now.max(newest + 1))
        };
        let created = SegmentWriter::create(&vault.dir, owner, (slot, generation), prev_hash, &*deps.clock);
        if let (Err(_), Ok(bytes)) = (&created, vault.dir.len(slot)) {
            vault.state().slots.insert(slot, SlotInfo { hold, generation, bytes });
        }
        created
    }

    /// Notes what could not be copied, durably, as long as the list is not full. Of the whole minutes that are copied only what the range needs counts.
    /// True when some of it was not known.
    pub(crate) fn note_missing(&self, vault: &OpenVault, hold: HoldId, missing: &[MissingFootage]) -> Result<bool> {
        let fresh = {
            let state = vault.state();
            let Some(known) = state.holds.get(&hold).filter(|hold| hold.is_active()) else { return Ok(false) };
            let needed = needed_range(known.logged.request.range);
            let is_needed = |one: &&MissingFootage| one.start < needed.end && needed.start < one.end;
            let missing: Vec<MissingFootage> = missing.iter().filter(is_needed).copied().collect();
            known.logged.room_for(&missing)
        };
        if fresh.is_empty() {
            return Ok(false);
        }
        let records = fresh.iter().map(|missing| VaultRecord::Missing { hold, missing: *missing }).collect();
        vault.log().append(records)?;
        if let Some(known) = vault.state().holds.get_mut(&hold) {
            known.look_again = true;
            known.logged.missing.extend(fresh.iter().map(|one| ((one.stream, one.start), *one)));
        }
        Ok(true)
    }
}

/// Gaps of one commit: 4,000 of 48 B.
const GAPS_PER_COMMIT_MAX: usize = 4000;

impl Open {
    /// True when some of the commits from `from` to the one before `until` do not check out.
    fn has_hole(&self, from: u64, until: u64) -> bool {
        self.holes.iter().any(|(first, last)| *first < until && from <= *last)
    }
}

impl Batch {
    /// What is in it: pieces, bytes and runs that are missing.
    fn mark(&self) -> (usize, u64, usize) {
        (self.pieces.len(), self.bytes, self.missing.len())
    }

    fn go_back(&mut self, mark: (usize, u64, usize)) {
        self.pieces.truncate(mark.0);
        self.bytes = mark.1;
        self.missing.truncate(mark.2);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.left_out >= LEFT_OUT_MAX
    }

    fn has(&self, run: &Run) -> bool {
        let is_it = |piece: &Piece| {
            (piece.run.stream, piece.run.recording) == (run.stream, run.recording) && piece.run.table == run.table
        };
        self.pieces.iter().any(is_it)
    }

    fn leave_out(&mut self, stream: StreamId) {
        self.left_out += 1;
        self.holes.insert(stream);
    }

    /// The next commit does not check out, and another copy of it is asked.
    fn passes_over(&mut self) {
        self.left_out += 1;
        self.hole_in_any = true;
    }

    fn is_from_elsewhere(&self, origin: (DiskId, u64)) -> bool {
        self.origin.is_some_and(|own| own != origin)
    }

    fn add(&mut self, deps: &VaultDeps, key_id: u32, found: Found, mut payload: Vec<u8>) -> Result<()> {
        let start = found.start.ok_or_else(|| Error::new(Kind::Internal, "copying a run of an unknown recording"))?;
        let mut run = Run { seal: None, ..found.run };
        run.payload_len = wide(payload.len());
        deps.keys.seal(key_id, &mut run, &mut payload)?;
        self.bytes += run.payload_len;
        let behind_hole = self.hole_in_any || self.holes.contains(&run.stream);
        if behind_hole {
            // From this piece on every span is a new one.
            self.holes.clear();
            self.hole_in_any = false;
        }
        self.pieces.push(Piece { run, start, payload, behind_hole });
        Ok(())
    }
}

/// What the commits `passed`, which do not check out, had of the hold, but for what another copy is still to be asked for.
fn damaged_in(vault: &OpenVault, job: &Job, passed: &[(u64, u64)]) -> Vec<MissingFootage> {
    let reason = MissingReason::Damaged;
    let share = passed.iter().flat_map(|of| share_of(&job.spans, job.task.generation, *of));
    let mut lost: Vec<MissingFootage> =
        share.map(|(stream, range)| MissingFootage { stream, start: range.start, end: range.end, reason }).collect();
    if job.source.part.is_vault() {
        let disk = job.source.disk();
        let covered = vault.state().holds.get(&job.hold).map(|hold| hold.covered.of(disk)).unwrap_or_default();
        let is_asked = |span: &SourceSpan, one: &MissingFootage| {
            span.generation != job.task.generation
                && span.stream == one.stream
                && span.range.start <= one.start
                && one.end <= span.range.end
                && covered.first_outside(span.first_seq) <= span.last_seq
        };
        lost.retain(|one| !job.spans.iter().any(|span| is_asked(span, one)));
    }
    lost
}

fn ends_early(open: &Open, disk: DiskId) -> Error {
    match &open.refused {
        Some(why) => unread(disk, why),
        None => Error::corrupt(format!("copying held footage: the log of disk {disk} ends before its index says")),
    }
}

fn nothing_behind(job: &Job, error: Error) -> Outcome {
    Outcome::Unread(Unread { from: job.task.seq_from, to: u64::MAX, error }, None)
}

fn unread(disk: DiskId, why: &str) -> Error {
    let what = format!("copying held footage: disk {disk} does not give a part of it, which is tried again: {why}");
    Error::new(Kind::Io, what)
}

/// Gives up a segment that may not be written any more. One without a commit goes; what stays counts with all of its bytes.
fn leave(vault: &OpenVault, hold: HoldId, writer: SegmentWriter) {
    let (slot, generation, written) = (writer.slot, writer.generation, writer.bytes());
    let is_empty = writer.is_empty();
    drop(writer);
    if is_empty {
        match vault.dir.remove(slot) {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(slot, %error, "an empty segment of the vault stays until its hold is released")
            }
        }
    }
    let bytes = vault.dir.len(slot).unwrap_or(written);
    vault.state().slots.insert(slot, SlotInfo { hold, generation, bytes });
}

/// The plain payload of a run whose digest is what was made when it was recorded, or why there is none.
fn verified(deps: &VaultDeps, run: &Run, mut payload: Vec<u8>) -> Result<core::result::Result<Vec<u8>, MissingReason>> {
    match deps.keys.open(run, &mut payload) {
        Ok(()) if sha256_of(&[&run.table, &payload]) == run.sha256 => Ok(Ok(payload)),
        Ok(()) => Ok(Err(MissingReason::Damaged)),
        Err(error) if error.kind == Kind::Corrupt => Ok(Err(MissingReason::Damaged)),
        Err(error) if error.kind == Kind::NotFound => Ok(Err(MissingReason::Erased)),
        Err(error) => Err(error),
    }
}

fn missing(run: &Run, reason: MissingReason) -> MissingFootage {
    let length = watchbook_base::Ticks90k(i64::from(run.length_ticks));
    let (stream, start) = (run.stream, run.first_utc);
    MissingFootage { stream, start, end: start.plus_ticks(length).max(UtcNanos(start.0 + 1)), reason }
}

/// Refuses a write that would take the vault over its quota, or its file system below the reserve.
fn check_room(vault: &OpenVault, quota_bytes: u64, bytes: u64) -> Result<()> {
    let held = vault.state().held_bytes();
    if held.saturating_add(bytes) > quota_bytes {
        return Err(Error::new(
            Kind::Exhausted,
            format!("the vault holds {held} of {quota_bytes} bytes; release a hold or raise vault_gib"),
        ));
    }
    let room = vault.dir.room_bytes()?;
    if room < bytes.saturating_add(BATCH_BYTES) {
        return Err(Error::new(
            Kind::Exhausted,
            format!("the vault's disk has {room} bytes left beside its reserve; free space on it"),
        ));
    }
    Ok(())
}

/// Where a job stands in the queue: what its ring overwrites first comes first.
pub(crate) fn urgency(job: &Job) -> (usize, u64) {
    (job.source.turns_left(&job.task), job.task.generation)
}

/// Jobs in the order in which their footage would be overwritten.
pub(crate) fn sorted(mut jobs: Vec<Job>) -> VecDeque<Job> {
    jobs.sort_by_cached_key(urgency);
    jobs.into()
}
