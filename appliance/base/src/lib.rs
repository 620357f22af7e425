//! Words and units that every other crate speaks.
//!
//! * **Enters:** nothing but the operating system's clock, files and random bytes, each behind a trait.
//! * **Leaves:** typed ids, times with their unit in the type, error kinds, events, gaps, named limits.
//! * **Promises:** every effect has a seeded, simulated twin ([`clock::SimClock`]), so a test can replay a day in a millisecond.
//! * **On Wasm:** words and units alone; what touches the system is not there.
//! * **Never:** knows tokio, a database, a codec or a network protocol.
//! * **Proof:** the unit tests beside each file.

#[cfg(not(target_family = "wasm"))]
pub mod clock;
pub mod error;
pub mod event;
#[cfg(not(target_family = "wasm"))]
pub mod fs;
pub mod gap;
pub mod here;
pub mod ids;
pub mod importance;
pub mod lead;
pub mod limits;
#[cfg(not(target_family = "wasm"))]
pub mod link;
#[cfg(not(target_family = "wasm"))]
pub mod memfd;
pub mod time;

#[cfg(not(target_family = "wasm"))]
pub use clock::{Clock, SyncState};
pub use error::Kind;
pub use event::{Area, Detection, Event, EventSource};
pub use gap::{Gap, GapReason};
pub use ids::{CameraId, StreamId, TrackRole};
pub use importance::Importance;
pub use lead::Lead;
pub use time::{MonoNanos, Ticks90k, TimeRange, UtcNanos};
