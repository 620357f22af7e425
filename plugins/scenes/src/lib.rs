//! Drawn scenes and real footage for the tests of the first-party plugins.
//!
//! * **Enters:** what a scene holds; the name of a clip; a manifest.
//! * **Leaves:** frames of 640 x 360 grey pixels; settings as the host would give them.
//! * **Promises:** the same scene gives the same frames on every machine. A clip that is not there is said aloud.
//! * **Never:** is part of a plugin.
//! * **Proof:** the tests of the plugins, which know what each scene holds.

mod dice;
mod footage;
mod scene;
mod setup;

pub use dice::Dice;
pub use footage::{Clip, SQUARE, decode, frozen, outside};
pub use scene::{Block, HEIGHT, START_NS, Scene, WIDTH};
pub use setup::{check_settings, frame, settings, setup, zone};
