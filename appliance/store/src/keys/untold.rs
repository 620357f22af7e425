//! Erasures of which somebody is still to be told: the key files remember them, so that neither a power cut nor a log that cannot be written loses one.

use super::slot::{Owed, Slot, Untold};
use super::{Keys, PATIENCE};
use crate::error::Result;
use crate::format::erasure::Erased;
use std::time::Instant;

impl Keys {
    /// Destroys the keys of footage that is due. The key files remember who is owed word of it.
    ///
    /// # Errors
    /// As [`Keys::destroy`].
    pub(crate) fn erase(&self, erased: &[Erased], owed: Owed) -> Result<()> {
        let untold = |erased: &Erased| owed.is_any().then_some(Untold { hour: erased.hour_utc, owed });
        self.doom(&mut erased.iter().map(|erased| (erased.key_id, untold(erased))))
    }

    /// Footage that was erased and of which no ring's log tells yet, oldest erasure first.
    pub(crate) fn untold(&self) -> Vec<Erased> {
        let state = self.state();
        in_order(state.book.untold().filter_map(|(_, slot)| owed_of(slot, |owed| owed.log)))
    }

    /// Footage that was erased and of which who listens has not heard for sure, oldest erasure first. Without what is still on a disk: should the power go, it was not
    /// erased.
    pub(crate) fn unheard(&self) -> Vec<Erased> {
        let state = self.state();
        let gone = state.book.untold().filter(|(index, _)| !state.book.is_doomed(*index));
        in_order(gone.filter_map(|(_, slot)| owed_of(slot, |owed| owed.listener)))
    }

    /// A ring's log tells of these now.
    pub(crate) fn told(&self, erased: &[Erased]) {
        self.settle(erased, |owed| owed.log = false);
    }

    /// Who listens has heard of these, for good.
    pub(crate) fn heard(&self, erased: &[Erased]) {
        self.settle(erased, |owed| owed.listener = false);
    }

    fn settle(&self, erased: &[Erased], settle: fn(&mut Owed)) {
        self.state().book.told(&erased.iter().map(|erased| erased.key_id).collect(), settle);
        self.save(&mut self.copies(), Instant::now() + PATIENCE);
    }
}

fn owed_of(slot: &Slot, is_owed: fn(Owed) -> bool) -> Option<Erased> {
    let (untold, camera) = (slot.untold.filter(|untold| is_owed(untold.owed))?, slot.camera?);
    Some(Erased { key_id: slot.key_id, camera, hour_utc: untold.hour, erased_utc: slot.basis })
}

fn in_order(erased: impl Iterator<Item = Erased>) -> Vec<Erased> {
    let mut erased: Vec<Erased> = erased.collect();
    erased.sort_unstable_by_key(|erased| (erased.erased_utc, erased.hour_utc, erased.key_id));
    erased
}
