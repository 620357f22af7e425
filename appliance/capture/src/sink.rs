//! Where packets and states go.

use crate::encode::EncoderState;
use watchbook_base::{CameraId, GapReason, TrackRole, UtcNanos};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

/// Takes what cameras deliver. Called from the tasks of the cameras: every method returns at once and never blocks; a full queue behind it is the
/// implementation's to count and report.
///
/// For each stream the calls come in this order, from one task: `end* (begin packet+ end+)*`. An `end` without a `begin` before it opens a gap, or gives the gap
/// that is open another reason from its `utc` on.
pub trait Sink: Send + Sync + 'static {
    /// A recording begins. Its first packet follows and is a key frame.
    fn begin(&self, start: &RecordingStart);
    /// The next access unit or audio frame of the recording that is open.
    fn packet(&self, packet: Packet);
    /// The recording ended, or the attempt to start one failed.
    fn end(&self, end: &RecordingEnd);
    /// What the page shows about a stream. Called on every change, and every few seconds while live.
    fn state(&self, camera: CameraId, role: TrackRole, state: StreamState);
}

/// The stage a stream is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// On the way: no picture yet, no failure yet.
    Connecting,
    /// Pictures arrive.
    Live,
    /// It failed; it is tried again by itself.
    Lost,
    /// Nobody wants it.
    Disabled,
}

/// Format of the pictures that arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFormat {
    /// RFC 6381, as in `avc1.64001F`.
    pub codec_string: String,
    /// Cropped width in pixels.
    pub width: u32,
    /// Cropped height in pixels.
    pub height: u32,
}

/// A stretch without pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastGap {
    /// When it was noticed that pictures had stopped; the gap row in the store begins at the last of them.
    pub start: UtcNanos,
    /// When they were back.
    pub end: UtcNanos,
    /// The reason that was found last.
    pub reason: GapReason,
}

/// What is known about a stream now.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamState {
    /// The stage.
    pub status: Status,
    /// Since when.
    pub since: UtcNanos,
    /// Why there is no picture, or the last recording ended; `None` when all is well.
    pub reason: Option<GapReason>,
    /// The same as a sentence for people.
    pub detail: Option<String>,
    /// What a person can do about it.
    pub next_step: Option<String>,
    /// Format of the current, else of the last recording.
    pub format: Option<PictureFormat>,
    /// Pictures a second over the last few seconds; 0 while none arrive.
    pub fps: f32,
    /// Bits a second over the last few seconds; 0 while none arrive.
    pub bitrate_bps: u64,
    /// RTP packets lost on the way since the camera was configured.
    pub lost_packets: u64,
    /// Access units that arrived damaged or over the size limit and were dropped, since the camera was configured.
    pub damaged_access_units: u64,
    /// Sessions opened since the camera was configured.
    pub sessions: u64,
    /// The camera's wall clock minus ours in ms, from its last RTCP sender report, network delay included; `None` when it sends none.
    pub clock_offset_ms: Option<i64>,
    /// Pictures of the last whole GOP; `None` before the second key frame.
    pub gop_pictures: Option<u32>,
    /// From its key frame to the next, in ms.
    pub key_interval_ms: Option<u32>,
    /// Age of the newest key frame in ms.
    pub key_age_ms: Option<u32>,
    /// The newest gap that has ended, since the camera was configured.
    pub last_gap: Option<LastGap>,
    /// How much faster the camera's media clock runs than ours, in parts per million; `None` until a few minutes were measured.
    pub drift_ppm: Option<f32>,
    /// Who encodes it; `None` for what is stored as the camera gives it.
    pub encoder: Option<EncoderState>,
}

impl StreamState {
    /// The state before the first attempt.
    #[must_use]
    pub fn new(status: Status, since: UtcNanos) -> Self {
        Self {
            status,
            since,
            reason: None,
            detail: None,
            next_step: None,
            format: None,
            fps: 0.0,
            bitrate_bps: 0,
            lost_packets: 0,
            damaged_access_units: 0,
            sessions: 0,
            clock_offset_ms: None,
            gop_pictures: None,
            key_interval_ms: None,
            key_age_ms: None,
            last_gap: None,
            drift_ppm: None,
            encoder: None,
        }
    }
}
