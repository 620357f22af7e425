//! Other secrets of the station that lie in the register, wrapped with the master key as footage's keys are: nonce (12) ‖ secret (32) ‖ tag (16).

use super::aead::Wrapper;
use super::master::KEY_BYTES;
use super::slot::{NONCE_BYTES, TAG_BYTES};
use super::{Keys, Result};
use crate::error::Error;
use zeroize::Zeroizing;

/// Goes before the name that a secret is bound to, so that none can be taken for a key of footage.
const DOMAIN: &[u8] = b"watchbook secret v1\n";
const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

impl Wrapper {
    fn wrap_secret(&self, name: &str, secret: &[u8; KEY_BYTES]) -> Result<Vec<u8>> {
        let mut bytes = Zeroizing::new(*secret);
        let nonce = super::random()?;
        let tag = self.seal(nonce, &[DOMAIN, name.as_bytes()].concat(), &mut *bytes)?;
        Ok([&nonce[..], &*bytes, &tag].concat())
    }

    fn unwrap_secret(&self, name: &str, wrapped: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let (nonce, rest) = wrapped.split_first_chunk::<NONCE_BYTES>()?;
        let (secret, tag) = rest.split_first_chunk::<KEY_BYTES>()?;
        let mut plain = Zeroizing::new([0; KEY_BYTES]);
        self.open(*nonce, &[DOMAIN, name.as_bytes()].concat(), (secret, tag.try_into().ok()?), &mut plain)?;
        Some(plain)
    }
}

impl Keys {
    /// `plain` encrypted with the master key and bound to `name`: nonce (12) ‖ as many bytes ‖ tag (16).
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn seal_row(&self, name: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let nonce = super::random()?;
        let mut bytes = plain.to_vec();
        let tag = self.wrapper.seal(nonce, name, &mut bytes)?;
        Ok([&nonce[..], &bytes, &tag].concat())
    }

    /// What [`Keys::seal_row`] sealed under this name; `None` when it was changed, or another master key or name sealed it.
    pub(crate) fn open_row(&self, name: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.wrapper.open_any(*nonce, name, rest)
    }

    /// `secret` wrapped with the master key and bound to `name`, for the register.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn wrap_secret(&self, name: &str, secret: &[u8; KEY_BYTES]) -> Result<Vec<u8>> {
        self.wrapper.wrap_secret(name, secret)
    }

    /// The secret that [`Keys::wrap_secret`] wrapped under this name.
    ///
    /// # Errors
    /// `Corrupt` when it was changed, or another master key or name wrapped it.
    pub fn unwrap_secret(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
        self.wrapper.unwrap_secret(name, wrapped).ok_or_else(|| {
            Error::corrupt(format!(
                "opening the secret {name} of {} bytes ({WRAPPED_BYTES} are one): it was changed, or wrapped with another master key; put that back",
                wrapped.len()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MasterKey;

    #[test]
    fn a_secret_opens_under_its_own_name_and_master_key_alone() {
        let wrapper = Wrapper::new(&MasterKey::of_bytes([1; KEY_BYTES]));
        let wrapped = wrapper.wrap_secret("log key", &[7; KEY_BYTES]).unwrap();
        assert_eq!(wrapped.len(), WRAPPED_BYTES);
        assert_eq!(wrapper.unwrap_secret("log key", &wrapped).as_deref(), Some(&[7; KEY_BYTES]));
        assert!(wrapper.unwrap_secret("log kez", &wrapped).is_none());
        assert!(Wrapper::new(&MasterKey::of_bytes([2; KEY_BYTES])).unwrap_secret("log key", &wrapped).is_none());
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(wrapper.unwrap_secret("log key", &changed).is_none(), "byte {at}");
            assert!(wrapper.unwrap_secret("log key", &wrapped[..at]).is_none(), "{at} bytes");
        }
        assert_ne!(wrapper.wrap_secret("log key", &[7; KEY_BYTES]).unwrap(), wrapped, "another nonce each time");
    }
}
