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

impl Retention {
    /// What is due and need not wait, and how much waits.
    pub(super) fn due(&self) -> (Vec<Erased>, usize) {
        let mut due = self.0.keys.due(0);
        let is_held = self.0.is_held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let all = due.len();
        if let (Some(is_held), true) = (is_held, all > 0) {
            let overdue: HashSet<u32> = self.0.keys.due(HELD_NANOS_MAX).iter().map(|erased| erased.key_id).collect();
            let needed = self.needed(is_held, &due);
            let is_needed = |key_id: &u32| needed.as_ref().is_none_or(|needed| needed.contains(key_id));
            due.retain(|erased| overdue.contains(&erased.key_id) || !is_needed(&erased.key_id));
        }
        let waiting = all - due.len();
        (due, waiting)
    }

    /// The keys that holds still need; `None` when nobody knows now.
    fn needed(&self, is_held: Arc<IsHeld>, due: &[Erased]) -> Option<HashSet<u32>> {
        let mut looking = self.0.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if looking.as_ref().is_some_and(|worker| !worker.has_ended()) {
            tracing::error!("what is held cannot be told: a look at an index goes on; what is due waits");
            return None;
        }
        let (done, answer) = mpsc::channel();
        let (retention, due) = (self.clone(), due.to_vec());
        let look = move || drop(done.send(retention.look_for_needed(&is_held, &due)));
        match Worker::start("held", look) {
            Ok(worker) => *looking = Some(worker),
            Err(error) => {
                tracing::error!(%error, "what is held cannot be told; what is due waits");
                return None;
            }
        }
        drop(looking);
        let needed = answer.recv_timeout(self.0.held_patience).ok();
        if needed.is_some() {
            // All that its thread still does is to end.
            *self.0.looking.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        needed
    }

    fn look_for_needed(&self, is_held: &IsHeld, due: &[Erased]) -> HashSet<u32> {
        let cameras: BTreeSet<CameraId> = due.iter().map(|erased| erased.camera).collect();
        // The index of a camera is looked through only when something of it is held.
        let used: HashMap<u32, TimeRange> = cameras
            .into_iter()
            .filter(|camera| is_held(*camera, ALWAYS))
            .flat_map(|camera| self.used(camera, due))
            .collect();
        let needs = |erased: &&Erased| used.get(&erased.key_id).is_some_and(|used| is_held(erased.camera, *used));
        due.iter().filter(needs).map(|erased| erased.key_id).collect()
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
