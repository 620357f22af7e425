//! What is to be copied next: what a ring overwrites first, and what could not be read a moment ago behind the rest.

use super::copy::{Job, Unread};
use super::handle::LOOK_EVERY_NANOS;
use super::hold::{HoldId, MissingFootage, MissingReason};
use super::plan::cut;
use crate::format::DiskId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use watchbook_base::{MonoNanos, StreamId, TimeRange};

/// Pause before what the disk does not give of the vault, or of a ring, is tried again.
pub(crate) const UNREAD_RETRY_NANOS: u64 = 60 * 1_000_000_000;
/// Trying again takes at most one part of so many of the thread's time: a dying disk may take half a minute to refuse.
const RETRY_SHARE: u64 = 20;

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

/// What became of a job that waited before a look.
pub(super) enum Fate {
    /// It is copied, or its hold is released.
    Over,
    Stays,
    /// Its disk is away.
    Away,
    /// Nothing of it will ever be copied.
    Lost(MissingReason),
    /// The keys of this are destroyed; the rest stays.
    Erased(Vec<(StreamId, TimeRange)>),
}

/// Jobs of the last look, and what of them waits.
#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    put_off: BTreeMap<JobKey, PutOff>,
    /// Jobs of holds that could not go on, until the next look.
    stopped: Vec<Job>,
    /// Jobs whose disk is away.
    away: BTreeMap<JobKey, Job>,
    /// What has come to nothing of them, to be noted as missing; each stretch once.
    lost: Vec<(HoldId, Vec<MissingFootage>)>,
}

impl Queue {
    /// Takes what a look found, most urgent first. What could not be read before comes behind the rest, and so does the rest of a segment whose disk took
    /// long to refuse; not what is overwritten next, which has no other chance. `fate` says what became of the jobs that waited.
    pub(super) fn take(&mut self, found: VecDeque<Job>, fate: &dyn Fn(&Job) -> Fate, now: MonoNanos) {
        self.find_lost(fate);
        self.jobs.clear();
        self.stopped.clear();
        let before = std::mem::take(&mut self.put_off);
        let slow = before.iter().filter(|(_, put_off)| put_off.took >= LOOK_EVERY_NANOS);
        let slow: BTreeSet<(DiskId, u64)> = slow.map(|((_, disk, generation, _), _)| (*disk, *generation)).collect();
        let mut behind = VecDeque::new();
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

    /// How many segments its ring overwrites before the one of the next job; `None`: there is no job.
    pub(super) fn turns_left(&self) -> Option<usize> {
        self.jobs.front().map(|job| job.source.turns_left(&job.task))
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
    pub(super) fn stop(&mut self, hold: HoldId) {
        let (stopped, jobs) = std::mem::take(&mut self.jobs).into_iter().partition(|job| job.hold == hold);
        self.jobs = jobs;
        self.stopped.extend::<VecDeque<Job>>(stopped);
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

    /// The ring has reused the segment of `job`.
    pub(super) fn gone(&mut self, job: &Job) {
        self.lose(job.hold, job.footage(), MissingReason::Overwritten);
    }

    /// What has come to nothing while it waited: its ring has overwritten it, its key is destroyed, or its disk was given up.
    pub(super) fn find_lost(&mut self, fate: &dyn Fn(&Job) -> Fate) {
        for job in std::mem::take(&mut self.jobs) {
            if self.stays(&job, fate) {
                self.jobs.push_back(job);
            }
        }
        for job in std::mem::take(&mut self.stopped) {
            if self.stays(&job, fate) {
                self.stopped.push(job);
            }
        }
        for (key, put_off) in std::mem::take(&mut self.put_off) {
            if self.stays(&put_off.job, fate) {
                self.put_off.insert(key, put_off);
            }
        }
        for job in std::mem::take(&mut self.away).into_values() {
            self.stays(&job, fate);
        }
    }

    /// False for a job that has nothing left to copy, or nowhere to copy it from.
    fn stays(&mut self, job: &Job, fate: &dyn Fn(&Job) -> Fate) -> bool {
        match fate(job) {
            Fate::Stays => return true,
            Fate::Over => {}
            Fate::Away => drop(self.away.insert(key_of(job), job.clone())),
            Fate::Lost(reason) => self.lose(job.hold, job.footage(), reason),
            Fate::Erased(footage) => {
                self.lose(job.hold, footage, MissingReason::Erased);
                return true;
            }
        }
        false
    }

    fn lose(&mut self, hold: HoldId, footage: Vec<(StreamId, TimeRange)>, reason: MissingReason) {
        let missing = |(stream, range): (StreamId, TimeRange)| MissingFootage {
            stream,
            start: range.start,
            end: range.end,
            reason,
        };
        let footage: Vec<MissingFootage> = footage.into_iter().map(missing).collect();
        // A job with erased footage stays, and says so at each look until it is noted.
        let lost = (hold, footage);
        if !lost.1.is_empty() && !self.lost.contains(&lost) {
            self.lost.push(lost);
        }
    }

    /// What is to be noted as missing; it stays until [`Queue::noted`].
    pub(super) fn lost(&self) -> Option<&(HoldId, Vec<MissingFootage>)> {
        self.lost.last()
    }

    #[cfg(test)]
    pub(super) fn to_note(&self) -> usize {
        self.lost.len()
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
