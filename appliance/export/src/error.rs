//! The one error type of this crate.

use core::fmt;
use watchbook_base::Kind;

/// Why an export could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    /// What was attempted, on what, and where it went wrong.
    pub message: String,
}

/// What came of an attempt.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(Kind::of_io(error), format!("{what}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Error {}

impl From<watchbook_media::Error> for Error {
    fn from(error: watchbook_media::Error) -> Self {
        Self { kind: error.kind, message: error.message }
    }
}
