//! Access units to decoded, masked, scaled pictures at a bounded rate.
//!
//! * **Enters:** packets of the streams that a plugin watches, each stream with a [`Plan`]: privacy masks and the outputs that are wanted.
//! * **Leaves:** [`Frame`]s in sealed memory, at the size, format and rate of the plan; counts of what was dropped. Of stored footage, the coded pictures of a redacted copy ([`redact`]).
//! * **Promises:** [`Decoder::offer`] never waits. A backlog is dropped up to the next key frame and counted. The child that decodes may crash or be
//!   killed at any time: it is started again and no caller notices more than missing frames.
//! * **Never:** lets a pixel under a mask, or one that a redacted copy fills, leave the child; runs a C decoder in this process; touches a file or the network.
//! * **Proof:** unit and property tests beside each file; `tests/decode.rs` drives the real child with real H.264 and H.265.
//!
//! The decoder proper is the program `watchbook-decode` (`src/bin`). `watchbook-clip` is for plugin authors: it opens a file or an address and writes what a
//! plugin would see of it, as [`clip`] describes. No other program holds libavcodec.

mod answers;
pub mod child;
pub mod choice;
pub mod clip;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod mask;
pub mod message;
pub mod once;
pub mod plan;
pub mod rate;
pub mod redact;
pub mod replay;
pub mod sight;

pub use child::{Child, Handler};
pub use decoder::{Decoder, Emitted, Frame, SlotStatus};
pub use error::Error;
pub use mask::Point;
pub use plan::{Output, PixelFormat, Plan, analysed_role};
pub use rate::Rate;
