//! Secrets of the web that lie in the register: nobody reads one out of a copy of it.

use crate::error::Error;
use zeroize::Zeroizing;

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// Wraps secrets with the station's master key.
pub trait Secrets: Send + Sync {
    /// `secret`, wrapped and bound to `name`, for the register.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    fn wrap(&self, name: &str, secret: &[u8; SECRET_BYTES]) -> Result<Vec<u8>, Error>;

    /// The secret that was wrapped under this name.
    ///
    /// # Errors
    /// `Corrupt` when it was changed, or wrapped under another name or with another master key.
    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; SECRET_BYTES]>, Error>;
}
