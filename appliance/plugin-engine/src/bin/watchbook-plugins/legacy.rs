//! What an instance leaves to the next one of the same plugin and camera.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_plugin_engine::Kept;

/// How long an instance waits for the one before it to end: a call that is under way and `stop`, each with 100 ms of processor time, on a busy box.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The state of an instance.
#[derive(Clone)]
pub(crate) struct Left {
    /// What its `stop` gave, at most `SAVED_BYTES_MAX`.
    pub(crate) saved: Option<Vec<u8>>,
    /// Its keyed store.
    pub(crate) kept: Kept,
}

/// What an instance leaves: its store while it lives, and all when it has ended.
#[derive(Default)]
pub(crate) struct Legacy {
    /// The second value is true at the end.
    left: Mutex<(Option<Left>, bool)>,
    filled: Condvar,
}

impl Legacy {
    fn left(&self) -> MutexGuard<'_, (Option<Left>, bool)> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is of an instance that lives.
    pub(crate) fn lives(&self, kept: Kept) {
        self.left().0 = Some(Left { saved: None, kept });
    }

    pub(crate) fn leave(&self, left: Left) {
        *self.left() = (Some(left), true);
        self.filled.notify_all();
    }

    /// Waits until the instance has ended, at most [`WAIT_MAX`]: of one that takes longer there is the store only, and nothing of one that has not begun.
    /// The state stays, for another that may ask.
    pub(crate) fn wait(&self) -> Option<Left> {
        let deadline = Instant::now() + WAIT_MAX;
        let mut left = self.left();
        while !left.1 {
            let Some(span) = deadline.checked_duration_since(Instant::now()).filter(|span| !span.is_zero()) else {
                break;
            };
            left = self.filled.wait_timeout(left, span).unwrap_or_else(PoisonError::into_inner).0;
        }
        left.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn all_is_there_at_the_end_and_stays() {
        let legacy = Arc::new(Legacy::default());
        legacy.lives(Kept::default());
        let waiter = {
            let legacy = Arc::clone(&legacy);
            std::thread::spawn(move || legacy.wait().unwrap().saved)
        };
        legacy.leave(Left { saved: Some(vec![7]), kept: Kept::default() });
        assert_eq!(waiter.join().unwrap(), Some(vec![7]));
        assert_eq!(legacy.wait().unwrap().saved, Some(vec![7]));
    }
}
