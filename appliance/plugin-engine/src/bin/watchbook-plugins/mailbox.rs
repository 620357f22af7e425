//! What waits for an instance. A mailbox of one frame, which the recorder fills when it is asked. A desk of a few events: each counts.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use watchbook_analysis::message::decode;
use watchbook_base::link::Link;
use watchbook_plugin_host::message::{EventNumber, FRAME_HEAD_BYTES_MAX, FrameHead};
use watchbook_plugin_host::rules::WAITING_MAX;

/// A frame on its way to an instance.
pub(crate) struct Incoming {
    pub(crate) head: FrameHead,
    pub(crate) pixels: OwnedFd,
}

/// The instance's own link. Its thread waits in the kernel for the next frame, so that one wake-up lies between the recorder and the plugin.
pub(crate) struct Mailbox {
    link: Link,
    closed: AtomicBool,
}

impl Mailbox {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, closed: AtomicBool::new(false) }
    }

    /// Ends a wait, and every later one.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // It wakes who waits. A link that is gone already is what we want.
        let _ = rustix::net::shutdown(&self.link, rustix::net::Shutdown::Both);
    }

    /// Whether the end was meant: the binding was ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Waits for a frame; `None` at the end, when the recorder has let go of the link, and when what comes is no frame.
    pub(crate) fn take(&self) -> Option<Incoming> {
        let mut buffer = [0; FRAME_HEAD_BYTES_MAX];
        let (length, pixels) = self.link.recv(&mut buffer).ok()?;
        let incoming = Incoming { head: decode(&buffer[..length]).ok()?, pixels: pixels? };
        (!self.closed.load(Ordering::SeqCst)).then_some(incoming)
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
    use std::os::fd::AsFd;
    use watchbook_analysis::message::encode;
    use watchbook_base::memfd;

    #[test]
    fn a_frame_comes_as_it_was_sent_and_closing_ends_a_wait() {
        let (ours, theirs) = Link::pair().unwrap();
        let mailbox = Mailbox::new(theirs);
        let head = FrameHead { utc_ns: 5, width: 1, height: 1, masked: true, missed: 2, given_ns: 9 };
        let send = || {
            let pixels = memfd::seal("test", b"x").unwrap();
            ours.send(&encode(&head).unwrap(), Some(pixels.as_fd())).unwrap();
        };
        send();
        let incoming = mailbox.take().unwrap();
        assert_eq!((incoming.head, memfd::read(incoming.pixels.as_fd(), 1).unwrap()), (head, b"x".to_vec()));
        // One that waits when it is closed is not handed out.
        send();
        std::thread::scope(|scope| {
            mailbox.close();
            let waiting = scope.spawn(|| mailbox.take().is_none());
            assert!(waiting.join().unwrap());
        });
        assert!(mailbox.take().is_none());
    }

    #[test]
    fn a_link_that_ends_or_speaks_nonsense_is_the_end() {
        let (ours, theirs) = Link::pair().unwrap();
        let mailbox = Mailbox::new(theirs);
        ours.send(&[255; 20], None).unwrap();
        assert!(mailbox.take().is_none());
        drop(ours);
        assert!(mailbox.take().is_none());
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
