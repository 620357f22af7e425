//! The benchmarks: simulated cameras, recorders fed by them, and what that costs.
//!
//! * **Enters:** the built programs, ffmpeg, and peers where they are installed.
//! * **Leaves:** a table in Markdown.
//! * **Promises:** every frame carries a number, so a lost or doubled one shows in what a recorder hands out; every recorder gets the same cameras, the same
//!   length and a fresh file system.
//! * **Never:** is a test of speed: timings are printed, not judged. Only the counting is tested.
//! * **Proof:** unit tests beside the files; `tests/smoke.rs` runs the whole harness with two cameras.
//!
//! `make load` runs everything; `watchbook-load --help` tells the rest.

pub mod camera;
pub mod capture;
pub mod clip;
pub mod disk;
pub mod error;
pub mod fill;
pub mod first_byte;
pub mod http;
pub mod measure;
pub mod meter;
pub mod plugins;
pub mod recorders;
pub mod rtp;
pub mod rtsp;
pub mod store;
pub mod table;
pub mod tags;

pub use error::{Error, Result};
