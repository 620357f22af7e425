//! Accounts as a backup carries them from one station to another.

use super::passkeys::{PASSKEYS_MAX, Passkey};
use super::{Account, AccountBook, Factor, Station, decode, encode, factor, fold};
use crate::accounts::HashCost;
use crate::accounts::password::is_stored;
use crate::api::{self, Secret};
use crate::check;
use crate::error::Error;
use crate::hex;
use crate::ports::{SECRET_BYTES, Secrets};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use watchbook_access::Role;
use watchbook_base::Kind;
use zeroize::Zeroizing;

/// So many accounts are never made: what lies above is made up.
const ACCOUNT_NUMBERS_MAX: u32 = u32::MAX / 2;

/// An account whose second factor is not wrapped with the station's master key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carried {
    account: Account,
    /// Of its second factor, in hex.
    secret: Option<String>,
}

impl Carried {
    /// What is stored of an account, with its secret unwrapped. Blocking.
    pub(crate) fn out_of(row: &[u8], secrets: &dyn Secrets) -> Result<Self, Error> {
        let mut account: Account = decode("an account", row)?;
        let Some(factor) = &mut account.factor else { return Ok(Self { account, secret: None }) };
        let wrapped = hex::decode_all(&core::mem::take(&mut factor.wrapped)).unwrap_or_default();
        let secret = secrets.unwrap(&factor::secret_name(account.id), &wrapped)?;
        Ok(Self { account, secret: Some(hex::encode(&*secret)) })
    }

    /// What a backup holds of an account.
    ///
    /// # Errors
    /// When it is none that this program would have made.
    pub(crate) fn read(value: &[u8]) -> Result<Self, Error> {
        let carried: Self = decode("an account", value)?;
        let Self { account, secret } = &carried;
        let secret_fits = match secret {
            Some(secret) => hex::decode::<SECRET_BYTES>(secret).is_some(),
            None => true,
        };
        let name = check::name("name", &account.name).is_ok_and(|name| name == account.name);
        let fits = name
            && account.id > 0
            && !account.roles.0.is_empty()
            && is_stored(&account.password)
            && account.factor.is_some() == secret.is_some()
            && account.passkeys.len() <= PASSKEYS_MAX
            && account.passkeys.iter().all(Passkey::is_whole)
            && secret_fits;
        match fits {
            true => Ok(carried),
            false => Err(Error::new(
                Kind::InvalidInput,
                format!("account {} of this backup is none that a recorder makes", account.id),
            )
            .next("Take another copy of it, or an older backup.")),
        }
    }

    pub(crate) fn value(&self) -> Result<Vec<u8>, Error> {
        encode(self)
    }

    /// As this station stores it. Blocking.
    pub(crate) fn stored(&self, secrets: &dyn Secrets) -> Result<Vec<u8>, Error> {
        let mut account = self.account.clone();
        if let (Some(factor), Some(secret)) = (account.factor.take(), &self.secret) {
            let secret = hex::decode::<SECRET_BYTES>(secret).map(Zeroizing::new);
            let secret = secret.ok_or_else(|| Error::invalid("a second factor of this backup is none"))?;
            let wrapped = hex::encode(&secrets.wrap(&factor::secret_name(account.id), &secret)?);
            account.factor = Some(Factor { wrapped, ..factor });
        }
        encode(&account)
    }

    pub(crate) fn id(&self) -> u32 {
        self.account.id
    }

    pub(crate) fn shown(&self) -> api::Account {
        self.account.shown()
    }

    /// Both sign in with the same password, the same second factor and the same passkeys.
    pub(crate) fn same_secrets(&self, other: &Self) -> [(&'static str, bool); 3] {
        let credentials = |of: &Self| of.account.passkeys.iter().map(Passkey::id).collect::<BTreeSet<_>>();
        [
            ("password", self.account.password == other.account.password),
            ("second_factor", self.secret == other.secret),
            ("passkeys", credentials(self) == credentials(other)),
        ]
    }
}

/// Why these accounts together cannot be a station's, if so.
pub(crate) fn fit_together(accounts: &[Carried], one_person_station: bool) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for Carried { account, .. } in accounts {
        if !names.insert(fold(&account.name)) {
            let message = format!("two accounts would have the name {}", account.name);
            return Err(
                Error::new(Kind::Conflict, message).next("Give the one that is here another name, then restore again.")
            );
        }
        if account.roles.mixes_duties() && !one_person_station {
            let message = format!("account {} would mix duties that are kept apart here", account.id);
            return Err(Error::new(Kind::Conflict, message).next("Restore it on a fresh station."));
        }
    }
    match accounts.iter().any(|carried| carried.account.roles.has(Role::Admin)) {
        true => Ok(()),
        false => Err(Error::invalid("nobody would be an admin").next("Take another backup.")),
    }
}

/// The station's row of a backup, and whether one person may be all. Numbers up to `last` are given, whatever it says.
///
/// # Errors
/// When it is none, or says that there are no numbers left.
pub(crate) fn station_of(row: &[u8], last: u32) -> Result<(Vec<u8>, bool), Error> {
    let Station { one_person_station, last_account, .. } = decode("the station's settings", row)?;
    let last_account = last_account.max(last);
    if last_account > ACCOUNT_NUMBERS_MAX {
        return Err(Error::invalid("this backup says that nearly all numbers of accounts were given"));
    }
    Ok((encode(&Station { claimed: true, one_person_station, last_account })?, one_person_station))
}

impl AccountBook {
    /// What argon2id takes for the key of a new backup: twice the memory of a sign-in, because whoever has the file has all the time there is.
    pub(crate) fn backup_cost(&self) -> HashCost {
        let HashCost { memory_kib, passes } = self.passwords.cost();
        HashCost { memory_kib: memory_kib.saturating_mul(2), passes }
    }

    /// The key of a backup.
    pub(crate) async fn derive(
        &self,
        passphrase: &Secret,
        salt: [u8; 16],
        cost: HashCost,
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        self.passwords.derive(passphrase, salt, cost).await
    }
}
