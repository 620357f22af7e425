//! Tends the keys of an open store, on a thread of its own: nobody who records waits for it.

use super::Keys;
use crate::error::Result;
use crate::worker::Worker;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::CameraId;

/// Between two looks.
const TICK: Duration = Duration::from_secs(20);
/// How long the end waits for a look. It may have two copies to read and to write that are slow.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// What the keeper is told.
#[derive(Default)]
pub(super) struct Wishes {
    wish: Mutex<Wish>,
    told: Condvar,
}

#[derive(Default)]
struct Wish {
    /// Recordings of these begin.
    cameras: BTreeSet<CameraId>,
    stopped: bool,
}

/// What the keeper does next.
enum Next {
    Stop,
    Look,
    Make(BTreeSet<CameraId>),
}

impl Wishes {
    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) {
        change(&mut self.wish());
        self.told.notify_all();
    }

    /// Returns when there is something to do; at `due` it is time for a look.
    fn next(&self, due: Instant) -> Next {
        let left = due.saturating_duration_since(Instant::now());
        let idle = |wish: &mut Wish| !wish.stopped && wish.cameras.is_empty();
        let mut wish = self.told.wait_timeout_while(self.wish(), left, idle).unwrap_or_else(PoisonError::into_inner).0;
        match (wish.stopped, std::mem::take(&mut wish.cameras)) {
            (true, _) => Next::Stop,
            (false, cameras) if cameras.is_empty() => Next::Look,
            (false, cameras) => Next::Make(cameras),
        }
    }
}

impl Keys {
    /// A recording of `camera` begins: its key is made by the keeper, if there is one, while the first samples come. The commit that needs it then finds it
    /// written. Does no I/O.
    pub(crate) fn expect(&self, camera: CameraId) {
        let wanted = [(camera, self.clock.mono())];
        let (missing, _) = self.state().missing(&wanted);
        if !missing.is_empty() {
            self.wishes.change(|wish| {
                wish.cameras.insert(camera);
            });
        }
    }

    fn make_expected(&self, cameras: &BTreeSet<CameraId>) {
        let mono = self.clock.mono();
        let wanted: Vec<_> = cameras.iter().map(|camera| (*camera, mono)).collect();
        if let Err(error) = self.for_samples(&wanted) {
            tracing::error!(%error, "keys of recordings that begin could not be made; the first commit tries again");
        }
    }
}

pub(crate) struct Keeper {
    worker: Worker,
    keys: Arc<Keys>,
}

impl Keeper {
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(keys: &Arc<Keys>) -> Result<Self> {
        keys.wishes.change(|wish| wish.stopped = false);
        let of_thread = keys.clone();
        let worker = Worker::start("keys", move || {
            let mut due = Instant::now() + TICK;
            loop {
                // A panic here must not end it for ever.
                let work = std::panic::AssertUnwindSafe(|| match of_thread.wishes.next(due) {
                    Next::Stop => false,
                    Next::Make(cameras) => {
                        of_thread.make_expected(&cameras);
                        true
                    }
                    Next::Look => {
                        due = Instant::now() + TICK;
                        of_thread.tend();
                        true
                    }
                });
                match std::panic::catch_unwind(work) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(_) => tracing::error!("looking after the keys has panicked; it goes on"),
                }
            }
        })?;
        Ok(Self { worker, keys: keys.clone() })
    }

    /// To be called before the last commit: whatever can be written of the keys is, so that all that was committed counts.
    pub(crate) fn prepare_to_stop(&self) {
        self.keys.tend();
    }

    /// To be called after the last commit, which may have made a key.
    pub(crate) fn stop(self) {
        self.keys.wishes.change(|wish| wish.stopped = true);
        if self.worker.wait_for(END_PATIENCE).is_none() {
            tracing::error!("the disk of a copy of the keys does not answer; the store is closed without it");
        }
        self.keys.save_waiting();
    }
}
