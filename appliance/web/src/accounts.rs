//! Accounts, sessions and the claim. All of it is in memory; every change is in the register before it is in force.

mod book;
mod browser;
mod claim;
mod password;
mod session;
mod throttle;
mod totp;

pub(crate) use book::carried;
pub(crate) use book::passkeys::{id_in as passkey_id, is_id as is_passkey_id};
pub(crate) use book::{ACCOUNTS_MAX, AccountBook, Client, Who, subject_of};
pub use browser::{BrowserName, SystemName};
pub use password::HashCost;
pub(crate) use password::random;
pub(crate) use session::{SESSION_MAX_S, SessionKey};
#[cfg(test)]
pub(crate) use totp::code_at;

use crate::error::Problem;
use crate::routes::dispatch::Call;

/// Why this is too weak to keep a file closed, if so.
pub(crate) fn check_passphrase(passphrase: &crate::api::Secret) -> Result<(), crate::error::Error> {
    password::Passwords::check(passphrase, "")
}

/// A session that showed its second factor counts as fresh for so long.
pub(crate) const FRESH_FACTOR_S: u64 = 300;

/// Whether the call's session has shown its second factor in the last [`FRESH_FACTOR_S`] seconds. What always needs it, the policy asks for by itself
/// (`watchbook_access::decide`); this is for what sometimes does. Whoever is refused here has an allowed entry in the log: note the refusal beside it.
///
/// # Errors
/// 403 `second_factor_needed`, which the page answers by asking for a code.
pub(crate) fn fresh_factor(call: &Call) -> Result<(), Problem> {
    match call.who()?.subject.factor_fresh {
        true => Ok(()),
        false => Err(watchbook_access::Refusal::FactorNeeded.into()),
    }
}
