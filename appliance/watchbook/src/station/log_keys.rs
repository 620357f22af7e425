//! The audit log's keys: the one that signs, wrapped with the master key; the ones before it; and the one that comes, while it takes over.
//!
//! In the register's settings: `log/origin`, `log/key`, `log/retired` (public keys, a line each, oldest first), `log/next-key` (the number of the leaf that names it, eight
//! bytes, and the wrapped secret), `log/key-leaves` (the numbers of all such leaves, eight bytes each).
//!
//! A change of key: 1. the new key as the next one and the leaf with the note that both keys have signed are durable at once, 2. the keeper signs the first tree that has the
//! leaf with both, 3. that checkpoint, the new key as the key, the old one as a retired one are durable at once. After a crash between 1 and 3 the change goes on.

use super::desk::stored;
use watchbook_base::Kind;
use watchbook_evidence::record::Record;
use watchbook_evidence::rotation::{ROTATIONS_MAX, Rotation};
use watchbook_evidence::{Algorithm, Keeper, SignedCheckpoint, SigningKey, VerifierKey, hex};
use watchbook_store::Keys;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::error::Error;
use zeroize::Zeroizing;

const ORIGIN: &[u8] = b"log/origin";
const KEY: &[u8] = b"log/key";
const RETIRED: &[u8] = b"log/retired";
const NEXT: &[u8] = b"log/next-key";
const LEAVES: &[u8] = b"log/key-leaves";
/// Under which the log's key is wrapped.
const KEY_NAME: &str = "log key";

type Result<T> = core::result::Result<T, Error>;

/// Every key of a log, and which trees each of them signs for.
#[derive(Clone, Debug, Default)]
pub struct LogKeys {
    /// Oldest first; the last one signs now.
    keys: Vec<VerifierKey>,
    /// The leaf that brought each key but the first.
    leaves: Vec<u64>,
}

impl LogKeys {
    /// Earlier keys, the key of now, and the leaves that changed them, of which one more is there while a change is under way.
    pub fn new(retired: &[VerifierKey], now: Option<VerifierKey>, leaves: &[u64]) -> Self {
        Self { keys: retired.iter().cloned().chain(now).collect(), leaves: leaves.to_vec() }
    }

    /// The key whose signature a tree of `size` entries must have: whoever got hold of an earlier one signs nothing longer with it.
    pub fn of(&self, size: u64) -> Option<&VerifierKey> {
        let changes = self.leaves.iter().filter(|leaf| **leaf < size).count();
        self.keys.get(changes).or_else(|| self.keys.last())
    }

    /// The right key has signed this checkpoint.
    pub fn signed(&self, checkpoint: &SignedCheckpoint) -> bool {
        let key = self.of(checkpoint.checkpoint().root.size);
        key.is_some_and(|key| checkpoint.verify(core::slice::from_ref(key)).is_ok())
    }
}

fn get(register: &Register, key: &[u8]) -> Result<Option<Vec<u8>>> {
    Ok(register.get(Namespace::Setting, key).map_err(stored)?.map(|entry| entry.value))
}

fn put(key: &[u8], value: impl Into<Vec<u8>>) -> Change {
    Change::put(Namespace::Setting, key, value)
}

/// The log has a key, which may not open.
pub fn exists(register: &Register) -> Result<bool> {
    Ok(get(register, KEY)?.is_some())
}

/// The log's name, which nobody keeps secret.
pub fn origin(register: &Register) -> Result<String> {
    let bytes = get(register, ORIGIN)?.ok_or_else(|| bad("its origin is not there"))?;
    String::from_utf8(bytes).map_err(|_| bad("its origin is no text"))
}

fn bad(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("opening the audit log's key: {what}"))
}

/// Another origin and key, and `also` with them. Keys of before are no longer this log's.
pub fn make(register: &Register, keys: &Keys, also: &[Change]) -> Result<()> {
    let mut station = [0; 8];
    random(&mut station)?;
    let origin = format!("watchbook.station/{}", hex(&station)).into_bytes();
    let (_, wrapped) = seed(keys)?;
    let gone = [RETIRED, NEXT, LEAVES].map(|key| Change::delete(Namespace::Setting, key));
    register.apply(&[&[put(ORIGIN, origin), put(KEY, wrapped)], &gone[..], also].concat()).map_err(stored)
}

/// The log's origin and key.
pub fn open(register: &Register, keys: &Keys) -> Result<(String, SigningKey)> {
    let origin = origin(register)?;
    let wrapped = get(register, KEY)?.ok_or_else(|| bad("it is not there"))?;
    let key = unwrap(keys, &origin, &wrapped)?;
    Ok((origin, key))
}

/// Keys that this log had, oldest first.
pub fn retired(register: &Register) -> Result<Vec<VerifierKey>> {
    let text = String::from_utf8(get(register, RETIRED)?.unwrap_or_default())
        .map_err(|_| bad("the list of earlier ones is no text"))?;
    let parse = |line: &str| VerifierKey::parse(line).map_err(|error| bad(&format!("an earlier one: {error}")));
    text.lines().map(parse).collect()
}

/// Begins a change of key; the next tree that is signed ends it. Gives the number of the leaf that names it.
///
/// # Errors
/// `Conflict` while another change is under way, when the log is not signed, and after as many changes as a log can have; when the register cannot be written.
pub fn rotate(register: &Register, keys: &Keys, keeper: &mut Keeper) -> Result<u64> {
    if get(register, NEXT)?.is_some() {
        let next = "Wait until the next checkpoint is signed, then try again.";
        return Err(Error::new(Kind::Conflict, "the audit log's key is being changed already").next(next));
    }
    if retired(register)?.len() >= ROTATIONS_MAX {
        let message = format!("this log has had {ROTATIONS_MAX} changes of key, as many as there can be");
        return Err(
            Error::new(Kind::Conflict, message).next("Begin a new log: stop the recorder, run watchbook new-log.")
        );
    }
    let (origin, old) = open(register, keys)?;
    let (seed, wrapped) = seed(keys)?;
    let new = signing(&origin, &seed)?;
    let note = Rotation::sign(&origin, &old, &new).map_err(|error| bad(&error.to_string()))?;
    let mut leaves = get(register, LEAVES)?.unwrap_or_default();
    let changes = |leaf: u64| {
        leaves.extend_from_slice(&leaf.to_le_bytes());
        vec![put(NEXT, [&leaf.to_le_bytes()[..], &wrapped].concat()), put(LEAVES, leaves)]
    };
    let leaf = register.append_records(&[Record::LogKey { note }], changes).map_err(stored)?;
    keeper.rotate::<String>(new, leaf).map_err(|refusal| Error::new(Kind::Internal, refusal.to_string()))?;
    Ok(leaf)
}

/// The key that comes with the leaf that names it, while it takes over.
fn next(register: &Register) -> Result<Option<(u64, Vec<u8>)>> {
    let Some(value) = get(register, NEXT)? else { return Ok(None) };
    let (leaf, wrapped) = value.split_first_chunk::<8>().ok_or_else(|| bad("the next one is too short"))?;
    Ok(Some((u64::from_le_bytes(*leaf), wrapped.to_vec())))
}

/// Numbers of the leaves that change the key, in order: whoever trusts an earlier key needs them.
pub fn leaves(register: &Register) -> Result<Vec<u64>> {
    let numbers = get(register, LEAVES)?.unwrap_or_default();
    Ok(numbers.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}

/// Goes on with a change of key that a crash broke off.
///
/// # Errors
/// When the register cannot be read, or the key cannot be opened.
pub fn resume(register: &Register, keys: &Keys, keeper: &mut Keeper) -> Result<()> {
    let Some((leaf, wrapped)) = next(register)? else { return Ok(()) };
    let new = unwrap(keys, &origin(register)?, &wrapped)?;
    keeper.rotate::<String>(new, leaf).map_err(|refusal| Error::new(Kind::Internal, refusal.to_string()))
}

/// What ends a change of key, to be written with the first checkpoint that the new one has signed; `old` is the key that goes.
pub fn finish(register: &Register, old: &str) -> Result<Vec<Change>> {
    let Some((_, wrapped)) = next(register)? else { return Ok(Vec::new()) };
    let mut retired = get(register, RETIRED)?.unwrap_or_default();
    retired.extend_from_slice(format!("{old}\n").as_bytes());
    Ok(vec![put(KEY, wrapped), put(RETIRED, retired), Change::delete(Namespace::Setting, NEXT)])
}

/// A new secret, plain and wrapped.
fn seed(keys: &Keys) -> Result<(Zeroizing<[u8; 32]>, Vec<u8>)> {
    let mut seed = Zeroizing::new([0; 32]);
    random(&mut *seed)?;
    let wrapped = keys.wrap_secret(KEY_NAME, &seed).map_err(stored)?;
    Ok((seed, wrapped))
}

fn unwrap(keys: &Keys, origin: &str, wrapped: &[u8]) -> Result<SigningKey> {
    signing(origin, &*keys.unwrap_secret(KEY_NAME, wrapped).map_err(stored)?)
}

fn signing(origin: &str, seed: &[u8; 32]) -> Result<SigningKey> {
    SigningKey::from_seed(origin, Algorithm::Ed25519, seed).map_err(|error| bad(&error.to_string()))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    let failed = |error| Error::new(Kind::Io, format!("making the audit log's key: {error}"));
    getrandom::fill(bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_key_signs_for_no_longer_tree() {
        let key = |seed: u8| SigningKey::from_seed("log", Algorithm::Ed25519, &[seed; 32]).unwrap().verifier().clone();
        let keys = LogKeys::new(&[key(1), key(2)], Some(key(3)), &[10, 20]);
        for (size, seed) in [(0, 1), (10, 1), (11, 2), (20, 2), (21, 3), (1_000_000_000, 3)] {
            assert_eq!(keys.of(size), Some(&key(seed)), "{size}");
        }
        // While the third one takes over, nothing longer has been signed.
        let changing = LogKeys::new(&[key(1)], Some(key(2)), &[10, 20]);
        assert_eq!((changing.of(11), changing.of(21)), (Some(&key(2)), Some(&key(2))));
        assert_eq!(LogKeys::default().of(5), None);
    }
}
