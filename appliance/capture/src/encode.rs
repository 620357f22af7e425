//! Who makes H.264 of pictures that a device gives uncompressed, or as JPEG when they are to be smaller. That is no work for this process; the shape of it is here, and the
//! recorder fills it in.

use core::fmt;
use std::sync::Arc;

/// What is to be encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct RawJob {
    /// How the pixels lie: four letters of `linux/videodev2.h`.
    pub letters: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// From one line to the next.
    pub line_bytes: u32,
    /// Pictures a second, about.
    pub fps: u32,
    /// Made black before anything is encoded: corners as fractions of width and height.
    pub masks: Masks,
}

/// Polygons of corners, each a fraction of the width and of the height.
pub type Masks = Vec<Vec<(f32, f32)>>;

/// What comes of it.
#[derive(Clone, Debug)]
pub enum Coded {
    /// One access unit as a byte stream, and the time that its picture was offered with.
    Unit {
        /// Microseconds.
        at_us: i64,
        /// Annex B, with parameter sets before a key frame.
        data: Vec<u8>,
    },
    /// Nothing will come: there is no encoder, or none that takes this. A sentence.
    Refused(String),
    /// The encoder ended and is started again; what was on its way is lost.
    Restarting(String),
}

/// Which encoder works, and at what cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncoderState {
    /// Its name, as in `libx264`; `None` until it is known.
    pub name: Option<String>,
    /// Processor time in ms since the stream was opened.
    pub cpu_ms: u64,
    /// How long ago that was, in ms.
    pub open_ms: u64,
}

/// One stream under way. Dropping it ends it.
pub trait Encoder: Send {
    /// Offers one picture and never waits. False when it had to be dropped.
    fn offer(&mut self, picture: &[u8], at_us: i64) -> bool;
    /// How it does.
    fn state(&self) -> EncoderState;
}

/// Takes what an encoder makes, on a thread of the encoder's; it never waits.
pub type OnCoded = Box<dyn Fn(Coded) + Send + Sync>;

/// Starts encoders.
pub trait Encoders: Send + Sync + 'static {
    /// One for this stream.
    ///
    /// # Errors
    /// A sentence: it cannot be started.
    fn open(&self, job: RawJob, on: OnCoded) -> Result<Box<dyn Encoder>, String>;
}

/// The encoders of a station, or none. Two are equal when they are the same.
#[derive(Clone, Default)]
pub struct Encoding(Option<Arc<dyn Encoders>>);

impl Encoding {
    /// By these.
    #[must_use]
    pub fn by(encoders: Arc<dyn Encoders>) -> Self {
        Self(Some(encoders))
    }

    pub(crate) fn get(&self) -> Option<&dyn Encoders> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoding({})", if self.0.is_some() { "some" } else { "none" })
    }
}

impl PartialEq for Encoding {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        }
    }
}
