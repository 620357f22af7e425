//! Where the web keeps what is its own: accounts, sessions, cases, settings.

use crate::error::Error;

/// A part of the register that the web owns. The number is the first byte of the stored key, so it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// One row: whether the box is claimed, and the last number that was given to an account.
    Station = 1,
    /// One row an account.
    Account = 2,
    /// One row a session, keyed by the SHA-256 of its token.
    Session = 3,
    /// One row a case, keyed by its number.
    Case = 4,
    /// One row a request of somebody who may be in the footage, keyed by its number, big-endian.
    Request = 5,
    /// One row for each token of a mirror of the log, keyed by its number.
    Mirror = 6,
    /// One row: what was set on the page for the station as a whole.
    Setting = 7,
}

/// One change of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a row.
    Put {
        /// Where.
        space: Space,
        /// Its key, at most 64 bytes.
        key: Vec<u8>,
        /// Its value, at most 64 KiB.
        value: Vec<u8>,
    },
    /// Removes a row; not an error when there is none.
    Remove {
        /// Where.
        space: Space,
        /// Its key.
        key: Vec<u8>,
    },
}

/// A key and its value.
pub type RegisterRow = (Vec<u8>, Vec<u8>);

/// Settings that survive a power cut.
pub trait Register: Send + Sync {
    /// Every row of `space`, in order of the keys.
    ///
    /// # Errors
    /// When it cannot be read.
    fn list(&self, space: Space) -> Result<Vec<RegisterRow>, Error>;

    /// Makes all changes or none; durable when it returns.
    ///
    /// # Errors
    /// When they could not be made durable; then none is in force.
    fn write(&self, changes: &[Change]) -> Result<(), Error>;
}
