//! The tamper plugin: says when a camera is covered, moved or out of focus.
//!
//! * **Enters:** the brightness plane of each frame with its time; zones, the parts of the picture that stand still; settings as JSON.
//! * **Leaves:** `camera-covered`, `camera-moved` or `camera-defocused`, once each time.
//! * **Promises:** the same frames and settings give the same marks on every machine. Night, lamps and the switch to infra-red are none of the three.
//! * **Never:** keeps a picture longer than it takes to forget it, asks for a clock.
//! * **Proof:** the tests beside each module; `tests/scenes.rs` with drawn scenes, `tests/footage.rs` with a real square.

pub mod judge;
pub mod settings;
pub mod view;
pub mod watch;

pub use watch::Watch;

watchbook_plugin::analyzer!(Watch);
