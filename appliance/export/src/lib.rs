//! From stored footage to an evidence bundle.
//!
//! * **Enters:** runs of samples as the audit log has them, gaps, who asked for what.
//! * **Leaves:** a folder with a redacted copy, or with one master file a camera, `manifest.json`, certificates, and after its release `proofs.json` and `checkpoint`; the folder as one ZIP.
//! * **Promises:** no sample of a master is changed, left out or put elsewhere within a run; what was asked for and is not there is told with its reason; memory is bounded whatever is
//!   asked for; a bundle is there whole or not at all.
//! * **Never:** knows the ring, the register, a socket or a codec; decides who may have what; does I/O but in [`staging`] and [`sink`].
//! * **Proof:** the tests beside each file, and `tests/e2e`: real footage through both verifiers.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod bundle;
pub mod certificate;
pub mod delivery;
pub mod error;
pub mod holes;
pub mod job;
pub mod master;
#[cfg(test)]
mod mounts;
pub mod plan;
pub mod redact;
pub mod seal;
pub mod sink;
pub mod staging;
pub mod zip;

pub use error::{Error, Result};
