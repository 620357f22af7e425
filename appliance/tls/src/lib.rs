//! The certificate that the page is served with.
//!
//! * **Enters:** the machine's names and addresses, the time, certificates and keys as files.
//! * **Leaves:** an authority of the station's own with the certificates that it makes; a checked certificate of somebody else; the TLS configuration of a server, whose
//!   certificate can be changed while it serves.
//! * **Promises:** a key is served only with the certificate that it fits; the authority can vouch for nothing but this station and private addresses; no certificate of it is valid
//!   for more than 397 days; a clock that is wrong today leaves no certificate that is of no use tomorrow; no key leaves the crate but sealed.
//! * **Never:** reads a file, a socket, a clock or the machine's addresses itself; waits.
//! * **Proof:** the tests, where OpenSSL verifies what is made; `tests/e2e/tests/e2e/tls.rs`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod authority;
mod error;
mod facts;
#[cfg(any(test, fuzzing))]
pub mod fuzz_body;
mod given;
mod names;
mod sealed;
mod served;

pub use authority::{Authority, KeptAuthority, LEAF_DAYS, RENEW_DAYS};
pub use error::{Error, Result};
pub use facts::{Facts, fingerprint};
pub use given::{CHAIN_BYTES_MAX, Given, KEY_BYTES_MAX};
pub use names::Names;
pub use sealed::{SECRET_BYTES, SealedKey};
pub use served::{Certified, Kept, Served};

#[cfg(test)]
mod tests;
