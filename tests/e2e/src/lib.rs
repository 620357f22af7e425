//! What the end-to-end tests share: a recorder, camera servers and a client, each a real process or a real connection.
//!
//! * **Enters:** the built programs (beside the test's own executable, or in `WATCHBOOK_BIN_DIR`), the camera servers of `tests/e2e/servers`.
//! * **Leaves:** assertions.
//! * **Promises:** every wait has a condition and a deadline, every child dies with the test that started it.
//! * **Never:** reaches into the recorder: it is driven by its command line, its HTTP API, and its files.
//! * **Proof:** `tests/e2e/tests`.

pub mod case;
pub mod client;
pub mod media;
pub mod process;
pub mod raw;
pub mod recorder;
pub mod release;
pub mod wait;

pub use client::Client;
pub use process::{CameraServer, Process};
pub use raw::Raw;
pub use recorder::{Camera, Recorder};
pub use wait::wait_for;
