//! What a vault needs of keys: one a hold, gone for good when it is destroyed.

use crate::codec::wide;
use crate::error::{Error, Result};
use crate::format::{Run, Seal};
use crate::keys::{CIPHER, Keys};

/// Keys of holds, and the way to open what a ring has sealed.
pub(crate) trait HoldKeys: Send + Sync {
    /// A new key, durable once this returns; gives its number.
    ///
    /// # Errors
    /// `Unavailable` or `Io` when no copy can be written.
    fn make(&self) -> Result<u32>;

    /// Destroys a key in every copy that is there, durably once this returns. One that is gone already is no error.
    ///
    /// # Errors
    /// `Io` when no copy could be written.
    fn destroy(&self, key_id: u32) -> Result<()>;

    /// Seals the plain `payload` of `run` with a hold's key, in place, and states seal, length and checksum of the stored bytes in `run`.
    ///
    /// # Errors
    /// `NotFound` when the key is gone.
    fn seal(&self, key_id: u32, run: &mut Run, payload: &mut Vec<u8>) -> Result<()>;

    /// Opens the stored `payload` of `run`, in place; leaves one that is not sealed as it is.
    ///
    /// # Errors
    /// `NotFound` when its key is gone, `Corrupt` when the bytes are not what was sealed.
    fn open(&self, run: &Run, payload: &mut Vec<u8>) -> Result<()>;
}

impl HoldKeys for Keys {
    fn make(&self) -> Result<u32> {
        self.make_for_hold()
    }

    fn destroy(&self, key_id: u32) -> Result<()> {
        Keys::destroy(self, &[key_id])
    }

    fn seal(&self, key_id: u32, run: &mut Run, payload: &mut Vec<u8>) -> Result<()> {
        let key = self.key(key_id)?;
        let nonce = crate::keys::random()?;
        key.seal(run, nonce, payload)?;
        run.seal = Some(Seal { cipher: CIPHER, key_id, nonce });
        run.payload_len = wide(payload.len());
        run.crc = crc32c::crc32c(payload);
        Ok(())
    }

    fn open(&self, run: &Run, payload: &mut Vec<u8>) -> Result<()> {
        if run.seal.is_none() {
            return Ok(());
        }
        let stored = std::mem::take(payload);
        *payload = self
            .open_run(run, stored)?
            .ok_or_else(|| Error::corrupt(format!("a run of {} is not what was sealed", run.stream)))?;
        Ok(())
    }
}
