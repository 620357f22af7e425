//! Which disk's log was given which erasure to tell of: once each, however long the disk takes.

use crate::format::Record;
use crate::format::erasure::{ERASED_PER_RECORD_MAX, Erased};
use crate::writer::Shared;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

/// What each disk that records was given.
#[derive(Default)]
pub(super) struct Noted(Vec<Disk>);

struct Disk {
    shared: Weak<Shared>,
    /// By key: what is to be durable for its record to be.
    taken: HashMap<u32, u64>,
}

impl Noted {
    /// Gives `erased` to each of `disks` that does not have it yet. What one has that is given up, or was opened anew since, does not count. What it was given
    /// of keys that are `waiting` stays: their erasure was put off at the last moment.
    pub(super) fn note(&mut self, disks: &[Arc<Shared>], erased: &[Erased], waiting: &HashSet<u32>) {
        let ids: HashSet<u32> = erased.iter().map(|erased| erased.key_id).collect();
        let recording: Vec<&Arc<Shared>> = disks.iter().filter(|disk| !disk.pending().given_up()).collect();
        self.0.retain(|noted| recording.iter().any(|disk| noted.is_of(disk)));
        for disk in recording {
            let at = self.0.iter().position(|noted| noted.is_of(disk)).unwrap_or(self.0.len());
            if at == self.0.len() {
                self.0.push(Disk { shared: Arc::downgrade(disk), taken: HashMap::new() });
            }
            let Some(noted) = self.0.get_mut(at) else { continue };
            noted.taken.retain(|key_id, _| ids.contains(key_id) || waiting.contains(key_id));
            noted.note(disk, erased);
        }
    }

    /// The keys of which a log tells by now.
    pub(super) fn told(&self) -> HashSet<u32> {
        let of_disk = |noted: &Disk| {
            let durable = noted.shared.upgrade().map_or(0, |disk| disk.pending().durable());
            let told = noted.taken.iter().filter(|(_, taken)| **taken <= durable);
            told.map(|(key_id, _)| *key_id).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_disk).collect()
    }
}

impl Disk {
    fn is_of(&self, disk: &Arc<Shared>) -> bool {
        self.shared.ptr_eq(&Arc::downgrade(disk))
    }

    fn note(&mut self, disk: &Shared, erased: &[Erased]) {
        let new: Vec<Erased> = erased.iter().filter(|one| !self.taken.contains_key(&one.key_id)).copied().collect();
        let mut pending = disk.pending();
        // All of one record were erased at one moment.
        let moments = new.chunk_by(|one, next| one.erased_utc == next.erased_utc);
        for chunk in moments.flat_map(|moment| moment.chunks(ERASED_PER_RECORD_MAX)) {
            if !pending.note(Record::Erasure(chunk.to_vec())) {
                tracing::error!(disk = %disk.disk, "an erasure could not be recorded: the ring is closed or full of waiting records");
                return;
            }
            let taken = pending.taken();
            self.taken.extend(chunk.iter().map(|one| (one.key_id, taken)));
        }
    }
}
