//! Tokens of programs that copy the log: shown once, kept as their SHA-256, good for reading the log and nothing else, in the name of the auditor who made them.

use crate::accounts::{AccountBook, Who, random};
use crate::error::{Error, Problem};
use crate::gate::Gate;
use crate::headers::{MIRROR_TOKEN_PREFIX, TOKEN_BYTES};
use crate::ports::{Change, Ports, Register, Space};
use crate::routes::dispatch::blocking;
use crate::{api, check, hex};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::{Role, Subject};
use watchbook_base::{Clock, Kind};

/// Mirrors of one log: an oversight body, a court, a few others.
pub(crate) const MIRRORS_MAX: usize = 16;
/// A token is over after a year and a day: whoever still copies the log then asks for another one.
const DAYS_MAX: i64 = 366;
const DAY_MS: i64 = 86_400_000;
/// How stale the stored time of last use may be.
const USED_EVERY_MS: i64 = 3_600_000;
/// The row that keeps the last number; numbers of mirrors are four bytes long.
const LAST_KEY: &[u8] = b"last";

/// What is stored of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mirror {
    number: u32,
    name: String,
    account: u32,
    token_sha256: String,
    made_utc_ms: i64,
    used_utc_ms: Option<i64>,
}

impl Mirror {
    fn expires_utc_ms(&self) -> i64 {
        self.made_utc_ms.saturating_add(DAYS_MAX * DAY_MS)
    }

    fn shown(&self) -> api::Mirror {
        api::Mirror {
            number: self.number,
            name: self.name.clone(),
            account: self.account,
            account_name: None,
            made_utc_ms: self.made_utc_ms,
            expires_utc_ms: self.expires_utc_ms(),
            used_utc_ms: self.used_utc_ms,
        }
    }

    fn put(&self) -> Result<Change, Error> {
        let value = serde_json::to_vec(self);
        let value = value.map_err(|error| Error::new(Kind::Internal, format!("storing a mirror: {error}")))?;
        Ok(Change::Put { space: Space::Mirror, key: self.number.to_be_bytes().to_vec(), value })
    }
}

#[derive(Default)]
struct State {
    last: u32,
    mirrors: BTreeMap<u32, Mirror>,
}

/// The tokens.
pub(crate) struct MirrorBook {
    register: Arc<dyn Register>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held over "check, write, put in force".
    changes: tokio::sync::Mutex<()>,
}

impl MirrorBook {
    /// Loads what is stored. Blocking.
    pub(crate) fn load(ports: &Ports, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let register = Arc::clone(&ports.register);
        let mut state = State::default();
        for (key, row) in register.list(Space::Mirror)? {
            let corrupt = || Error::new(Kind::Corrupt, "a mirror's row of the register cannot be read");
            if key == LAST_KEY {
                state.last = u32::from_be_bytes(row.as_slice().try_into().map_err(|_| corrupt())?);
                continue;
            }
            let mirror: Mirror = serde_json::from_slice(&row).map_err(|_| corrupt())?;
            state.mirrors.insert(mirror.number, mirror);
        }
        Ok(Self { register, clock, state: Mutex::new(state), changes: tokio::sync::Mutex::new(()) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In whose name this token reads the log, and its number; `None` for one that is unknown or over, or whose account is gone. It never has more than the role of an auditor, and that
    /// only as long as the account has it.
    pub(crate) fn who(self: &Arc<Self>, token: &[u8; TOKEN_BYTES], accounts: &AccountBook) -> Option<(Who, u32)> {
        let hash = hex::sha256(token);
        let wanted = hex::encode(&hash);
        let now = self.clock.utc().as_ms();
        let mut state = self.state();
        let mirror = state.mirrors.values_mut().find(|mirror| mirror.token_sha256 == wanted)?;
        if !(mirror.made_utc_ms..mirror.expires_utc_ms()).contains(&now) {
            return None;
        }
        let mut roles = accounts.roles_of(mirror.account)?;
        roles.0.retain(|role| *role == Role::Auditor);
        let subject = Subject::new(mirror.account, roles, Some(BTreeSet::new()));
        let who = Who { session: hash, account: mirror.account, subject };
        let number = mirror.number;
        if mirror.used_utc_ms.is_none_or(|used| now - used >= USED_EVERY_MS) {
            mirror.used_utc_ms = Some(now);
            drop(state);
            self.store_used(number);
        }
        Some((who, number))
    }

    /// Stores the last use in the background, with nobody changing mirrors meanwhile: one that is revoked must not come back. When it is lost, the list shows an earlier one.
    fn store_used(self: &Arc<Self>, number: u32) {
        let (book, Ok(runtime)) = (Arc::clone(self), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            let _change = book.changes.lock().await;
            let used = book.state().mirrors.get(&number).cloned();
            let Some(Ok(change)) = used.map(|mirror| mirror.put()) else { return };
            if let Err(error) = book.write(vec![change]).await {
                tracing::warn!(%error, "a mirror's last use was not stored");
            }
        });
    }

    /// All, in order of their numbers.
    pub(crate) fn list(&self) -> Vec<api::Mirror> {
        self.state().mirrors.values().map(Mirror::shown).collect()
    }

    /// Another mirror, with its token, which nobody can read again.
    pub(crate) async fn make(&self, account: u32, name: &str) -> Result<api::MirrorMade, Problem> {
        let name = check::name("name", name)?;
        let _change = self.changes.lock().await;
        let now = self.clock.utc().as_ms();
        let over: Vec<u32> = {
            let state = self.state();
            let over = state.mirrors.values().filter(|mirror| mirror.expires_utc_ms() <= now);
            over.map(|mirror| mirror.number).collect()
        };
        let (number, count) = {
            let state = self.state();
            (state.last.saturating_add(1), state.mirrors.len() - over.len())
        };
        if count >= MIRRORS_MAX {
            let message = format!("there are {MIRRORS_MAX} mirrors already");
            return Err(Error::new(Kind::Conflict, message).next("Revoke one that is not used any more.").into());
        }
        let token = random::<TOKEN_BYTES>()?;
        let mirror = Mirror {
            number,
            name,
            account,
            token_sha256: hex::encode(&hex::sha256(&token)),
            made_utc_ms: now,
            used_utc_ms: None,
        };
        let last = Change::Put { space: Space::Mirror, key: LAST_KEY.to_vec(), value: number.to_be_bytes().to_vec() };
        let mut changes = vec![last, mirror.put()?];
        changes.extend(over.iter().copied().map(remove));
        self.write(changes).await?;
        let shown = mirror.shown();
        let mut state = self.state();
        state.last = number;
        state.mirrors.retain(|number, _| !over.contains(number));
        state.mirrors.insert(number, mirror);
        Ok(api::MirrorMade { mirror: shown, token: format!("{MIRROR_TOKEN_PREFIX}{}", hex::encode(&token)) })
    }

    /// Ends a token at once.
    pub(crate) async fn revoke(&self, gate: &Gate, number: u32) -> Result<(), Problem> {
        let _change = self.changes.lock().await;
        // First in memory, so that a failing disk keeps nobody in.
        let gone = self.state().mirrors.remove(&number);
        let gone = gone.ok_or_else(|| {
            Error::not_found(format!("there is no mirror {number}")).next("Look at the list of mirrors.")
        })?;
        if let Ok(key) = hex_key(&gone.token_sha256) {
            gate.forget(&key);
        }
        self.write(vec![remove(number)]).await?;
        Ok(())
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), Error> {
        let register = Arc::clone(&self.register);
        blocking(move || register.write(&changes)).await
    }
}

fn remove(number: u32) -> Change {
    Change::Remove { space: Space::Mirror, key: number.to_be_bytes().to_vec() }
}

fn hex_key(text: &str) -> Result<[u8; 32], Error> {
    hex::decode(text)
        .ok_or_else(|| Error::new(Kind::Corrupt, "a mirror's token is stored in a way that cannot be read"))
}
