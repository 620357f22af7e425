//! The program's error: a kind, and a sentence that says what was attempted and what to do.

use core::fmt;
use watchbook_base::Kind;

/// Result of everything that can stop the program.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command ended early.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

impl Error {
    /// An error with its sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An operating system error while doing `what`.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(Kind::of_io(error), format!("{what}: {error}"))
    }

    /// Exit code for the shell, after sysexits(3): 65 data, 69 unavailable, 70 software, 73 can't create, 74 I/O, 78 configuration.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::InvalidInput | Kind::NotFound | Kind::Conflict => 78,
            Kind::Corrupt => 65,
            Kind::Unavailable | Kind::Timeout => 69,
            Kind::Denied | Kind::Exhausted => 73,
            Kind::Io => 74,
            Kind::Internal => 70,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.kind)
    }
}

impl std::error::Error for Error {}
