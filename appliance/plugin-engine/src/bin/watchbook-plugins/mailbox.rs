//! What waits for an instance. A mailbox of one frame: the newest wins, what it replaces is counted. A desk of a few events: each counts.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use watchbook_plugin_host::message::EventNumber;
use watchbook_plugin_host::rules::WAITING_MAX;

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

/// Events that wait for a rule, oldest first. The recorder keeps count and sends no more than there is room for.
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<(VecDeque<(EventNumber, OwnedFd)>, bool)>,
    changed: Condvar,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, (VecDeque<(EventNumber, OwnedFd)>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when it is full.
    pub(crate) fn put(&self, event: EventNumber, situation: OwnedFd) -> bool {
        let mut state = self.state();
        if state.0.len() >= WAITING_MAX {
            return false;
        }
        state.0.push_back((event, situation));
        self.changed.notify_one();
        true
    }

    pub(crate) fn close(&self) {
        self.state().1 = true;
        self.changed.notify_one();
    }

    /// Waits for an event; `None` at the end.
    pub(crate) fn take(&self) -> Option<(EventNumber, OwnedFd)> {
        let mut state = self.state();
        loop {
            if state.1 {
                return None;
            }
            if let Some(event) = state.0.pop_front() {
                return Some(event);
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

    #[test]
    fn events_keep_their_order_and_a_full_desk_takes_no_more() {
        let desk = Desk::default();
        let situation = || memfd::seal("test", b"x").unwrap();
        let taken = (0_u64..100).take_while(|event| desk.put(*event, situation())).count();
        assert_eq!(taken, WAITING_MAX);
        assert_eq!(desk.take().map(|(event, _)| event), Some(0));
        assert!(desk.put(100, situation()));
        assert_eq!(desk.take().map(|(event, _)| event), Some(1));
        desk.close();
        assert!(desk.take().is_none());
    }
}
