//! One run of a plugin over given frames, in a throw-away child with deterministic settings: `watchbook-plugins --rerun`. Nothing is dropped, nothing is
//! started again: a trap is the end of the run.

use crate::message::{Limits, Mark, World, Zone};
use crate::rules::camera_word;
use crate::{Error, Package};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use watchbook_analysis::message::{decode, encode};
use watchbook_analysis::once::{Once, Stopper};
use watchbook_base::{CameraId, Kind, memfd};

/// What the child is called with.
pub const RERUN_ARGUMENT: &str = "--rerun";
/// Private memory of the child: the compiler, as [`crate::CompileLimits::USUAL`], and the largest plugin.
pub const MEMORY_BYTES_MAX: u64 = 3 << 29;
/// Processor time of one run: an hour of frames of the cheapest plugin, or ten minutes of one that takes half of its time.
pub const CPU_S_MAX: u64 = 600;
/// Under deterministic settings a call may take so many times its time: what is exact is slower.
pub const CALL_FACTOR: u32 = 5;
/// How long compiling and starting may take on a box that is busy with recording.
const BEGIN_MAX: Duration = Duration::from_secs(600);
/// How long one frame may take there.
const FRAME_MAX: Duration = Duration::from_secs(120);

/// From the recorder to the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToRerun {
    /// First: compile the component in the sealed memory file beside the message, and start one instance. Answered by [`FromRerun::Started`].
    Begin {
        /// Id and version that it must give itself.
        id: String,
        /// See `id`.
        version: String,
        /// Of the instance.
        limits: Limits,
        /// The only interfaces that the component may import.
        capabilities: Vec<String>,
        /// The camera's word.
        camera: String,
        /// Parts of the picture.
        zones: Vec<Zone>,
        /// Complete settings.
        settings_json: String,
    },
    /// One frame, in the sealed memory file beside the message. Answered by [`FromRerun::Marks`].
    Frame {
        /// UTC of presentation in nanoseconds.
        utc_ns: u64,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Whether there are privacy masks.
        masked: bool,
        /// Frames dropped before it.
        skipped: u32,
    },
}

/// From the child to the recorder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromRerun {
    /// It takes frames.
    Started,
    /// What the frame gave.
    Marks(Vec<Mark>),
    /// The run is over: it was refused, trapped, or gave up.
    Failed {
        /// What happened.
        sentence: String,
    },
}

/// One picture that the plugin is called with, and what it is told about it.
#[derive(Debug)]
pub struct RunFrame {
    /// See [`ToRerun::Frame`].
    pub utc_ns: u64,
    /// See [`ToRerun::Frame`].
    pub size: (u32, u32),
    /// See [`ToRerun::Frame`].
    pub masked: bool,
    /// See [`ToRerun::Frame`].
    pub skipped: u32,
    /// Its plane, sealed.
    pub pixels: OwnedFd,
}

/// How an instance is started.
#[derive(Clone, Copy, Debug)]
pub struct RunSetup<'a> {
    /// Whose footage.
    pub camera: CameraId,
    /// As they were.
    pub zones: &'a [Zone],
    /// Complete, as they were.
    pub settings_json: &'a str,
}

/// A plugin at work on stored frames. Dropping it ends the child.
#[derive(Debug)]
pub struct Rerun {
    child: Once,
}

impl Rerun {
    /// Starts `program` (`watchbook-plugins`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn spawn(program: &Path) -> Result<Self, Error> {
        Ok(Self { child: Once::spawn(program, &[RERUN_ARGUMENT])? })
    }

    /// What ends it from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.child.stopper()
    }

    /// Compiles the plugin there and starts it.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] with the plugin's or the engine's sentence; [`Kind::Unavailable`] and [`Kind::Timeout`] when the child is gone or silent.
    pub fn begin(&mut self, package: &Package, setup: RunSetup<'_>) -> Result<(), Error> {
        let manifest = &package.manifest;
        if manifest.kind() != Ok(World::AnalyticsPlugin) {
            return Err(Error::new(Kind::InvalidInput, "rules are asked about events, they give none"));
        }
        if !manifest.models.is_empty() {
            let sentence = "the plugin asks neural networks, and a run has none: such events cannot be derived again";
            return Err(Error::new(Kind::InvalidInput, sentence));
        }
        let component = memfd::seal("component", &package.component)
            .map_err(|error| Error::new(Kind::of_io(&error), format!("keeping {}: {error}", manifest.id)))?;
        let message = ToRerun::Begin {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            limits: Limits {
                memory_bytes: u64::from(manifest.budget.memory_mib) << 20,
                call_ms: manifest.call_ms().saturating_mul(CALL_FACTOR),
                store_bytes: manifest.budget.store_kib << 10,
            },
            capabilities: manifest.capabilities.all().map(str::to_owned).collect(),
            camera: camera_word(setup.camera),
            zones: setup.zones.to_vec(),
            settings_json: setup.settings_json.to_owned(),
        };
        self.child.send(&encode(&message)?, Some(component.as_fd()))?;
        match self.hear(BEGIN_MAX)? {
            FromRerun::Started => Ok(()),
            FromRerun::Marks(_) | FromRerun::Failed { .. } => Err(strange()),
        }
    }

    /// Gives it one frame and waits for its marks, which are unchecked: [`crate::Gate`] checks them.
    ///
    /// # Errors
    /// As [`Rerun::begin`].
    pub fn frame(&mut self, frame: RunFrame) -> Result<Vec<Mark>, Error> {
        let RunFrame { utc_ns, size: (width, height), masked, skipped, pixels } = frame;
        let message = ToRerun::Frame { utc_ns, width, height, masked, skipped };
        self.child.send(&encode(&message)?, Some(pixels.as_fd()))?;
        match self.hear(FRAME_MAX)? {
            FromRerun::Marks(marks) => Ok(marks),
            FromRerun::Started | FromRerun::Failed { .. } => Err(strange()),
        }
    }

    fn hear(&mut self, patience: Duration) -> Result<FromRerun, Error> {
        let (payload, _) = self.child.recv(patience)?;
        match decode(payload)? {
            FromRerun::Failed { sentence } => Err(Error::new(Kind::InvalidInput, sentence)),
            said => Ok(said),
        }
    }
}

fn strange() -> Error {
    Error::new(Kind::Corrupt, "the plugin's child gave an answer that is none")
}
