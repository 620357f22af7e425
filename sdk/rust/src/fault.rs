//! Why a call could not do its work.

use std::fmt;

/// Why a call could not do its work, in words that an administrator can act on. At most 1,024 bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The settings are wrong. The instance is not started again until they are changed.
    Config(String),
    /// The host or the camera lacks something that the plugin needs. Treated as [`Fault::Config`].
    Unsupported(String),
    /// Anything else. From `start` the host tries again later; from `on_frame` the frame is lost and the instance goes on.
    Internal(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(sentence) => write!(f, "settings: {sentence}"),
            Self::Unsupported(sentence) => write!(f, "unsupported: {sentence}"),
            Self::Internal(sentence) => write!(f, "internal: {sentence}"),
        }
    }
}

impl std::error::Error for Fault {}
