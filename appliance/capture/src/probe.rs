//! One look at a camera: what the "test camera" button asks.

use crate::config::{CameraConfig, SessionConfig};
use crate::failure::Failure;
use crate::rtsp::{Item, VideoFormat};
use crate::run::reader_failed;
use crate::session::{Session, Sessions};
use crate::sink::PictureFormat;
use bytes::Bytes;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use futures::FutureExt as _;
use watchbook_base::TrackRole;
use watchbook_media::{Codec, TrackFormat};

/// Longest wait for a picture that decodes alone: cameras repeat one every 2 to 4 s as they are delivered.
const KEY_PICTURE_WAIT: Duration = Duration::from_secs(5);

/// One picture that decodes without another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillPicture {
    /// What a decoder must know first.
    pub format: TrackFormat,
    /// Its access unit, at most [`watchbook_base::limits::ACCESS_UNIT_BYTES_MAX`] bytes.
    pub data: Bytes,
}

/// What a stream showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamProbe {
    /// Format of its pictures; at least one arrived.
    pub format: PictureFormat,
    /// It also offers sound that can be stored.
    pub audio: Option<Codec>,
    /// It gives one picture for each request, and is asked every so many ms; `None` for moving pictures.
    pub interval_ms: Option<u32>,
    /// One of its pictures, where one was asked for and came in time.
    pub picture: Option<StillPicture>,
}

/// What a camera showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReport {
    /// Of the main stream.
    pub main: Result<StreamProbe, Failure>,
    /// Of the sub stream; `None` when the configuration has none.
    pub sub: Option<Result<StreamProbe, Failure>>,
}

impl ProbeReport {
    /// All that is configured works.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.main.is_ok() && self.sub.as_ref().is_none_or(Result::is_ok)
    }

    /// The first thing that does not work.
    #[must_use]
    pub fn problem(&self) -> Option<&Failure> {
        self.main.as_ref().err().or(self.sub.as_ref().and_then(|sub| sub.as_ref().err()))
    }
}

/// Opens the camera's streams, one after the other because some cameras allow one session only, and waits for a picture of each. Returns within `timeout`.
pub async fn probe(config: &CameraConfig, timeout: Duration) -> ProbeReport {
    probed(config, false, timeout).await
}

/// [`probe`] that also watches the main stream until a picture comes that can be shown, for some seconds.
pub async fn probe_with_picture(config: &CameraConfig, timeout: Duration) -> ProbeReport {
    probed(config, true, timeout).await
}

async fn probed(config: &CameraConfig, picture: bool, timeout: Duration) -> ProbeReport {
    let deadline = tokio::time::Instant::now() + timeout;
    let sessions = Sessions::default();
    let main = look(config, (TrackRole::MainVideo, picture), deadline, &sessions).await;
    let sub = match config.sub {
        Some(_) => Some(look(config, (TrackRole::SubVideo, false), deadline, &sessions).await),
        None => None,
    };
    ProbeReport { main, sub }
}

async fn look(
    config: &CameraConfig,
    (role, picture): (TrackRole, bool),
    deadline: tokio::time::Instant,
    sessions: &Sessions,
) -> Result<StreamProbe, Failure> {
    let Some(mut config) = config.session(role) else {
        return Err(Failure::unusable("The camera has no such stream.", "Enter its address."));
    };
    // To say whether there is sound; nothing of it is kept.
    config.audio = role == TrackRole::MainVideo;
    let host_port = config.source.url.host_port();
    // Readers of what a camera sends may panic, as while recording ([`crate::run`]); whoever asks is told so.
    let looking = AssertUnwindSafe(first_picture(&config, picture, sessions)).catch_unwind();
    match tokio::time::timeout_at(deadline, looking).await {
        Ok(looked) => looked.unwrap_or_else(|_| Err(reader_failed(&config))),
        Err(_) => Err(Failure::silent(&host_port, 5)),
    }
}

async fn first_picture(
    config: &SessionConfig,
    wants_picture: bool,
    sessions: &Sessions,
) -> Result<StreamProbe, Failure> {
    sessions.settle().await;
    let mut session = Session::open(config, sessions).await?;
    let mut undecodable = 0_u32;
    let mut format: Option<VideoFormat> = session.described_format();
    loop {
        match session.next().await? {
            Item::Video { unit, format: new, .. } => {
                format = new.or(format);
                let Some(format) = format.take() else { continue };
                let audio = session.audio_format().map(|track| track.codec);
                let interval_ms = session.interval_ms();
                let first = StillPicture { format: format.track, data: unit.data };
                let picture = match (wants_picture, unit.key) {
                    (false, _) => None,
                    (true, true) => Some(first),
                    (true, false) => {
                        let waited = tokio::time::timeout(KEY_PICTURE_WAIT, key_picture(&mut session, first.format));
                        waited.await.ok().flatten()
                    }
                };
                return Ok(StreamProbe { format: format.shown, audio, interval_ms, picture });
            }
            Item::NoParameters => {
                undecodable += 1;
                // Two seconds at 30 fps: a GOP, and with it the parameter sets, should have begun.
                if undecodable > 60 {
                    return Err(Failure::unusable(
                        format!("The camera at {} sends no parameter sets (SPS, PPS).", config.source.url.host_port()),
                        "Restart the camera, set its video to H.264 or H.265 anew, or update its firmware.",
                    ));
                }
            }
            _ => {}
        }
    }
}

/// The next picture that decodes alone; `None` when the camera ends before. That is no failure: a stream was there.
async fn key_picture(session: &mut Session, mut format: TrackFormat) -> Option<StillPicture> {
    loop {
        if let Item::Video { unit, format: new, .. } = session.next().await.ok()? {
            format = new.map_or(format, |new| new.track);
            if unit.key {
                return Some(StillPicture { format, data: unit.data });
            }
        }
    }
}
