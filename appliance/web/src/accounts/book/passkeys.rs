//! The passkeys of an account: added by whoever has the account, shown to sign in or as the second factor, removed by their owner or an admin.

use super::{Account, AccountBook, Begun, Client, fold, put_account};
use crate::accounts::fresh_factor;
use crate::accounts::password::random;
use crate::accounts::session::SessionKey;
use crate::accounts::throttle::Key;
use crate::api;
use crate::check;
use crate::error::{Error, Problem};
use crate::gate::{Gate, entry};
use crate::hex;
use crate::passkey::challenges::CHALLENGE_S;
use crate::passkey::{self, Algorithm, CREDENTIAL_ID_BYTES_MAX, Created, Place, PublicKey, Shown, Why};
use crate::routes::dispatch::Call;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use watchbook_access::Action;
use watchbook_base::Kind;

/// Passkeys of one account: a telephone, a computer, a security key, each twice. About 3 KiB each with the longest id and key.
pub(crate) const PASSKEYS_MAX: usize = 8;
/// Bytes of the handle under which devices keep them (section 14.6.1 of WebAuthn: random, and no more than 64).
const USER_BYTES: usize = 32;
/// Digits of a passkey's public number.
const ID_DIGITS: usize = 16;
/// The one sentence for an unknown passkey and one that says something wrong.
const WRONG: &str = "this passkey does not open an account here";

/// What is stored of a passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passkey {
    /// Credential id, base64url.
    credential: String,
    #[serde(flatten)]
    key: PublicKey,
    /// The counter that it said last.
    counter: u32,
    name: String,
    /// The host name that it is for.
    rp_id: String,
    /// The handle under which the device keeps it, hex.
    user: String,
    added_utc_ms: i64,
    #[serde(default)]
    used_utc_ms: Option<i64>,
}

impl Passkey {
    pub(super) fn id(&self) -> String {
        id_of(&self.credential)
    }

    fn shown(&self) -> api::Passkey {
        api::Passkey {
            id: self.id(),
            name: self.name.clone(),
            host: self.rp_id.clone(),
            added_utc_ms: self.added_utc_ms,
            used_utc_ms: self.used_utc_ms,
        }
    }

    /// One that this program would have stored.
    pub(super) fn is_whole(&self) -> bool {
        let name = check::name("name", &self.name).is_ok_and(|name| name == self.name);
        let credential = passkey::decode(&self.credential, CREDENTIAL_ID_BYTES_MAX).is_ok_and(|id| !id.is_empty());
        let spki = passkey::decode(&self.key.spki, passkey::PUBLIC_KEY_BYTES_MAX);
        let key = spki.and_then(|spki| PublicKey::read(self.key.algorithm.number(), &spki));
        name && credential && key.as_ref() == Ok(&self.key) && hex::decode::<USER_BYTES>(&self.user).is_some()
    }
}

/// Public number of the passkey with this credential id.
fn id_of(credential: &str) -> String {
    let mut id = hex::encode(&hex::sha256(credential.as_bytes()));
    id.truncate(ID_DIGITS);
    id
}

/// The text is the public number of some passkey.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Public number of the passkey that is made, as authenticator data in base64url says.
///
/// # Errors
/// When it says none.
pub(crate) fn id_in(authenticator_data: &str) -> Result<String, Error> {
    let credential = passkey::made_in(authenticator_data).map_err(|why| Error::invalid(why.to_string()))?;
    Ok(id_of(&passkey::encode(&credential)))
}

fn unknown() -> Error {
    Error::not_found("there is no passkey with this number").next("Look at the list again.")
}

impl AccountBook {
    /// The passkeys of an account.
    pub(crate) fn passkeys(&self, account: u32) -> Result<api::PasskeyList, Error> {
        let account = self.account(account)?;
        Ok(api::PasskeyList { passkeys: account.passkeys.iter().map(Passkey::shown).collect(), at_most: PASSKEYS_MAX })
    }

    /// What the caller's browser needs to make a passkey, once the password is right and, where there is a second factor, it was shown.
    pub(crate) async fn set_up_passkey(
        &self,
        call: &Call,
        place: &Place,
        request: api::PasskeySetUpRequest,
    ) -> Result<api::PasskeySetUp, Problem> {
        let (gate, who) = (call.app.gate(), call.who()?);
        let account = self.account(who.account)?;
        let keys = [Key::of_address(call.peer), Key::Account(hex::sha256(fold(&account.name).as_bytes()))];
        self.begin_attempt(gate, &keys)?;
        if !self.judged(&keys, &request.password, Some(&account.password)).await? {
            let why = "the password is not right";
            gate.note(entry(Some(who.account), Action::SetUpPasskey, Some(why))).await?;
            return Err(Error::new(Kind::Denied, why).next("Type the password of this account again.").into());
        }
        if account.has_second()
            && let Err(problem) = fresh_factor(call)
        {
            gate.note(entry(Some(who.account), Action::SetUpPasskey, Some(problem.detail()))).await?;
            return Err(problem);
        }
        room_for_one_more(&account)?;
        let user = match account.passkeys.first() {
            Some(passkey) => passkey.user.clone(),
            None => hex::encode(&random::<USER_BYTES>()?),
        };
        let challenge = self.state().challenges.new_to_make(who.session, user.clone(), self.clock.mono())?;
        let of_place = account.passkeys.iter().filter(|passkey| passkey.rp_id == place.rp_id);
        Ok(api::PasskeySetUp {
            challenge: passkey::encode(&challenge),
            host: place.rp_id.clone(),
            user: passkey::encode(&hex::decode_all(&user).unwrap_or_default()),
            account_name: account.name.clone(),
            algorithms: Algorithm::ALL.map(Algorithm::number).to_vec(),
            known: of_place.map(|passkey| passkey.credential.clone()).collect(),
            expires_s: CHALLENGE_S,
        })
    }

    /// Keeps the passkey that the caller's browser made; the session is fresh.
    pub(crate) async fn add_passkey(
        &self,
        call: &Call,
        place: &Place,
        said: api::NewPasskey,
    ) -> Result<api::Passkey, Problem> {
        let who = call.who()?;
        let name = check::name("name", &said.name)?;
        let _change = self.changes.lock().await;
        let account = self.account(who.account)?;
        let made = Created::read(&said, place);
        let user = made
            .as_ref()
            .map_err(|why| *why)
            .and_then(|made| self.state().challenges.take_made(&who.session, &made.challenge, self.clock.mono()));
        let (made, user) = match (made, user) {
            (Ok(made), Ok(user)) => (made, user),
            (Err(why), _) | (_, Err(why)) => {
                return Err(Error::invalid(why.to_string())
                    .next("Begin again: a passkey that is being added is forgotten after five minutes.")
                    .into());
            }
        };
        room_for_one_more(&account)?;
        let credential = passkey::encode(&made.credential);
        if self.holder(&credential).is_some() {
            return Err(Error::new(Kind::Conflict, "this passkey was added before").next("Use another device.").into());
        }
        let added = Passkey {
            credential,
            key: made.key,
            counter: made.counter,
            name,
            rp_id: place.rp_id.clone(),
            user,
            added_utc_ms: self.clock.utc().as_ms(),
            used_utc_ms: None,
        };
        let shown = added.shown();
        let mut account = Account { factor_removed_utc_ms: None, ..account };
        account.passkeys.push(added);
        self.keep(account).await?;
        self.freshen(call)?;
        Ok(shown)
    }

    /// Removes a passkey of the caller, who has just shown a second factor: the gate asked for it.
    pub(crate) async fn remove_own_passkey(&self, call: &Call, id: &str) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        let account = self.without(call.who()?.account, id)?;
        self.keep(account).await
    }

    /// Removes a passkey of an account and ends its sessions. There is an alarm where it was the last factor, until there is another one.
    pub(crate) async fn remove_passkey(&self, gate: &Gate, id: u32, passkey: &str) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        let mut account = self.without(id, passkey)?;
        if !account.has_second() {
            account.factor_removed_utc_ms = Some(self.clock.utc().as_ms());
        }
        self.keep(account).await?;
        self.end_sessions(gate, |_, session| session.account == id).await
    }

    /// A challenge for whoever wants to sign in, or to show a passkey as the second factor.
    pub(crate) fn passkey_challenge(&self, from: IpAddr, place: &Place) -> Result<api::PasskeyChallenge, Problem> {
        let challenge = self.state().challenges.new_to_show(from, self.clock.mono())?;
        let host = place.rp_id.clone();
        Ok(api::PasskeyChallenge { challenge: passkey::encode(&challenge), host, expires_s: CHALLENGE_S })
    }

    /// Begins a session for whoever shows a passkey. It stands for password and second factor.
    pub(crate) async fn sign_in_with_passkey(
        &self,
        gate: &Gate,
        from: Client,
        place: &Place,
        said: &api::PasskeyAssertion,
    ) -> Result<Begun, Problem> {
        let of_passkey = hex::sha256(format!("\0passkey {}", said.credential).as_bytes());
        let keys = [Key::of_address(from.address), Key::Account(of_passkey)];
        self.begin_attempt(gate, &keys)?;
        // Held until the session is in force: an admin may be removing the passkey or the account.
        let _change = self.changes.lock().await;
        let found = self.holder(&said.credential);
        let action = |account: Option<&Account>| Action::SignIn {
            name_sha256: account.map_or_else(String::new, |account| name_sha256(&account.name)),
            passkey: Some(id_of(&said.credential)),
        };
        let account = match self.judge(found, place, said) {
            Ok(account) => account,
            Err((account, why)) => {
                gate.note(entry(None, action(account.as_deref()), Some(&why.to_string()))).await?;
                return Err(refused(why));
            }
        };
        self.keep(account.clone()).await?;
        gate.note(entry(Some(account.id), action(Some(&account)), None)).await?;
        {
            let mut state = self.state();
            state.throttle.refund(&keys);
            state.throttle.succeeded(keys[1]);
        }
        let begun = self.begin_session(&account, from).await?;
        self.freshen_session(&hex::sha256(&begun.token));
        Ok(begun)
    }

    /// Judges a passkey of the caller's own account as the second factor; when it is right, the session is fresh.
    pub(crate) async fn show_passkey(
        &self,
        call: &Call,
        place: &Place,
        said: &api::PasskeyAssertion,
    ) -> Result<(), Problem> {
        let (gate, who) = (call.app.gate(), call.who()?);
        let keys = [Key::of_address(call.peer), Key::Factor(who.account)];
        self.begin_attempt(gate, &keys)?;
        let _change = self.changes.lock().await;
        let own = self.holder(&said.credential).filter(|account| account.id == who.account);
        match self.judge(own, place, said) {
            Ok(account) => {
                self.keep(account).await?;
                let mut state = self.state();
                state.throttle.refund(&keys);
                state.throttle.succeeded(keys[1]);
                drop(state);
                self.freshen(call)
            }
            Err((_, why)) => {
                gate.note(entry(Some(who.account), Action::EnterSecondFactor, Some(&why.to_string()))).await?;
                Err(Problem::with(StatusCode::FORBIDDEN, "denied", why.to_string())
                    .next("Try again, with a passkey of this account."))
            }
        }
    }

    /// The account with the passkey as it is once this is taken: with the new counter, used now. Called with `changes` held.
    fn judge(
        &self,
        holder: Option<Account>,
        place: &Place,
        said: &api::PasskeyAssertion,
    ) -> Result<Account, (Option<Box<Account>>, Why)> {
        // What is wrong with an answer also uses its challenge up.
        let shown = Shown::read(said, place);
        let asked = shown
            .as_ref()
            .map_err(|why| *why)
            .and_then(|shown| self.state().challenges.take_shown(&shown.challenge, self.clock.mono()));
        let Some(mut account) = holder else { return Err((None, asked.err().unwrap_or(Why::Unknown))) };
        let now = self.clock.utc().as_ms();
        let own = account.passkeys.iter_mut().find(|passkey| passkey.credential == said.credential);
        let judged = own.ok_or(Why::Unknown).and_then(|own| {
            asked?;
            let user = hex::decode_all(&own.user).map(|user| passkey::encode(&user));
            if said.user.is_some() && said.user != user {
                return Err(Why::Unknown);
            }
            if own.rp_id != place.rp_id {
                return Err(Why::OtherName);
            }
            own.counter = shown?.judge(&own.key, &own.rp_id, own.counter)?;
            own.used_utc_ms = Some(now);
            Ok(())
        });
        match judged {
            Ok(()) => Ok(account),
            Err(why) => Err((Some(Box::new(account)), why)),
        }
    }

    /// Whose passkey this is.
    fn holder(&self, credential: &str) -> Option<Account> {
        let state = self.state();
        let has = |account: &&Account| account.passkeys.iter().any(|passkey| passkey.credential == credential);
        state.accounts.values().find(has).cloned()
    }

    /// The account without this passkey.
    fn without(&self, account: u32, id: &str) -> Result<Account, Error> {
        let mut account = self.account(account)?;
        let before = account.passkeys.len();
        account.passkeys.retain(|passkey| passkey.id() != id);
        if account.passkeys.len() < before { Ok(account) } else { Err(unknown()) }
    }

    /// On the disk before it counts: after a power cut no counter has gone back, and no passkey that was removed is there.
    async fn keep(&self, account: Account) -> Result<(), Problem> {
        self.write(vec![put_account(&account)?]).await?;
        self.state().accounts.insert(account.id, account);
        Ok(())
    }

    fn freshen_session(&self, session: &SessionKey) {
        let now = self.clock.mono();
        if let Some(session) = self.state().sessions.get_mut(session) {
            session.factor_at = Some(now);
        }
    }
}

fn name_sha256(name: &str) -> String {
    hex::encode(&hex::sha256(fold(name).as_bytes()))
}

fn room_for_one_more(account: &Account) -> Result<(), Error> {
    match account.passkeys.len() < PASSKEYS_MAX {
        true => Ok(()),
        false => Err(Error::new(Kind::Exhausted, format!("an account has at most {PASSKEYS_MAX} passkeys"))
            .next("Remove one that is not used any more.")),
    }
}

/// What somebody is told who is not signed in. That a counter went back is known to the holder of the key alone: the signature was right.
fn refused(why: Why) -> Problem {
    let detail = if why == Why::Counter { why.to_string() } else { WRONG.to_owned() };
    let next = match why {
        Why::Counter => "Sign in with the password, remove this passkey and add another one; tell an admin.",
        _ => "Try again, or sign in with name and password.",
    };
    Problem::with(StatusCode::UNAUTHORIZED, "sign-in-first", detail).next(next)
}
