//! Bounds for one session: what one browser may hold open at once.

use crate::accounts::SessionKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// So many places for each session.
#[derive(Debug)]
pub(crate) struct Places {
    each: usize,
    /// Only sessions that hold a place or wait for one have a row, so there are at most as many as there are open requests.
    sessions: Mutex<HashMap<SessionKey, Arc<Semaphore>>>,
}

impl Places {
    /// `each` places for every session.
    pub(crate) fn new(each: usize) -> Self {
        Self { each, sessions: Mutex::default() }
    }

    /// The places of one session. A permit taken with `…_owned` keeps the row.
    pub(crate) fn of(&self, session: &SessionKey) -> Arc<Semaphore> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, places| Arc::strong_count(places) > 1);
        Arc::clone(sessions.entry(*session).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_its_own_places_and_leaves_nothing_behind() {
        let places = Places::new(2);
        let held: Vec<_> = (0..2).map(|_| places.of(&[1; 32]).try_acquire_owned().unwrap()).collect();
        assert!(places.of(&[1; 32]).try_acquire_owned().is_err());
        let other = places.of(&[2; 32]).try_acquire_owned().unwrap();
        drop((held, other));
        assert!(places.of(&[1; 32]).try_acquire_owned().is_ok());
        assert_eq!(places.sessions.lock().unwrap().len(), 1);
    }
}
