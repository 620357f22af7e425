//! Hashes and the Merkle log: what an outsider checks without trusting the box.
//!
//! * **Enters:** bytes of log entries, tiles, proofs, roots, signed notes, keys that the caller keeps.
//! * **Leaves:** leaf hashes, tree roots, inclusion and consistency proofs, tiles to write, signed checkpoints, verdicts.
//! * **Promises:** changing, removing or reordering any entry changes the root; a proof that verifies binds the entry or the older root to it; any bytes at all are
//!   read or refused within named bounds.
//! * **On Wasm:** the same code, with SHA-256 and Ed25519 in Rust alone (`primitives`).
//! * **Never:** does I/O, reads a clock, stores a key.
//! * **Proof:** the test vectors of Certificate Transparency, RFC 8032, the C2SP specifications and Go's `sumdb` beside the code; property tests; fuzz bodies in
//!   `tests/it`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod bundle;
pub mod checkpoint;
pub mod keeper;
pub mod key;
pub mod leaf;
pub mod merkle;
pub mod mirror;
pub mod note;
pub mod player;
mod primitives;
pub mod proof;
pub mod record;
pub mod release;
pub mod report;
pub mod rotation;
pub mod run;
pub mod text;
pub mod tile;
pub mod tlog_proof;
pub mod witness;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use keeper::Keeper;
pub use key::{Algorithm, SigningKey, VerifierKey};
pub use leaf::{Leaf, LeafError};
pub use merkle::{Frontier, Hash, Root};

/// SHA-256 (FIPS 180-4) of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    sha256_of(&[bytes])
}

/// SHA-256 of `parts`, one behind the other.
#[must_use]
pub fn sha256_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::default();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finish()
}

/// SHA-256 of what comes piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(primitives::Sha256);

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> Hash {
        self.0.finish()
    }
}

/// Lower-case hexadecimal of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_gives_the_published_digests() {
        // FIPS 180-2 appendix B.1 and the empty message.
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex(&sha256_of(&[b"", b""])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(sha256_of(&[b"a", b"bc"]), sha256(b"abc"));
    }
}
