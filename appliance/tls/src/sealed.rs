//! Private keys as they are kept.

use crate::error::{Error, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use watchbook_base::Kind;
use zeroize::Zeroizing;

/// Bytes of the secret that a key is kept with.
pub const SECRET_BYTES: usize = 32;

/// A private key, encrypted with a secret of its own and bound to its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey(Vec<u8>);

/// Each secret encrypts one key, once, so that the nonce may always be the same.
fn cipher(secret: &[u8; SECRET_BYTES]) -> Option<(LessSafeKey, Nonce)> {
    let key = UnboundKey::new(&AES_256_GCM, secret).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key([0; 12])))
}

impl SealedKey {
    /// Encrypts `key` with a fresh `secret` that nothing else is encrypted with.
    ///
    /// # Errors
    /// When the library refuses.
    pub(crate) fn seal(mut key: Zeroizing<Vec<u8>>, certificate: &[u8], secret: &[u8; SECRET_BYTES]) -> Result<Self> {
        let failed = || Error::new(Kind::Internal, "sealing the key of a certificate: the library refused");
        let (cipher, nonce) = cipher(secret).ok_or_else(failed)?;
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(certificate), &mut key).map_err(|_| failed())?;
        Ok(Self([&key[..], tag.as_ref()].concat()))
    }

    /// The key.
    ///
    /// # Errors
    /// `Corrupt` when it was changed, or kept with another secret or certificate.
    pub(crate) fn open(&self, certificate: &[u8], secret: &[u8; SECRET_BYTES]) -> Result<Zeroizing<Vec<u8>>> {
        let changed = || Error::new(Kind::Corrupt, "opening the key of a certificate: it was changed");
        let (cipher, nonce) = cipher(secret).ok_or_else(changed)?;
        let mut bytes = Zeroizing::new(self.0.clone());
        let length = cipher.open_in_place(nonce, Aad::from(certificate), &mut bytes).map_err(|_| changed())?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}
