//! Where a stream comes from: a camera on the network, or one that is plugged into this machine. The same items come out of both.

use crate::config::SessionConfig;
use crate::encode::EncoderState;
use crate::failure::Failure;
use crate::rtsp::{self, Item, VideoFormat};
use crate::timeline::Arrival;
use crate::track::Unit;
use crate::watch::SILENCE;
use crate::{http_mjpeg, v4l2};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::Semaphore;
use watchbook_base::{MonoNanos, UtcNanos};
use watchbook_media::TrackFormat;

/// A device that is not there is looked for this often: that costs a look into the kernel's list and troubles nobody.
pub(crate) const LOCAL_WAIT: Duration = Duration::from_secs(1);

/// A session that plays.
pub(crate) enum Session {
    Rtsp(Box<rtsp::Session>),
    Http(Box<http_mjpeg::Session>),
    Device(v4l2::session::Session),
}

/// Sessions of one stream, so that an old one is taken down before a new one is opened.
#[derive(Clone)]
pub(crate) struct Sessions {
    rtsp: rtsp::Sessions,
    /// Who has the device.
    turn: Arc<Semaphore>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { rtsp: rtsp::Sessions::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Sessions {
    /// Waits a moment for the old sessions' end.
    pub(crate) async fn settle(&self) {
        self.rtsp.settle().await;
        // The device's thread ends by itself within a quarter of a second; a driver that hangs is not waited for.
        let _ = tokio::time::timeout(LOCAL_WAIT, self.turn.acquire()).await;
    }
}

impl Session {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// The reason and sentences for it.
    pub(crate) async fn open(config: &SessionConfig, sessions: &Sessions) -> Result<Self, Failure> {
        match config.source.url.device() {
            Some(name) => v4l2::session::Session::open(config, name, &sessions.turn).await.map(Self::Device),
            None if config.source.url.is_http() => {
                http_mjpeg::Session::open(config).await.map(|session| Self::Http(Box::new(session)))
            }
            None => rtsp::Session::open(config, &sessions.rtsp).await.map(|session| Self::Rtsp(Box::new(session))),
        }
    }

    /// Format of the pictures, when it is known before the first one.
    pub(crate) fn described_format(&self) -> Option<VideoFormat> {
        match self {
            Self::Rtsp(session) => session.described_format(),
            Self::Http(_) | Self::Device(_) => None,
        }
    }

    /// Connects and hangs up: whether anybody is there, asked of a camera that has been silent.
    ///
    /// # Errors
    /// Nobody answers within a second.
    pub(crate) async fn knock(config: &SessionConfig) -> Result<(), Failure> {
        match config.source.url.device() {
            Some(_) => Ok(()),
            None => rtsp::knock(config).await,
        }
    }

    /// Why the sound that the camera offers is not recorded, when it was asked for.
    pub(crate) fn audio_refused(&self) -> Option<&str> {
        match self {
            Self::Rtsp(session) => session.audio_refused(),
            Self::Http(_) | Self::Device(_) => None,
        }
    }

    /// Format of the sound, when there is sound.
    pub(crate) fn audio_format(&self) -> Option<&TrackFormat> {
        match self {
            Self::Rtsp(session) => session.audio_format(),
            Self::Http(_) | Self::Device(_) => None,
        }
    }

    /// The next item. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) async fn next(&mut self) -> Result<Item, Failure> {
        match self {
            Self::Rtsp(session) => session.next().await,
            Self::Http(session) => session.next().await,
            Self::Device(session) => session.next().await,
        }
    }

    /// Who encodes it, when the camera does not.
    pub(crate) fn encoder(&self) -> Option<EncoderState> {
        match self {
            Self::Rtsp(_) | Self::Http(_) => None,
            Self::Device(session) => session.encoder(),
        }
    }

    /// Packets whose loss no item has told of. To be asked once, when the session is given up.
    pub(crate) fn untold(&mut self) -> u64 {
        match self {
            Self::Rtsp(session) => session.untold(),
            Self::Http(_) | Self::Device(_) => 0,
        }
    }

    /// `failure` with what helps for this kind of camera; `lost` packets of it did not arrive.
    pub(crate) fn advise(&self, failure: Failure, lost: u64) -> Failure {
        match self {
            Self::Rtsp(session) => session.advise(failure, lost),
            Self::Http(_) => Failure {
                next_step: "Nothing, if the camera restarts. Else restart it, or check its address.".to_owned(),
                ..failure
            },
            Self::Device(_) => Failure {
                next_step: "Unplug the camera and plug it in again, or choose another format or size of it.".to_owned(),
                ..failure
            },
        }
    }

    /// When `unit` was taken, as far as that is known better than by when it came: a device's times are our own monotonic clock's.
    pub(crate) fn taken(&self, unit: &Unit, now: Arrival) -> Arrival {
        let Self::Device(_) = self else { return now };
        let taken_ns = u64::try_from(unit.rtp.saturating_mul(1_000)).unwrap_or(0);
        let late_ns = now.mono.0.saturating_sub(taken_ns);
        let late = i64::try_from(late_ns).unwrap_or(i64::MAX);
        Arrival { mono: MonoNanos(now.mono.0 - late_ns), utc: UtcNanos(now.utc.0.saturating_sub(late)) }
    }

    /// Without a picture for so long it is given up.
    pub(crate) fn silence(&self) -> Duration {
        match self {
            Self::Http(session) => session.silence(),
            Self::Rtsp(_) | Self::Device(_) => SILENCE,
        }
    }

    /// Media time runs by a clock of the camera's own, whose drift can be measured.
    pub(crate) fn has_clock(&self) -> bool {
        !matches!(self, Self::Http(_))
    }

    /// How often the camera is asked for a picture, when it gives one at a time.
    pub(crate) fn interval_ms(&self) -> Option<u32> {
        match self {
            Self::Http(session) => session.interval_ms(),
            Self::Rtsp(_) | Self::Device(_) => None,
        }
    }
}
