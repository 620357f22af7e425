//! Held footage: copies in a directory of their own, sealed under a key for each hold, which neither the ring's turn nor the maximum age takes away.
//!
//! A hold never pins a segment of a ring and never makes a commit wait: footage is copied on a thread of its own, oldest first, and what the ring
//! overwrote before it was copied is listed as missing.

mod alarms;
mod cells;
mod check;
mod copies;
mod copy;
mod dir;
mod handle;
mod hold;
mod holds;
mod keys;
mod leaf;
mod leaves;
mod load;
mod log;
mod look;
mod plan;
mod proved;
mod queue;
mod record;
mod release;
mod rot;
mod scrub;
mod segment;
mod source;
mod state;

pub use check::{BadHeldRun, BadSegment, ClosedVault, VaultReport};
pub use handle::{VaultConfig, known_vault};
pub use hold::{
    HOLD_AHEAD_NANOS_MAX, HOLD_RANGE_NANOS_MAX, HOLD_TEXT_BYTES_MAX, HoldId, HoldInfo, HoldPlaced, HoldReleased,
    HoldRequest, HoldState, MISSING_LISTED_MAX, MissingFootage, MissingReason, VaultInfo,
};
pub use holds::Holds;
pub use leaf::{HeldLeaf, LeafOf};
pub use record::{Copied, VaultRecord};

#[cfg(test)]
pub(crate) use dir::{SlotFile, VaultDir};
pub(crate) use handle::SourceList;
#[cfg(test)]
pub(crate) use handle::{Step, Vault, Worker};
#[cfg(test)]
pub(crate) use keys::HoldKeys;
pub(crate) use leaf::{WholeLeaf, whole_leaves};
pub(crate) use plan::merge_spans;
pub(crate) use source::{Source, Sources};
pub(crate) use state::VAULT_ORDINAL;
#[cfg(test)]
pub(crate) use state::VaultDeps;
