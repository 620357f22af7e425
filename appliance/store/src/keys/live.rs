//! The live keys, by number and by the age of each camera's. Pure.

use super::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use watchbook_base::{CameraId, UtcNanos};

#[derive(Default)]
pub(super) struct Live {
    keys: BTreeMap<u32, Entry>,
    /// Hour and number of each camera's keys: who asks for the oldest does not go through those of all cameras.
    ages: HashMap<CameraId, BTreeSet<(UtcNanos, u32)>>,
}

impl Live {
    pub(super) fn insert(&mut self, key_id: u32, entry: Entry) {
        self.remove(key_id);
        if let Some(camera) = entry.camera {
            self.ages.entry(camera).or_default().insert((entry.basis, key_id));
        }
        self.keys.insert(key_id, entry);
    }

    pub(super) fn remove(&mut self, key_id: u32) -> Option<Entry> {
        let entry = self.keys.remove(&key_id)?;
        if let Some(camera) = entry.camera
            && let Some(ages) = self.ages.get_mut(&camera)
        {
            ages.remove(&(entry.basis, key_id));
            if ages.is_empty() {
                self.ages.remove(&camera);
            }
        }
        Some(entry)
    }

    pub(super) fn get(&self, key_id: u32) -> Option<&Entry> {
        self.keys.get(&key_id)
    }

    pub(super) fn has(&self, key_id: u32) -> bool {
        self.keys.contains_key(&key_id)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.keys.iter().map(|(key_id, entry)| (*key_id, entry))
    }

    /// The key of `camera` with the oldest hour.
    pub(super) fn oldest(&self, camera: CameraId) -> Option<(u32, &Entry)> {
        let (_, key_id) = self.ages.get(&camera)?.first()?;
        Some((*key_id, self.keys.get(key_id)?))
    }

    /// Changes each key. Gives those that have another hour now.
    pub(super) fn change(&mut self, change: impl Fn(&mut Entry)) -> Vec<u32> {
        let mut moved = Vec::new();
        for (key_id, entry) in &mut self.keys {
            let before = entry.basis;
            change(entry);
            if entry.basis == before {
                continue;
            }
            moved.push(*key_id);
            if let Some(ages) = entry.camera.and_then(|camera| self.ages.get_mut(&camera)) {
                ages.remove(&(before, *key_id));
                ages.insert((entry.basis, *key_id));
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::harness::camera;
    use watchbook_base::fs::sim::Dice;

    #[test]
    fn the_oldest_key_of_a_camera_is_known_whatever_was_made_destroyed_and_moved() {
        let mut dice = Dice::new(1);
        let mut live = Live::default();
        for step in 0..3000 {
            let key_id = dice.below(60) as u32;
            let number = dice.below(4) as u32;
            let basis = UtcNanos(dice.below(30) as i64);
            let entry =
                Entry { index: 0, camera: CameraId::new(number), basis, days_max: 0, provisional: dice.percent(50) };
            match dice.below(20) {
                0 => {
                    let moved = live.change(|entry| {
                        if entry.provisional {
                            entry.basis = entry.basis.plus_nanos(7);
                        }
                    });
                    assert!(moved.iter().all(|key_id| live.get(*key_id).unwrap().provisional));
                }
                1..=8 => assert_eq!(live.has(key_id), live.remove(key_id).is_some()),
                _ => live.insert(key_id, entry),
            }
            for number in 1..4 {
                let of_camera = live.iter().filter(|(_, entry)| entry.camera == Some(camera(number)));
                let want = of_camera.min_by_key(|(key_id, entry)| (entry.basis, *key_id));
                assert_eq!(live.oldest(camera(number)), want, "step {step}");
            }
            let listed: usize = live.ages.values().map(BTreeSet::len).sum();
            assert_eq!(listed, live.iter().filter(|(_, entry)| entry.camera.is_some()).count());
        }
    }
}
