//! A thread that is waited for with a bound: what works on a disk may hang with it, and nobody may hang with that.

use crate::error::{Error, Result};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its work is done.
    Done,
    /// It has panicked.
    Panicked,
}

#[derive(Default)]
struct Gate {
    end: Mutex<Option<End>>,
    told: Condvar,
}

impl Gate {
    fn end(&self) -> MutexGuard<'_, Option<End>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread at work. Dropping this leaves it alone.
pub(crate) struct Worker {
    name: &'static str,
    gate: Arc<Gate>,
}

impl Worker {
    /// Starts `work`. What it owns is gone before it counts as ended.
    ///
    /// # Errors
    /// `Io` when there is no thread to be had.
    pub(crate) fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self> {
        let gate = Arc::new(Gate::default());
        let told = gate.clone();
        let run = move || {
            let end = match std::panic::catch_unwind(AssertUnwindSafe(work)) {
                Ok(()) => End::Done,
                Err(_) => End::Panicked,
            };
            *told.end() = Some(end);
            told.told.notify_all();
        };
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        spawned.map_err(|error| Error::io(format!("starting the {name} thread"), error))?;
        Ok(Self { name, gate })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// True when it works no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.gate.end().is_some()
    }

    /// Waits for its end until `deadline`; `None`: it is still at work.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<End> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.gate.told.wait_timeout_while(self.gate.end(), left, |end| end.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// [`Worker::wait`] for at most `patience`.
    pub(crate) fn wait_for(&self, patience: Duration) -> Option<End> {
        self.wait(Instant::now() + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_worker_is_waited_for_as_long_as_one_wants() {
        let (go, told) = mpsc::channel::<()>();
        let owned = Arc::new(());
        let held = owned.clone();
        let worker = Worker::start("worker", move || {
            let _held = held;
            let _ = told.recv();
        })
        .unwrap();
        assert_eq!((worker.wait_for(Duration::from_millis(1)), worker.has_ended()), (None, false), "it hangs");
        go.send(()).unwrap();
        assert_eq!((worker.wait_for(PATIENCE), worker.has_ended()), (Some(End::Done), true));
        assert_eq!(Arc::strong_count(&owned), 1, "nothing of it is left");
    }

    #[test]
    fn a_panic_is_an_end() {
        let worker = Worker::start("worker", || panic!("on purpose")).unwrap();
        assert_eq!(worker.wait_for(PATIENCE), Some(End::Panicked));
    }
}
