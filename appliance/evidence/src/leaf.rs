//! The stored form of one entry of the audit log: what is hashed into the tree.
//!
//! ```text
//! leaf := version:u8 = 1  salt:16  utc:i64 little-endian (nanoseconds since 1970)  body
//! ```
//! The salt keeps a leaf hash, which is shown to outsiders in proofs, from being guessed back to its few possible bodies. The body is canonical JSON
//! (fields in the order of their declaration, no white space), at most [`BODY_BYTES_MAX`].

use crate::merkle::{Hash, leaf_hash};
use core::fmt;
use watchbook_base::UtcNanos;

/// Random bytes of a leaf: 128 bits cannot be searched.
pub const SALT_BYTES: usize = 16;
/// Body of one entry. An entry holds ids, a time range and one sentence; 16 KiB is fifty times the largest.
pub const BODY_BYTES_MAX: usize = 16 << 10;
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + SALT_BYTES + 8;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Random, from the operating system.
    pub salt: [u8; SALT_BYTES],
    /// When it was written.
    pub utc: UtcNanos,
    /// What was written.
    pub body: Vec<u8>,
}

/// Why bytes are not a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafError {
    /// Shorter than its head.
    Short,
    /// A version that this program does not know.
    Version(u8),
    /// Body over [`BODY_BYTES_MAX`].
    Long,
}

impl fmt::Display for LeafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "a leaf has at least {HEAD_BYTES} bytes"),
            Self::Version(version) => write!(f, "leaf version {version} is unknown; this program knows {VERSION}"),
            Self::Long => write!(f, "a leaf's body has at most {BODY_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for LeafError {}

impl Leaf {
    /// The stored form.
    ///
    /// # Errors
    /// [`LeafError::Long`].
    pub fn encode(&self) -> Result<Vec<u8>, LeafError> {
        if self.body.len() > BODY_BYTES_MAX {
            return Err(LeafError::Long);
        }
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.body.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.utc.0.to_le_bytes());
        bytes.extend_from_slice(&self.body);
        Ok(bytes)
    }

    /// The leaf with this stored form.
    ///
    /// # Errors
    /// What is wrong with `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        let (version, rest) = bytes.split_first().ok_or(LeafError::Short)?;
        if *version != VERSION {
            return Err(LeafError::Version(*version));
        }
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>().ok_or(LeafError::Short)?;
        let (utc, body) = rest.split_first_chunk::<8>().ok_or(LeafError::Short)?;
        if body.len() > BODY_BYTES_MAX {
            return Err(LeafError::Long);
        }
        Ok(Self { salt: *salt, utc: UtcNanos(i64::from_le_bytes(*utc)), body: body.to_vec() })
    }

    /// Its hash in the tree.
    ///
    /// # Errors
    /// As [`Leaf::encode`].
    pub fn hash(&self) -> Result<Hash, LeafError> {
        Ok(leaf_hash(&self.encode()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_as_drawn_and_nonsense_is_refused() {
        let leaf = Leaf { salt: [7; 16], utc: UtcNanos(-2), body: b"{}".to_vec() };
        let bytes = leaf.encode().unwrap();
        let mut want = vec![1];
        want.extend([7; 16]);
        want.extend([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        want.extend(b"{}");
        assert_eq!(bytes, want);
        assert_eq!(Leaf::decode(&bytes).unwrap(), leaf);
        assert_eq!(Leaf::decode(&want[..24]), Err(LeafError::Short));
        assert_eq!(Leaf::decode(&[2]), Err(LeafError::Version(2)));
        let long = Leaf { body: vec![0; BODY_BYTES_MAX + 1], ..leaf };
        assert_eq!(long.encode(), Err(LeafError::Long));
    }

    #[test]
    fn the_same_body_under_another_salt_hashes_otherwise() {
        let one = Leaf { salt: [0; 16], utc: UtcNanos(5), body: b"same".to_vec() };
        let two = Leaf { salt: [1; 16], ..one.clone() };
        assert_ne!(one.hash().unwrap(), two.hash().unwrap());
    }
}
