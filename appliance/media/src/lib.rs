//! Bitstreams to access units, and access units to MP4.
//!
//! * **Enters:** bytes from cameras and from the ring, span summaries and sample tables.
//! * **Leaves:** [`Packet`]s, track formats, MP4 and fragmented MP4 as a plan whose every byte range can be produced on its own.
//! * **Promises:** no input makes it panic or allocate without bound.
//! * **Never:** does I/O, reads a clock, knows a database or a socket.
//! * **Proof:** unit and property tests beside each file, `tests/fuzz`.

#![deny(clippy::indexing_slicing, clippy::as_conversions)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::as_conversions, reason = "a test may panic"))]

pub mod error;
pub mod packet;
pub mod sample_table;
pub mod span;

pub use error::Error;
pub use packet::{Codec, Packet, RecordingEnd, RecordingStart, TrackFormat};
pub use span::{RecordingId, RunTable, Sample, SourceError, SpanSource, SpanSummary, SpanTable};
