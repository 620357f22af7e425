//! Bounds for one session, or one of whatever else is counted: what it may hold open at once.

use crate::accounts::SessionKey;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// So many places for each session, or for each `K`.
#[derive(Debug)]
pub(crate) struct Places<K = SessionKey> {
    each: usize,
    /// Only those that hold a place or wait for one have a row, so there are at most as many as there are open requests.
    held: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Copy + Eq + Hash> Places<K> {
    /// `each` places for every one.
    pub(crate) fn new(each: usize) -> Self {
        Self { each, held: Mutex::default() }
    }

    /// The places of one. A permit taken with `…_owned` keeps the row.
    pub(crate) fn of(&self, whose: &K) -> Arc<Semaphore> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, places| Arc::strong_count(places) > 1);
        Arc::clone(held.entry(*whose).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_its_own_places_and_leaves_nothing_behind() {
        let places: Places = Places::new(2);
        let held: Vec<_> = (0..2).map(|_| places.of(&[1; 32]).try_acquire_owned().unwrap()).collect();
        assert!(places.of(&[1; 32]).try_acquire_owned().is_err());
        let other = places.of(&[2; 32]).try_acquire_owned().unwrap();
        drop((held, other));
        assert!(places.of(&[1; 32]).try_acquire_owned().is_ok());
        assert_eq!(places.held.lock().unwrap().len(), 1);
    }
}
