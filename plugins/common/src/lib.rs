//! The vision code that the first-party plugins share.
//!
//! * **Enters:** the brightness plane of each frame with its time; zones.
//! * **Leaves:** what stands out from the learnt scene, as blobs and as tracks that last while a thing is in the picture.
//! * **Promises:** the same frames give the same tracks on every machine. Memory depends on the picture's size alone: blobs and tracks have a bound.
//! * **Never:** asks for a clock, keeps a picture longer than it takes to forget it, knows who or what a thing is.
//! * **Proof:** the tests beside each module, and those of the plugins that use it.
//!
//! The plugin interface is that of `sdk/rust`, which third parties use: frames, zones, areas and marks are its types.

pub mod blobs;
pub mod ground;
pub mod picture;
pub mod template;
pub mod tracks;
pub mod zones;

pub use picture::Picture;
