//! The one error type of this crate.

use crate::span::SourceError;
use core::fmt;
use watchbook_base::Kind;

/// Why bytes could not be read as what they claim to be, or why a file cannot be made from what the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    /// What was attempted, on what, and where it went wrong.
    pub message: String,
}

impl Error {
    /// Stored or received bytes that do not check out.
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self { kind: Kind::Corrupt, message: message.into() }
    }

    /// A value from the caller that cannot be used.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: Kind::InvalidInput, message: message.into() }
    }

    /// A named limit that would be passed.
    pub(crate) fn exhausted(message: impl Into<String>) -> Self {
        Self { kind: Kind::Exhausted, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Error {}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        Self { kind: error.kind, message: error.message }
    }
}
