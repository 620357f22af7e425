//! SHA-256 and Ed25519: all that differs between the programs for computers and the verifier in a browser. Both answer alike; the tests below hold them against each other.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(any(target_family = "wasm", test))]
mod portable;

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{KeyPair, Sha256, verifies};
#[cfg(target_family = "wasm")]
pub(crate) use portable::{KeyPair, Sha256, verifies};

#[cfg(test)]
mod tests;
