//! The simulated cameras: a thread that serves any number of them on one port.

use crate::error::Attempt;
use crate::rtp::Frame;
use crate::{Result, rtsp};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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
    /// What becomes of packets over UDP.
    pub loss: Loss,
    /// Whether [`Self::loss`] is in force.
    pub lossy: AtomicBool,
    /// Counters.
    pub sent: Sent,
}

/// What a bad network does to packets over UDP, drawn from a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    /// Of the draws.
    pub seed: u64,
    /// Packets of a thousand that are lost.
    pub lost_per_mille: u64,
    /// Packets of a thousand that the next one overtakes.
    pub overtaken_per_mille: u64,
}

/// A frame of which packets were lost on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which camera's.
    pub camera: u16,
    /// Its number.
    pub frame: u64,
    /// Packets.
    pub lost: u64,
}

/// How simulated cameras are made, but for their clip.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How many.
    pub count: u16,
    /// As in [`Cameras`].
    pub skip_every: u64,
    /// Where they listen.
    pub address: SocketAddr,
    /// As in [`Cameras`].
    pub loss: Loss,
}

impl Setting {
    /// `count` cameras without faults on a free port.
    #[must_use]
    pub fn of(count: u16) -> Self {
        Self { count, skip_every: 0, address: SocketAddr::from(([127, 0, 0, 1], 0)), loss: Loss::default() }
    }
}

/// What the cameras do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// What cameras do.
    Run,
    /// Nothing at all; the kernel keeps their connections open and takes new ones.
    Freeze,
    /// They end.
    Stop,
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
    /// Packets over UDP that were lost on purpose.
    pub lost_packets: AtomicU64,
    /// Each frame that at least one of those belonged to.
    pub hits: Mutex<Vec<Hit>>,
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
        &self.frames[self.place(camera, frame)]
    }

    /// Which picture of the clip that is.
    #[must_use]
    pub fn place(&self, camera: u16, frame: u64) -> usize {
        ((frame + u64::from(camera) * APART_FRAMES) % self.frames.len() as u64) as usize
    }
}

/// Running cameras; they end when this is dropped.
pub struct Simulator {
    /// What they share.
    pub cameras: Arc<Cameras>,
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts `count` cameras that show `clip` on a free port of the loopback.
    ///
    /// # Errors
    /// No thread or port can be had.
    pub fn start(clip: &crate::clip::Clip, count: u16, skip_every: u64) -> Result<Self> {
        Self::with(clip, &Setting { skip_every, ..Setting::of(count) })
    }

    /// Starts cameras that show `clip`.
    ///
    /// # Errors
    /// No thread can be had, or not this port.
    pub fn with(clip: &crate::clip::Clip, setting: &Setting) -> Result<Self> {
        let Setting { count, skip_every, address, loss } = *setting;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().attempt("starting the cameras")?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).attempt("opening a port")?;
        let address = listener.local_addr().attempt("asking for the cameras' port")?;
        let cameras = Arc::new(Cameras {
            count,
            frames: Frame::of_clip(clip),
            description: rtsp::describe(clip),
            started: Instant::now(),
            skip_every,
            loss,
            lossy: AtomicBool::new(true),
            sent: Sent::default(),
        });
        let (mood, moods) = watch::channel(Mood::Run);
        let shared = Arc::clone(&cameras);
        let thread = std::thread::Builder::new()
            .name("cameras".to_owned())
            .spawn(move || runtime.block_on(rtsp::serve(listener, shared, moods)))
            .attempt("starting the cameras' thread")?;
        Ok(Self { cameras, address, mood, thread: Some(thread) })
    }

    /// Where they listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets them do nothing, or go on.
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
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
        self.set(Mood::Stop);
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
