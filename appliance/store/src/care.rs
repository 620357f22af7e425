//! What goes on beside recording, one thread a disk: the scrub that reads everything again, and the look-out for room on a shared file system.

pub(crate) mod findings;
mod pressure;
mod scrub;

pub(crate) use pressure::Shrinking;
pub use scrub::ScrubProgress;
pub(crate) use scrub::plan_rate;

use crate::reader::Part;
use crate::writer::Shared;
use findings::Findings;
use pressure::Pressure;
use scrub::Scrub;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::{Clock, MonoNanos};

/// Time between two looks. Waking once a second costs nothing that can be measured.
const STEP: Duration = Duration::from_secs(1);
/// Time between two looks at the rows of damaged runs.
const REFRESH_NANOS: u64 = 60 * 1_000_000_000;
/// Rest after a panic: a defect of this thread must cost neither the recording nor a core.
const PANIC_PAUSE: Duration = Duration::from_secs(600);
/// The disk is behind with recording when its memory is filled so far: a commit of half a second of 64 streams of 4 Mbit/s is 6 % of it.
const LATE_PERCENT: u64 = 20;

/// What care and the rest of a disk share.
#[derive(Default)]
pub(crate) struct CareState {
    pub(crate) findings: Arc<Findings>,
    progress: Mutex<ScrubProgress>,
}

impl CareState {
    /// Of the disk that `shared` writes to.
    pub(crate) fn new(shared: Arc<Shared>, clock: Arc<dyn Clock>) -> Self {
        Self { findings: Arc::new(Findings::new(shared, clock)), progress: Mutex::default() }
    }

    /// What the committer of the disk shares; `None` for what has none.
    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.findings.shared()
    }

    fn progress(&self) -> MutexGuard<'_, ScrubProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scrub has come so far.
    pub(crate) fn set_scrub(&self, progress: ScrubProgress) {
        *self.progress() = progress;
    }

    /// How far the scrub is.
    pub(crate) fn scrub(&self) -> ScrubProgress {
        *self.progress()
    }
}

/// Tells the thread to end.
#[derive(Default)]
pub(crate) struct Stop {
    stopped: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    pub(crate) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// True when it is to end; else after `time`.
    fn wait(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The work of one disk.
pub(crate) struct Care {
    shared: Arc<Shared>,
    part: Arc<Part>,
    clock: Arc<dyn Clock>,
    scrub: Scrub,
    pressure: Pressure,
    refreshed: Option<MonoNanos>,
}

impl Care {
    pub(crate) fn new(shared: Arc<Shared>, part: Arc<Part>, clock: Arc<dyn Clock>) -> Self {
        let scrub = Scrub::new(part.clone());
        let pressure = Pressure::new(shared.clone(), part.clone());
        Self { shared, part, clock, scrub, pressure, refreshed: None }
    }

    /// What is due now.
    pub(crate) fn step(&mut self) {
        let (now, utc) = (self.clock.mono(), self.clock.utc());
        self.shared.tell_overload(utc);
        self.scrub.let_go();
        self.pressure.step(now, utc);
        let late = self.shared.pending().full_percent() >= LATE_PERCENT;
        self.scrub.step(now, utc, late);
        *self.part.care.progress() = self.scrub.progress();
        if self.refreshed.is_none_or(|refreshed| now.nanos_since(refreshed) >= REFRESH_NANOS) {
            self.refreshed = Some(now);
            let (care, kv, slots) = (&self.part.care, &*self.part.kv, &self.part.ring.slots);
            if let Err(error) = care.findings.refresh(kv, slots, self.scrub.places(), utc) {
                tracing::warn!(%error, "the list of damaged runs cannot be read from the index");
            }
        }
    }

    /// Goes on until it is stopped.
    pub(crate) fn run(mut self, stop: &Stop) {
        let mut pause = STEP;
        while !stop.wait(pause) {
            // A pass is a position and counters: nothing that a panic leaves half done is relied on.
            pause = match std::panic::catch_unwind(AssertUnwindSafe(|| self.step())) {
                Ok(()) => STEP,
                Err(_) => {
                    tracing::error!("scrubbing has panicked; it goes on in ten minutes");
                    PANIC_PAUSE
                }
            };
        }
    }
}
