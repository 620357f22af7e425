//! Looking over a ring that nobody has open: every checksum, every link of the chain, every digest; and index against log.

mod horizon;
mod leaves;
mod report;

pub use report::{BadLeaf, BadRun, BadSlot, BrokenLink, Report};

use crate::catalog::rows::Position;
use crate::codec::{narrow, wide};
use crate::error::Result;
use crate::format::{BLOCK_BYTES, Commit, DiskId, SUPERBLOCK_MAGIC, SegmentHeader};
use crate::keys::Keys;
use crate::kv::Kv;
use crate::recover::{Progress, rebuild};
use crate::register::Register;
use crate::ring::{Ring, read_superblock};
use crate::scan::{Damage, SegmentReader, first_position};
use crate::seal::{Digest, digest_of};
use horizon::{Horizon, IndexedRuns, compare};
use leaves::{Known, Leaves};
use report::LISTED_MAX;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use watchbook_base::fs::{Fs, OpenMode};

/// A ring that is locked against the recorder, for as long as it is checked.
pub struct ClosedRing {
    ring: Arc<Ring>,
    keys: Option<Arc<Keys>>,
    register: Option<Arc<Register>>,
}

impl ClosedRing {
    /// Locks the ring in `dir`. To be done before its index is opened.
    ///
    /// # Errors
    /// `Conflict` when the recorder has the ring open, `Corrupt` when not even its identity can be found, `NotFound` when there is none.
    pub fn open(dir: &Path, fs: Arc<dyn Fs>) -> Result<Self> {
        Ok(Self { ring: Arc::new(Ring::open_existing(dir, fs)?), keys: None, register: None })
    }

    /// With these keys the digests of sealed runs are verified too.
    #[must_use]
    pub fn with_keys(self, keys: Arc<Keys>) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// With this register what lies in the ring is compared with what the audit log says of it.
    #[must_use]
    pub fn with_log(self, register: Arc<Register>) -> Self {
        Self { register: Some(register), ..self }
    }

    /// Whose ring.
    #[must_use]
    pub fn disk(&self) -> DiskId {
        self.ring.superblock.disk
    }

    /// Reads all of the ring and verifies it; changes nothing. With `index`, compares that too. What cannot be opened or read is told by the report.
    pub fn check(&self, index: Option<&dyn Kv>, progress: &mut dyn FnMut(Progress)) -> Report {
        let known = self.known();
        let mut look = Look::new(self, index);
        match &known {
            Ok(known) => look.known = known.as_ref(),
            Err(error) => look.report.log_error = Some(error.message.clone()),
        }
        let headers = look.headers();
        let mut before: Option<Position> = None;
        for (at, header) in headers.iter().enumerate() {
            before = look.segment(header, before, headers.get(at + 1));
            progress(Progress { segments_done: wide(at) + 1, segments: wide(headers.len()) });
        }
        look.find_lost_end(headers.first().map(|header| header.first_seq));
        let Look { ring, horizon, mut report, .. } = look;
        if let Some(horizon) = &horizon {
            horizon.find_lost(&headers, ring.superblock.segment_bytes, &mut report);
        }
        report
    }

    /// How far the audit log tells of the ring, if there is one.
    fn known(&self) -> Result<Option<Known>> {
        self.register.as_ref().map(|register| Known::of(register, self.disk())).transpose()
    }

    /// Makes the index anew from the log.
    ///
    /// # Errors
    /// `Io` when a segment cannot be opened or the index cannot be written.
    pub fn rebuild_index(&self, index: Arc<dyn Kv>, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Damage>> {
        let mut recovered = rebuild(&self.ring, index)?;
        let segments = wide(self.ring.slots.all().filter(|(_, generation)| *generation != 0).count());
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
/// Those of [`ClosedRing::open`].
pub fn check(
    dir: &Path,
    fs: Arc<dyn Fs>,
    index: Option<&dyn Kv>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report> {
    Ok(ClosedRing::open(dir, fs)?.check(index, progress))
}

/// A look over a ring, segment by segment.
struct Look<'a> {
    ring: &'a Ring,
    keys: Option<&'a Keys>,
    register: Option<&'a Register>,
    /// `None`: there is no audit log to compare with, or it cannot be read.
    known: Option<&'a Known>,
    /// As long as it can be read.
    index: Option<&'a dyn Kv>,
    /// `None` for an index that has taken in no commit: it can neither agree nor disagree.
    horizon: Option<Horizon>,
    report: Report,
}

impl<'a> Look<'a> {
    fn new(of: &'a ClosedRing, index: Option<&'a dyn Kv>) -> Self {
        let (ring, keys, register) = (&*of.ring, of.keys.as_deref(), of.register.as_deref());
        let superblock = read_superblock(&*ring.fs, &ring.dir, SUPERBLOCK_MAGIC);
        let report = Report {
            disk: Some(ring.superblock.disk),
            slots: u64::from(ring.slots.count()),
            bad_superblock: superblock.err().map(|error| error.message),
            ..Report::default()
        };
        let mut look = Self { ring, keys, register, known: None, index, horizon: None, report };
        match index.map(Horizon::load).transpose() {
            Ok(horizon) => look.horizon = horizon.flatten(),
            Err(error) => look.give_up_index(&error),
        }
        if look.horizon.is_some() {
            (look.report.missing_in_index, look.report.only_in_index) = (Some(0), Some(0));
        }
        look
    }

    /// Goes on without the index.
    fn give_up_index(&mut self, error: &crate::Error) {
        self.index = None;
        self.report.index_error = Some(error.message.clone());
        (self.report.missing_in_index, self.report.only_in_index) = (None, None);
    }

    /// The leaves of a segment, when there is a log to compare with.
    fn leaves(&mut self, header: &SegmentHeader) -> Option<Leaves<'a>> {
        match Leaves::of((self.register?, self.known?), self.ring.superblock.disk, header) {
            Ok(leaves) => Some(leaves),
            Err(error) => {
                self.report.log_error = Some(error.message);
                None
            }
        }
    }

    /// Notes when the audit log tells of commits behind the end of the ring, and what was found missing there before. `oldest_seq`: first commit of the oldest segment.
    fn find_lost_end(&mut self, oldest_seq: Option<u64>) {
        let Some(known) = self.known else { return };
        self.report.logged_beyond = (known.next_seq > self.report.last_seq + 1).then_some(known.next_seq);
        (self.report.losses, self.report.past_losses) = known.since(oldest_seq);
    }

    /// The headers of the segments, in log order. Notes the files whose own block does not say so.
    fn headers(&mut self) -> Vec<SegmentHeader> {
        let mut headers = Vec::new();
        for slot in self.ring.slots.numbers() {
            let header = self.ring.header(slot);
            if let Some(what) = wrong_with_header(self.ring, slot, header.is_some()) {
                self.report.bad_slots.push(BadSlot { slot, what });
            }
            headers.extend(header);
        }
        headers.sort_by_key(|header| header.generation);
        self.report.segments = wide(headers.len());
        headers
    }

    /// Reads the segment of `header`, which comes behind the place `before` and in front of `next`. Gives the place behind its last commit; `None` when it
    /// could not be opened.
    fn segment(
        &mut self,
        header: &SegmentHeader,
        before: Option<Position>,
        next: Option<&SegmentHeader>,
    ) -> Option<Position> {
        let void_from = next.map(|next| next.first_seq);
        self.follow(before, header);
        let reader = match self.ring.reader(header.slot, header.generation) {
            Ok(reader) => reader,
            Err(error) => {
                self.unopened(header, void_from, error.message);
                return None;
            }
        };
        // One commit is held back: the last one of the log counts only if its payloads are there, as at a start.
        let mut held: Option<(Position, Commit)> = None;
        let mut runs = IndexedRuns::new();
        let mut leaves = self.leaves(header);
        let (keys, report) = (self.keys, &mut self.report);
        let (end, damage) = reader.scan(first_position(header), void_from, &mut |place, commit, _| {
            if let Some((place, commit)) = held.replace((place, commit)) {
                check_commit(&reader, keys, (header.slot, place.offset), &commit, report);
                leaves.iter_mut().for_each(|leaves| leaves.take(&commit, report));
                list(&mut runs, place.offset, &commit);
            }
        });
        if let Some((place, commit)) = held {
            let known = self.horizon.as_ref().is_some_and(|horizon| commit.seq <= horizon.applied_seq);
            if next.is_none() && !known && !reader.payloads_are_right(place.offset, &commit) {
                report.torn_seq = Some(commit.seq);
            } else {
                check_commit(&reader, keys, (header.slot, place.offset), &commit, report);
                leaves.iter_mut().for_each(|leaves| leaves.take(&commit, report));
                list(&mut runs, place.offset, &commit);
            }
        }
        leaves.into_iter().for_each(|leaves| leaves.finish(report));
        // What ends early shows as a jump in the next segment's first number.
        report.damage.extend(damage);
        if let Some(error) = reader.take_refused() {
            let what = format!("the disk does not give all of it: {}", error.message);
            report.bad_slots.push(BadSlot { slot: header.slot, what });
        }
        self.compare(header, runs);
        Some(end)
    }

    /// Notes a segment that cannot be opened, with the commits that should be in it.
    fn unopened(&mut self, header: &SegmentHeader, void_from: Option<u64>, what: String) {
        let (slot, seq_from, to) = (header.slot, header.first_seq, self.ring.superblock.segment_bytes);
        self.report.bad_slots.push(BadSlot { slot, what });
        if let Some(seq_to) = void_from.filter(|seq_to| *seq_to > seq_from) {
            self.report.damage.push(Damage { slot, from: 0, to, seq_from, seq_to });
        }
    }

    /// Holds a segment's header against the end of the segment before it.
    fn follow(&mut self, before: Option<Position>, header: &SegmentHeader) {
        let Some(before) = before else { return };
        let (slot, seq) = (header.slot, header.first_seq);
        // A segment that could not be reused in its turn outlives those that came after it: their generations are in no slot any more.
        let all_known = self.report.segments == self.report.slots;
        let outlived = all_known && header.generation > before.generation + 1;
        if seq > before.seq && !outlived {
            // They are missing at the end of the segment before, when this one was opened right behind it.
            let behind = header.generation == before.generation + 1;
            let (slot, from) = if behind { (before.slot, before.offset) } else { (slot, 0) };
            let to = self.ring.superblock.segment_bytes;
            self.report.damage.push(Damage { slot, from, to, seq_from: before.seq, seq_to: seq });
        } else if seq == before.seq && header.prev_hash != before.prev_hash {
            self.report.broken_links.push(BrokenLink { slot, seq });
        }
    }

    /// Holds the runs of a segment against those that the index has of it.
    fn compare(&mut self, header: &SegmentHeader, runs: IndexedRuns) {
        let (Some(index), Some(horizon)) = (self.index, &self.horizon) else { return };
        match compare(index, horizon, header, runs) {
            Ok((missing, surplus)) => {
                self.report.missing_in_index = self.report.missing_in_index.map(|sum| sum + missing);
                self.report.only_in_index = self.report.only_in_index.map(|sum| sum + surplus);
            }
            Err(error) => self.give_up_index(&error),
        }
    }
}

/// What is wrong with the header block of a slot; `is_used` when the slot holds commits or says so. The ring takes what it can from the first commit.
fn wrong_with_header(ring: &Ring, slot: u32, is_used: bool) -> Option<String> {
    let file = match ring.open_slot(slot, OpenMode::Read) {
        Ok(file) => file,
        Err(error) => return Some(error.message),
    };
    let mut block = vec![0; narrow(BLOCK_BYTES)];
    let what = match file.read_exact_at(&mut block, 0) {
        Ok(()) if SegmentHeader::decode(&block).is_some() => return None,
        // It was never used, or it was being made when the power went.
        Ok(()) if !is_used && block.iter().all(|byte| *byte == 0) => return None,
        Err(error) if !is_used && error.kind() == ErrorKind::UnexpectedEof => return None,
        Ok(()) => "its header is damaged".to_owned(),
        Err(error) => format!("its header cannot be read: {error}"),
    };
    Some(match is_used {
        true => format!("{what}; its first commit says the same, so nothing is lost yet"),
        false => format!("{what}, and its first commit does not check out: what it holds is not known"),
    })
}

fn list(runs: &mut IndexedRuns, offset: u64, commit: &Commit) {
    runs.extend(commit.runs.iter().map(|run| {
        ((run.stream, offset + run.payload_offset, run.payload_len, run.crc), (commit.seq, run.recording.0))
    }));
}

fn check_commit(reader: &SegmentReader, keys: Option<&Keys>, place: (u32, u64), commit: &Commit, report: &mut Report) {
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
                let (seq, stream, recording) = (commit.seq, run.stream, run.recording.0);
                report.bad_runs.push(BadRun { slot, offset, seq, stream, recording, what });
            }
        }
    }
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
