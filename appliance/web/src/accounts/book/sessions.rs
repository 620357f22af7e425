//! Where accounts are signed in, and how such a session is ended by somebody.

use super::{AccountBook, State, Who, put_session};
use crate::accounts::browser::{BrowserName, SystemName, told_by};
use crate::accounts::session::{Session, SessionKey};
use crate::api;
use crate::error::{Error, Problem};
use crate::gate::Gate;
use crate::hex;
use crate::ports::Register;
use crate::tls::Over;
use axum::http::{HeaderMap, header};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Where somebody signs in from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(super) browser: BrowserName,
    pub(super) system: SystemName,
    pub(super) tls: bool,
}

impl Client {
    pub(crate) fn of(address: IpAddr, headers: &HeaderMap, over: Over) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (browser, system) = told_by(agent);
        Self { address, browser, system, tls: over == Over::Tls }
    }
}

/// What a session is called where it is shown: nobody gets from it to the token, nor to the key in the register.
fn shown_id(key: &SessionKey) -> String {
    hex::encode(&hex::sha256(key)[..8])
}

/// Stores a session's last use, unless it was ended since. Called with the rows of sessions held.
pub(super) fn store_seen(
    register: &dyn Register,
    state: &Mutex<State>,
    key: &SessionKey,
    session: &Session,
) -> Result<(), Error> {
    if !state.lock().unwrap_or_else(PoisonError::into_inner).sessions.contains_key(key) {
        return Ok(());
    }
    register.write(&[put_session(key, session)?])
}

impl AccountBook {
    /// Sessions that are not over, of one account or of all, the last used first.
    pub(crate) fn sessions(&self, who: &Who, of: Option<u32>) -> Vec<api::SignedIn> {
        let now = self.clock.utc().as_ms();
        let state = self.state();
        let asked = state.sessions.iter().filter(|(_, session)| of.is_none_or(|of| session.account == of));
        let mut shown: Vec<api::SignedIn> = asked
            .filter(|(_, session)| !session.is_over(now))
            .map(|(key, session)| {
                let name = state.accounts.get(&session.account).map(|account| account.name.clone());
                shown(*key == who.session, key, session, name.unwrap_or_default())
            })
            .collect();
        shown.sort_by(|a, b| b.used_utc_ms.cmp(&a.used_utc_ms).then_with(|| a.id.cmp(&b.id)));
        shown
    }

    /// Ends the session of `account` that is shown as `id`. What it has open ends with it: live pictures and files ask for their session before each piece.
    ///
    /// # Errors
    /// When the account has no such session (any more), or the register cannot be written; the session is over all the same.
    pub(crate) async fn end_session(&self, gate: &Gate, account: u32, id: &str) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        let of_account = |key: &SessionKey, session: &Session| session.account == account && shown_id(key) == id;
        if !self.state().sessions.iter().any(|(key, session)| of_account(key, session)) {
            let gone = Error::not_found("this session is over, or there was none with this number");
            return Err(gone.next("Look at the list again.").into());
        }
        self.end_sessions(gate, of_account).await
    }
}

fn shown(here: bool, key: &SessionKey, session: &Session, name: String) -> api::SignedIn {
    api::SignedIn {
        id: shown_id(key),
        here,
        account: session.account,
        account_name: name,
        since_utc_ms: session.begun_utc_ms,
        used_utc_ms: session.seen_utc_ms,
        ends_utc_ms: session.ends_utc_ms(),
        address: session.address.map(|address| address.to_string()),
        browser: session.browser,
        system: session.system,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Change, RegisterRow, Space};

    /// Counts what is written.
    #[derive(Default)]
    struct Writes(Mutex<usize>);

    impl Register for Writes {
        fn list(&self, _: Space) -> Result<Vec<RegisterRow>, Error> {
            Ok(Vec::new())
        }

        fn write(&self, changes: &[Change]) -> Result<(), Error> {
            *self.0.lock().unwrap() += changes.len();
            Ok(())
        }
    }

    #[test]
    fn a_last_use_that_comes_late_brings_no_ended_session_back() {
        let (register, state) = (Writes::default(), Mutex::new(State::default()));
        let session = Session {
            account: 1,
            begun_utc_ms: 5,
            seen_utc_ms: 7,
            address: None,
            browser: BrowserName::Other,
            system: SystemName::Other,
            tls: false,
            factor_at: None,
        };
        state.lock().unwrap().sessions.insert([1; 32], session);
        store_seen(&register, &state, &[1; 32], &session).unwrap();
        assert_eq!(*register.0.lock().unwrap(), 1);
        state.lock().unwrap().sessions.clear();
        store_seen(&register, &state, &[1; 32], &session).unwrap();
        assert_eq!(*register.0.lock().unwrap(), 1);
    }
}
