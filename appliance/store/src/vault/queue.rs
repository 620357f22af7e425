//! What is to be copied next: what a ring overwrites first, and what could not be read a moment ago behind the rest.

use super::copy::{Job, Unread};
use super::handle::LOOK_EVERY_NANOS;
use super::hold::{HoldId, MissingFootage, MissingReason};
use super::plan::{HOLE_NANOS_MAX, cut};
use crate::format::DiskId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use watchbook_base::{MonoNanos, StreamId, TimeRange};

/// Pause before what the disk does not give of the vault, or of a ring, is tried again.
pub(crate) const UNREAD_RETRY_NANOS: u64 = 60 * 1_000_000_000;
/// Trying again takes at most one part of so many of the thread's time: a dying disk may take half a minute to refuse.
const RETRY_SHARE: u64 = 20;

/// A longer stretch is estimated well enough that what is left of it is a hole longer than [`HOLE_NANOS_MAX`].
const GONE_NOTED_NANOS: i64 = 2 * HOLE_NANOS_MAX;

/// Hold, disk, generation and first commit.
pub(super) type JobKey = (HoldId, DiskId, u64, u64);

pub(super) fn key_of(job: &Job) -> JobKey {
    (job.hold, job.source.disk(), job.task.generation, job.task.seq_from)
}

/// Pause before something is tried again that was refused after `took`.
pub(super) fn retry_pause(took: u64) -> u64 {
    UNREAD_RETRY_NANOS.max(took.saturating_mul(RETRY_SHARE))
}

/// A stretch of a ring that could not be read.
#[derive(Clone)]
struct PutOff {
    /// Its commits, as far as they are known.
    job: Job,
    /// Last commit of it; of a stretch behind which nothing can be told `u64::MAX`.
    to: u64,
    failed: MonoNanos,
    /// How long the disk took to refuse.
    took: u64,
}

impl PutOff {
    /// What is overwritten next is tried again after a short pause.
    fn waits(&self, is_next: bool, now: MonoNanos) -> bool {
        let pause = if is_next { LOOK_EVERY_NANOS.max(self.took) } else { retry_pause(self.took) };
        now.nanos_since(self.failed) < pause
    }
}

/// Jobs of the last look, and what of them waits.
#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    put_off: BTreeMap<JobKey, PutOff>,
    /// What a ring has overwritten of them, to be noted as missing.
    lost: Vec<(HoldId, Vec<MissingFootage>)>,
}

impl Queue {
    /// Takes what a look found, most urgent first. What could not be read before comes behind the rest, and so does the rest of a segment whose disk took
    /// long to refuse; not what is overwritten next, which has no other chance.
    pub(super) fn take(&mut self, found: VecDeque<Job>, now: MonoNanos) {
        self.find_lost();
        let before = std::mem::take(&mut self.put_off);
        let slow = before.iter().filter(|(_, put_off)| put_off.took >= LOOK_EVERY_NANOS);
        let slow: BTreeSet<(DiskId, u64)> = slow.map(|((_, disk, generation, _), _)| (*disk, *generation)).collect();
        let mut behind = VecDeque::new();
        self.jobs.clear();
        for job in found {
            let (hold, disk, generation, _) = key_of(&job);
            let of_segment = before.range((hold, disk, generation, 0)..=(hold, disk, generation, u64::MAX));
            let known: Vec<(u64, PutOff)> = of_segment.map(|((.., from), put_off)| (*from, put_off.clone())).collect();
            let is_slow = slow.contains(&(disk, generation));
            let is_next = (is_slow || !known.is_empty()) && job.source.is_next(&job.task);
            let stretches: Vec<(u64, u64)> = known.iter().map(|(from, put_off)| (*from, put_off.to)).collect();
            for (task, stretch) in cut(&job.task, &stretches) {
                let piece = Job { task, ..job.clone() };
                let put_off = stretch.and_then(|at| known.get(at)).map(|(_, put_off)| put_off);
                if let Some(put_off) = put_off {
                    self.put_off.insert(key_of(&piece), PutOff { job: piece.clone(), ..put_off.clone() });
                    if put_off.waits(is_next, now) {
                        continue;
                    }
                }
                let place = if !is_next && (is_slow || put_off.is_some()) { &mut behind } else { &mut self.jobs };
                place.push_back(piece);
            }
        }
        self.jobs.append(&mut behind);
    }

    pub(super) fn next(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// The rest of the job that was taken last.
    pub(super) fn goes_on(&mut self, rest: Job) {
        self.jobs.push_front(rest);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Jobs of a hold that cannot go on wait for the next look.
    pub(super) fn drop_hold(&mut self, hold: HoldId) {
        self.jobs.retain(|job| job.hold != hold);
    }

    /// The job with this key was tried again.
    pub(super) fn tried(&mut self, key: JobKey) {
        self.put_off.remove(&key);
    }

    /// Commits of the segment of `job` could not be read: until `now` that took so long.
    pub(super) fn put_off(&mut self, mut job: Job, unread: &Unread, now: MonoNanos, took: u64) {
        (job.task.seq_from, job.task.seq_to) = (unread.from, job.task.seq_to.min(unread.to));
        self.put_off.insert(key_of(&job), PutOff { job, to: unread.to, failed: now, took });
    }

    /// The ring has reused the segment of `job`. Of a long stretch the look tells by itself that it is missing.
    pub(super) fn gone(&mut self, job: &Job) {
        let mut footage = job.footage();
        footage.retain(|(_, range)| range.end.nanos_since(range.start) <= GONE_NOTED_NANOS);
        self.lose(job.hold, footage);
    }

    /// What a ring has overwritten since it was put off, or before its turn came.
    pub(super) fn find_lost(&mut self) {
        let is_gone = |job: &Job| !job.source.is_there(&job.task);
        let (gone, jobs) = std::mem::take(&mut self.jobs).into_iter().partition::<VecDeque<Job>, _>(is_gone);
        self.jobs = jobs;
        gone.iter().for_each(|job| self.gone(job));
        let gone: Vec<JobKey> =
            self.put_off.iter().filter(|(_, put_off)| is_gone(&put_off.job)).map(|(key, _)| *key).collect();
        for PutOff { job, .. } in gone.iter().filter_map(|key| self.put_off.remove(key)).collect::<Vec<_>>() {
            self.lose(job.hold, job.footage());
        }
    }

    fn lose(&mut self, hold: HoldId, footage: Vec<(StreamId, TimeRange)>) {
        let missing = |(stream, range): (StreamId, TimeRange)| MissingFootage {
            stream,
            start: range.start,
            end: range.end,
            reason: MissingReason::Overwritten,
        };
        if !footage.is_empty() {
            self.lost.push((hold, footage.into_iter().map(missing).collect()));
        }
    }

    /// What is to be noted as missing; it stays until [`Queue::noted`].
    pub(super) fn lost(&self) -> Option<&(HoldId, Vec<MissingFootage>)> {
        self.lost.last()
    }

    pub(super) fn noted(&mut self) {
        self.lost.pop();
    }

    pub(super) fn has_put_off(&self, hold: HoldId) -> bool {
        self.put_off.keys().any(|(of, ..)| *of == hold)
    }

    /// True when something of the hold is to be copied, now or later.
    pub(super) fn has(&self, hold: HoldId) -> bool {
        self.has_put_off(hold) || self.jobs.iter().any(|job| job.hold == hold)
    }
}
