//! The maximum age of footage. What falls due is decided by [`plan_erasures`], recorded in every ring's log, and then made unreadable by destroying its keys.

mod held;
mod noted;
mod teller;

use crate::alarm::{AlarmKind, Alarms};
use crate::error::Result;
use crate::format::erasure::Erased;
use crate::keys::{KeyAlarms, Keys, Owed};
use crate::reader::PartList;
use crate::worker::{End, Worker};
use crate::writer::Shared;
use noted::Noted;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use teller::Teller;
use watchbook_base::{CameraId, Clock, TimeRange, UtcNanos};

/// Time between two looks. With the 59 minutes of [`ERASE_AFTER_NANOS`] a key is gone before its first sample is an hour overdue.
const TICK: Duration = Duration::from_secs(20);
/// A key is destroyed so long after its first sample has fallen due: its last sample is then a minute short of its age, and the first one has 40 s in which
/// the tick may come.
pub const ERASE_AFTER_NANOS: i64 = 59 * 60 * 1_000_000_000;
const DAY_NANOS: i64 = 86_400 * 1_000_000_000;
/// How long the record of an erasure may wait for the disks. Then the keys are destroyed all the same: the record comes with the next commit, or, should the
/// recorder end before that, with the next start, because the key files say that it is still owed.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);

/// An erasure waits so long for a hold that is still to be copied. Then it is done all the same: a broken vault must not turn a hold into keeping for ever.
const HELD_NANOS_MAX: i64 = DAY_NANOS;
/// How long the end waits for a look: what that may wait for the index and the record. It erases nothing any more, however long it goes on.
const END_PATIENCE: Duration = Duration::from_secs(25);

/// True when footage of a camera in a range, by the samples' time, is held and not copied yet.
pub type IsHeld = Box<dyn Fn(CameraId, TimeRange) -> bool + Send + Sync>;
/// Called with erased hours of one camera, after their keys were destroyed, on a thread of its own: it may wait for a disk. True once a power cut does not
/// take from it what it was told; else it is called with the same hours again, by each look until then, also by those of later starts. When the power goes
/// before its answer is noted, it hears of hours twice.
pub type OnErased = Box<dyn Fn(&[Erased]) -> bool + Send + Sync>;

/// A key, as the plan needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aging {
    pub(crate) key_id: u32,
    pub(crate) camera: CameraId,
    /// Start of the hour that it covers, by the trusted time.
    pub(crate) basis: UtcNanos,
    /// Maximum age that the camera had when the key was made, in days; 0: none.
    pub(crate) days_max: u32,
}

/// When a key is to be destroyed; `None` when its camera has no maximum age. A camera of which nothing is said any more keeps the age of then.
pub(crate) fn due_at(key: &Aging, days_max: &HashMap<CameraId, u32>) -> Option<UtcNanos> {
    let days = days_max.get(&key.camera).copied().unwrap_or(key.days_max);
    let age = i64::from(days).saturating_mul(DAY_NANOS);
    (days > 0).then(|| key.basis.plus_nanos(age).plus_nanos(ERASE_AFTER_NANOS))
}

/// The keys that are due at `now`, oldest first. Pure.
pub(crate) fn plan_erasures(
    keys: impl Iterator<Item = Aging>,
    days_max: &HashMap<CameraId, u32>,
    now: UtcNanos,
) -> Vec<Erased> {
    let due = keys.filter(|key| due_at(key, days_max).is_some_and(|due| due <= now));
    let mut due: Vec<Erased> = due
        .map(|Aging { key_id, camera, basis, .. }| Erased { key_id, camera, hour_utc: basis, erased_utc: now })
        .collect();
    due.sort_unstable_by_key(|erased| (erased.hour_utc, erased.key_id));
    due
}

/// What keeps the maximum ages of a store. Clones are of the same store.
#[derive(Clone)]
pub struct Retention(Arc<Inner>);

struct Inner {
    keys: Arc<Keys>,
    parts: PartList,
    alarms: Arc<Alarms>,
    clock: Arc<dyn Clock>,
    teller: Teller,
    is_held: Mutex<Option<Arc<IsHeld>>>,
    held_patience: Duration,
    /// A look for what is held.
    looking: Mutex<Option<Worker>>,
    noted: Mutex<Noted>,
    stopped: Mutex<bool>,
    told: Condvar,
    thread: Mutex<Option<Worker>>,
}

impl Retention {
    pub(crate) fn new(keys: Arc<Keys>, parts: PartList, alarms: Arc<Alarms>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            teller: Teller::new(keys.clone()),
            keys,
            parts,
            alarms,
            clock,
            is_held: Mutex::default(),
            held_patience: held::PATIENCE,
            looking: Mutex::default(),
            noted: Mutex::default(),
            stopped: Mutex::default(),
            told: Condvar::new(),
            thread: Mutex::default(),
        }))
    }

    /// One that waits a moment only for what holds say.
    #[cfg(test)]
    pub(crate) fn impatient(mut self) -> Self {
        Arc::get_mut(&mut self.0).expect("nobody else has it").held_patience = Duration::from_millis(50);
        self
    }

    /// How old footage of `camera` may become, in days, from the next look on, also for what is there. A camera that is removed keeps its last one.
    pub fn set(&self, camera: CameraId, days_max: u32) {
        self.0.keys.set_retention(camera, Some(days_max));
    }

    /// Calls `on_erased` after each erasure from now on, and with what an earlier run has erased without knowing that it was heard.
    pub fn subscribe(&self, on_erased: OnErased) {
        self.0.teller.subscribe(on_erased);
    }

    /// Puts off an erasure while `is_held` says that its footage is still to be copied, for a day at most.
    pub fn wait_for_holds(&self, is_held: IsHeld) {
        *self.0.is_held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(is_held));
    }

    fn disks(&self) -> Vec<Arc<Shared>> {
        let parts = self.0.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter_map(|part| part.care.shared()).collect()
    }

    /// Has every ring's log tell of erasures. Gives the keys of which one does; the others do with their next commit.
    fn record(
        &self,
        (erased, waiting): (&[Erased], &HashSet<u32>),
        commit: &mut dyn FnMut(&[Arc<Shared>]),
    ) -> HashSet<u32> {
        let disks = self.disks();
        let noted = || self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted().note(&disks, erased, waiting);
        if erased.is_empty() {
            return HashSet::new();
        }
        commit(&disks);
        noted().told()
    }

    /// One look: the keys are tended, and what is due is recorded and erased. `commit` makes what waits in the rings durable.
    ///
    /// # Errors
    /// `Io` when a key that is due is still on a disk; it is not used any more, and the next look tries again.
    pub(crate) fn tick(&self, commit: &mut dyn FnMut(&[Arc<Shared>])) -> Result<Vec<Erased>> {
        let Inner { keys, alarms, clock, .. } = &*self.0;
        keys.tend();
        let mut look = self.due();
        let mut untold = keys.untold();
        // FORMAT.md "Erase": the record first, so that what is gone can be explained.
        let told = self.record((&[untold.as_slice(), look.due.as_slice()].concat(), &look.waiting), commit);
        untold.retain(|erased| told.contains(&erased.key_id));
        if !untold.is_empty() {
            keys.told(&untold);
        }
        self.ask_again(&mut look);
        let destroyed = self.erase(&look.due, look.due.iter().all(|erased| told.contains(&erased.key_id)));
        self.0.teller.tell();
        let KeyAlarms { copy_missing, damaged, clock_untrusted, erasure_late } = keys.alarms();
        let waiting = look.waiting.len();
        let held = (waiting > 0).then(|| {
            format!("{waiting} hours of footage are older than allowed, because a hold of them is not copied yet. Look at the vault")
        });
        let erasure_late = erasure_late.or(held);
        let now = clock.utc();
        for (kind, text) in [
            (AlarmKind::KeyCopyMissing, copy_missing),
            (AlarmKind::KeyDamaged, damaged),
            (AlarmKind::ClockUntrusted, clock_untrusted),
            (AlarmKind::ErasureLate, erasure_late),
        ] {
            alarms.set(kind, None, text, now);
        }
        destroyed
    }

    /// Erases, unless the end has come meanwhile: whoever is told that nothing is erased any more must be able to rely on it.
    fn erase(&self, due: &[Erased], is_told: bool) -> Result<Vec<Erased>> {
        let destroyed = {
            let stopped = self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            if *stopped || due.is_empty() {
                return Ok(Vec::new());
            }
            self.0.keys.erase(due, Owed { log: !is_told, listener: self.0.teller.has_listener() })
        };
        tracing::info!(hours = due.len(), "footage has reached its maximum age and was erased");
        destroyed.map(|()| due.to_vec())
    }

    /// Looks again and again on a thread of its own, until [`Retention::stop`]. To be called once the maximum ages are set, and whoever is asked and told
    /// ([`Retention::wait_for_holds`], [`Retention::subscribe`]): what is due by an old age, or held, must not be gone before they had their say.
    ///
    /// # Errors
    /// What the operating system says of another thread.
    pub fn start(&self) -> Result<()> {
        let mut running = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Ok(());
        }
        let retention = self.clone();
        let run = move || {
            while !retention.stop_within(TICK) {
                // A panic here must not end erasing for ever: each look begins anew from the files.
                let look = std::panic::AssertUnwindSafe(|| retention.tick(&mut commit_all));
                match std::panic::catch_unwind(look) {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => tracing::error!(%error, "footage that is due could not be erased everywhere"),
                    Err(_) => tracing::error!("looking for footage that is due has panicked; it goes on"),
                }
            }
        };
        self.0.teller.start()?;
        *running = Some(Worker::start("retention", run)?);
        Ok(())
    }

    /// True from [`Retention::start`] to [`Retention::stop`].
    #[cfg(test)]
    pub(crate) fn is_running(&self) -> bool {
        self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn stop_within(&self, time: Duration) -> bool {
        let stopped = self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.told.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends the threads; nothing is erased any more once this returns. To be called before the vault is closed. The store does it too when it is closed. One
    /// that hangs with a disk is left behind.
    pub fn stop(&self) {
        *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.told.notify_all();
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match thread.map(|thread| thread.wait_for(END_PATIENCE)) {
            None | Some(Some(End::Done)) => {}
            Some(Some(End::Panicked)) => tracing::error!("the retention thread had panicked"),
            Some(None) => tracing::error!("a look for footage that is due does not end; it is left behind"),
        }
        self.0.teller.stop();
    }
}

/// Waits for a commit on every disk, together not longer than [`RECORD_PATIENCE`].
fn commit_all(disks: &[Arc<Shared>]) {
    let deadline = Instant::now() + RECORD_PATIENCE;
    for disk in disks {
        let mut pending = disk.pending();
        let wanted = pending.taken();
        pending.want_flush(wanted);
        disk.work.notify_all();
        while pending.durable() < wanted && !pending.stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(disk = %disk.disk, "the record of an erasure waits; the keys are destroyed all the same");
                break;
            }
            pending = disk.done.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::harness::camera;

    const T: UtcNanos = UtcNanos(1_800_000_000_000_000_000);

    fn key(key_id: u32, number: u32, days_max: u32) -> Aging {
        Aging { key_id, camera: camera(number), basis: T, days_max }
    }

    #[test]
    fn a_key_is_due_an_hour_less_a_minute_after_its_first_sample() {
        let days_max = HashMap::from([(camera(1), 3), (camera(2), 7), (camera(3), 0)]);
        let keys = || [key(1, 1, 30), key(2, 2, 0), key(3, 3, 1), key(4, 4, 3), key(5, 5, 0)].into_iter();
        let due = |nanos: i64| {
            let due = plan_erasures(keys(), &days_max, T.plus_nanos(nanos));
            due.iter().map(|erased| erased.key_id).collect::<Vec<_>>()
        };
        let three = 3 * DAY_NANOS + ERASE_AFTER_NANOS;
        assert!(due(three - 1).is_empty());
        assert_eq!(due(three), [1, 4], "one by its setting, one by what was said when it was made");
        assert_eq!(due(i64::MAX / 4), [1, 2, 4], "none without a maximum age");
    }
}
