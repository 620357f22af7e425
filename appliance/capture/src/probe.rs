//! One look at a camera: what the "test camera" button asks.

use crate::config::{CameraConfig, SessionConfig};
use crate::failure::Failure;
use crate::rtsp::{Item, VideoFormat};
use crate::session::{Session, Sessions};
use crate::sink::PictureFormat;
use core::time::Duration;
use watchbook_base::TrackRole;
use watchbook_media::Codec;

/// What a stream showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamProbe {
    /// Format of its pictures; at least one arrived.
    pub format: PictureFormat,
    /// It also offers sound that can be stored.
    pub audio: Option<Codec>,
    /// It gives one picture for each request, and is asked every so many ms; `None` for moving pictures.
    pub interval_ms: Option<u32>,
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
    let deadline = tokio::time::Instant::now() + timeout;
    let sessions = Sessions::default();
    let main = look(config, TrackRole::MainVideo, deadline, &sessions).await;
    let sub = match config.sub {
        Some(_) => Some(look(config, TrackRole::SubVideo, deadline, &sessions).await),
        None => None,
    };
    ProbeReport { main, sub }
}

async fn look(
    config: &CameraConfig,
    role: TrackRole,
    deadline: tokio::time::Instant,
    sessions: &Sessions,
) -> Result<StreamProbe, Failure> {
    let Some(mut config) = config.session(role) else {
        return Err(Failure::unusable("The camera has no such stream.", "Enter its address."));
    };
    // To say whether there is sound; nothing of it is kept.
    config.audio = role == TrackRole::MainVideo;
    let host_port = config.source.url.host_port();
    let looked = tokio::time::timeout_at(deadline, first_picture(&config, sessions)).await;
    looked.unwrap_or_else(|_| Err(Failure::silent(&host_port, 5)))
}

async fn first_picture(config: &SessionConfig, sessions: &Sessions) -> Result<StreamProbe, Failure> {
    sessions.settle().await;
    let mut session = Session::open(config, sessions).await?;
    let mut undecodable = 0_u32;
    let mut format: Option<VideoFormat> = session.described_format();
    loop {
        match session.next().await? {
            Item::Video { format: new, .. } => {
                format = new.or(format);
                if let Some(format) = format {
                    return Ok(StreamProbe {
                        format: format.shown,
                        audio: session.audio_format().map(|track| track.codec),
                        interval_ms: session.interval_ms(),
                    });
                }
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
