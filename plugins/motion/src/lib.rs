//! The motion plugin: says when and where something moves.
//!
//! * **Enters:** the brightness plane of each frame with its time; zones; settings as JSON.
//! * **Leaves:** one motion for each time that something moved in a zone, with start, end and the areas where most was moving.
//! * **Promises:** the same frames and settings give the same motions on every machine. A higher sensitivity sees motion in every frame in which a lower one
//!   does. A light that goes on or off, noise, a thing that stands still and what sways all the time are no motion.
//! * **Never:** keeps a picture longer than it takes to forget it, asks for a clock, tells one moving thing from another.
//! * **Proof:** the tests beside each module; `tests/scenes.rs` with drawn scenes, `tests/footage.rs` with pedestrians on a square.

pub mod detector;
pub mod episode;
pub mod places;
pub mod scene;
pub mod settings;
pub mod tile;
pub mod watch;

pub use detector::{Detector, Motion};
pub use settings::Settings;
pub use watch::Watch;
pub use watchbook_plugin_common::Picture;

watchbook_plugin::analyzer!(Watch);
