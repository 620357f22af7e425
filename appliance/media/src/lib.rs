//! Bitstreams to access units, and access units to MP4.
//!
//! * **Enters:** bytes from cameras and from the ring, span summaries and sample tables.
//! * **Leaves:** [`Packet`]s, track formats, fragmented MP4 as a plan whose every byte range can be produced on its own.
//! * **Promises:** no input makes it panic or allocate without bound.
//! * **Never:** does I/O, reads a clock, knows a database or a socket.
//! * **Proof:** unit and property tests beside each file; `appliance/media/tests/it`: any part of a file equals that part of the whole, and ffmpeg decodes
//!   the same pictures at the same times; `tests/fuzz`.

#![deny(clippy::indexing_slicing, clippy::as_conversions)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::as_conversions, reason = "a test may panic"))]

mod bits;
mod boxes;
pub mod byte_file;
pub mod error;
pub mod fmp4_file;
pub mod fragment;
pub mod h264;
pub mod h265;
pub mod h26x;
pub mod impaired;
mod lost;
pub mod mjpeg;
pub mod oeff;
pub mod packet;
mod parameter_sets;
pub mod sample_entry;
pub mod sample_table;
pub mod selection;
pub mod span;
pub mod units;

pub use byte_file::{ByteFile, chunks};
pub use error::Error;
pub use fmp4_file::FragmentedFile;
pub use impaired::{Impaired, impaired};
pub use packet::{Codec, Packet, RecordingEnd, RecordingStart, TrackFormat};
pub use span::{RecordingId, RunTable, Sample, SourceError, SpanSource, SpanSummary, SpanTable};
pub use units::{Unit, Units};
