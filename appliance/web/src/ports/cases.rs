//! Cases: in which somebody may play recorded footage.

use crate::error::Error;
use watchbook_access::Case;

/// Changes a case, or says why not. It computes and waits for nothing.
pub type CaseChange<'a> = Box<dyn FnOnce(&mut Case) -> Result<(), Error> + 'a>;

/// The station's cases. Changes are durable and in force when a method returns.
pub trait Cases: Send + Sync {
    /// All that are kept, the last opened first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn list(&self) -> Result<Vec<Case>, Error>;

    /// The one with this number, as it is now. It waits for no disk: it is asked before each chunk of a file that is sent.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, number: &str) -> Result<Option<Case>, Error>;

    /// Keeps a new one.
    ///
    /// # Errors
    /// `Conflict` when there is one with this number, or with one that differs in capital letters alone; `Exhausted` when there are too many.
    fn open(&self, case: Case) -> Result<Case, Error>;

    /// Changes one: no other change of it comes between what `change` is given and what it leaves.
    ///
    /// # Errors
    /// `NotFound`, or what `change` says; then nothing has changed.
    fn update(&self, number: &str, change: CaseChange<'_>) -> Result<Case, Error>;
}
