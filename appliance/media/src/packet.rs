//! The value that travels from a camera to the ring: one access unit with its times.

use bytes::Bytes;
use watchbook_base::{GapReason, MonoNanos, StreamId, SyncState, Ticks90k, UtcNanos};

/// How the samples of a recording are coded. A recording has exactly one format; another format starts another recording.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackFormat {
    /// Which codec, and what it needs beside its configuration.
    pub codec: Codec,
    /// `avcC` (ISO/IEC 14496-15 §5.3.3.1), `hvcC` (§8.3.3.1) or `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1), without a box header; empty for Motion JPEG and G.711.
    /// At most [`watchbook_base::limits::CODEC_CONFIG_BYTES_MAX`].
    pub config: Bytes,
}

/// The codecs that are stored. Samples are passed through: nothing that is stored is transcoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 access units, each NAL unit behind a 4-byte big-endian length.
    H264 {
        /// Cropped picture width in pixels.
        width: u32,
        /// Cropped picture height in pixels.
        height: u32,
    },
    /// H.265 access units, each NAL unit behind a 4-byte big-endian length.
    H265 {
        /// Cropped picture width in pixels.
        width: u32,
        /// Cropped picture height in pixels.
        height: u32,
    },
    /// Motion JPEG: every sample is one JPEG picture (ITU-T T.81), from start to end of image, and a key sample.
    Mjpeg {
        /// Picture width in pixels.
        width: u32,
        /// Picture height in pixels.
        height: u32,
    },
    /// Raw AAC access units (no ADTS header).
    Aac {
        /// Samples a second.
        sample_rate_hz: u32,
        /// Channels.
        channels: u16,
    },
    /// G.711 µ-law, one byte a sample.
    Pcmu {
        /// Samples a second, 8000 in practice (RFC 3551 §4.5.14).
        sample_rate_hz: u32,
        /// Channels.
        channels: u16,
    },
    /// G.711 A-law, one byte a sample.
    Pcma {
        /// Samples a second, 8000 in practice.
        sample_rate_hz: u32,
        /// Channels.
        channels: u16,
    },
}

impl Codec {
    /// True for pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        matches!(self, Self::H264 { .. } | Self::H265 { .. } | Self::Mjpeg { .. })
    }

    /// True when every picture is a key sample, so that one may be left out without the next ones missing it.
    #[must_use]
    pub fn is_intra(self) -> bool {
        matches!(self, Self::Mjpeg { .. })
    }

    /// Cropped width and height in pixels; `None` for sound.
    #[must_use]
    pub fn dimensions(self) -> Option<(u32, u32)> {
        match self {
            Self::H264 { width, height } | Self::H265 { width, height } | Self::Mjpeg { width, height } => {
                Some((width, height))
            }
            _ => None,
        }
    }
}

/// A recording begins: an unbroken sequence of samples in one format on one clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingStart {
    /// Of which stream.
    pub stream: StreamId,
    /// Format of every sample of it.
    pub format: TrackFormat,
    /// UTC of media time 0.
    pub utc: UtcNanos,
    /// Monotonic time of media time 0.
    pub mono: MonoNanos,
    /// Whether UTC could be trusted then.
    pub sync: SyncState,
}

/// A recording ends. What follows, until the next [`RecordingStart`] of the stream, is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingEnd {
    /// Of which stream.
    pub stream: StreamId,
    /// UTC of the end of the last sample, or of the failed attempt when there was none.
    pub utc: UtcNanos,
    /// Why.
    pub reason: GapReason,
}

/// One access unit (video) or audio frame on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Of which stream.
    pub stream: StreamId,
    /// Decode time since the recording's start. Strictly increasing within a recording, first one ≥ 0.
    pub dts: Ticks90k,
    /// Presentation time − decode time, in 1/90,000 s. 0 unless the camera sends B-frames; may be negative.
    pub cts_offset: i32,
    /// UTC of presentation.
    pub utc: UtcNanos,
    /// When its last byte arrived.
    pub mono: MonoNanos,
    /// Decoding can start here (IDR, CRA or BLA picture; every audio frame).
    pub key: bool,
    /// How many pieces of the stream are missing between the sample before and this one: RTP packets that were lost, and access units that came damaged or could not
    /// be taken in time and were dropped (a whole picture of a camera that does not use RTP). 0: nothing is missing. Saturates. The first packet of a recording has what
    /// was lost since the recording before, when it follows that one without a gap; what lies in a gap is not counted here.
    pub lost_before: u16,
    /// The coded bytes as [`Codec`] says. 1 to [`watchbook_base::limits::ACCESS_UNIT_BYTES_MAX`].
    pub data: Bytes,
}
