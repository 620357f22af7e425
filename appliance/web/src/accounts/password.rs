//! Passwords: argon2id, and a bound on how much memory and time hashing may take.

use crate::api::Secret;
use crate::error::Error;
use crate::routes::dispatch::blocking;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;
use watchbook_base::Kind;
use zeroize::Zeroizing;

/// Shortest password, in characters. OWASP ASVS 5.0 6.2.1 asks for 8; nobody reuses a 10-character one from a camera's sticker by accident.
pub(crate) const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password: room for any sentence, and a bound on what is hashed.
pub(crate) const PASSWORD_BYTES_MAX: usize = 256;
/// Hashes at once. Each takes a core and [`HashCost::memory_kib`]; a small box has four cores, and capture needs the others.
const HASHES_AT_ONCE: usize = 2;
/// Sign-ins that wait for their turn: with 0.2 s a hash and two at once the last one waits 3.2 s. More are turned away.
const HASHES_WAITING: usize = 32;

/// What one guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for HashCost {
    /// 32 MiB and 3 passes in one lane, over the 19 MiB and 2 passes of the OWASP password storage guide. Measured: 0.2 s on
    /// a two-core machine that was busy with three other things, and 64 MiB for two at once.
    fn default() -> Self {
        Self { memory_kib: 32 << 10, passes: 3 }
    }
}

/// Hashes and checks passwords off the async threads.
pub(crate) struct Passwords {
    cost: HashCost,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Checked when there is no such account, so that the time tells nothing.
    decoy: String,
}

impl Passwords {
    pub(crate) fn new(cost: HashCost) -> Result<Self, Error> {
        let decoy = hash(cost, b"nobody has this password", &random::<16>()?)?;
        Ok(Self {
            cost,
            turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(HASHES_WAITING)),
            decoy,
        })
    }

    /// Why this may not be the password of an account called `name`, if so.
    pub(crate) fn check(secret: &Secret, name: &str) -> Result<(), Error> {
        let text = secret.reveal();
        let weak = |why: &str| {
            Err(Error::invalid(format!("this password is not taken: {why}"))
                .next("Choose another one; a short sentence is good."))
        };
        let lower = text.to_lowercase();
        let distinct = text.chars().collect::<std::collections::BTreeSet<_>>().len();
        match () {
            () if text.chars().count() < PASSWORD_CHARS_MIN => weak("it has fewer than 10 characters"),
            () if text.len() > PASSWORD_BYTES_MAX => weak("it has more than 256 bytes"),
            () if distinct < 5 => weak("it repeats the same few characters"),
            () if lower == name.to_lowercase() => weak("it is the name of the account"),
            () if ["watchbook", "password", "1234567890", "qwertyuiop"]
                .iter()
                .any(|word| lower.trim_matches(|c: char| !c.is_alphanumeric()) == *word) =>
            {
                weak("it is one of the first that anybody tries")
            }
            () => Ok(()),
        }
    }

    /// The PHC string to store.
    pub(crate) async fn hash(&self, secret: &Secret) -> Result<String, Error> {
        let (cost, secret) = (self.cost, secret.clone());
        self.in_turn(move || hash(cost, secret.reveal().as_bytes(), &random::<16>()?)).await
    }

    /// Whether `secret` is the password behind `stored`; `None` checks the decoy and is always false.
    pub(crate) async fn verify(&self, secret: &Secret, stored: Option<&str>) -> Result<bool, Error> {
        if secret.reveal().len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let known = stored.is_some();
        let (secret, stored) = (secret.clone(), stored.unwrap_or(&self.decoy).to_owned());
        let right = self.in_turn(move || {
            let parsed = PasswordHash::new(&stored);
            let parsed =
                parsed.map_err(|_| Error::new(Kind::Corrupt, "the stored password of this account cannot be read"))?;
            Ok(Argon2::default().verify_password(secret.reveal().as_bytes(), &parsed).is_ok())
        });
        Ok(right.await? && known)
    }

    pub(crate) fn cost(&self) -> HashCost {
        self.cost
    }

    /// A key of a passphrase, with argon2id (RFC 9106).
    pub(crate) async fn derive(
        &self,
        secret: &Secret,
        salt: [u8; 16],
        cost: HashCost,
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        let secret = secret.clone();
        self.in_turn(move || {
            let mut key = Zeroizing::new([0; 32]);
            let made =
                argon2(cost).and_then(|argon2| argon2.hash_password_into(secret.reveal().as_bytes(), &salt, &mut *key));
            made.map_err(|error| Error::new(Kind::Internal, format!("making a key of a passphrase failed: {error}")))?;
            Ok(key)
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let busy = || {
            Error::new(Kind::Exhausted, "too many people are signing in at once").next("Try again in a few seconds.")
        };
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| busy())?;
        blocking(move || {
            // Held until the hash is done, even when the caller has gone.
            let (_place, _turn) = (place, turn);
            work()
        })
        .await
    }
}

fn hash(cost: HashCost, password: &[u8], salt: &[u8]) -> Result<String, Error> {
    let failed = |why: &dyn core::fmt::Display| Error::new(Kind::Internal, format!("hashing a password failed: {why}"));
    let argon2 = argon2(cost).map_err(|error| failed(&error))?;
    Ok(argon2.hash_password_with_salt(password, salt).map_err(|error| failed(&error))?.to_string())
}

fn argon2(cost: HashCost) -> Result<Argon2<'static>, argon2::Error> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A hash that costs no more to check than this program's own: a backup that somebody made up must not make sign-ins take the memory of the whole machine.
pub(crate) fn is_stored(phc: &str) -> bool {
    let most = HashCost { memory_kib: 128 << 10, passes: 8 };
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    let params = Params::try_from(&parsed);
    phc.starts_with("$argon2id$")
        && params.is_ok_and(|params| {
            params.m_cost() <= most.memory_kib && params.t_cost() <= most.passes && params.p_cost() <= 4
        })
}

/// `N` bytes nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| Error::new(Kind::Internal, "the system gave no random bytes"))?;
    Ok(bytes)
}
