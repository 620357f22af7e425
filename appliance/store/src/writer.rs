//! What producers call. Nothing here waits for the disk, but [`Writer::flush`].

mod overload;
mod pending;
mod routes;
mod shed;
#[cfg(test)]
mod tests;

pub use overload::Overload;
pub use shed::{STEPS, step_of};

pub(crate) use pending::{Pending, Section, Taken, decode_utc};
pub(crate) use routes::{HandedOver, Routes};

use crate::alarm::{AlarmKind, Alarms};
use crate::care::Shrinking;
use crate::disk::Common;
use crate::error::Result;
use crate::format::DiskId;
use crate::keys::Keys;
use crate::reader::Lefts;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::{Clock, Event, Importance, StreamId, UtcNanos};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

/// What happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits made durable since start.
    pub commits: u64,
    /// Number of the newest durable commit whose keys are durable too, the largest of all disks; 0 when there is none.
    pub last_seq: u64,
    /// When it was made.
    pub last_commit_utc: Option<UtcNanos>,
    /// How long its write and sync took.
    pub last_commit_nanos: u64,
    /// Longest one since start.
    pub slowest_commit_nanos: u64,
    /// Sample bytes made durable since start.
    pub payload_bytes: u64,
    /// Bytes written to segments since start, headers and padding included.
    pub written_bytes: u64,
    /// What waits in memory now.
    pub pending_bytes: u64,
    /// Packets dropped because the disk could not keep up.
    pub overload_drops: u64,
    /// The same by step of importance ([`step_of`]), the least important first. Events are in none of them.
    pub overload_drops_by_step: [u64; STEPS],
    /// Why something is wrong, in sentences for people; `None` when all is well. [`crate::Store::alarms`] has them one by one.
    pub alarm: Option<String>,
}

impl Stats {
    /// The counters of two disks together.
    fn and(self, other: Self) -> Self {
        let mut by_step = self.overload_drops_by_step;
        by_step.iter_mut().zip(other.overload_drops_by_step).for_each(|(sum, drops)| *sum += drops);
        let newest = if other.last_commit_utc > self.last_commit_utc { &other } else { &self };
        Self {
            commits: self.commits + other.commits,
            last_seq: self.last_seq.max(other.last_seq),
            last_commit_utc: newest.last_commit_utc,
            last_commit_nanos: newest.last_commit_nanos,
            slowest_commit_nanos: self.slowest_commit_nanos.max(other.slowest_commit_nanos),
            payload_bytes: self.payload_bytes + other.payload_bytes,
            written_bytes: self.written_bytes + other.written_bytes,
            pending_bytes: self.pending_bytes + other.pending_bytes,
            overload_drops: self.overload_drops + other.overload_drops,
            overload_drops_by_step: by_step,
            alarm: None,
        }
    }
}

/// What a commit made durable, or several at one moment: those that waited for the same keys count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its number; the last one's.
    pub seq: u64,
    /// Runs in it.
    pub runs: u32,
    /// Sample bytes in it.
    pub payload_bytes: u64,
}

/// Called after each commit, on the committer's thread: must be quick.
pub type OnCommit = Box<dyn Fn(Committed) + Send + Sync>;

/// Everybody who wants to hear of commits.
#[derive(Default)]
pub(crate) struct OnCommits(Mutex<Vec<OnCommit>>);

impl OnCommits {
    pub(crate) fn push(&self, on_commit: OnCommit) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(on_commit);
    }

    pub(crate) fn call(&self, committed: Committed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|on_commit| on_commit(committed));
    }
}

/// Hands out recording and event numbers, each once over all disks.
#[derive(Debug)]
pub(crate) struct Numbers {
    recording: AtomicU64,
    event: AtomicU64,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { recording: AtomicU64::new(1), event: AtomicU64::new(1) }
    }
}

impl Numbers {
    /// Numbers below these are given out already.
    pub(crate) fn raise(&self, next_recording: u64, next_event: u64) {
        self.recording.fetch_max(next_recording, Ordering::SeqCst);
        self.event.fetch_max(next_event, Ordering::SeqCst);
    }

    pub(crate) fn take_recording(&self) -> u64 {
        self.recording.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn take_event(&self) -> u64 {
        self.event.fetch_add(1, Ordering::SeqCst)
    }

    /// The next recording and event number.
    pub(crate) fn next(&self) -> (u64, u64) {
        (self.recording.load(Ordering::SeqCst), self.event.load(Ordering::SeqCst))
    }
}

/// What writer and committer of one disk share.
pub(crate) struct Shared {
    pub(crate) disk: DiskId,
    pub(crate) pending: Mutex<Pending>,
    /// The committer waits here for work.
    pub(crate) work: Condvar,
    /// Those who flush wait here for the committer.
    pub(crate) done: Condvar,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) lefts: Arc<Lefts>,
    pub(crate) on_commit: Arc<OnCommits>,
    pub(crate) shrinking: Mutex<Shrinking>,
    /// Other disks would take the streams of this one.
    pub(crate) has_others: AtomicBool,
    /// `None`: footage is stored in the clear.
    pub(crate) keys: Option<Arc<Keys>>,
}

impl Shared {
    pub(crate) fn new(disk: DiskId, pending: Pending, common: &Common) -> Self {
        Self {
            disk,
            pending: Mutex::new(pending),
            work: Condvar::new(),
            done: Condvar::new(),
            alarms: common.alarms.clone(),
            lefts: common.lefts.clone(),
            on_commit: common.on_commit.clone(),
            shrinking: Mutex::default(),
            has_others: AtomicBool::new(false),
            keys: common.keys.clone(),
        }
    }

    pub(crate) fn shrinking(&self) -> MutexGuard<'_, Shrinking> {
        self.shrinking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets or lifts the alarm about a disk that is too slow.
    pub(crate) fn tell_overload(&self, now: UtcNanos) {
        let overload = self.pending().overload(now);
        self.alarms.set(AlarmKind::DiskSlow, Some(self.disk), overload.map(|overload| overload.text()), now);
    }
}

/// Takes footage and events. Clones write to the same store.
#[derive(Clone)]
pub struct Writer {
    routes: Arc<Routes>,
    clock: Arc<dyn Clock>,
}

impl Writer {
    pub(crate) fn new(routes: Arc<Routes>, clock: Arc<dyn Clock>) -> Self {
        Self { routes, clock }
    }

    /// A recording begins. One of the same stream that has not ended is ended first, as gone.
    pub fn begin(&self, start: &RecordingStart) {
        self.routes.begin(start);
    }

    /// Takes one access unit of a recording that has begun.
    ///
    /// # Errors
    /// `Exhausted` when the disk cannot keep up: this packet and the rest of its GOP are dropped, and a gap says so. `InvalidInput` when no recording has
    /// begun, the decode time does not rise, or the packet is empty or too large.
    pub fn append(&self, packet: Packet) -> Result<()> {
        self.routes.append(packet)
    }

    /// A recording ended, or an attempt to begin one failed: a gap begins, or goes on.
    pub fn end(&self, end: &RecordingEnd) {
        self.routes.end(end);
    }

    /// Says how much a stream matters from now on: whose GOPs are dropped first when the disk is too slow. A stream of which nothing was said is of normal
    /// importance.
    pub fn set_importance(&self, stream: StreamId, importance: Importance) {
        self.routes.set_importance(stream, importance);
    }

    /// What is dropped because a disk is too slow, or was within the last minutes; `None` when all is well.
    #[must_use]
    pub fn overload(&self) -> Option<Overload> {
        self.routes.overload(self.clock.utc())
    }

    /// Takes one event and returns its number.
    ///
    /// # Errors
    /// `InvalidInput` when it breaks a limit of [`watchbook_base::Event::check`], `Exhausted` when the disk cannot keep up.
    pub fn event(&self, event: &Event) -> Result<u64> {
        self.routes.event(event)
    }

    /// Waits until everything taken before this call is durable, on whichever disk, and returns the number of the newest durable commit, the largest of all
    /// disks.
    ///
    /// # Errors
    /// `Timeout` when a disk does not take it within `patience`, with the alarm if there is one; `Unavailable` when the store is closed.
    pub fn flush(&self, patience: Duration) -> Result<u64> {
        self.routes.flush(patience)
    }

    /// What happened so far, on all disks together.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.routes.stats()
    }

    /// Calls `on_commit` after each commit of any disk from now on.
    pub fn subscribe(&self, on_commit: OnCommit) {
        self.routes.subscribe(on_commit);
    }

    /// The clock that stamps commits.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
