//! For how long each camera is recorded: minutes in which the store took a picture of its main stream.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use watchbook_access::RecordedMinutes;
use watchbook_base::limits::CAMERAS_MAX;
use watchbook_base::{CameraId, UtcNanos};

const MINUTE_NANOS: i64 = 60_000_000_000;

/// Counts since it was last asked. Held for the time of one count, by capture and by whoever asks.
#[derive(Default)]
pub struct Minutes(Mutex<BTreeMap<CameraId, Counted>>);

#[derive(Clone, Copy, Default)]
struct Counted {
    /// The minute that was counted last.
    last: Option<i64>,
    minutes: u64,
}

impl Minutes {
    /// A picture of a camera's main stream at this time went to the store.
    pub fn note(&self, camera: CameraId, utc: UtcNanos) {
        let minute = utc.0.div_euclid(MINUTE_NANOS);
        let mut cameras = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cameras.len() >= CAMERAS_MAX && !cameras.contains_key(&camera) {
            return;
        }
        let counted = cameras.entry(camera).or_default();
        if counted.last != Some(minute) {
            *counted = Counted { last: Some(minute), minutes: counted.minutes + 1 };
        }
    }

    /// What was counted since the last time. A minute that goes on is not counted again.
    pub fn take(&self) -> Vec<RecordedMinutes> {
        let mut cameras = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = cameras.iter().filter(|(_, counted)| counted.minutes > 0);
        let taken = taken.map(|(camera, counted)| RecordedMinutes { camera: *camera, minutes: counted.minutes });
        let taken = taken.collect();
        // One that has sent nothing since then makes room.
        cameras.retain(|_, counted| core::mem::take(&mut counted.minutes) > 0);
        taken
    }

    /// What was taken could not be written down: it is still to be told.
    pub fn give_back(&self, taken: &[RecordedMinutes]) {
        let mut cameras = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().for_each(|one| cameras.entry(one.camera).or_default().minutes += one.minutes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_counts_once_and_what_was_told_is_not_told_again() {
        let minutes = Minutes::default();
        let (one, two) = (CameraId::new(1).unwrap(), CameraId::new(2).unwrap());
        let at = |second: i64| UtcNanos(second * 1_000_000_000);
        [0, 1, 59, 60, 61, 200].into_iter().for_each(|second| minutes.note(one, at(second)));
        minutes.note(two, at(5));
        let told = minutes.take();
        assert_eq!(told.iter().map(|one| (one.camera.get(), one.minutes)).collect::<Vec<_>>(), [(1, 3), (2, 1)]);
        minutes.note(one, at(210));
        assert_eq!(minutes.take(), []);
        minutes.give_back(&told);
        assert_eq!(minutes.take(), told);
    }
}
