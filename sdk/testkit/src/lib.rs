//! Runs plugins on a laptop as the recorder does: clips, drawn scenes, golden results, figures.
//!
//! * **Enters:** a plugin (folder or `.wbp`), settings and zones, a recording, a camera or a drawn [`Scene`]; for rules, events.
//! * **Leaves:** marks that the recorder would take, those that it would refuse with the reason, log lines, traps, what each call cost.
//! * **Promises:** frames come one by one, none is dropped; the same input gives the same result ([`Mode::Pure`]). Limits, checks and pauses are those of
//!   the recorder: the same engine, the same gate for marks, the same masks and scaler.
//! * **Never:** judges a plugin's author, needs a station or a network, runs another program than `watchbook-clip`.
//! * **Proof:** unit tests beside each file; `tests/` runs orderly and hostile plugins through it.

pub mod bench;
pub mod case;
pub mod clip;
pub mod figures;
pub mod fuzz;
pub mod golden;
pub mod page;
pub mod plugin;
pub mod profile;
pub mod rerun;
pub mod rules;
pub mod run;
pub mod scene;
pub mod wire;

pub use case::Case;
pub use clip::{Clip, ClipOptions};
pub use figures::{Figures, Spread};
pub use plugin::read_plugin;
pub use rules::Judge;
pub use run::{Mode, Outcome, Runner, Step, Watch};
pub use scene::Scene;

use std::io::Read;
use std::path::Path;
use watchbook_analysis::clip::{Head, Picture};

/// Where pictures come from.
#[derive(Debug)]
pub enum Source {
    /// A recording or a camera.
    Clip(Box<Clip>),
    /// Some pictures of a recording.
    Picked(Box<clip::Picked>),
    /// Drawn.
    Scene(Box<scene::Pictures>),
}

impl Source {
    /// Size of the pictures, and whether masks were burnt in.
    #[must_use]
    pub fn head(&self) -> Head {
        match self {
            Self::Clip(clip) => clip.head(),
            Self::Picked(picked) => picked.head(),
            Self::Scene(pictures) => pictures.head(),
        }
    }

    /// The next picture; `None` at the end.
    ///
    /// # Errors
    /// A sentence when a clip breaks off.
    pub fn next_picture(&mut self) -> Result<Option<Picture>, String> {
        match self {
            Self::Clip(clip) => clip.next_picture(),
            Self::Picked(picked) => picked.next_picture(),
            Self::Scene(pictures) => Ok(pictures.next()),
        }
    }
}

/// The text of a file of at most `bytes_max`.
///
/// # Errors
/// A sentence that names the file.
pub fn text_file(path: &Path, bytes_max: usize) -> Result<String, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    // One byte more than allowed shows that there is more.
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(bytes_max as u64 + 1).read_to_string(&mut text).map_err(fail)?;
    if text.len() > bytes_max {
        return Err(format!("{}: larger than {bytes_max} bytes", path.display()));
    }
    Ok(text)
}
