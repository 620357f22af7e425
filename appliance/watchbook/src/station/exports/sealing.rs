//! The key that masters are sealed with: made when the first export needs it, kept in the register under a secret that the master key wraps.

use super::{Result, exported};
use crate::station::desk::stored;
use std::sync::{Arc, Mutex, PoisonError};
use watchbook_base::Kind;
use watchbook_export::seal::{Kept, SECRET_BYTES, SealKey};
use watchbook_store::Keys;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::error::Error;
use zeroize::Zeroizing;

const SECRET: &[u8] = b"export_seal/secret";
const KEY: &[u8] = b"export_seal/key";
const CERTIFICATE: &[u8] = b"export_seal/certificate";
/// Under which the secret is wrapped.
const NAME: &str = "export seal";

/// Where the key comes from.
pub struct Sealing {
    register: Arc<Register>,
    keys: Arc<Keys>,
    key: Mutex<Option<Arc<SealKey>>>,
}

impl Sealing {
    /// Reads nothing yet.
    pub fn new(register: Arc<Register>, keys: Arc<Keys>) -> Self {
        Self { register, keys, key: Mutex::new(None) }
    }

    /// The key; `name` is what its certificate says. Takes a second when it must be made.
    ///
    /// # Errors
    /// `Corrupt` when it was changed, and what the register says.
    pub fn key(&self, name: &str) -> Result<Arc<SealKey>> {
        let mut known = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*known {
            return Ok(Arc::clone(key));
        }
        let value = |key: &[u8]| -> Result<Option<Vec<u8>>> {
            Ok(self.register.get(Namespace::Setting, key).map_err(stored)?.map(|entry| entry.value))
        };
        let (kept, secret) = match (value(SECRET)?, value(KEY)?, value(CERTIFICATE)?) {
            (Some(wrapped), Some(key), Some(certificate)) => {
                (Kept { key, certificate }, self.keys.unwrap_secret(NAME, &wrapped).map_err(stored)?)
            }
            _ => self.make(name)?,
        };
        let key = Arc::new(SealKey::open(&kept, &secret).map_err(exported)?);
        *known = Some(Arc::clone(&key));
        Ok(key)
    }

    fn make(&self, name: &str) -> Result<(Kept, Zeroizing<[u8; SECRET_BYTES]>)> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(&mut *secret)
            .map_err(|error| Error::new(Kind::Io, format!("making the key that masters are sealed with: {error}")))?;
        let kept = SealKey::make(name, &secret).map_err(exported)?;
        let wrapped = self.keys.wrap_secret(NAME, &secret).map_err(stored)?;
        let put = |key: &[u8], value: &[u8]| Change::put(Namespace::Setting, key, value);
        let rows = [put(SECRET, &wrapped), put(KEY, &kept.key), put(CERTIFICATE, &kept.certificate)];
        self.register.apply(&rows).map_err(stored)?;
        Ok((kept, secret))
    }
}
