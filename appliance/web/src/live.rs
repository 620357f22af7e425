//! Live pictures: the current GOP of every stream in memory, and the viewers that follow it.
//!
//! Capture calls [`LiveHub::begin`], [`LiveHub::packet`], [`LiveHub::end`] and [`LiveHub::state`]; none of them waits for a viewer. A viewer
//! that cannot keep up loses pictures up to the next key frame; what it loses is counted and said.

mod feed;
pub(crate) mod socket;

use crate::api::StreamState;
use crate::crowd::Bounds;
use crate::error::Error;
use crate::transcode::Refused;
use feed::{Feed, Viewer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::Grant;
use watchbook_base::{GapReason, Kind, StreamId, Ticks90k};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

/// Coded bytes of one stream's current GOP that are kept. 4 Mbit/s with a key frame every 10 s is 5 MB; 8 MiB also holds 12 Mbit/s with one
/// every 5 s. A longer GOP is not kept: late viewers then wait for the next key frame.
pub const GOP_BYTES_MAX: usize = 8 << 20;
/// Samples of it: 60 pictures a second for 30 s.
pub const GOP_SAMPLES_MAX: usize = 1800;
/// All streams' GOPs together: 64 cameras at 4 Mbit/s with a key frame every 4 s are 128 MB, their sub streams 16 MB.
pub const GOP_BYTES_TOTAL_MAX: usize = 256 << 20;
/// Bytes that wait for one viewer: the GOP it starts with and as much again.
pub const VIEWER_BYTES_MAX: usize = 2 * GOP_BYTES_MAX;
/// Open viewers: 32 people with a wall of 8 cameras.
///
/// Packets are not copied into the queues, and what waits for the viewers of a stream is always the newest part of the same stream: at most
/// [`VIEWER_BYTES_MAX`] a stream, however many viewers it has. Besides, each viewer has one message at a time that is built and sent, of
/// [`MESSAGE_SAMPLE_BYTES`] or one larger picture, which the WebSocket copies once: 256 × 2 × 1 MiB are 512 MiB if every one of them is stuck in
/// the middle of a full message, for at most 10 s each.
pub const VIEWERS_MAX: usize = 256;
/// Of them for one session: a wall of 64 tiles, and half as many that are being opened again while the server has not yet noticed their end.
pub const VIEWERS_PER_SESSION_MAX: usize = 96;
/// Of them for one account: half of all, so that no account with its sessions keeps the others from looking.
pub const VIEWERS_PER_ACCOUNT_MAX: usize = VIEWERS_MAX / 2;
/// Of them for one address: a room of people behind one address translator, or all who come through a proxy; the rest stays for everybody else.
pub const VIEWERS_PER_ADDRESS_MAX: usize = VIEWERS_MAX / 4 * 3;
/// These bounds.
pub(crate) const VIEWERS: Bounds = Bounds {
    session: VIEWERS_PER_SESSION_MAX,
    account: VIEWERS_PER_ACCOUNT_MAX,
    address: VIEWERS_PER_ADDRESS_MAX,
    what: "live pictures open",
};
/// Sample bytes of one message; a GOP of 8 MiB goes in a few. No longer than a second at 8 Mbit/s on a slow network.
pub const MESSAGE_SAMPLE_BYTES: usize = 1 << 20;
/// Samples of one message, far below what a fragment may hold.
pub const MESSAGE_SAMPLES: usize = 256;

/// The streams that are live and who watches them. One for the whole station.
#[derive(Debug, Default)]
pub struct LiveHub {
    feeds: Mutex<BTreeMap<StreamId, Arc<Mutex<Feed>>>>,
    shared: Arc<Totals>,
}

/// Counters of all feeds together.
#[derive(Debug, Default)]
struct Totals {
    gop_bytes: AtomicUsize,
    viewers: AtomicUsize,
    skipped: AtomicU64,
}

/// What a viewer gets next.
#[derive(Clone, Debug)]
pub enum LiveItem {
    /// The stream's state has changed.
    State(Arc<StreamState>),
    /// A recording has begun: another decoder configuration, another media time 0.
    Format(Arc<RecordingStart>),
    /// Packets in decode order, for one message: at most [`MESSAGE_SAMPLES`] with at most [`MESSAGE_SAMPLE_BYTES`], or one larger packet. The
    /// first after a format or a skip is a key frame.
    Packets {
        /// At least one.
        packets: Vec<Packet>,
        /// Decode time of the packet after the last, when it waits already.
        next_dts: Option<Ticks90k>,
    },
    /// So many pictures were skipped because this viewer was too slow; what follows starts with a key frame.
    Skipped(u64),
    /// The recording ended.
    Ended(GapReason),
    /// As [`LiveItem::Format`], of pictures that are transcoded from those of the recording.
    Transcoded(Arc<RecordingStart>),
    /// Transcoding does not begin, or does not go on.
    Refused(Refused),
}

impl LiveHub {
    /// An empty hub.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A recording begins. Sound is not sent live and is ignored.
    pub fn begin(&self, start: &RecordingStart) {
        if start.stream.role.is_video() {
            lock(&self.feed(start.stream)).begin(start, &self.shared);
        }
    }

    /// A packet of the recording that began last. Costs no copy of the data and waits for nobody.
    pub fn packet(&self, packet: Packet) {
        if packet.stream.role.is_video() {
            lock(&self.feed(packet.stream)).packet(packet, &self.shared);
        }
    }

    /// The recording ended.
    pub fn end(&self, end: &RecordingEnd) {
        if end.stream.role.is_video() {
            lock(&self.feed(end.stream)).end(end.reason, &self.shared);
        }
    }

    /// The stream's state changed.
    pub fn state(&self, stream: StreamId, state: StreamState) {
        if stream.role.is_video() {
            lock(&self.feed(stream)).set_state(Arc::new(state));
        }
    }

    /// The camera is no more: its viewers are told and let go.
    pub fn remove(&self, camera: watchbook_base::CameraId) {
        let mut feeds = lock(&self.feeds);
        for role in watchbook_base::TrackRole::ALL {
            if let Some(feed) = feeds.remove(&camera.stream(role)) {
                lock(&feed).close(&self.shared);
            }
        }
    }

    /// Follows `stream`: its state, its format and its current GOP wait already, so the first picture needs no key frame to come.
    ///
    /// # Errors
    /// `Denied` when `grant` is not for this camera's live pictures; `Exhausted` at [`VIEWERS_MAX`].
    pub fn subscribe(&self, grant: &Grant, stream: StreamId) -> Result<Subscription, Error> {
        if !grant.covers_live(stream.camera) || !stream.role.is_video() {
            return Err(Error::new(Kind::Denied, format!("the grant does not cover live pictures of {stream}")));
        }
        let before = self.shared.viewers.fetch_add(1, Ordering::AcqRel);
        if before >= VIEWERS_MAX {
            self.shared.viewers.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::new(Kind::Exhausted, format!("{VIEWERS_MAX} live pictures are open already"))
                .next("Close some live views, then try again."));
        }
        let viewer = lock(&self.feed(stream)).join();
        Ok(Subscription { viewer, shared: Arc::clone(&self.shared) })
    }

    /// Viewers now, and pictures that slow viewers were not sent since the start.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.viewers.load(Ordering::Acquire) as u64, self.shared.skipped.load(Ordering::Relaxed))
    }

    /// Bytes of all cached GOPs; at most [`GOP_BYTES_TOTAL_MAX`].
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.shared.gop_bytes.load(Ordering::Acquire)
    }

    /// Feeds exist for streams that capture or a permitted viewer has named, both bounded by the number of cameras.
    fn feed(&self, stream: StreamId) -> Arc<Mutex<Feed>> {
        Arc::clone(lock(&self.feeds).entry(stream).or_default())
    }
}

/// One viewer's end. Dropping it leaves.
#[derive(Debug)]
pub struct Subscription {
    viewer: Arc<Viewer>,
    shared: Arc<Totals>,
}

impl Subscription {
    /// What comes next; waits for it. `None` when the camera was removed.
    pub async fn next(&mut self) -> Option<LiveItem> {
        loop {
            // Registered before the look, so that what arrives in between is not missed.
            let woken = self.viewer.wake.notified();
            if let Some(item) = self.viewer.pop() {
                return Some(item);
            }
            if self.viewer.is_closed() {
                return None;
            }
            woken.await;
        }
    }

    /// Bytes that wait for this viewer; at most [`VIEWER_BYTES_MAX`] and one access unit.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.viewer.waiting_bytes()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.viewer.leave();
        self.shared.viewers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Locks; a holder that panicked left nothing half done that matters more than going on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
