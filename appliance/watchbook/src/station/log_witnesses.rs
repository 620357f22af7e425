//! Witnesses of the audit log: whose cosignatures are taken home, the checkpoints that they were asked about, and what they signed last.
//!
//! In the register's settings: `log/witness/<hash of the key>` has a witness' key; `log/seen/<size><root>` a checkpoint that went outside or came from there;
//! `log/cosigned/<hash of the key>` the last one that this witness signed; `log/push/<hash of the key>` and `log/pushed/<hash of the key>` what `pushes` says.

mod pushes;

pub use pushes::{Kept, Pushing};

use super::desk::stored;
use super::log_keys::LogKeys;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Kind, UtcNanos};
use watchbook_evidence::note::{NoteError, Signature};
use watchbook_evidence::{Algorithm, SignedCheckpoint, VerifierKey, sha256_of};
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;

/// Witnesses of one log.
pub const WITNESSES_MAX: usize = 16;
/// Checkpoints that went outside and may come back cosigned: with one request a week, those of a year.
pub const SEEN_MAX: usize = 64;
/// A witness' own clock may be ahead of ours by so many seconds.
const AHEAD_S_MAX: u64 = 24 * 3600;

const WITNESS: &[u8] = b"log/witness/";
const SEEN: &[u8] = b"log/seen/";
const COSIGNED: &[u8] = b"log/cosigned/";

type Result<T> = core::result::Result<T, Error>;

/// The log that is witnessed: its name and the keys that it has and had.
pub struct Log<'a> {
    pub origin: &'a str,
    pub keys: &'a LogKeys,
}

/// What somebody brought.
pub struct Brought {
    /// A whole checkpoint, as it was kept outside.
    pub checkpoint: Option<SignedCheckpoint>,
    lines: Vec<Signature>,
}

impl Brought {
    /// A checkpoint of this log with what was answered when it was sent.
    pub fn answered(checkpoint: SignedCheckpoint, line: Signature) -> Self {
        Self { checkpoint: Some(checkpoint), lines: vec![line] }
    }

    /// Reads a checkpoint with its signatures, or lines of signatures alone.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: String| {
            let next = "Give the file that the witness wrote, or a checkpoint that was kept, unchanged.";
            Error::invalid(format!("this is neither a checkpoint nor lines of cosignatures: {why}")).next(next)
        };
        let text = text.replace("\r\n", "\n");
        if text.contains("\n\n") {
            let whole = format!("{}\n", text.trim_end_matches('\n'));
            let checkpoint = SignedCheckpoint::parse(whole.as_bytes()).map_err(|error| bad(error.to_string()))?;
            let lines = checkpoint.note().signatures().to_vec();
            return Ok(Self { checkpoint: Some(checkpoint), lines });
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines = lines.map(|line| Signature::parse(line).ok_or_else(|| bad("a line is no signature".to_owned())));
        let lines = lines.take(WITNESSES_MAX + 1).collect::<Result<Vec<_>>>()?;
        match lines.len() {
            0 => Err(bad("it is empty".to_owned())),
            count if count > WITNESSES_MAX => Err(bad(format!("it has more than {WITNESSES_MAX} lines"))),
            _ => Ok(Self { checkpoint: None, lines }),
        }
    }
}

/// What the register has of witnesses.
pub struct Witnesses {
    register: Arc<Register>,
    /// Held over "read, judge, write", so that two changes cannot pass each other.
    changing: Mutex<()>,
    /// How often something was written.
    changes: AtomicU64,
}

impl Witnesses {
    pub fn new(register: &Arc<Register>) -> Self {
        Self { register: Arc::clone(register), changing: Mutex::default(), changes: AtomicU64::default() }
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often something was written since the start: whoever keeps what was read looks whether it is still this.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn write(&self, changes: &[Change]) -> Result<()> {
        let written = self.register.apply(changes).map_err(stored);
        self.changes.fetch_add(1, Ordering::SeqCst);
        written
    }

    /// Keys and since when, by name.
    fn keys(&self) -> Result<Vec<(VerifierKey, UtcNanos)>> {
        let rows = self.register.scan(Namespace::Setting, WITNESS).map_err(stored)?;
        let read = rows.iter().filter_map(|row| {
            let (utc, text) = dated(&row.value)?;
            Some((VerifierKey::parse(text).ok()?, utc))
        });
        let mut keys: Vec<_> = read.collect();
        keys.sort_by(|(one, _), (other, _)| one.name().cmp(other.name()));
        Ok(keys)
    }

    /// The witnesses with what each signed of this log last.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn list(&self, log: &Log<'_>) -> Result<Vec<api::LogWitness>> {
        let keys = self.keys()?;
        keys.into_iter().map(|(key, since)| self.shown(log, &key, since)).collect()
    }

    fn shown(&self, log: &Log<'_>, key: &VerifierKey, since: UtcNanos) -> Result<api::LogWitness> {
        let last = self.last_of(log, key)?;
        Ok(api::LogWitness {
            name: key.name().to_owned(),
            key: key.to_string(),
            since_utc_ms: since.as_ms(),
            cosigned_entries: last.as_ref().map(|(checkpoint, _)| checkpoint.checkpoint().root.size),
            cosigned_utc_s: last.map(|(_, at_s)| at_s),
        })
    }

    /// What this witness signed last of this log, and when by its clock.
    fn last_of(&self, log: &Log<'_>, key: &VerifierKey) -> Result<Option<(SignedCheckpoint, u64)>> {
        let row = self.register.get(Namespace::Setting, &row_of(COSIGNED, key)).map_err(stored)?;
        Ok(row.and_then(|row| {
            let checkpoint = SignedCheckpoint::parse(dated(&row.value)?.1.as_bytes()).ok()?;
            let at_s =
                checkpoint.witnessed(core::slice::from_ref(key)).ok()?.iter().filter_map(|one| one.at_s).max()?;
            (checkpoint.checkpoint().origin == log.origin).then_some((checkpoint, at_s))
        }))
    }

    /// Takes another witness.
    ///
    /// # Errors
    /// `InvalidInput` for what is no witness' key, `Conflict` when there is one of that name or there are [`WITNESSES_MAX`].
    pub fn trust(&self, log: &Log<'_>, key: &str) -> Result<api::LogWitness> {
        let next = "Ask the witness for its public key, the line that `watchbook-witness keygen` printed.";
        let key = VerifierKey::parse(key.trim())
            .map_err(|error| Error::invalid(format!("this is no witness' key: {error}")).next(next))?;
        if key.algorithm() != Algorithm::Cosignature {
            return Err(Error::invalid("this is the key of a log, not of a witness").next(next));
        }
        let _changing = self.changing();
        let known = self.keys()?;
        if known.iter().any(|(other, _)| other.name() == key.name()) {
            let message = format!("there is a witness {} already", key.name());
            return Err(Error::new(Kind::Conflict, message).next("If it has a new key, remove the old one first."));
        }
        if known.len() >= WITNESSES_MAX {
            let message = format!("there are {WITNESSES_MAX} witnesses already");
            return Err(Error::new(Kind::Conflict, message).next("Remove one that is not asked any more."));
        }
        let now = SystemClock.utc();
        self.put(row_of(WITNESS, &key), now, &key.to_string())?;
        self.shown(log, &key, now)
    }

    /// Takes cosignatures of this witness no more, and forgets what it signed.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn distrust(&self, name: &str) -> Result<()> {
        let _changing = self.changing();
        let known = self.keys()?;
        let (key, _) = known.iter().find(|(key, _)| key.name() == name).ok_or_else(|| {
            Error::not_found(format!("there is no witness {name}")).next("Look at the list of witnesses.")
        })?;
        let delete = |prefix| Change::delete(Namespace::Setting, row_of(prefix, key));
        self.write(&[WITNESS, COSIGNED, pushes::PUSH, pushes::PUSHED].map(delete))
    }

    /// Keeps a checkpoint that goes outside: a cosignature alone does not say what it is of. The shortest of more than [`SEEN_MAX`] is forgotten.
    ///
    /// # Errors
    /// When the register cannot be written.
    pub fn remember(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        let root = checkpoint.checkpoint().root;
        let row = [SEEN, &root.size.to_be_bytes(), &root.hash].concat();
        let _changing = self.changing();
        let known = self.register.scan(Namespace::Setting, SEEN).map_err(stored)?;
        if known.iter().any(|known| known.key == row) {
            return Ok(());
        }
        let value = [&SystemClock.utc().0.to_le_bytes()[..], checkpoint.to_text().as_bytes()].concat();
        let mut changes = vec![Change::put(Namespace::Setting, row, value)];
        let over = (known.len() + 1).saturating_sub(SEEN_MAX);
        changes.extend(known.iter().take(over).map(|known| Change::delete(Namespace::Setting, known.key.clone())));
        self.write(&changes)
    }

    /// Every checkpoint of this log that was outside, longest last.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn seen(&self, log: &Log<'_>) -> Result<Vec<SignedCheckpoint>> {
        let rows = self.register.scan(Namespace::Setting, SEEN).map_err(stored)?;
        let read = rows.iter().filter_map(|row| SignedCheckpoint::parse(dated(&row.value)?.1.as_bytes()).ok());
        Ok(read.filter(|seen| seen.checkpoint().origin == log.origin && log.keys.signed(seen)).collect())
    }

    /// What makes the checkpoints of an earlier log forgotten.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn forget(&self) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        // A refusal is one of the log that is over.
        for of in [SEEN, pushes::PUSHED] {
            let rows = self.register.scan(Namespace::Setting, of).map_err(stored)?;
            changes.extend(rows.into_iter().map(|row| Change::delete(Namespace::Setting, row.key)));
        }
        Ok(changes)
    }

    /// Takes home what witnesses signed. A whole checkpoint has been found to be this log's by the caller.
    ///
    /// # Errors
    /// `InvalidInput` when lines came alone and none is of a witness that is known, when one does not fit any checkpoint that it can be of, or says a time that has not come.
    pub fn import(&self, log: &Log<'_>, brought: &Brought) -> Result<Vec<api::LogCosigned>> {
        let _changing = self.changing();
        let keys: Vec<VerifierKey> = self.keys()?.into_iter().map(|(key, _)| key).collect();
        let of = |line: &Signature| keys.iter().find(|key| key.name() == line.name && key.key_id() == line.key_id);
        let known: Vec<_> = brought.lines.iter().filter_map(|line| Some((line, of(line)?))).collect();
        // A checkpoint that was kept outside needs no witness.
        if known.is_empty() && brought.checkpoint.is_none() {
            let names: Vec<&str> = brought.lines.iter().map(|line| line.name.as_str()).collect();
            let message = format!("no witness of this log has signed that; the lines are of {}", names.join(", "));
            return Err(Error::invalid(message).next("Add the witness with its public key first."));
        }
        let candidates = match &brought.checkpoint {
            Some(checkpoint) => vec![checkpoint.clone()],
            None => self.seen(log)?,
        };
        let cosigned = known.into_iter().map(|(line, key)| cosigned(&candidates, log, line, key));
        let cosigned: Vec<_> = cosigned.collect::<Result<_>>()?;
        let mut taken = Vec::new();
        for (checkpoint, key, at_s) in cosigned {
            let entries = checkpoint.checkpoint().root.size;
            let before = self.last_of(log, key)?;
            // An older one proves less than what is here.
            let newer = before.is_none_or(|(last, last_s)| (last.checkpoint().root.size, last_s) < (entries, at_s));
            if newer {
                self.put(row_of(COSIGNED, key), SystemClock.utc(), &checkpoint.to_text())?;
            }
            taken.push(api::LogCosigned { witness: key.name().to_owned(), entries, utc_s: at_s, newer });
        }
        Ok(taken)
    }

    /// The longest checkpoint that a witness signed, with the lines of all who signed it.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn cosigned(&self, log: &Log<'_>) -> Result<Option<SignedCheckpoint>> {
        let keys: Vec<VerifierKey> = self.keys()?.into_iter().map(|(key, _)| key).collect();
        let mut best: Option<SignedCheckpoint> = None;
        for key in &keys {
            let Some((checkpoint, _)) = self.last_of(log, key)? else { continue };
            let (root, text) = (checkpoint.checkpoint().root, checkpoint.note().text().to_owned());
            match &mut best {
                Some(best) if best.note().text() == text => {
                    for line in checkpoint.note().signatures() {
                        // A line of another key is one of the log itself, which is there.
                        let _ = best.add_cosignature(line.clone(), &keys);
                    }
                }
                Some(best) if best.checkpoint().root.size >= root.size => {}
                _ => best = Some(checkpoint),
            }
        }
        Ok(best)
    }

    fn put(&self, key: Vec<u8>, utc: UtcNanos, text: &str) -> Result<()> {
        let value = [&utc.0.to_le_bytes()[..], text.as_bytes()].concat();
        self.write(&[Change::put(Namespace::Setting, key, value)])
    }
}

/// Finds what the line is of: the longest checkpoint under which its signature verifies.
fn cosigned<'k>(
    candidates: &[SignedCheckpoint],
    log: &Log<'_>,
    line: &Signature,
    key: &'k VerifierKey,
) -> Result<(SignedCheckpoint, &'k VerifierKey, u64)> {
    let keys = core::slice::from_ref(key);
    let fits = candidates.iter().rev().find_map(|candidate| {
        let mut alone = only_of_the_log(candidate, log.keys).ok()?;
        alone.add_cosignature(line.clone(), keys).ok()?;
        let at_s = alone.witnessed(keys).ok()?.first()?.at_s?;
        Some((alone, key, at_s))
    });
    let (checkpoint, key, at_s) = fits.ok_or_else(|| {
        let message = format!("the cosignature of {} fits no checkpoint of this log that went outside", key.name());
        let next = "Give the whole checkpoint with the cosignature, or download a new request for the witness.";
        Error::invalid(message).next(next)
    })?;
    let now_s = u64::try_from(SystemClock.utc().as_ms() / 1000).unwrap_or_default();
    if at_s > now_s.saturating_add(AHEAD_S_MAX) {
        let message = format!("{} says that it signed in the future, {at_s} s after 1970", key.name());
        return Err(Error::invalid(message).next("Compare the clocks of this box and of the witness."));
    }
    Ok((checkpoint, key, at_s))
}

/// The checkpoint with the signatures of the log alone.
fn only_of_the_log(checkpoint: &SignedCheckpoint, keys: &LogKeys) -> core::result::Result<SignedCheckpoint, NoteError> {
    let key = keys.of(checkpoint.checkpoint().root.size).ok_or(NoteError::Unsigned)?;
    checkpoint.verify(core::slice::from_ref(key))?;
    let mut text = format!("{}\n", checkpoint.note().text());
    for line in checkpoint.note().signatures() {
        if key.name() == line.name && key.key_id() == line.key_id {
            text += &format!("{line}\n");
        }
    }
    SignedCheckpoint::parse(text.as_bytes()).map_err(|_| NoteError::Unsigned)
}

/// A name may be longer than a row's key.
fn row_of(prefix: &[u8], key: &VerifierKey) -> Vec<u8> {
    [prefix, &sha256_of(&[key.to_string().as_bytes()])].concat()
}

fn dated(value: &[u8]) -> Option<(UtcNanos, &str)> {
    let (utc, text) = value.split_first_chunk::<8>()?;
    Some((UtcNanos(i64::from_le_bytes(*utc)), core::str::from_utf8(text).ok()?))
}
