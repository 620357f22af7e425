//! The configuration as a whole: read for a backup, and replaced by one.

use crate::backup::BackupRow;
use crate::error::Error;

/// What becomes of what is there when a backup is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreOnto {
    /// The station is nobody's yet: its configuration becomes that of the backup.
    Fresh,
    /// The station runs: what the backup has is put back, and what came since stays.
    Running,
}

/// The configuration as a whole.
pub trait Backups: Send + Sync {
    /// Every row that belongs in a backup, as the register has it.
    ///
    /// # Errors
    /// When the register cannot be read.
    fn rows(&self) -> Result<Vec<BackupRow>, Error>;

    /// Whether the program can start with these rows.
    ///
    /// # Errors
    /// For one that it could not start with.
    fn startable(&self, rows: &[BackupRow]) -> Result<(), Error>;

    /// Keeps what the next start puts in force, all of it or none. Durable when it returns; nothing has changed before that start.
    ///
    /// # Errors
    /// For a row that the program could not start with; when the register cannot be written.
    fn stage(&self, rows: Vec<BackupRow>, onto: RestoreOnto) -> Result<(), Error>;

    /// Has the program end what it does and start again.
    fn restart(&self);
}
