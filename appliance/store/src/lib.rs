//! The ring: one log a disk that all cameras share, its index, and the register of settings with the audit log.
//!
//! * **Enters:** recordings, packets and events through [`Writer`]; settings and audit entries through [`Register`]; grants.
//! * **Leaves:** spans, gaps, events and verified sample bytes through [`Reader`] and [`Footage`], for who holds a grant; reports of [`check`].
//! * **Promises:** what [`Writer::flush`] acknowledged survives a power cut (P1); the ring cannot grow (P2); every gap is a row with its reason (P5);
//!   bytes that fail their checksum are never served, and the hashes of what is recorded go into the audit log (P6); no sample byte without a grant (P7); nothing here makes a producer wait for the disk (P10).
//! * **Never:** knows tokio, a codec, a network. Only [`kv::rocks`] names RocksDB.
//! * **Proof:** `FORMAT.md` and its test, the unit tests beside each file, and `tests`: seeded power cuts at any write, sync and rename against a model, bit rot,
//!   full and failing disks, with a disk that lies as the negative control.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod alarm;
mod care;
mod catalog;
pub mod check;
mod codec;
mod committer;
pub mod config;
mod disk;
mod error;
mod footage_log;
pub mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzz_body;
mod index;
pub mod keys;
pub mod kv;
mod plan;
mod pool;
mod reader;
mod recover;
pub mod register;
mod retention;
mod ring;
mod scan;
mod seal;
mod store;
pub mod synth;
pub mod vault;
mod worker;
mod writer;

pub use alarm::{Alarm, AlarmKind};
pub use care::ScrubProgress;
pub use catalog::rows::INDEX_TABLES;
pub use check::{BadLeaf, BadRun, BadSlot, BrokenLink, ClosedRing, Report, check, rebuild_index};
pub use config::Config;
pub use disk::Opened;
pub use error::{Error, Result};
pub use format::erasure::Erased;
pub use format::{DamageKind, DamagedRun};
pub use index::IndexStatus;
pub use keys::{KeyAlarms, Keys, MasterSource, Place};
pub use pool::{DiskState, DiskStatus, added_rings};
pub use reader::{
    EventCursor, EventPage, EventQuery, Footage, ImpairedList, LOGGED_RUNS_MAX, LoggedFootage, LoggedRun,
    LoggedSegment, Reader, RetentionInfo, RingInfo, RunInLeaf, StoredEvent,
};
pub use recover::Progress;
pub use register::Register;
pub use retention::{IsHeld, OnErased, Retention};
pub use scan::Damage;
pub use store::{Deps, Disks, OpenIndex, Store};
#[cfg(feature = "rocks")]
pub use store::{open_existing_index, open_index};
pub use vault::{
    HoldId, HoldInfo, HoldPlaced, HoldReleased, HoldRequest, HoldState, Holds, MissingFootage, MissingReason,
    VaultConfig, VaultInfo,
};
pub use writer::{Committed, OnCommit, Overload, STEPS, Stats, Writer, step_of};

#[cfg(test)]
mod tests;
