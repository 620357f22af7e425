//! The crate's error.

use core::fmt;
use watchbook_base::Kind;

/// What a function of this crate gives.
pub type Result<T> = core::result::Result<T, Error>;

/// What went wrong with a certificate or a key. The message never holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What sort of failure.
    pub kind: Kind,
    /// What was attempted, and why it did not work.
    pub message: String,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// For what somebody gave that does not do.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.kind)
    }
}

impl std::error::Error for Error {}
