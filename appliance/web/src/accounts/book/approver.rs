//! Keys with which approvers elsewhere sign what they decide: enrolled and removed by admins.

use super::{AccountBook, put_account};
use crate::error::{Error, Problem};
use watchbook_access::{Role, Subject};
use watchbook_base::Kind;

/// What is the same in all spellings of one key: a name may be given to it anew.
fn material(key: &str) -> &str {
    key.splitn(3, '+').nth(2).unwrap_or(key)
}

impl AccountBook {
    /// Has this key, which is one, sign for the account.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for an account that is no approver, or a key that signs for another one.
    pub(crate) async fn enrol_key(&self, id: u32, key: String) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        let mut account = self.account(id)?;
        if !account.roles.has(Role::Approver) {
            let message = format!("account {id} does not have the role approver, so it can release nothing");
            return Err(Error::new(Kind::Conflict, message).next("Give it the role first.").into());
        }
        let taken = self.approver_keys().into_iter().find(|(of, known)| *of != id && material(known) == material(&key));
        if let Some((other, _)) = taken {
            let message = format!("this key signs for account {other} already");
            return Err(Error::new(Kind::Conflict, message).next("Each approver has a key of their own.").into());
        }
        account.approver_key = Some(key);
        self.write(vec![put_account(&account)?]).await?;
        self.state().accounts.insert(id, account);
        Ok(())
    }

    /// Has no key sign for the account any more.
    ///
    /// # Errors
    /// `NotFound`, also when it has none.
    pub(crate) async fn remove_key(&self, id: u32) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        let mut account = self.account(id)?;
        if account.approver_key.take().is_none() {
            return Err(Error::not_found(format!("no key signs for account {id}")).into());
        }
        self.write(vec![put_account(&account)?]).await?;
        self.state().accounts.insert(id, account);
        Ok(())
    }

    /// Every key with the account that it signs for.
    pub(crate) fn approver_keys(&self) -> Vec<(u32, String)> {
        let state = self.state();
        state.accounts.values().filter_map(|account| Some((account.id, account.approver_key.clone()?))).collect()
    }

    /// The account that has signed a file a moment ago, as far as the gate is concerned: its key, which is not on this station, is the second factor.
    pub(crate) fn by_signed_file(&self, id: u32) -> Option<Subject> {
        self.state().accounts.get(&id).map(|account| account.subject(true))
    }
}
