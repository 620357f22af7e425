//! Pictures in another format, to look at.

use crate::error::Error;
use watchbook_base::UtcNanos;
use watchbook_media::TrackFormat;

/// One access unit on its way to a transcoder.
#[derive(Clone, Copy, Debug)]
pub struct CodedUnit<'a> {
    /// A name that no other picture of this work has, which grows with the presentation: nanoseconds from some moment.
    pub at: UtcNanos,
    /// Decoding can start here.
    pub key: bool,
    /// As its format says.
    pub data: &'a [u8],
    /// Its picture is wanted; otherwise it is decoded for others.
    pub shown: bool,
}

/// One transcoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcoded {
    /// As the unit had it.
    pub at: UtcNanos,
    /// H.264 as a byte stream (Annex B), shown at once.
    pub data: Vec<u8>,
}

/// Takes the next picture. Its error gives the work up.
pub type OnTranscoded<'a> = dyn FnMut(Transcoded) -> Result<(), Error> + 'a;

/// The programs that work for one viewer. They end when it is dropped. Blocking.
pub trait Transcoder: Send {
    /// Another format; the next unit is a key frame. `fps`: pictures a second, about.
    ///
    /// # Errors
    /// `InvalidInput` for what is no video; `Unavailable` when the program is gone.
    fn open(&mut self, format: &TrackFormat, fps: u32) -> Result<(), Error>;

    /// Takes one unit, and gives `on` what is ready. One that cannot be decoded is passed over and counted.
    ///
    /// # Errors
    /// `Unavailable` when a program is gone or cannot encode, `Timeout` when one hangs, what `on` says.
    fn feed(&mut self, unit: CodedUnit<'_>, on: &mut OnTranscoded<'_>) -> Result<(), Error>;

    /// Waits for what can come without another unit.
    ///
    /// # Errors
    /// As [`Transcoder::feed`].
    fn settle(&mut self, on: &mut OnTranscoded<'_>) -> Result<(), Error>;

    /// The footage ends: everything comes.
    ///
    /// # Errors
    /// As [`Transcoder::feed`].
    fn drain(&mut self, on: &mut OnTranscoded<'_>) -> Result<(), Error>;

    /// Units that could not be decoded, and what was said of the last one.
    fn refused(&self) -> (u64, Option<String>);
}

/// What starts transcoders.
pub trait Transcoders: Send + Sync {
    /// Starts one. Blocking.
    ///
    /// # Errors
    /// The operating system's, when its program cannot be started.
    fn start(&self) -> Result<Box<dyn Transcoder>, Error>;

    /// The disks are late with what is recorded, or footage is being dropped: nothing else may take processor time.
    fn recording_is_late(&self) -> bool;
}
