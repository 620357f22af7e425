//! The error of this crate.

use core::fmt;
use watchbook_base::Kind;
use watchbook_media::SourceError;

/// What failed, on which segment, offset or stream, and what to do next.
#[derive(Debug)]
pub struct Error {
    /// Decides the HTTP status and whether trying again helps.
    pub kind: Kind,
    /// A sentence for people.
    pub message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result of this crate.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Stored bytes do not check out.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }

    /// The caller's values are wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    /// The operating system refused while doing `what`.
    pub fn io(what: impl fmt::Display, error: std::io::Error) -> Self {
        Self { kind: Kind::of_io(&error), message: format!("{what}: {error}"), source: Some(Box::new(error)) }
    }

    /// The same error with `what` was attempted in front.
    #[must_use]
    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for SourceError {
    fn from(error: Error) -> Self {
        Self { kind: error.kind, message: error.message }
    }
}
