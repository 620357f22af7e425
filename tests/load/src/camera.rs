//! The simulated cameras: a thread that serves any number of them on one port.

use crate::error::Attempt;
use crate::rtp::Frame;
use crate::{Result, rtsp};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Time of one frame.
pub const FRAME_NANOS: u64 = 1_000_000_000 / crate::clip::FRAMES_PER_SEC as u64;
/// How many frames of the clip two neighbouring cameras are apart, so that their key frames do not come together. No divisor of any clip's length.
const APART_FRAMES: u64 = 7;
/// A receiver that is this far behind loses frames as it would with a real camera, whose own memory is full by then.
pub const BEHIND_MAX: Duration = Duration::from_secs(5);

/// What all sessions share.
pub struct Cameras {
    /// How many.
    pub count: u16,
    /// The clip's packets.
    pub frames: Vec<Frame>,
    /// For the session description, in Base64 and hexadecimal.
    pub description: Description,
    /// When frame 0 was due.
    pub started: Instant,
    /// Leave out every frame whose number is divisible by this; 0 sends all. Shows that the counting counts.
    pub skip_every: u64,
    /// Counters.
    pub sent: Sent,
}

/// What the session description says of the stream.
pub struct Description {
    /// profile_idc, constraint flags and level_idc of the parameter set, as hexadecimal.
    pub profile: String,
    /// Parameter sets in Base64.
    pub sets: String,
}

/// What has been sent so far, by all cameras together.
#[derive(Debug, Default)]
pub struct Sent {
    /// Sessions that play now.
    pub playing: AtomicU64,
    /// Sessions that have begun to play.
    pub sessions: AtomicU64,
    /// Frames.
    pub frames: AtomicU64,
    /// Bytes of access units as a recorder stores them: NAL units with 4-byte lengths.
    pub stored_bytes: AtomicU64,
    /// Frames that were not sent because the receiver was [`BEHIND_MAX`] behind.
    pub refused: AtomicU64,
}

impl Cameras {
    /// When camera `camera` sends its frame `frame`: cameras are spread over one frame time.
    #[must_use]
    pub fn due(&self, camera: u16, frame: u64) -> Instant {
        let phase = FRAME_NANOS * u64::from(camera) / u64::from(self.count.max(1));
        self.started + Duration::from_nanos(phase + frame * FRAME_NANOS)
    }

    /// The first frame that camera `camera` has not sent by `now`.
    #[must_use]
    pub fn next_frame(&self, camera: u16, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.due(camera, 0));
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) / FRAME_NANOS + 1
    }

    /// The packets of frame `frame` of camera `camera`.
    #[must_use]
    pub fn frame(&self, camera: u16, frame: u64) -> &Frame {
        let at = (frame + u64::from(camera) * APART_FRAMES) % self.frames.len() as u64;
        &self.frames[at as usize]
    }
}

/// Running cameras; they end when this is dropped.
pub struct Simulator {
    /// What they share.
    pub cameras: Arc<Cameras>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts `count` cameras that show `clip` on a free port of the loopback.
    ///
    /// # Errors
    /// No thread or port can be had.
    pub fn start(clip: &crate::clip::Clip, count: u16, skip_every: u64) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().attempt("starting the cameras")?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).attempt("opening a port")?;
        let address = listener.local_addr().attempt("asking for the cameras' port")?;
        let cameras = Arc::new(Cameras {
            count,
            frames: Frame::of_clip(clip),
            description: rtsp::describe(clip),
            started: Instant::now(),
            skip_every,
            sent: Sent::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::clone(&cameras);
        let thread = std::thread::Builder::new()
            .name("cameras".to_owned())
            .spawn(move || runtime.block_on(rtsp::serve(listener, shared, stopped)))
            .attempt("starting the cameras' thread")?;
        Ok(Self { cameras, address, stop, thread: Some(thread) })
    }

    /// Where camera `camera` is.
    #[must_use]
    pub fn url(&self, camera: u16) -> String {
        format!("rtsp://{}/cam/{camera}", self.address)
    }

    /// Addresses of all cameras.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        (0..self.cameras.count).map(|camera| self.url(camera)).collect()
    }

    /// Counters now.
    #[must_use]
    pub fn sent(&self) -> SentNow {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sent = &self.cameras.sent;
        SentNow {
            playing: read(&sent.playing),
            sessions: read(&sent.sessions),
            frames: read(&sent.frames),
            stored_bytes: read(&sent.stored_bytes),
            refused: read(&sent.refused),
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the cameras' thread had failed");
        }
    }
}

/// [`Sent`] at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentNow {
    /// Sessions that play.
    pub playing: u64,
    /// Sessions that have begun to play.
    pub sessions: u64,
    /// Frames.
    pub frames: u64,
    /// Bytes of access units as they are stored.
    pub stored_bytes: u64,
    /// Frames that a slow receiver did not get.
    pub refused: u64,
}
