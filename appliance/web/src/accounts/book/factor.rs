//! The second factor of an account: set up by whoever has the account, shown when something asks for it, taken away by an admin.

use super::{Account, AccountBook, put_account};
use crate::accounts::fresh_factor;
use crate::accounts::password::random;
use crate::accounts::throttle::Key;
use crate::accounts::totp;
use crate::api;
use crate::error::{Error, Problem};
use crate::gate::{Gate, entry};
use crate::hex;
use crate::ports::{SECRET_BYTES, Secrets};
use crate::routes::dispatch::{Call, blocking};
use axum::http::StatusCode;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Kind, MonoNanos};
use zeroize::Zeroizing;

/// A factor that is being set up is forgotten after so long. One for each account, so as many as there are accounts, at 56 bytes each.
const PENDING_S: u64 = 600;
const WRONG_CODE: &str = "this code is not right, or was used before";

/// What is stored of a second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Factor {
    /// The secret as [`Secrets`] wraps it, in hex.
    pub(super) wrapped: String,
    /// The last step whose code was taken: none is taken twice, nor one before it.
    pub(super) last_step: u64,
}

/// A factor that waits for its first code.
pub(super) struct Pending {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    at: MonoNanos,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What the secret of an account is bound to.
pub(super) fn secret_name(account: u32) -> String {
    format!("second factor of account {account}")
}

impl AccountBook {
    /// A new secret for the caller's account, which is in force once [`AccountBook::confirm_factor`] got a code of it.
    pub(crate) async fn set_up_factor(
        &self,
        call: &Call,
        request: api::SecondFactorSetUpRequest,
    ) -> Result<api::SecondFactorSetUp, Problem> {
        let (gate, who) = (call.app.gate(), call.who()?);
        let account = self.account(who.account)?;
        let keys = [Key::of_address(call.peer), Key::Account(hex::sha256(super::fold(&account.name).as_bytes()))];
        self.begin_attempt(gate, &keys)?;
        if !self.judged(&keys, &request.password, Some(&account.password)).await? {
            return Err(refused(gate, who.account, Action::SetUpSecondFactor, "the password is not right").await);
        }
        if account.has_second()
            && let Err(problem) = fresh_factor(call)
        {
            gate.note(entry(Some(who.account), Action::SetUpSecondFactor, Some(problem.detail()))).await?;
            return Err(problem);
        }
        let secret = Zeroizing::new(random::<SECRET_BYTES>()?);
        let shown = api::SecondFactorSetUp {
            key: totp::key_text(&secret),
            address: totp::key_address(&secret, &account.name),
            expires_s: PENDING_S,
        };
        self.state().pending.insert(account.id, Pending { secret, at: self.clock.mono() });
        Ok(shown)
    }

    /// Puts the secret that was set up in force, in the place of another one; the session is fresh.
    pub(crate) async fn confirm_factor(&self, call: &Call, code: &api::Secret) -> Result<(), Problem> {
        let (gate, who) = (call.app.gate(), call.who()?);
        let keys = [Key::of_address(call.peer), Key::Factor(who.account)];
        let _change = self.changes.lock().await;
        let account = self.account(who.account)?;
        let secret = {
            let mut state = self.state();
            let now = self.clock.mono();
            state.pending.retain(|_, pending| now.nanos_since(pending.at) < PENDING_S * NANOS_PER_SEC.unsigned_abs());
            state.pending.get(&account.id).map(|pending| pending.secret.clone())
        };
        let Some(secret) = secret else {
            let why = "no second factor is being set up";
            gate.note(entry(Some(who.account), Action::SetUpSecondFactor, Some(why))).await?;
            return Err(Error::new(Kind::Conflict, why)
                .next("Begin again: the key is forgotten after ten minutes.")
                .into());
        };
        self.begin_attempt(gate, &keys)?;
        let Some(last_step) = totp::step_of(&secret, code.reveal(), self.clock.utc(), 0) else {
            return Err(refused(gate, who.account, Action::SetUpSecondFactor, WRONG_CODE).await);
        };
        self.state().throttle.refund(&keys);
        let (secrets, name) = (Arc::clone(&self.secrets), secret_name(account.id));
        let wrapped = blocking(move || secrets.wrap(&name, &secret)).await?;
        let factor = Factor { wrapped: hex::encode(&wrapped), last_step };
        let account = Account { factor: Some(factor), factor_removed_utc_ms: None, ..account };
        self.write(vec![put_account(&account)?]).await?;
        let mut state = self.state();
        state.pending.remove(&account.id);
        state.accounts.insert(account.id, account);
        drop(state);
        self.freshen(call)
    }

    /// Judges a code of the caller's own factor; when it is right, the session is fresh.
    pub(crate) async fn enter_factor(&self, call: &Call, code: &api::Secret) -> Result<(), Problem> {
        let (gate, who) = (call.app.gate(), call.who()?);
        let keys = [Key::of_address(call.peer), Key::Factor(who.account)];
        let _change = self.changes.lock().await;
        let account = self.account(who.account)?;
        let Some(factor) = account.factor.clone() else {
            let why = "this account has no second factor";
            gate.note(entry(Some(who.account), Action::EnterSecondFactor, Some(why))).await?;
            return Err(Error::new(Kind::Conflict, why).next("Set one up on the page of your account.").into());
        };
        self.begin_attempt(gate, &keys)?;
        let secret = open(Arc::clone(&self.secrets), account.id, &factor).await;
        let step = secret.map(|secret| totp::step_of(&secret, code.reveal(), self.clock.utc(), factor.last_step));
        match step {
            Ok(Some(last_step)) => {
                self.state().throttle.refund(&keys);
                // On the disk before it counts: after a power cut the same code is not taken again.
                let account = Account { factor: Some(Factor { last_step, ..factor }), ..account };
                self.write(vec![put_account(&account)?]).await?;
                let mut state = self.state();
                state.throttle.succeeded(keys[1]);
                state.accounts.insert(account.id, account);
                drop(state);
                self.freshen(call)
            }
            Ok(None) => Err(refused(gate, who.account, Action::EnterSecondFactor, WRONG_CODE).await),
            Err(error) => {
                self.state().throttle.refund(&keys);
                Err(error.into())
            }
        }
    }

    /// Takes an account's second factor away and ends its sessions. There is an alarm until it has another one.
    pub(crate) async fn remove_factor(&self, gate: &Gate, id: u32) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        let account = self.account(id)?;
        if account.factor.is_none() {
            return Err(Error::new(Kind::Conflict, format!("account {id} has no second factor")).into());
        }
        let factor_removed_utc_ms = Some(self.clock.utc().as_ms());
        let account = Account { factor: None, factor_removed_utc_ms, ..account };
        self.write(vec![put_account(&account)?]).await?;
        self.state().accounts.insert(id, account);
        self.end_sessions(gate, |_, session| session.account == id).await
    }

    /// An alarm for each account whose second factor was taken away.
    pub(crate) fn alarms(&self) -> Vec<api::Alarm> {
        let state = self.state();
        let removed = state.accounts.values().filter_map(|account| Some((account, account.factor_removed_utc_ms?)));
        let alarm = |(account, at): (&Account, i64)| api::Alarm {
            kind: api::AlarmKind::SecondFactorRemoved,
            disk: None,
            camera: None,
            since_utc_ms: Some(at),
            text: format!(
                "An admin took the second factor of account {} away. If {} did not ask for it, look into the audit log; the alarm ends when the account sets \
                 up another one",
                account.id, account.name
            ),
        };
        removed.map(alarm).collect()
    }

    pub(super) fn freshen(&self, call: &Call) -> Result<(), Problem> {
        let now = self.clock.mono();
        if let Some(session) = self.state().sessions.get_mut(&call.who()?.session) {
            session.factor_at = Some(now);
        }
        Ok(())
    }
}

/// The secret of a factor.
async fn open(
    secrets: Arc<dyn Secrets>,
    account: u32,
    factor: &Factor,
) -> Result<Zeroizing<[u8; SECRET_BYTES]>, Error> {
    let damaged = || {
        Error::new(Kind::Corrupt, "the stored second factor of this account cannot be read")
            .next("Ask an admin to take it away, and set up another one.")
    };
    let wrapped = hex::decode_all(&factor.wrapped).ok_or_else(damaged)?;
    blocking(move || secrets.unwrap(&secret_name(account), &wrapped)).await
}

/// The refusal of what an account typed, in the log beside the entry that the gate wrote before it was judged.
async fn refused(gate: &Gate, account: u32, action: Action, why: &str) -> Problem {
    match gate.note(entry(Some(account), action, Some(why))).await {
        Ok(()) => Problem::with(StatusCode::FORBIDDEN, "denied", why)
            .next("Wait for the next code. If none is right, compare the clock of the telephone with the recorder's."),
        Err(problem) => problem,
    }
}
