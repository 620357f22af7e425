//! Tends the keys of an open store, on a thread of its own: nobody who records waits for it.

use super::Keys;
use crate::error::Result;
use crate::worker::Worker;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Between two looks.
const TICK: Duration = Duration::from_secs(20);
/// How long the end waits for a look. It may have two copies to read and to write that are slow.
const END_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Gate {
    stopped: Mutex<bool>,
    told: Condvar,
}

pub(crate) struct Keeper {
    gate: Arc<Gate>,
    worker: Worker,
    keys: Arc<Keys>,
}

impl Keeper {
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(keys: &Arc<Keys>) -> Result<Self> {
        let gate = Arc::new(Gate::default());
        let (gate_of_thread, keys_of_thread) = (gate.clone(), keys.clone());
        let worker = Worker::start("keys", move || {
            while !gate_of_thread.stop_within(TICK) {
                // A panic here must not end it for ever.
                let look = std::panic::AssertUnwindSafe(|| keys_of_thread.tend());
                if std::panic::catch_unwind(look).is_err() {
                    tracing::error!("looking after the keys has panicked; it goes on");
                }
            }
        })?;
        Ok(Self { gate, worker, keys: keys.clone() })
    }

    /// To be called before the last commit: whatever can be written of the keys is, so that all that was committed counts.
    pub(crate) fn prepare_to_stop(&self) {
        self.keys.tend();
    }

    /// To be called after the last commit, which may have made a key.
    pub(crate) fn stop(self) {
        *self.gate.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.gate.told.notify_all();
        if self.worker.wait_for(END_PATIENCE).is_none() {
            tracing::error!("the disk of a copy of the keys does not answer; the store is closed without it");
        }
        self.keys.save_waiting();
    }
}

impl Gate {
    fn stop_within(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
