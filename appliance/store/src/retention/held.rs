//! What an erasure must wait for: footage that is held and not copied yet. Looked for on a thread of its own, for an index may hang with its disk.

use super::{HELD_NANOS_MAX, IsHeld, Retention};
use crate::format::erasure::Erased;
use crate::worker::Worker;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, mpsc};
use std::time::Duration;
use watchbook_base::{CameraId, TimeRange, UtcNanos};

/// How long a look is waited for. Until there is an answer, all counts as held.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// All time.
const ALWAYS: TimeRange = TimeRange { start: UtcNanos(i64::MIN), end: UtcNanos(i64::MAX) };

/// What a look has found due, and what the holds said of it.
pub(super) struct Look {
    /// What need not wait.
    pub(super) due: Vec<Erased>,
    /// The keys that do.
    pub(super) waiting: HashSet<u32>,
    /// Those that have waited for as long as may be.
    overdue: HashSet<u32>,
    /// What the keys of cameras of which something was held were used for.
    used: HashMap<u32, TimeRange>,
}

impl Look {
    /// Keys that are not overdue wait when they are `needed`, and all of them when nobody knows.
    fn put_off(&mut self, needed: Option<&HashSet<u32>>) {
        let Self { due, waiting, overdue, .. } = self;
        let waits = |erased: &mut Erased| {
            !overdue.contains(&erased.key_id) && needed.is_none_or(|needed| needed.contains(&erased.key_id))
        };
        waiting.extend(due.extract_if(.., waits).map(|erased| erased.key_id));
    }
}

impl Retention {
    /// What is due, and what of it must wait.
    pub(super) fn due(&self) -> Look {
        let due = self.0.keys.due(0);
        let mut look = Look { due, waiting: HashSet::new(), overdue: HashSet::new(), used: HashMap::new() };
        if let (Some(is_held), false) = (self.is_held(), look.due.is_empty()) {
            look.overdue = self.0.keys.due(HELD_NANOS_MAX).iter().map(|erased| erased.key_id).collect();
            let due = look.due.clone();
            let found = self.ask(move |retention| retention.look_for_needed(&is_held, &due));
            look.put_off(found.as_ref().map(|(needed, _)| needed));
            look.used = found.map(|(_, used)| used).unwrap_or_default();
        }
        look
    }

    /// Puts off what a hold needs that came since the look: while the record was waited for. Asks no index: of a camera of which nothing was held then, all
    /// waits for the next look when something is now.
    pub(super) fn ask_again(&self, look: &mut Look) {
        let Some(is_held) = self.is_held() else { return };
        // Then nothing is erased, and the end is not kept waiting.
        if *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        let asked: Vec<Erased> = look.due.iter().filter(|one| !look.overdue.contains(&one.key_id)).copied().collect();
        if asked.is_empty() {
            return;
        }
        let used = look.used.clone();
        let needed = self.ask(move |_| {
            let mut cameras = HashMap::new();
            let needs = |erased: &&Erased| match used.get(&erased.key_id) {
                Some(used) => is_held(erased.camera, *used),
                None => *cameras.entry(erased.camera).or_insert_with(|| is_held(erased.camera, ALWAYS)),
            };
            asked.iter().filter(needs).map(|erased| erased.key_id).collect()
        });
        look.put_off(needed.as_ref());
    }

    fn is_held(&self) -> Option<Arc<IsHeld>> {
        self.0.is_held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What `question` gives, on a thread of its own; `None` when nobody knows now.
    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let mut looking = self.0.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if looking.as_ref().is_some_and(|worker| !worker.has_ended()) {
            tracing::error!("what is held cannot be told: a look at an index goes on; what is due waits");
            return None;
        }
        let (done, answer) = mpsc::channel();
        let retention = self.clone();
        match Worker::start("held", move || drop(done.send(question(&retention)))) {
            Ok(worker) => *looking = Some(worker),
            Err(error) => {
                tracing::error!(%error, "what is held cannot be told; what is due waits");
                return None;
            }
        }
        drop(looking);
        let found = answer.recv_timeout(self.0.held_patience).ok();
        if found.is_some() {
            // All that its thread still does is to end.
            *self.0.looking.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        found
    }

    /// The keys that holds still need, and what those of cameras with a hold were used for.
    fn look_for_needed(&self, is_held: &IsHeld, due: &[Erased]) -> (HashSet<u32>, HashMap<u32, TimeRange>) {
        let cameras: BTreeSet<CameraId> = due.iter().map(|erased| erased.camera).collect();
        // The index of a camera is looked through only when something of it is held.
        let used: HashMap<u32, TimeRange> = cameras
            .into_iter()
            .filter(|camera| is_held(*camera, ALWAYS))
            .flat_map(|camera| self.used(camera, due))
            .collect();
        let needs = |erased: &&Erased| used.get(&erased.key_id).is_some_and(|used| is_held(erased.camera, *used));
        let needed = due.iter().filter(needs).map(|erased| erased.key_id).collect();
        (needed, used)
    }

    /// From the first to the last sample that each of these keys of `camera` has sealed, by the samples' own time; the key's hour belongs to it in any case.
    fn used(&self, camera: CameraId, due: &[Erased]) -> HashMap<u32, TimeRange> {
        let hour = |start: UtcNanos| TimeRange { start, end: start.plus_nanos(crate::keys::KEY_NANOS) };
        let of_camera = due.iter().filter(|erased| erased.camera == camera);
        let mut used: HashMap<u32, TimeRange> =
            of_camera.map(|erased| (erased.key_id, hour(erased.hour_utc))).collect();
        let parts = self.0.parts.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut is_known = true;
        for part in parts.iter().filter(|part| !part.is_vault()) {
            is_known &= part.widen_to_used(camera, &mut used).unwrap_or_else(|error| {
                tracing::error!(%error, disk = %part.disk(), "what a key was used for cannot be told");
                false
            });
        }
        if !is_known {
            used.values_mut().for_each(|used| *used = ALWAYS);
        }
        used
    }
}
