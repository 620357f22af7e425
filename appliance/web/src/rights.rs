//! What an account may do at this moment, for work that goes on when nobody waits for an answer any more.

use crate::accounts::subject_of;
use crate::error::Error;
use crate::ports::{Cases, Register};
use std::sync::Arc;
use watchbook_access::{CaseNow, Subject};
use watchbook_base::{Clock, Kind};

/// Accounts and cases as they are.
pub struct Rights {
    register: Arc<dyn Register>,
    cases: Arc<dyn Cases>,
    clock: Arc<dyn Clock>,
}

impl Rights {
    /// Looks there each time it is asked.
    #[must_use]
    pub fn new(register: Arc<dyn Register>, cases: Arc<dyn Cases>, clock: Arc<dyn Clock>) -> Self {
        Self { register, cases, clock }
    }

    /// The account with its roles and cameras, in the case with this number, both as they are now. It has shown no second factor. Blocking.
    ///
    /// # Errors
    /// `Denied` when the account is gone; when the register cannot be read.
    pub fn now(&self, account: u32, case: &str) -> Result<Subject, Error> {
        let subject = subject_of(&*self.register, account)?;
        let gone = || Error::new(Kind::Denied, format!("account {account}, in whose name this is done, is gone"));
        let subject = subject.ok_or_else(gone)?;
        let found = self.cases.get(case)?;
        Ok(Subject { case: found.map(|case| CaseNow { case, now: self.clock.utc() }), ..subject })
    }
}
