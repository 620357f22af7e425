//! What a test in a machine has to say when something is wrong with that machine or the one around it.

use core::fmt;

/// A sentence that says what was found or attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Puts what was attempted before an error.
pub trait Attempt<T> {
    /// `what` is a phrase such as "opening the ring".
    ///
    /// # Errors
    /// The same failure, with `what` before it.
    fn attempt(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Attempt<T> for std::result::Result<T, E> {
    fn attempt(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error(format!("{what}: {error}")))
    }
}

impl<T> Attempt<T> for Option<T> {
    fn attempt(self, what: impl fmt::Display) -> Result<T> {
        self.ok_or_else(|| Error(format!("{what}: there is none")))
    }
}

/// Fails with `why` unless `good`.
///
/// # Errors
/// When it is not.
pub fn ensure(good: bool, why: impl FnOnce() -> String) -> Result<()> {
    if good { Ok(()) } else { Err(Error(why())) }
}
