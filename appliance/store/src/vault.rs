//! Held footage: copies in a directory of their own, sealed under a key for each hold, which neither the ring's turn nor the maximum age takes away.
//!
//! A hold never pins a segment of a ring and never makes a commit wait: footage is copied on a thread of its own, oldest first, and what the ring
//! overwrote before it was copied is listed as missing.

mod hold;

pub use hold::{
    HOLD_AHEAD_NANOS_MAX, HOLD_RANGE_NANOS_MAX, HOLD_TEXT_BYTES_MAX, HoldId, HoldInfo, HoldPlaced, HoldReleased,
    HoldRequest, HoldState, MISSING_LISTED_MAX, MissingFootage, MissingReason, VaultInfo,
};
