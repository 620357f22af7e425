//! Error kinds. Each crate has one error type that carries a [`Kind`]; the kind alone decides the HTTP status and whether trying again helps.

use core::fmt;

/// What went wrong, seen from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The named thing does not exist (any more).
    NotFound,
    /// The caller's bytes or values are wrong; trying again without changing them is pointless.
    InvalidInput,
    /// The caller may not do this.
    Denied,
    /// It clashes with what is there: a taken name, a changed version, a second claim.
    Conflict,
    /// A named limit, quota or queue is full.
    Exhausted,
    /// Stored or received bytes do not check out.
    Corrupt,
    /// It may work later: a camera that is away, a disk that is not mounted, a child that restarts.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The operating system refused; the message carries its error.
    Io,
    /// Our own mistake.
    Internal,
}

impl Kind {
    /// The kind that fits an operating system error.
    #[must_use]
    pub fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        match error.kind() {
            E::NotFound => Self::NotFound,
            E::PermissionDenied => Self::Denied,
            E::TimedOut => Self::Timeout,
            E::StorageFull | E::QuotaExceeded | E::OutOfMemory => Self::Exhausted,
            E::ConnectionRefused
            | E::ConnectionReset
            | E::NotConnected
            | E::HostUnreachable
            | E::NetworkUnreachable => Self::Unavailable,
            E::InvalidInput => Self::InvalidInput,
            E::InvalidData | E::UnexpectedEof => Self::Corrupt,
            _ => Self::Io,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::InvalidInput => "invalid input",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Exhausted => "exhausted",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Io => "I/O error",
            Self::Internal => "internal error",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_exhausted_and_a_torn_file_corrupt() {
        assert_eq!(Kind::of_io(&std::io::Error::from_raw_os_error(libc::ENOSPC)), Kind::Exhausted);
        assert_eq!(Kind::of_io(&std::io::ErrorKind::UnexpectedEof.into()), Kind::Corrupt);
        assert_eq!(Kind::of_io(&std::io::Error::from_raw_os_error(libc::EIO)), Kind::Io);
    }
}
