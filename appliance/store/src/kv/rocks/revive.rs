//! When a database whose writes fail is opened again.

use crate::error::{Error, Result};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::Kind;
use watchbook_base::fs::{Fs as _, RealFs};

/// Pause between a failure and an attempt, and between attempts.
const PAUSE: Duration = Duration::from_secs(5);
/// Room without which no attempt is made: opening writes what the write-ahead logs hold (64 MiB at most) into tables, and a database that was closed and cannot be
/// opened is worse than one that can at least be read.
const ROOM_BYTES: u64 = 80 << 20;

/// Longest wait for flushes and compactions that are behind, and the time between two looks: on a full disk they stay so.
const STALL_MAX: Duration = Duration::from_secs(5);
const STALL_STEP: Duration = Duration::from_millis(10);

/// Tries `write` until it is no longer refused because flushes are behind, or for [`STALL_MAX`].
pub(super) fn waiting(write: impl Fn() -> Result<()>) -> Result<()> {
    let until = Instant::now() + STALL_MAX;
    loop {
        match write() {
            Err(error) if error.kind == Kind::Unavailable && Instant::now() < until => std::thread::sleep(STALL_STEP),
            written => return written,
        }
    }
}

/// Since when writes fail, and when the last attempt was.
#[derive(Debug, Default)]
pub(super) struct Revival(Mutex<Option<Instant>>);

impl Revival {
    fn failed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write went well, or met `error`. One that was refused because flushes are behind is RocksDB's own to mend.
    pub(super) fn note(&self, error: Option<&Error>) {
        let mut failed = self.failed();
        match error {
            None => *failed = None,
            Some(error) if error.kind == Kind::Unavailable => {}
            Some(_) => drop(failed.get_or_insert_with(Instant::now)),
        }
    }

    #[cfg(test)]
    pub(super) fn make_due(&self) {
        *self.failed() = Instant::now().checked_sub(PAUSE);
    }

    /// True when it is time to open the database in `dir` again, and there is room for it.
    pub(super) fn is_due(&self, dir: &Path) -> bool {
        let mut failed = self.failed();
        let due = failed.is_some_and(|at| at.elapsed() >= PAUSE);
        if due {
            *failed = Some(Instant::now());
        }
        due && RealFs.space(dir).is_ok_and(|space| space.free_bytes >= ROOM_BYTES)
    }
}
