//! The one writer of segment files. One commit is on its way at a time: gathered write, sync, rows to the indexer, acknowledgement.

mod owed;

use crate::alarm::AlarmKind;
use crate::catalog::Catalog;
use crate::catalog::rows::{Position, SlotRow};
use crate::codec::{align, count, narrow};
use crate::config::SLOTS_MIN;
use crate::error::{Error, Result};
use crate::format::{BLOCK_BYTES, Commit, PAYLOAD_ALIGN_BYTES, Record, SegmentHeader, segment_name};
use crate::index::Indexer;
use crate::plan::{Plan, PlannedRun, begun, commit_bytes_max, plan};
use crate::recover::Recovered;
use crate::ring::Ring;
use crate::scan::Damage;
use crate::writer::{Committed, Shared};
use owed::Owed;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::fs::{File, OpenMode};
use watchbook_base::{Clock, Kind};
use watchbook_evidence::sha256;
use watchbook_media::RecordingId;

/// Segments tried for one commit before the committer pauses and tells.
const ATTEMPTS_MAX: u32 = 3;
/// Segments with footage that are given up for one commit that cannot be written. Afterwards only slots without footage are tried, again and again: a dying
/// disk must not cost the footage that it still has.
const SACRIFICES_MAX: u32 = 2;
/// Slots that fail in a row before no more footage is given up on a disk that is not the only one.
const FAILED_SLOTS_MAX: usize = 4;
/// A slot that could not be written so often, each time while another one could, is bad: the others go before it until the next start. Once may be the disk's
/// bad moment.
const STRIKES_MAX: u32 = 2;
/// Pause after [`ATTEMPTS_MAX`] failures.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Segments that an alarm names; the rest is counted.
const NAMED_MAX: usize = 8;
/// Attempts to write the last commit when the ring is closed.
const CLOSING_ATTEMPTS_MAX: u32 = 3;

/// Makes what waits durable.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    ring: Arc<Ring>,
    clock: Arc<dyn Clock>,
    catalog: Catalog,
    /// Writes the index after each step, where it has no thread of its own.
    indexer: Option<Indexer>,
    /// The segment being written; `None` when the next commit must open one.
    file: Option<Box<dyn File>>,
    at: Position,
    generation: u64,
    /// Recordings that this segment states.
    stated: HashSet<RecordingId>,
    /// This segment must say which gaps go on.
    gaps_unstated: bool,
    /// Slots that failed since the last good commit; the next one to be tried again first.
    failed: VecDeque<u32>,
    /// How many of them held footage.
    sacrifices: u32,
    /// The segment being opened held footage of an older generation.
    held_footage: bool,
    /// How often each slot failed while another one could be written; none that was written since.
    strikes: BTreeMap<u32, u32>,
    /// What start-up could not read.
    damage: Vec<Damage>,
    plans: VecDeque<Plan>,
    owed: Owed,
    /// What the disk says is wrong, if anything.
    trouble: Option<String>,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, ring: Arc<Ring>, clock: Arc<dyn Clock>, recovered: Recovered) -> Self {
        let Recovered { catalog, indexer, at, generation, damage, .. } = recovered;
        // Footage goes on in the newest segment, behind the last good commit.
        let file = if at.generation == 0 { None } else { ring.open_slot(at.slot, OpenMode::Log).ok() };
        let strikes: BTreeMap<u32, u32> = ring.doubtful().into_iter().map(|slot| (slot, STRIKES_MAX)).collect();
        strikes.keys().for_each(|slot| ring.slots.set_doubtful(*slot, true));
        let mut committer = Self {
            shared,
            ring,
            clock,
            catalog,
            indexer: Some(indexer),
            file,
            at,
            generation,
            stated: HashSet::new(),
            gaps_unstated: at.offset == BLOCK_BYTES,
            failed: VecDeque::new(),
            sacrifices: 0,
            held_footage: false,
            strikes,
            damage,
            plans: VecDeque::new(),
            owed: Owed::default(),
            trouble: None,
        };
        committer.tell(None);
        committer
    }

    /// The indexer, to give it a thread of its own.
    pub(crate) fn take_indexer(&mut self) -> Option<Indexer> {
        self.indexer.take()
    }

    /// Brings the index up to date, backfill included, where it has no thread of its own.
    #[cfg(test)]
    pub(crate) fn finish_index(&mut self) {
        if let Some(indexer) = &mut self.indexer
            && let Err(error) = indexer.finish(&mut |_| {})
        {
            tracing::error!(%error, "the index is behind");
        }
    }

    /// Makes everything that waits durable. True when there was something.
    ///
    /// # Errors
    /// When the disk refused several segments in a row; nothing is lost, and another call tries again.
    pub(crate) fn step(&mut self) -> Result<bool> {
        let worked = self.commit_waiting();
        if let Some(indexer) = &mut self.indexer {
            indexer.drain();
        }
        worked
    }

    fn commit_waiting(&mut self) -> Result<bool> {
        self.shared.tell_overload(self.clock.utc());
        if self.shared.pending().given_up() {
            self.plans.clear();
            return Ok(false);
        }
        self.shrink();
        self.acknowledge_owed();
        if self.plans.is_empty() {
            let taken = {
                let mut pending = self.shared.pending();
                if pending.is_empty() {
                    if self.owed.is_empty() {
                        let taken = pending.taken();
                        pending.set_durable(taken);
                    }
                    drop(pending);
                    self.tell(None);
                    self.shared.done.notify_all();
                    return Ok(false);
                }
                pending.take()
            };
            self.plans = plan(taken, commit_bytes_max(self.ring.superblock.segment_bytes));
        }
        while let Some(mut plan) = self.plans.pop_front() {
            self.shared.pending().busy_since = Some(self.clock.mono());
            let sealed = crate::seal::seal(&mut plan, self.shared.keys.as_deref());
            let committed = sealed.and_then(|()| self.commit(&plan));
            {
                let mut pending = self.shared.pending();
                pending.busy_since = None;
                pending.trouble_since = match &committed {
                    Ok(_) => None,
                    Err(_) => pending.trouble_since.or(Some(self.clock.mono())),
                };
                if pending.given_up() {
                    self.plans.clear();
                    return Ok(false);
                }
            }
            match committed {
                Ok(committed) => self.acknowledge(&plan, committed),
                Err(error) => {
                    self.plans.push_front(plan);
                    self.tell(Some(error.to_string()));
                    return Err(error);
                }
            }
        }
        Ok(true)
    }

    /// One commit, moved to the next segment when it does not fit or the disk refuses.
    fn commit(&mut self, plan: &Plan) -> Result<Committed> {
        let mut last_error = None;
        for _ in 0..ATTEMPTS_MAX {
            self.check_not_given_up()?;
            if self.file.is_none()
                && let Err(error) = self.open_next()
            {
                last_error = Some(error);
                continue;
            }
            let mut commit = self.compose(plan);
            let mut meta = commit.encode();
            if self.at.offset + commit.commit_len > self.ring.superblock.segment_bytes {
                assert!(self.at.offset > BLOCK_BYTES, "a commit is planned to fit into an empty segment");
                if let Err(error) = self.open_next() {
                    last_error = Some(error);
                    continue;
                }
                commit = self.compose(plan);
                meta = commit.encode();
            }
            let started = Instant::now();
            match self.write(&commit, &meta, plan) {
                // Claimed before anybody can see it: else the same packets, moved to another disk, would be there twice.
                Ok(()) if !self.shared.pending().claim(plan) => self.check_not_given_up()?,
                Ok(()) => return Ok(self.committed(&commit, &meta, plan, started)),
                Err(error) => {
                    // Nothing written to this segment since its last sync can be relied on. What it held before stays good.
                    self.file = None;
                    self.give_up(self.at.slot);
                    last_error = Some(error);
                }
            }
        }
        Err(last_error.unwrap_or_else(|| Error::new(Kind::Internal, "committing: no attempt was made")))
    }

    fn check_not_given_up(&self) -> Result<()> {
        match self.shared.pending().given_up() {
            true => Err(Error::new(Kind::Unavailable, "committing: the streams of this disk are recorded elsewhere")),
            false => Ok(()),
        }
    }

    /// Notes that `slot` could not be written.
    fn give_up(&mut self, slot: u32) {
        // A segment with good commits is not given up by one that could not be added.
        if self.at.offset == BLOCK_BYTES && !self.failed.contains(&slot) {
            self.failed.push_back(slot);
            self.ring.slots.set_doubtful(slot, true);
            self.sacrifices += u32::from(self.held_footage);
        }
    }

    /// A commit is good: the slots that failed before it have a strike more, its own has none.
    fn count_strikes(&mut self) {
        for slot in self.failed.drain(..) {
            *self.strikes.entry(slot).or_default() += 1;
        }
        self.sacrifices = 0;
        self.strikes.remove(&self.at.slot);
        self.ring.slots.set_doubtful(self.at.slot, false);
    }

    fn is_bad(&self, slot: u32) -> bool {
        self.strikes.get(&slot).is_some_and(|strikes| *strikes >= STRIKES_MAX)
    }

    fn compose(&self, plan: &Plan) -> Commit {
        let mut records = plan.records_restated(&self.stated);
        if self.gaps_unstated {
            let restate = |end| (0, Record::End { recording: None, end, restated: true });
            let mut all: Vec<_> = self.catalog.open_gaps().into_iter().map(restate).collect();
            all.append(&mut records);
            records = all;
        }
        Commit {
            seq: self.at.seq,
            generation: self.at.generation,
            disk: self.ring.superblock.disk,
            prev_hash: self.at.prev_hash,
            commit_len: 0,
            utc: self.clock.utc(),
            mono: self.clock.mono(),
            sync: self.clock.sync_state(),
            next_recording: plan.next_recording,
            next_event: plan.next_event,
            runs: plan.runs.iter().map(|planned| planned.run.clone()).collect(),
            records,
        }
    }

    /// FORMAT.md "Commit", steps 2 and 3.
    fn write(&self, commit: &Commit, meta: &[u8], plan: &Plan) -> Result<()> {
        let file =
            self.file.as_ref().ok_or_else(|| Error::new(Kind::Internal, "committing without an open segment"))?;
        let zeros = [0_u8; 4096];
        let meta_len = crate::codec::wide(meta.len());
        let front = narrow(align(meta_len, PAYLOAD_ALIGN_BYTES) - meta_len);
        let end =
            commit.runs.last().map_or(align(meta_len, PAYLOAD_ALIGN_BYTES), |run| run.payload_offset + run.payload_len);
        let back = narrow(commit.commit_len - end);
        let mut bufs: Vec<&[u8]> = vec![meta, zeros.get(..front).unwrap_or_default()];
        bufs.extend(plan.runs.iter().flat_map(PlannedRun::stored_pieces));
        bufs.push(zeros.get(..back).unwrap_or_default());
        let failed = |what: &str, error| {
            Error::io(format!("{what} commit {} at {} of segment {}", commit.seq, self.at.offset, self.at.slot), error)
        };
        file.write_all_at(&bufs, self.at.offset).map_err(|error| failed("writing", error))?;
        file.sync().map_err(|error| failed("syncing", error))
    }

    fn committed(&mut self, commit: &Commit, meta: &[u8], plan: &Plan, started: Instant) -> Committed {
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let hash = sha256(meta);
        self.catalog.apply(commit, self.at, hash);
        for left in self.catalog.take_lefts() {
            left.recording.into_iter().for_each(|recording| self.shared.lefts.insert(recording, left.utc));
        }
        self.at.offset += commit.commit_len;
        self.at.seq += 1;
        self.at.prev_hash = hash;
        self.stated.extend(commit.records.iter().filter_map(|(_, record)| begun(record)));
        self.gaps_unstated = false;
        self.count_strikes();
        let committed =
            Committed { seq: commit.seq, runs: count(commit.runs.len()), payload_bytes: plan.payload_bytes() };
        let stats = &mut self.shared.pending().stats;
        stats.last_commit_utc = Some(commit.utc);
        stats.last_commit_nanos = nanos;
        stats.slowest_commit_nanos = stats.slowest_commit_nanos.max(nanos);
        stats.written_bytes += commit.commit_len;
        committed
    }

    fn acknowledge(&mut self, plan: &Plan, committed: Committed) {
        self.shared.pending().settle(plan.frees_bytes);
        let sealed_with = plan.runs.iter().filter_map(|planned| planned.run.seal).map(|seal| seal.key_id);
        let keys = self.shared.keys.as_ref();
        let undurable = sealed_with.filter(|key_id| keys.is_some_and(|keys| !keys.is_durable(*key_id)));
        self.owed.add(plan.completes, committed, undurable);
        self.tell(None);
        self.acknowledge_owed();
    }

    /// Acknowledges commits whose keys are durable by now, in their order.
    fn acknowledge_owed(&mut self) {
        let keys = self.shared.keys.as_ref();
        let is_durable = |key_id: u32| keys.is_none_or(|keys| keys.is_durable(key_id));
        while let Some(owed) = self.owed.pop_durable(is_durable) {
            {
                let mut pending = self.shared.pending();
                pending.stats.commits += owed.commits;
                pending.stats.last_seq = owed.committed.seq;
                pending.stats.payload_bytes += owed.committed.payload_bytes;
                if let Some(taken) = owed.completes {
                    pending.set_durable(taken);
                }
            }
            self.shared.done.notify_all();
            self.shared.on_commit.call(owed.committed);
        }
    }

    /// Commits that are still to be acknowledged, apart from each other.
    #[cfg(test)]
    pub(crate) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Publishes what is wrong: the disk's trouble, slots that cannot be written, damage, the ring's size, the index.
    fn tell(&mut self, trouble: Option<String>) {
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.trouble.as_ref() != Some(*trouble)) {
            tracing::error!(%trouble, "footage cannot be written; it waits in memory and the write is tried again");
        }
        self.trouble = trouble;
        // What is wrong with a disk that was given up is said by whoever gave it up.
        if self.shared.pending().given_up() {
            return;
        }
        let index = self.catalog.queue();
        let all = [
            (AlarmKind::DiskFailed, self.trouble.clone()),
            (AlarmKind::SegmentsBad, self.bad_slots()),
            (AlarmKind::LogDamaged, self.damage()),
            (AlarmKind::RingShrunk, self.ring.alarm()),
            (AlarmKind::IndexBehind, index.and_then(|index| index.behind())),
            (AlarmKind::IndexRebuilding, index.and_then(|index| index.rebuilding())),
        ];
        let (disk, now) = (self.shared.disk, self.clock.utc());
        for (kind, text) in all {
            self.shared.alarms.set(kind, Some(disk), text, now);
        }
    }

    /// The sentence about parts of the log that could not be read, at the start or while the index was made again.
    fn damage(&self) -> Option<String> {
        let later = self.catalog.queue().map(|queue| queue.damage()).unwrap_or_default();
        let all: Vec<Damage> = self.damage.iter().cloned().chain(later).collect();
        described(&all)
    }

    /// The sentence about slots that cannot be written.
    fn bad_slots(&self) -> Option<String> {
        let bad: Vec<u32> = self.strikes.keys().copied().filter(|slot| self.is_bad(*slot)).collect();
        let names: Vec<String> = bad.iter().take(NAMED_MAX).map(|slot| segment_name(*slot)).collect();
        let more = match bad.len().saturating_sub(names.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!bad.is_empty()).then(|| {
            format!(
                "{} of {} segments cannot be written ({}{more}); recording goes on in the others. Check this disk",
                bad.len(),
                self.ring.slots.count(),
                names.join(", ")
            )
        })
    }

    /// FORMAT.md "Evict": the next segment, its old rows gone, its new header durable.
    fn open_next(&mut self) -> Result<()> {
        self.file = None;
        let slot = self.next_slot().ok_or_else(|| Error::new(Kind::Internal, "the ring has no segments"))?;
        let old = self.ring.slots.get(slot);
        self.held_footage = old != 0;
        let utc = self.clock.utc();
        let generation = self.generation + 1;
        self.generation = generation;
        // From here on readers get "the ring has reused this space".
        self.ring.slots.set(slot, 0);
        let row = SlotRow { generation, first_seq: self.at.seq, utc: utc.0 };
        self.catalog.reuse_slot(slot, old, Some(row));
        let (next_recording, next_event) = (self.catalog.tail().next_recording, self.catalog.tail().next_event);
        let header = SegmentHeader {
            disk: self.ring.superblock.disk,
            slot,
            generation,
            first_seq: self.at.seq,
            prev_hash: self.at.prev_hash,
            utc,
            next_recording,
            next_event,
        };
        self.at = Position { slot, generation, offset: BLOCK_BYTES, ..self.at };
        self.stated.clear();
        self.gaps_unstated = true;
        let opened = self.write_header(&header);
        if opened.is_err() {
            self.give_up(slot);
        }
        self.file = Some(opened?);
        self.ring.slots.set(slot, generation);
        Ok(())
    }

    fn write_header(&self, header: &SegmentHeader) -> Result<Box<dyn File>> {
        let file = self.ring.open_slot(header.slot, OpenMode::Log)?;
        let write = || -> std::io::Result<()> {
            file.write_all_at(&[&header.encode()], 0)?;
            file.sync()
        };
        write().map_err(|error| Error::io(format!("writing the header of segment {}", header.slot), error))?;
        Ok(file)
    }

    /// The slot with the oldest segment, bad ones last; when no more footage may be given up, one without any; at last one that failed already.
    fn next_slot(&mut self) -> Option<u32> {
        let newest_good = self.catalog.tail().replay.slot;
        // So many refuse only when the disk does, and another one takes its streams.
        let is_left = self.failed.len() >= FAILED_SLOTS_MAX && self.shared.has_others.load(Ordering::SeqCst);
        let may_sacrifice = self.sacrifices < SACRIFICES_MAX && !is_left;
        let free = self.ring.slots.all().filter(|(slot, generation)| {
            (may_sacrifice || *generation == 0) && !self.failed.contains(slot) && *slot != newest_good
        });
        let next = free.min_by_key(|(slot, generation)| (self.is_bad(*slot), *generation, *slot));
        next.map(|(slot, _)| slot).or_else(|| {
            self.failed.rotate_left(1);
            self.failed.back().copied()
        })
    }

    /// FORMAT.md "Shrink", steps 1 and 4: takes slots away that care asks for, and the rows of those whose files are gone.
    fn shrink(&mut self) {
        let (wanted, removed) = {
            let mut shrinking = self.shared.shrinking();
            (std::mem::take(&mut shrinking.wanted), std::mem::take(&mut shrinking.removed))
        };
        for (slot, generation) in removed {
            self.catalog.reuse_slot(slot, generation, None);
        }
        for _ in 0..wanted {
            let Some((slot, generation)) = self.slot_to_give_up() else { break };
            self.ring.slots.take_away(slot);
            self.failed.retain(|failed| *failed != slot);
            self.strikes.remove(&slot);
            self.ring.slots.set_doubtful(slot, false);
            self.shared.shrinking().taken.push((slot, generation));
        }
    }

    /// The oldest slot, empty ones first; never the newest one, and none when the ring is as small as it may be.
    fn slot_to_give_up(&self) -> Option<(u32, u64)> {
        if u64::from(self.ring.slots.count()) <= SLOTS_MIN {
            return None;
        }
        let newest = [self.at.slot, self.catalog.tail().replay.slot];
        let others = self.ring.slots.all().filter(|(slot, _)| !newest.contains(slot));
        others.min_by_key(|(slot, generation)| (*generation, core::cmp::Reverse(*slot)))
    }

    /// Commits every `interval` until the ring is closed.
    pub(crate) fn run(mut self, interval: Duration) {
        let mut due = Instant::now() + interval;
        let mut closing_attempts = 0;
        loop {
            let closing = self.wait_for_work(due);
            due = Instant::now() + interval;
            match self.step() {
                Ok(_) if closing && self.shared.pending().is_empty() => break,
                Ok(_) => {}
                Err(_) if closing => {
                    closing_attempts += 1;
                    if closing_attempts >= CLOSING_ATTEMPTS_MAX {
                        break;
                    }
                }
                Err(_) => due = Instant::now() + RETRY_PAUSE.max(interval),
            }
        }
        self.shared.pending().stopped = true;
        self.shared.done.notify_all();
    }

    /// Sleeps until `due`, a flush, or the end. True when the ring is to be closed.
    fn wait_for_work(&self, due: Instant) -> bool {
        let mut pending = self.shared.pending();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            // What is owed waits for the key files, and no commit hastens them.
            let flush_now = pending.flush_wanted() && self.trouble.is_none() && self.owed.is_empty();
            if pending.closing || flush_now || left.is_zero() {
                return pending.closing;
            }
            pending = self.shared.work.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The sentence about parts of the log that start-up could not read.
fn described(damage: &[Damage]) -> Option<String> {
    let segments: HashSet<u32> = damage.iter().map(|damage| damage.slot).collect();
    let bytes: u64 = damage.iter().map(|damage| damage.to.saturating_sub(damage.from)).sum();
    (!damage.is_empty()).then(|| {
        format!(
            "footage in {} segments cannot be read, {bytes} bytes at most; `watchbook check` lists the places",
            segments.len()
        )
    })
}
