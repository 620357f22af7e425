//! The crossing plugin: counts what crosses a line, with its direction.
//!
//! * **Enters:** the brightness plane of each frame with its time; zones, each of which is a gate; settings as JSON.
//! * **Leaves:** one mark for each thing that crossed a gate's line, `crossing-in` or `crossing-out`.
//! * **Promises:** the same frames and settings give the same marks on every machine. A thing that turns back before the line is none.
//! * **Never:** knows who or what crosses, keeps a picture longer than it takes to forget it, asks for a clock.
//! * **Proof:** the tests beside each module; `tests/scenes.rs` with drawn scenes, `tests/footage.rs` with counts made by hand.

pub mod counter;
pub mod gate;
pub mod settings;

pub use counter::Counter;

watchbook_plugin::analyzer!(Counter);
