//! Frames in, marks out.

use crate::{Fault, Frame, Mark, Zone};

/// What an instance is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The camera, an opaque word: the same for one instance's whole life, meaningless elsewhere.
    pub camera: String,
    /// At most 32. Empty means the whole picture.
    pub zones: Vec<Zone>,
    /// A JSON object that fits the manifest's settings, with every default filled in. At most 16 KiB. `Settings` reads it.
    pub settings_json: String,
    /// What [`Analyzer::stop`] of the instance before gave, perhaps of another version of the plugin, if it could be kept. At most 1 MiB.
    pub saved: Option<Vec<u8>>,
}

/// Watches one camera. One instance lives until its settings change, it is stopped, or it traps; calls never overlap.
pub trait Analyzer: Sized + 'static {
    /// Called once, before any frame. At most 2 seconds of processor time.
    ///
    /// # Errors
    /// [`Fault::Config`] when the settings or zones make no sense: the administrator reads the sentence. Any fault ends the instance.
    fn start(setup: Setup) -> Result<Self, Fault>;

    /// Called for each frame. At most 100 milliseconds of processor time or half the frame interval, whichever is less, and at most 64 marks and 16 KiB of
    /// them; more is a trap.
    ///
    /// # Errors
    /// A fault costs this frame only.
    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault>;

    /// Called before an orderly end, at most 100 milliseconds; may not be called at all. What it returns (at most 1 MiB) may be given to the next
    /// [`Analyzer::start`] as `saved`. Nothing unless you write it.
    fn stop(self) -> Vec<u8> {
        Vec::new()
    }
}
