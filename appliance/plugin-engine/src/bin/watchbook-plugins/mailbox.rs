//! A mailbox of one frame: the newest wins, what it replaces is counted.

use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A frame on its way to an instance.
pub(crate) struct Incoming {
    pub(crate) utc_ns: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) masked: bool,
    /// Dropped by the recorder before this one.
    pub(crate) missed: u32,
    pub(crate) pixels: OwnedFd,
}

/// What an instance finds in its mailbox.
pub(crate) enum Delivery {
    /// A frame, and how many it replaced.
    Frame(Incoming, u32),
    /// The binding has ended.
    Closed,
}

#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frame: Option<Incoming>,
    replaced: u32,
    closed: bool,
}

impl Mailbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, mut frame: Incoming) {
        let mut state = self.state();
        if let Some(old) = state.frame.take() {
            state.replaced = state.replaced.saturating_add(1);
            frame.missed = frame.missed.saturating_add(old.missed);
        }
        state.frame = Some(frame);
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// Waits for a frame or the end.
    pub(crate) fn take(&self) -> Delivery {
        let mut state = self.state();
        loop {
            if state.closed {
                return Delivery::Closed;
            }
            if let Some(frame) = state.frame.take() {
                return Delivery::Frame(frame, std::mem::take(&mut state.replaced));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::memfd;

    fn frame(utc_ns: u64) -> Incoming {
        let pixels = memfd::seal("test", b"x").unwrap();
        Incoming { utc_ns, width: 1, height: 1, masked: false, missed: 1, pixels }
    }

    #[test]
    fn the_newest_frame_wins_and_nothing_is_lost_from_the_counts() {
        let mailbox = Mailbox::default();
        (0..5).for_each(|utc_ns| mailbox.put(frame(utc_ns)));
        let Delivery::Frame(newest, replaced) = mailbox.take() else { panic!("a frame is there") };
        assert_eq!((newest.utc_ns, newest.missed, replaced), (4, 5, 4));
        mailbox.put(frame(5));
        assert!(matches!(mailbox.take(), Delivery::Frame(_, 0)));
        mailbox.close();
        assert!(matches!(mailbox.take(), Delivery::Closed));
    }
}
