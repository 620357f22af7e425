//! The traffic plugin: says when something stops on a road or goes the wrong way.
//!
//! * **Enters:** the brightness plane of each frame with its time; zones, each of which is a piece of road with one direction; settings as JSON.
//! * **Leaves:** `stopped-vehicle` once for each thing that came moving and stands for long enough; `wrong-way` once for each that goes against its zone.
//! * **Promises:** the same frames and settings give the same marks on every machine. What stood there from the start has not stopped.
//! * **Never:** knows who or what it sees, keeps a picture longer than it takes to forget it, asks for a clock.
//! * **Proof:** the tests beside each module; `tests/scenes.rs` with drawn scenes, `tests/footage.rs` with real roads.

pub mod settings;
pub mod stops;
pub mod watch;
pub mod ways;

pub use watch::Watch;

watchbook_plugin::analyzer!(Watch);
