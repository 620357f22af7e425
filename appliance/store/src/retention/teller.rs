//! Who wants to hear of erasures is told on a thread of its own: one that waits for a disk that hangs, as the audit log may, must not end erasing.

use super::OnErased;
use crate::error::Result;
use crate::format::erasure::Erased;
use crate::worker::Worker;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Erasures that wait to be told of: 400 cameras for a week. Beyond that they are in the rings' logs alone.
const WAITING_MAX: usize = 400 * 24 * 7;
/// How long the end waits until all is told.
const END_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Teller {
    inner: Arc<Inner>,
    worker: Mutex<Option<Worker>>,
}

#[derive(Default)]
struct Inner {
    listeners: Mutex<Vec<Arc<OnErased>>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Erased>,
    has_ended: bool,
}

impl Teller {
    pub(super) fn subscribe(&self, on_erased: OnErased) {
        self.inner.listeners().push(Arc::new(on_erased));
    }

    /// Tells of `erased` soon; at once where no thread does it.
    pub(super) fn tell(&self, erased: &[Erased]) {
        {
            let mut state = self.inner.state();
            let room = WAITING_MAX.saturating_sub(state.waiting.len());
            if erased.len() > room {
                tracing::error!(
                    "those who want to hear of erasures have not answered for too long; the rings' logs have all of them"
                );
            }
            state.waiting.extend(erased.iter().take(room));
        }
        self.inner.changed.notify_all();
        let is_running = self.worker.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !is_running {
            self.inner.tell_waiting();
        }
    }

    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(&self) -> Result<()> {
        let inner = self.inner.clone();
        let worker = Worker::start("erasures", move || inner.run())?;
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
        Ok(())
    }

    /// Ends the thread once all is told, or leaves it behind.
    pub(super) fn stop(&self) {
        self.stop_within(END_PATIENCE);
    }

    fn stop_within(&self, patience: Duration) {
        self.inner.state().has_ended = true;
        self.inner.changed.notify_all();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if worker.is_some_and(|worker| worker.wait_for(patience).is_none()) {
            tracing::error!("who wants to hear of erasures does not answer; the rings' logs have all of them");
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Arc<OnErased>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_waiting(&self) {
        let erased = std::mem::take(&mut self.state().waiting);
        let listeners = self.listeners().clone();
        if erased.is_empty() {
            return;
        }
        for on_erased in listeners {
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| on_erased(&erased)));
            if told.is_err() {
                tracing::error!("telling of an erasure has panicked; the rings' logs have it");
            }
        }
    }

    fn run(&self) {
        loop {
            let waited = self.changed.wait_while(self.state(), |state| state.waiting.is_empty() && !state.has_ended);
            let is_last = {
                let state = waited.unwrap_or_else(PoisonError::into_inner);
                state.has_ended && state.waiting.is_empty()
            };
            if is_last {
                return;
            }
            self.tell_waiting();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::harness::{START, camera};
    use std::sync::mpsc;

    fn erased(key_id: u32) -> Erased {
        Erased { key_id, camera: camera(1), hour_utc: START, erased_utc: START }
    }

    #[test]
    fn who_hears_of_erasures_and_hangs_keeps_nobody_waiting() {
        let teller = Teller::default();
        let ((began, has_begun), (go, may_go), (heard, all)) =
            (mpsc::channel(), mpsc::channel::<()>(), mpsc::channel());
        let may_go = Mutex::new(may_go);
        teller.subscribe(Box::new(move |erased| {
            began.send(()).unwrap();
            let _ = may_go.lock().unwrap().recv();
            erased.iter().for_each(|erased| heard.send(erased.key_id).unwrap());
        }));
        teller.start().unwrap();
        teller.tell(&[erased(1)]);
        has_begun.recv().unwrap();
        // The audit log's disk hangs now.
        let more: Vec<Erased> = (2..=3 + u32::try_from(WAITING_MAX).unwrap()).map(erased).collect();
        more.chunks(1000).for_each(|chunk| teller.tell(chunk));
        assert_eq!(teller.inner.state().waiting.len(), WAITING_MAX);
        teller.stop_within(Duration::from_millis(10));
        drop(go);
        assert_eq!(all.iter().take(1 + WAITING_MAX).count(), 1 + WAITING_MAX);
    }
}
