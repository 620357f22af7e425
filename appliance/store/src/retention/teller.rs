//! Who wants to hear of erasures is told on a thread of its own: one that waits for a disk that hangs, as the audit log may, must not end erasing. What is
//! still to be told, the key files remember.

use super::OnErased;
use crate::error::Result;
use crate::format::erasure::Erased;
use crate::keys::Keys;
use crate::worker::Worker;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::CameraId;

/// How long the end waits until all is told.
const END_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Teller {
    inner: Arc<Inner>,
    worker: Mutex<Option<Worker>>,
}

struct Inner {
    keys: Arc<Keys>,
    listeners: Mutex<Vec<Arc<OnErased>>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// There may be something to tell.
    is_wanted: bool,
    has_ended: bool,
    /// The thread was left behind: nobody expects that it changes anything any more.
    is_left: bool,
}

impl Teller {
    pub(super) fn new(keys: Arc<Keys>) -> Self {
        let (listeners, state) = (Mutex::default(), Mutex::default());
        Self { inner: Arc::new(Inner { keys, listeners, state, changed: Condvar::new() }), worker: Mutex::default() }
    }

    pub(super) fn subscribe(&self, on_erased: OnErased) {
        self.inner.listeners().push(Arc::new(on_erased));
    }

    pub(super) fn has_listener(&self) -> bool {
        !self.inner.listeners().is_empty()
    }

    /// Tells soon of what nobody has heard of yet; at once where no thread does it.
    pub(super) fn tell(&self) {
        {
            let mut state = self.inner.state();
            if state.has_ended {
                return;
            }
            state.is_wanted = true;
        }
        self.inner.changed.notify_all();
        let is_running = self.worker.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !is_running {
            self.inner.tell_all();
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

    /// Ends the thread once it has tried to tell all, or leaves it behind.
    pub(super) fn stop(&self) {
        self.stop_within(END_PATIENCE);
    }

    fn stop_within(&self, patience: Duration) {
        self.inner.state().has_ended = true;
        self.inner.changed.notify_all();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if worker.is_some_and(|worker| worker.wait_for(patience).is_none()) {
            self.inner.state().is_left = true;
            tracing::error!("who wants to hear of erasures does not answer; the next start tells of them again");
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

    /// Tells, camera by camera, and has the key files forget what was heard.
    fn tell_all(&self) {
        let listeners = self.listeners().clone();
        if listeners.is_empty() {
            return;
        }
        let mut of_cameras: BTreeMap<CameraId, Vec<Erased>> = BTreeMap::new();
        for erased in self.keys.unheard() {
            of_cameras.entry(erased.camera).or_default().push(erased);
        }
        let mut heard = Vec::new();
        for (camera, erased) in of_cameras {
            if self.state().is_left {
                return;
            }
            match listeners.iter().all(|on_erased| hears(on_erased, &erased)) {
                true => heard.extend(erased),
                false => {
                    tracing::error!(%camera, hours = erased.len(), "an erasure was not heard of; it is told again")
                }
            }
        }
        if !heard.is_empty() && !self.state().is_left {
            self.keys.heard(&heard);
        }
    }

    fn run(&self) {
        loop {
            let waited = self.changed.wait_while(self.state(), |state| !state.is_wanted && !state.has_ended);
            let is_wanted = std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).is_wanted);
            if !is_wanted {
                return;
            }
            self.tell_all();
        }
    }
}

fn hears(on_erased: &OnErased, erased: &[Erased]) -> bool {
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| on_erased(erased)));
    told.unwrap_or_else(|_| {
        tracing::error!("telling of an erasure has panicked");
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Owed;
    use crate::tests::harness::{Box_, camera};
    use std::sync::mpsc;
    use watchbook_base::Clock;

    fn erase(machine: &Box_, keys: &Keys, number: u32) -> u32 {
        let key = keys.for_samples(&[(camera(number), machine.clock.mono())]).unwrap().remove(0);
        let erased = Erased {
            key_id: key.id,
            camera: camera(number),
            hour_utc: machine.clock.utc(),
            erased_utc: machine.clock.utc(),
        };
        keys.erase(&[erased], Owed { log: false, listener: true }).unwrap();
        key.id
    }

    #[test]
    fn who_hears_of_erasures_and_hangs_keeps_nobody_waiting_and_is_told_again() {
        let machine = Box_::new(1);
        let keys = machine.keys().unwrap();
        let teller = Teller::new(keys.clone());
        let ((began, has_begun), (go, may_go)) = (mpsc::channel(), mpsc::channel::<()>());
        let may_go = Mutex::new(may_go);
        teller.subscribe(Box::new(move |erased| {
            began.send(erased.len()).unwrap();
            may_go.lock().unwrap().recv().is_ok()
        }));
        teller.start().unwrap();
        let first = erase(&machine, &keys, 1);
        teller.tell();
        assert_eq!(has_begun.recv().unwrap(), 1);
        // The audit log's disk hangs now.
        let mut ids = vec![first];
        ids.extend((2..20).map(|number| {
            let id = erase(&machine, &keys, number);
            teller.tell();
            id
        }));
        teller.stop_within(Duration::from_millis(10));
        go.send(()).unwrap();
        drop(teller);
        assert!(has_begun.recv().is_err(), "the thread that was left behind tells no more");
        let unheard = |keys: &Keys| keys.unheard().iter().map(|erased| erased.key_id).collect::<Vec<_>>();
        assert_eq!(unheard(&keys), ids, "and notes nothing");
        drop(keys);
        let keys = machine.keys().unwrap();
        let teller = Teller::new(keys.clone());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = heard.clone();
        teller.subscribe(Box::new(move |erased| {
            listener.lock().unwrap().extend(erased.iter().map(|erased| erased.key_id));
            true
        }));
        teller.tell();
        assert_eq!(*heard.lock().unwrap(), ids);
        assert!(unheard(&keys).is_empty() && unheard(&machine.keys().unwrap()).is_empty());
    }
}
