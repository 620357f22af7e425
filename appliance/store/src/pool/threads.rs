//! The threads of a pool: one a directory, and one that watches the committers.

use super::Pool;
use super::place::Place;
use crate::error::{Error, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the start waits for disks that have not answered: a ring of 8 TB is found in less. They record when they do answer.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long the end waits for threads that are at work on a disk. One that hangs is left behind.
const END_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct State {
    /// Directories that have not been looked at yet.
    unseen: usize,
    running: usize,
    closing: bool,
}

/// What the threads share.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until `done`, at most until `deadline`.
    fn wait(&self, deadline: Option<Instant>, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        loop {
            if done(&state) {
                return true;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return false,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// True when it is time for another look, false when there is none any more.
    fn next_look(&self) -> bool {
        !self.wait(Some(Instant::now() + LOOK_INTERVAL), |state| state.closing)
    }
}

/// Runs a pool. Clones run the same.
#[derive(Clone)]
pub(crate) struct Threads {
    gate: Arc<Gate>,
    pool: Arc<Pool>,
}

impl Threads {
    /// Opens every disk that is there, all at once, and keeps looking after them.
    ///
    /// # Errors
    /// Those of [`Pool::opened`], and when a thread cannot be started.
    pub(crate) fn start(pool: Arc<Pool>) -> Result<Self> {
        Self::start_within(START_PATIENCE, pool)
    }

    /// [`Threads::start`] with another patience than the usual one.
    pub(crate) fn start_within(patience: Duration, pool: Arc<Pool>) -> Result<Self> {
        let threads = Self { gate: Arc::default(), pool };
        let places = threads.pool.places();
        threads.gate.change(|state| state.unseen = places.len());
        places.into_iter().try_for_each(|place| threads.look_after(place, true))?;
        threads.gate.wait(Some(Instant::now() + patience), |state| state.unseen == 0);
        threads.pool.opened().inspect_err(|_| threads.stop())?;
        let (gate, pool) = (threads.gate.clone(), threads.pool.clone());
        threads.spawn("disks".to_owned(), move || {
            while gate.next_look() {
                pool.tick();
            }
        })?;
        Ok(threads)
    }

    /// Looks after one directory from now on.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn look_after(&self, place: Arc<Place>, first: bool) -> Result<()> {
        let (gate, pool) = (self.gate.clone(), self.pool.clone());
        self.spawn("disk".to_owned(), move || {
            if first {
                pool.visit(&place);
                gate.change(|state| state.unseen -= 1);
            }
            while gate.next_look() && !place.is_retired() {
                pool.visit(&place);
            }
        })
    }

    fn spawn(&self, name: String, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let gate = self.gate.clone();
        self.gate.change(|state| state.running += 1);
        let spawned = std::thread::Builder::new().name(name).spawn(move || {
            work();
            // What it holds of the pool is gone before it counts as ended.
            gate.change(|state| state.running -= 1);
        });
        spawned.map(|_| ()).map_err(|error| {
            self.gate.change(|state| state.running -= 1);
            Error::io("starting a thread that looks after a disk", error)
        })
    }

    /// Ends the threads. One that hangs with its disk is left behind.
    pub(crate) fn stop(&self) {
        self.gate.change(|state| state.closing = true);
        if !self.gate.wait(Some(Instant::now() + END_PATIENCE), |state| state.running == 0) {
            tracing::error!("a disk does not answer; the store is closed without it");
        }
    }
}
