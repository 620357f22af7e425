//! The seal of a master, as the ONVIF Export File Format has it: RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 20 bytes over the file with zeros in the place of the signature.

use crate::Result;
use watchbook_evidence::Hash;
use watchbook_media::oeff::SealRoom;

/// Seals masters.
pub trait Sealer: Send + Sync {
    /// What the seal takes in a file.
    fn room(&self) -> SealRoom;

    /// Signature of a file with this SHA-256.
    ///
    /// # Errors
    /// When it cannot be signed.
    fn sign(&self, digest: &Hash) -> Result<Vec<u8>>;
}
