//! One stream's current GOP and the queues of its viewers. Pure bookkeeping: no task, no clock.

use super::{
    GOP_BYTES_MAX, GOP_BYTES_TOTAL_MAX, GOP_SAMPLES_MAX, LiveItem, MESSAGE_SAMPLE_BYTES, MESSAGE_SAMPLES, Totals,
    VIEWER_BYTES_MAX, lock,
};
use crate::api::StreamState;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use watchbook_base::GapReason;
use watchbook_media::{Packet, RecordingStart};

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Feed {
    start: Option<Arc<RecordingStart>>,
    /// Empty until a key frame came, and after the GOP outgrew its bounds.
    gop: Vec<Packet>,
    gop_bytes: usize,
    state: Option<Arc<StreamState>>,
    viewers: Vec<Arc<Viewer>>,
}

impl Feed {
    pub(super) fn begin(&mut self, start: &RecordingStart, totals: &Totals) {
        self.drop_gop(totals);
        let start = Arc::new(start.clone());
        self.start = Some(Arc::clone(&start));
        self.each(|viewer| viewer.with(|queue| queue.set_format(&start)));
    }

    pub(super) fn packet(&mut self, packet: Packet, totals: &Totals) {
        if self.start.is_none() {
            return;
        }
        self.keep(&packet, totals);
        self.each(|viewer| {
            let skipped = viewer.with(|queue| queue.push(&packet));
            totals.skipped.fetch_add(skipped, Ordering::Relaxed);
        });
    }

    pub(super) fn end(&mut self, reason: GapReason, totals: &Totals) {
        self.drop_gop(totals);
        self.start = None;
        self.each(|viewer| viewer.with(|queue| queue.ended = Some(reason)));
    }

    pub(super) fn set_state(&mut self, state: Arc<StreamState>) {
        self.each(|viewer| viewer.with(|queue| queue.state = Some(Arc::clone(&state))));
        self.state = Some(state);
    }

    pub(super) fn close(&mut self, totals: &Totals) {
        self.drop_gop(totals);
        self.each(|viewer| viewer.with(|queue| queue.closed = true));
        self.viewers.clear();
    }

    pub(super) fn join(&mut self) -> Arc<Viewer> {
        self.viewers.retain(|viewer| !viewer.has_left());
        let viewer = Arc::new(Viewer::default());
        viewer.with(|queue| {
            queue.state = self.state.clone();
            if let Some(start) = &self.start {
                queue.set_format(start);
                queue.packets.extend(self.gop.iter().cloned());
                queue.bytes = self.gop_bytes;
                queue.wants_key = self.gop.is_empty();
            }
        });
        self.viewers.push(Arc::clone(&viewer));
        viewer
    }

    fn each(&mut self, mut act: impl FnMut(&Viewer)) {
        self.viewers.retain(|viewer| !viewer.has_left());
        for viewer in &self.viewers {
            act(viewer);
        }
    }

    /// Keeps `packet` in the GOP, or gives the GOP up when it outgrows its bounds.
    fn keep(&mut self, packet: &Packet, totals: &Totals) {
        if packet.key {
            self.drop_gop(totals);
        } else if self.gop.is_empty() {
            return;
        }
        let len = packet.data.len();
        let fits = self.gop_bytes + len <= GOP_BYTES_MAX && self.gop.len() < GOP_SAMPLES_MAX;
        if !fits {
            self.drop_gop(totals);
            return;
        }
        if totals.gop_bytes.fetch_add(len, Ordering::AcqRel) + len > GOP_BYTES_TOTAL_MAX {
            totals.gop_bytes.fetch_sub(len, Ordering::AcqRel);
            self.drop_gop(totals);
            return;
        }
        self.gop_bytes += len;
        self.gop.push(packet.clone());
    }

    fn drop_gop(&mut self, totals: &Totals) {
        totals.gop_bytes.fetch_sub(self.gop_bytes, Ordering::AcqRel);
        self.gop_bytes = 0;
        self.gop.clear();
    }
}

/// What waits for one viewer.
#[derive(Debug, Default)]
pub(super) struct Viewer {
    queue: Mutex<Queue>,
    pub(super) wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// The latest state alone: an older one says nothing.
    state: Option<Arc<StreamState>>,
    format: Option<Arc<RecordingStart>>,
    packets: VecDeque<Packet>,
    bytes: usize,
    /// Nothing is taken until a key frame comes.
    wants_key: bool,
    skipped: u64,
    ended: Option<GapReason>,
    closed: bool,
    left: bool,
}

impl Queue {
    /// Another recording: what is left of the old one can no longer be decoded behind the new format.
    fn set_format(&mut self, start: &Arc<RecordingStart>) {
        self.packets.clear();
        self.bytes = 0;
        self.wants_key = true;
        self.ended = None;
        self.format = Some(Arc::clone(start));
    }

    /// Takes `packet`, or skips to the next key frame when too much waits. Returns how many pictures that skips.
    fn push(&mut self, packet: &Packet) -> u64 {
        let mut skipped = 0;
        if self.bytes + packet.data.len() > VIEWER_BYTES_MAX {
            skipped = self.packets.len() as u64;
            self.packets.clear();
            self.bytes = 0;
            self.wants_key = true;
            self.skipped += skipped;
        }
        if self.wants_key && !packet.key {
            // Before the first picture nothing is missing yet; after it, each one is.
            let counts = u64::from(self.skipped > 0);
            self.skipped += counts;
            return skipped + counts;
        }
        self.wants_key = false;
        self.bytes += packet.data.len();
        self.packets.push_back(packet.clone());
        skipped
    }

    fn pop(&mut self) -> Option<LiveItem> {
        if let Some(state) = self.state.take() {
            return Some(LiveItem::State(state));
        }
        if let Some(format) = self.format.take() {
            return Some(LiveItem::Format(format));
        }
        if !self.packets.is_empty() {
            if self.skipped > 0 {
                return Some(LiveItem::Skipped(std::mem::take(&mut self.skipped)));
            }
            return Some(self.pop_message());
        }
        self.ended.take().map(LiveItem::Ended)
    }

    /// The packets of one message; the others go on waiting, so that what a slow viewer has not been sent stays counted.
    fn pop_message(&mut self) -> LiveItem {
        let mut bytes = 0;
        let fitting = self.packets.iter().take(MESSAGE_SAMPLES).enumerate().take_while(|(index, packet)| {
            bytes += packet.data.len();
            *index == 0 || bytes <= MESSAGE_SAMPLE_BYTES
        });
        let count = fitting.count();
        let packets: Vec<Packet> = self.packets.drain(..count).collect();
        self.bytes -= packets.iter().map(|packet| packet.data.len()).sum::<usize>();
        LiveItem::Packets { packets, next_dts: self.packets.front().map(|packet| packet.dts) }
    }
}

impl Viewer {
    fn with<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        let result = act(&mut lock(&self.queue));
        self.wake.notify_one();
        result
    }

    pub(super) fn pop(&self) -> Option<LiveItem> {
        lock(&self.queue).pop()
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.queue).closed
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        lock(&self.queue).bytes
    }

    /// Nothing more is wanted; the feed forgets this viewer at its next packet.
    pub(super) fn leave(&self) {
        let mut queue = lock(&self.queue);
        *queue = Queue { left: true, ..Queue::default() };
    }

    fn has_left(&self) -> bool {
        lock(&self.queue).left
    }
}
