//! The error of this crate.

use core::fmt;
use watchbook_base::Kind;

/// What failed: a plugin folder that cannot be used, a binding that does not fit, a child that cannot be started.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

impl Error {
    /// An error with a sentence that says what was attempted and what to do.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<watchbook_analysis::Error> for Error {
    fn from(error: watchbook_analysis::Error) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
