//! The book of accounts and sessions.

mod approver;
pub(crate) mod carried;
mod factor;
pub(crate) mod passkeys;
mod sessions;

use super::FRESH_FACTOR_S;
use super::claim::ClaimCode;
use super::password::{HashCost, Passwords};
use super::session::{SEEN_EVERY_S, SESSIONS_PER_ACCOUNT_MAX, Session, SessionKey, new_token};
use super::throttle::{Key, Throttle};
use crate::api;
use crate::check;
use crate::error::{Error, Problem};
use crate::gate::{Gate, entry};
use crate::headers::TOKEN_BYTES;
use crate::hex;
use crate::passkey::challenges::Challenges;
use crate::ports::{Change, Ports, Register, Secrets, Space};
use crate::routes::dispatch::blocking;
use crate::tls::Over;
use factor::{Factor, Pending};
use passkeys::Passkey;
use serde::{Deserialize, Serialize};
pub(crate) use sessions::Client;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::{Action, Role, Roles, Subject};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Clock, Kind};

/// Accounts of one station. The largest station has a few dozen people.
pub(crate) const ACCOUNTS_MAX: usize = 500;
/// The one sentence for a wrong name and a wrong password: which of the two was wrong is nobody's business.
const WRONG: &str = "this name and password do not belong together";
/// The station's row.
const STATION_KEY: &[u8] = b"station";

/// Who calls: an account as it is now, by which session.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) session: SessionKey,
    pub(crate) subject: Subject,
    pub(crate) account: u32,
}

/// A session that has just begun.
pub(crate) struct Begun {
    pub(crate) token: [u8; TOKEN_BYTES],
    pub(crate) session: api::Session,
}

/// What is stored of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Account {
    id: u32,
    name: String,
    roles: Roles,
    cameras: Option<BTreeSet<CameraId>>,
    /// PHC string.
    password: String,
    /// Its second factor, once it has one.
    #[serde(default)]
    factor: Option<Factor>,
    /// When an admin took the second factor away, until there is another one.
    #[serde(default)]
    factor_removed_utc_ms: Option<i64>,
    /// The key with which it signs releases elsewhere.
    #[serde(default)]
    approver_key: Option<String>,
    #[serde(default)]
    passkeys: Vec<Passkey>,
}

impl Account {
    /// One that may do nothing.
    fn new(id: u32, name: String, password: String) -> Self {
        Self {
            id,
            name,
            roles: Roles::default(),
            cameras: None,
            password,
            factor: None,
            factor_removed_utc_ms: None,
            approver_key: None,
            passkeys: Vec::new(),
        }
    }

    /// It can show more than a password.
    fn has_second(&self) -> bool {
        self.factor.is_some() || !self.passkeys.is_empty()
    }

    fn shown(&self) -> api::Account {
        api::Account {
            id: self.id,
            name: self.name.clone(),
            roles: self.roles.0.iter().copied().collect(),
            cameras: self.cameras.as_ref().map(|cameras| cameras.iter().copied().collect()),
            second_factor: self.factor.is_some(),
            passkeys: self.passkeys.len(),
            approver_key: self.approver_key.clone(),
        }
    }

    fn subject(&self, factor_fresh: bool) -> Subject {
        Subject { factor_fresh, ..Subject::new(self.id, self.roles.clone(), self.cameras.clone()) }
    }
}

/// What is stored of the station.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Station {
    claimed: bool,
    one_person_station: bool,
    /// The last number that was given to an account. None is given twice: the audit log names accounts by it.
    last_account: u32,
}

/// An account as the register has it, which is how it is: every change is there before it is in force. `None`: it is gone. Blocking.
///
/// # Errors
/// When the register cannot be read, or its row cannot be understood.
pub(crate) fn subject_of(register: &dyn Register, id: u32) -> Result<Option<Subject>, Error> {
    let row = register.list(Space::Account)?.into_iter().find(|(key, _)| *key == id.to_be_bytes());
    let account: Option<Account> = row.map(|(_, row)| decode("an account", &row)).transpose()?;
    Ok(account.map(|account| account.subject(false)))
}

#[derive(Default)]
struct State {
    station: Station,
    accounts: BTreeMap<u32, Account>,
    sessions: HashMap<SessionKey, Session>,
    throttle: Throttle,
    /// Second factors that are being set up, by account.
    pending: HashMap<u32, Pending>,
    challenges: Challenges,
    claim: Option<ClaimCode>,
}

impl State {
    /// Takes out sessions that are over, and those of the account that were used longest ago when one more would be too many.
    fn make_room(&mut self, account: u32, now_utc_ms: i64) -> Vec<SessionKey> {
        let (mut gone, mut own) = (Vec::new(), Vec::new());
        for (key, session) in &self.sessions {
            if session.is_over(now_utc_ms) {
                gone.push(*key);
            } else if session.account == account {
                own.push((session.seen_utc_ms, *key));
            }
        }
        own.sort_unstable();
        let too_many = (own.len() + 1).saturating_sub(SESSIONS_PER_ACCOUNT_MAX);
        gone.extend(own.into_iter().take(too_many).map(|(_, key)| key));
        for key in &gone {
            self.sessions.remove(key);
        }
        gone
    }
}

/// Accounts, sessions, the claim code and the throttle.
pub(crate) struct AccountBook {
    register: Arc<dyn Register>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    passwords: Passwords,
    state: Arc<Mutex<State>>,
    /// Held while rows of sessions are written, so that a last use does not bring back one that was ended meanwhile.
    session_rows: Arc<Mutex<()>>,
    /// Held over "check, write, put in force", so that two changes cannot pass each other.
    changes: tokio::sync::Mutex<()>,
}

impl AccountBook {
    /// Loads what is stored. Blocking.
    pub(crate) fn load(ports: &Ports, clock: Arc<dyn Clock>, cost: HashCost) -> Result<Self, Error> {
        let (register, secrets) = (Arc::clone(&ports.register), Arc::clone(&ports.secrets));
        let mut state = State::default();
        if let Some((_, row)) = register.list(Space::Station)?.into_iter().next() {
            state.station = decode("the station's settings", &row)?;
        }
        for (_, row) in register.list(Space::Account)? {
            let account: Account = decode("an account", &row)?;
            state.accounts.insert(account.id, account);
        }
        let now = clock.utc().as_ms();
        let mut over = Vec::new();
        for (key, row) in register.list(Space::Session)? {
            let session: Session = decode("a session", &row)?;
            match SessionKey::try_from(key.as_slice()) {
                Ok(known) if !session.is_over(now) && state.accounts.contains_key(&session.account) => {
                    state.sessions.insert(known, session);
                }
                _ => over.push(Change::Remove { space: Space::Session, key }),
            }
        }
        if !over.is_empty() {
            register.write(&over)?;
        }
        if !state.station.claimed {
            state.claim = Some(ClaimCode::new()?);
        }
        let passwords = Passwords::new(cost)?;
        Ok(Self {
            register,
            secrets,
            clock,
            passwords,
            state: Arc::new(Mutex::new(state)),
            session_rows: Arc::default(),
            changes: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn claimed(&self) -> bool {
        self.state().station.claimed
    }

    pub(crate) fn claim_code(&self) -> Option<String> {
        self.state().claim.as_ref().map(ClaimCode::grouped)
    }

    /// Who holds this token; `None` when its session is over.
    pub(crate) fn who(&self, token: &[u8; TOKEN_BYTES], over: Over) -> Option<Who> {
        let key = hex::sha256(token);
        let now = self.clock.utc().as_ms();
        let mut state = self.state();
        let session = *state.sessions.get(&key)?;
        if session.is_over(now) {
            state.sessions.remove(&key);
            return None;
        }
        if session.tls != (over == Over::Tls) {
            return None;
        }
        let account = state.accounts.get(&session.account)?;
        let subject = account.subject(self.is_fresh(&session));
        let who = Who { session: key, account: account.id, subject };
        if now - session.seen_utc_ms >= i64::try_from(SEEN_EVERY_S * 1000).unwrap_or(i64::MAX) {
            let seen = Session { seen_utc_ms: now, ..session };
            state.sessions.insert(key, seen);
            drop(state);
            self.store_seen(key, seen);
        }
        Some(who)
    }

    /// The subject as it is now, for a connection that stays open; `None` when the session is over.
    pub(crate) fn subject_now(&self, session: &SessionKey) -> Option<Subject> {
        let now = self.clock.utc().as_ms();
        let state = self.state();
        let session = state.sessions.get(session).filter(|session| !session.is_over(now))?;
        let account = state.accounts.get(&session.account)?;
        Some(account.subject(self.is_fresh(session)))
    }

    /// The session has shown its second factor lately.
    fn is_fresh(&self, session: &Session) -> bool {
        let since = |at| self.clock.mono().nanos_since(at);
        session.factor_at.is_some_and(|at| since(at) < FRESH_FACTOR_S * NANOS_PER_SEC.unsigned_abs())
    }

    /// What `GET /session` shows.
    pub(crate) fn session(&self, who: &Who) -> Option<api::Session> {
        let state = self.state();
        let account = state.accounts.get(&who.account)?.shown();
        Some(api::Session { account, one_person_station: state.station.one_person_station })
    }

    /// Number and present name of every account that holds `role`.
    pub(crate) fn with_role(&self, role: Role) -> Vec<(u32, String)> {
        let state = self.state();
        let holds = state.accounts.values().filter(|account| account.roles.has(role));
        holds.map(|account| (account.id, account.name.clone())).collect()
    }

    /// What an account may be now; `None` when it is gone.
    pub(crate) fn roles_of(&self, account: u32) -> Option<Roles> {
        self.state().accounts.get(&account).map(|account| account.roles.clone())
    }

    /// Present name of an account.
    pub(crate) fn name_of(&self, account: u32) -> Option<String> {
        self.state().accounts.get(&account).map(|account| account.name.clone())
    }

    /// The exception for a station with one person is on.
    pub(crate) fn one_person_station(&self) -> bool {
        self.state().station.one_person_station
    }

    /// Judges a claim code. While what this returns is held nobody else claims the box, and no account changes.
    pub(crate) async fn may_claim(
        &self,
        gate: &Gate,
        address: IpAddr,
        code: &api::Secret,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, Problem> {
        let keys = [Key::of_address(address), Key::Account(hex::sha256(b"\0claim"))];
        self.begin_attempt(gate, &keys)?;
        let change = self.changes.lock().await;
        let right = self.state().claim.as_ref().map(|known| known.is(code.reveal()));
        match right {
            None => {
                self.state().throttle.refund(&keys);
                Err(Error::new(Kind::Conflict, "this box is claimed already").next("Sign in instead.").into())
            }
            Some(true) => {
                self.state().throttle.refund(&keys);
                Ok(change)
            }
            Some(false) => {
                let why = "this is not the claim code";
                gate.note(entry(None, Action::Claim, Some(why))).await?;
                Err(Error::new(Kind::Denied, why)
                    .next("Type the code that the recorder prints at its start; it changes with each start.")
                    .into())
            }
        }
    }

    /// The code claims nothing any more: what the next start puts in force is claimed.
    pub(crate) fn end_claim(&self) {
        self.state().claim = None;
    }

    /// While this is held no account changes.
    pub(crate) async fn hold_changes(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changes.lock().await
    }

    /// Takes the box into possession.
    pub(crate) async fn claim(&self, gate: &Gate, from: Client, request: api::ClaimRequest) -> Result<Begun, Problem> {
        let _change = self.may_claim(gate, from.address, &request.code).await?;
        let name = check::name("name", &request.name)?;
        Passwords::check(&request.password, &name)?;
        let roles: Roles = match request.one_person_station {
            true => Role::ALL.into_iter().collect(),
            false => [Role::Admin].into_iter().collect(),
        };
        let password = self.passwords.hash(&request.password).await?;
        let account = Account { roles, ..Account::new(1, name, password) };
        gate.note(entry(Some(account.id), Action::Claim, None)).await?;
        if request.one_person_station {
            let what = "the small-station exception is on: one account holds every role".to_owned();
            gate.note(entry(Some(account.id), Action::ChangeAccount { account: Some(account.id), what }, None)).await?;
        }
        let station =
            Station { claimed: true, one_person_station: request.one_person_station, last_account: account.id };
        self.write(vec![put_station(&station)?, put_account(&account)?]).await?;
        {
            let mut state = self.state();
            state.station = station;
            state.claim = None;
            state.accounts.insert(account.id, account.clone());
        }
        self.begin_session(&account, from).await
    }

    /// Checks a name and a password and begins a session.
    pub(crate) async fn sign_in(
        &self,
        gate: &Gate,
        from: Client,
        request: api::SessionRequest,
    ) -> Result<Begun, Problem> {
        let folded = fold(&request.name);
        let name_hash = hex::sha256(folded.as_bytes());
        let keys = [Key::of_address(from.address), Key::Account(name_hash)];
        self.begin_attempt(gate, &keys)?;
        let found = self.state().accounts.values().find(|account| fold(&account.name) == folded).cloned();
        let right =
            self.judged(&keys, &request.password, found.as_ref().map(|account| account.password.as_str())).await?;
        let action = Action::SignIn { name_sha256: hex::encode(&name_hash), passkey: None };
        let (mut _change, mut current) = (None, None);
        if right {
            // Held until the session is in force, and the account read again under it: an admin may have set another password or removed the
            // account while this one was judged.
            _change = Some(self.changes.lock().await);
            current = found.and_then(|judged| self.unchanged(&judged));
        }
        let Some(account) = current else {
            gate.note(entry(None, action, Some(WRONG))).await?;
            return Err(Problem::with(axum::http::StatusCode::UNAUTHORIZED, "sign-in-first", WRONG)
                .next("Check both and try again; an admin can set a new password."));
        };
        gate.note(entry(Some(account.id), action, None)).await?;
        self.state().throttle.succeeded(keys[1]);
        self.begin_session(&account, from).await
    }

    /// Ends the session.
    pub(crate) async fn sign_out(&self, gate: &Gate, who: &Who) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        self.end_sessions(gate, |key, _| *key == who.session).await
    }

    /// Changes one's own password and ends one's other sessions.
    pub(crate) async fn change_password(
        &self,
        gate: &Gate,
        peer: IpAddr,
        who: &Who,
        request: api::PasswordRequest,
    ) -> Result<(), Problem> {
        let account = self.account(who.account)?;
        let keys = [Key::of_address(peer), Key::Account(hex::sha256(fold(&account.name).as_bytes()))];
        self.begin_attempt(gate, &keys)?;
        if !self.judged(&keys, &request.old, Some(&account.password)).await? {
            return Err(self.wrong_old(gate, who).await);
        }
        Passwords::check(&request.new, &account.name)?;
        let password = self.passwords.hash(&request.new).await?;
        let _change = self.changes.lock().await;
        let Some(account) = self.unchanged(&account) else {
            return Err(self.wrong_old(gate, who).await);
        };
        let account = Account { password, ..account };
        self.write(vec![put_account(&account)?]).await?;
        self.state().accounts.insert(account.id, account);
        self.end_sessions(gate, |key, session| session.account == who.account && *key != who.session).await
    }

    /// The refusal of a password change whose old password is not right, in the log beside the entry that the gate wrote before it was judged.
    async fn wrong_old(&self, gate: &Gate, who: &Who) -> Problem {
        let why = "the old password is not right";
        match gate.note(entry(Some(who.account), Action::ChangeOwnAccount, Some(why))).await {
            Ok(()) => Error::new(Kind::Denied, why).into(),
            Err(problem) => problem,
        }
    }

    pub(crate) fn list(&self) -> Vec<api::Account> {
        self.state().accounts.values().map(Account::shown).collect()
    }

    pub(crate) async fn create(&self, request: api::AccountRequest) -> Result<api::Account, Problem> {
        let name = check::name("name", &request.name)?;
        Passwords::check(&request.password, &name)?;
        let roles: Roles = request.roles.into_iter().collect();
        let password = self.passwords.hash(&request.password).await?;
        let _change = self.changes.lock().await;
        let mut station = self.state().station;
        if self.state().accounts.len() >= ACCOUNTS_MAX {
            return Err(Error::new(Kind::Exhausted, format!("a station has at most {ACCOUNTS_MAX} accounts")).into());
        }
        station.last_account += 1;
        let cameras = request.cameras.map(check::cameras).transpose()?;
        let account = Account { roles, cameras, ..Account::new(station.last_account, name, password) };
        self.may_be(&account)?;
        self.write(vec![put_station(&station)?, put_account(&account)?]).await?;
        let shown = account.shown();
        let mut state = self.state();
        state.station = station;
        state.accounts.insert(account.id, account);
        Ok(shown)
    }

    pub(crate) async fn update(&self, gate: &Gate, id: u32, patch: api::AccountPatch) -> Result<api::Account, Problem> {
        let new_password = match &patch.password {
            Some(password) => {
                let name = patch.name.clone().map_or_else(|| self.account(id).map(|account| account.name), Ok)?;
                Passwords::check(password, &name)?;
                Some(self.passwords.hash(password).await?)
            }
            None => None,
        };
        let _change = self.changes.lock().await;
        let mut account = self.account(id)?;
        if let Some(name) = patch.name {
            account.name = check::name("name", &name)?;
        }
        if let Some(roles) = patch.roles {
            account.roles = roles.into_iter().collect();
        }
        if let Some(cameras) = patch.cameras {
            account.cameras = cameras.map(check::cameras).transpose()?;
        }
        if let Some(password) = new_password {
            account.password = password;
        }
        self.may_be(&account)?;
        if !account.roles.has(Role::Admin) {
            self.not_the_last_admin(id)?;
        }
        self.write(vec![put_account(&account)?]).await?;
        let shown = account.shown();
        self.state().accounts.insert(id, account);
        self.end_sessions(gate, |_, session| session.account == id).await?;
        Ok(shown)
    }

    pub(crate) async fn remove(&self, gate: &Gate, id: u32) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        self.account(id)?;
        self.not_the_last_admin(id)?;
        self.write(vec![Change::Remove { space: Space::Account, key: id.to_be_bytes().to_vec() }]).await?;
        {
            let mut state = self.state();
            state.accounts.remove(&id);
            state.pending.remove(&id);
        }
        self.end_sessions(gate, |_, session| session.account == id).await
    }

    /// Begins a session and makes room when the account has too many. Called with `changes` held.
    async fn begin_session(&self, account: &Account, from: Client) -> Result<Begun, Problem> {
        let now = self.clock.utc().as_ms();
        let (token, key) = new_token()?;
        let Client { address, browser, system, tls } = from;
        let (account_id, address) = (account.id, Some(address));
        let (begun_utc_ms, seen_utc_ms) = (now, now);
        let session =
            Session { account: account_id, begun_utc_ms, seen_utc_ms, address, browser, system, tls, factor_at: None };
        let mut changes = vec![put_session(&key, &session)?];
        // First in memory: what is not there any more is not stored again.
        let gone = self.state().make_room(account.id, now);
        changes.extend(gone.iter().map(|key| Change::Remove { space: Space::Session, key: key.to_vec() }));
        self.write(changes).await?;
        let mut state = self.state();
        state.sessions.insert(key, session);
        let one_person_station = state.station.one_person_station;
        Ok(Begun { token, session: api::Session { account: account.shown(), one_person_station } })
    }

    /// Ends the sessions that `which` picks: first in memory, so that a failing disk keeps nobody in.
    async fn end_sessions(&self, gate: &Gate, which: impl Fn(&SessionKey, &Session) -> bool) -> Result<(), Problem> {
        let ended: Vec<SessionKey> = {
            let mut state = self.state();
            let ended: Vec<_> =
                state.sessions.iter().filter(|(key, session)| which(key, session)).map(|(key, _)| *key).collect();
            for key in &ended {
                state.sessions.remove(key);
            }
            ended
        };
        for key in &ended {
            gate.forget(key);
        }
        self.write(ended.iter().map(|key| Change::Remove { space: Space::Session, key: key.to_vec() }).collect())
            .await?;
        Ok(())
    }

    /// Begins an attempt, which counts as failed until it is refunded.
    fn begin_attempt(&self, gate: &Gate, keys: &[Key]) -> Result<(), Problem> {
        let now = self.clock.mono();
        let mut state = self.state();
        match state.throttle.wait_s(keys, now) {
            0 => {
                state.throttle.charge(keys, now);
                Ok(())
            }
            wait_s => {
                gate.count_not_logged();
                Err(Problem::wait(wait_s))
            }
        }
    }

    /// [`Passwords::verify`] within an attempt: what is not wrong is refunded.
    async fn judged(&self, keys: &[Key], secret: &api::Secret, stored: Option<&str>) -> Result<bool, Error> {
        let right = self.passwords.verify(secret, stored).await;
        if !matches!(right, Ok(false)) {
            self.state().throttle.refund(keys);
        }
        right
    }

    /// Why this account may not be, if so: a taken name, no role, or duties that must be kept apart.
    fn may_be(&self, account: &Account) -> Result<(), Error> {
        let state = self.state();
        let taken = |other: &Account| other.id != account.id && fold(&other.name) == fold(&account.name);
        if state.accounts.values().any(taken) {
            return Err(
                Error::new(Kind::Conflict, "there is an account with this name already").next("Choose another name.")
            );
        }
        if account.roles.0.is_empty() {
            return Err(Error::invalid("an account needs at least one role"));
        }
        if account.roles.mixes_duties() && !state.station.one_person_station {
            return Err(Error::new(
                Kind::Conflict,
                "one account may hold only one of investigator, approver, auditor and admin",
            )
            .next("Make an account for each duty. Only a box that was claimed as a one-person station may mix them."));
        }
        Ok(())
    }

    fn not_the_last_admin(&self, id: u32) -> Result<(), Error> {
        let state = self.state();
        let others = state.accounts.values().any(|account| account.id != id && account.roles.has(Role::Admin));
        let is_admin = state.accounts.get(&id).is_some_and(|account| account.roles.has(Role::Admin));
        if is_admin && !others {
            return Err(Error::new(Kind::Conflict, "this is the last account with the role admin")
                .next("Give another account the role first."));
        }
        Ok(())
    }

    fn account(&self, id: u32) -> Result<Account, Error> {
        self.state().accounts.get(&id).cloned().ok_or_else(|| Error::not_found(format!("there is no account {id}")))
    }

    /// The account as it is now, if it still has the password that was judged. Called with `changes` held.
    fn unchanged(&self, judged: &Account) -> Option<Account> {
        self.account(judged.id).ok().filter(|now| now.password == judged.password)
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let (register, rows) = (Arc::clone(&self.register), Arc::clone(&self.session_rows));
        blocking(move || {
            let _rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            register.write(&changes)
        })
        .await
    }

    /// Stores a session's last use in the background: when it is lost, the session ends some minutes early.
    fn store_seen(&self, key: SessionKey, session: Session) {
        let (register, state) = (Arc::clone(&self.register), Arc::clone(&self.state));
        let rows = Arc::clone(&self.session_rows);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || {
                let _rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = sessions::store_seen(&*register, &state, &key, &session) {
                    tracing::warn!(%error, "a session's last use was not stored");
                }
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names are compared without case and without the spaces around them.
fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

fn decode<T: for<'de> Deserialize<'de>>(what: &str, row: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(row)
        .map_err(|error| Error::new(Kind::Corrupt, format!("{what} in the register cannot be read: {error}")))
}

fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(row)
        .map_err(|error| Error::new(Kind::Internal, format!("a row of the register cannot be written: {error}")))
}

fn put_station(station: &Station) -> Result<Change, Error> {
    Ok(Change::Put { space: Space::Station, key: STATION_KEY.to_vec(), value: encode(station)? })
}

fn put_account(account: &Account) -> Result<Change, Error> {
    Ok(Change::Put { space: Space::Account, key: account.id.to_be_bytes().to_vec(), value: encode(account)? })
}

fn put_session(key: &SessionKey, session: &Session) -> Result<Change, Error> {
    Ok(Change::Put { space: Space::Session, key: key.to_vec(), value: encode(session)? })
}
