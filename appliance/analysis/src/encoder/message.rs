//! What the recorder and `watchbook-encode` say to each other.

use crate::Point;
use serde::{Deserialize, Serialize};

/// How the pixels of a raw picture lie in memory, by the letters of `linux/videodev2.h`; or a JPEG, which is decoded first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the kernel's documentation draws each of them under these letters")]
pub enum Pixels {
    Yuyv,
    Uyvy,
    Yvyu,
    Nv12,
    Nv21,
    Nv16,
    Yu12,
    Yv12,
    Yuv422p,
    Grey,
    Rgb3,
    Bgr3,
    Jpeg,
}

impl Pixels {
    /// By the four letters; `None` for what cannot be encoded.
    #[must_use]
    pub fn of(letters: &str) -> Option<Self> {
        Some(match letters {
            "YUYV" => Self::Yuyv,
            "UYVY" => Self::Uyvy,
            "YVYU" => Self::Yvyu,
            "NV12" => Self::Nv12,
            "NV21" => Self::Nv21,
            "NV16" => Self::Nv16,
            "YU12" => Self::Yu12,
            "YV12" => Self::Yv12,
            "422P" => Self::Yuv422p,
            "GREY" => Self::Grey,
            "RGB3" => Self::Rgb3,
            "BGR3" => Self::Bgr3,
            "MJPG" | "JPEG" => Self::Jpeg,
            _ => return None,
        })
    }

    /// Bytes of a line of each plane of a picture whose first line has `line` bytes, and by how much (as a power of two) the plane has fewer lines.
    #[must_use]
    pub fn planes(self, line: usize) -> Vec<(usize, u32)> {
        match self {
            Self::Yuyv | Self::Uyvy | Self::Yvyu | Self::Grey | Self::Rgb3 | Self::Bgr3 => vec![(line, 0)],
            Self::Nv12 | Self::Nv21 => vec![(line, 0), (line, 1)],
            Self::Nv16 => vec![(line, 0), (line, 0)],
            Self::Yu12 | Self::Yv12 => vec![(line, 0), (line / 2, 1), (line / 2, 1)],
            Self::Yuv422p => vec![(line, 0), (line / 2, 0), (line / 2, 0)],
            Self::Jpeg => Vec::new(),
        }
    }

    /// Bytes of the shortest line of so many pixels.
    #[must_use]
    pub fn line_bytes(self, width: u32) -> u32 {
        match self {
            Self::Yuyv | Self::Uyvy | Self::Yvyu => width * 2,
            Self::Rgb3 | Self::Bgr3 => width * 3,
            _ => width,
        }
    }
}

/// What is to be encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// How its pixels lie.
    pub pixels: Pixels,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// From one line to the next.
    pub line_bytes: u32,
    /// Pictures a second, about: for the distance of key frames, one second.
    pub fps: u32,
    /// What is made black for good, before anything is encoded.
    pub masks: Vec<Vec<Point>>,
    /// To look at once and to keep nowhere: as little processor time as possible, and a profile that every browser plays.
    pub fast: bool,
}

/// From the recorder to the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToEncoder {
    /// First word: what will come.
    Open(Job),
    /// One raw picture, in the sealed memory file beside the message. Answered by [`FromEncoder::Taken`].
    Picture {
        /// Its time in microseconds, which comes back with it.
        at_us: i64,
    },
}

/// From the child to the recorder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromEncoder {
    /// It stands behind its wall.
    Begun {
        /// A sentence for each part of the wall that this kernel cannot do.
        missing: Vec<String>,
    },
    /// It will encode with this.
    Opened {
        /// libavcodec's name of the encoder, as in `libx264`.
        encoder: String,
    },
    /// It cannot.
    Refused {
        /// For people.
        sentence: String,
    },
    /// One access unit as a byte stream (Annex B), in the sealed memory file beside the message.
    Coded {
        /// The time of its picture.
        at_us: i64,
    },
    /// One picture has been worked off.
    Taken {
        /// Processor time of the child so far.
        cpu_ms: u64,
        /// It could not be read.
        failed: bool,
    },
}
