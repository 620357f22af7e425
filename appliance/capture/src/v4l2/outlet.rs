//! Where the pictures of a device go: from its thread, or from its encoder's, to the recorder's task.

use super::units::Units;
use crate::encode::EncoderState;
use crate::failure::Failure;
use crate::rtsp::Item;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// What task and thread have in common.
#[derive(Default)]
pub(crate) struct Shared {
    /// The session was dropped, or is of no use any more.
    ended: AtomicBool,
    /// Why the thread ended.
    failure: Mutex<Option<Failure>>,
    encoder: Mutex<Option<EncoderState>>,
}

impl Shared {
    /// The thread is to end.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Remembers why it ends; the first reason stays.
    pub(crate) fn fail(&self, failure: Option<Failure>) {
        let mut kept = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = kept.take().or(failure);
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn tell_encoder(&self, state: EncoderState) {
        *self.encoder.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    pub(crate) fn encoder(&self) -> Option<EncoderState> {
        self.encoder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One end of the queue to the task, and what was lost before it.
pub(crate) struct Outlet {
    units: Units,
    to: mpsc::Sender<Item>,
    lost: u16,
    /// A picture has gone out: before it there is nothing to miss, an encoder only starts.
    begun: bool,
}

impl Outlet {
    pub(crate) fn new(units: Units, to: mpsc::Sender<Item>) -> Self {
        Self { units, to, lost: 0, begun: false }
    }

    /// So many pictures are missing before the next one.
    pub(crate) fn lose(&mut self, pictures: u16) {
        self.lost = self.lost.saturating_add(pictures);
    }

    /// A coded picture; `missing` others are missing before it.
    pub(crate) fn take(&mut self, data: &[u8], at_us: i64, missing: u16) {
        self.lose(missing);
        let item = self.units.take(data, at_us, if self.begun { self.lost } else { 0 });
        self.give(item);
    }

    /// Never waits: when the recorder is behind, the picture is dropped and counted with the next one.
    pub(crate) fn give(&mut self, item: Item) {
        let carried = matches!(item, Item::Video { .. });
        match self.to.try_send(item) {
            Ok(()) if carried => (self.lost, self.begun) = (0, true),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lose(1);
                // A format that it carried must come with another.
                self.units.tell_again();
            }
        }
    }
}
