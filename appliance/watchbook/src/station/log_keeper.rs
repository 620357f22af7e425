//! The audit log's checkpoints: signed when the log has grown, each after a proof that it continues the one before, kept in two places, and only then shown.
//!
//! * In the register: the log's origin and keys (`log_keys`), the last checkpoint, and those that went outside (`log_witnesses`).
//! * In a file beside the first ring: the last checkpoint (`log_second`).

mod pushes;
#[cfg(test)]
mod tests;

use super::desk::stored;
use super::log_keys::{self, LogKeys};
use super::log_push::Turns;
use super::log_second::{self, Second, SecondCopy};
use super::log_tiles;
use super::log_witnesses::{Brought, Log, Witnesses};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome};
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Kind, UtcNanos};
use watchbook_evidence::keeper::Refusal;
use watchbook_evidence::tlog_proof::TlogProof;
use watchbook_evidence::witness::Request;
use watchbook_evidence::{Keeper, Root, SignedCheckpoint, VerifierKey, hex};
use watchbook_store::Keys;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports;

/// How often it is looked whether the log has grown. What was written since the last checkpoint is what somebody with the box's keys could still rewrite.
pub const EVERY: Duration = Duration::from_secs(10);
/// How often all entries are hashed again: a million take a second.
const VERIFY_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long the end of the recorder waits for the second copy of the last checkpoint.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Why somebody begins a new log.
const REASON_BYTES_MAX: usize = 256;

const LAST: &[u8] = b"log/checkpoint";

type Result<T> = core::result::Result<T, Error>;
type Refused = Refusal<watchbook_store::Error>;

/// Who signs for the audit log.
pub struct LogKeeper {
    register: Arc<Register>,
    keys: Arc<Keys>,
    witnesses: Witnesses,
    /// When which witness is sent a checkpoint.
    turns: Arc<Turns>,
    second: Arc<SecondCopy>,
    /// Held while one is signed and kept in the register, which may take as long as the state directory's disk takes.
    signing: Mutex<Signing>,
    /// What is told; never held while anything is read or written.
    shown: Mutex<Shown>,
    /// What anybody may ask for, computed once for each checkpoint; held while it is computed, so that many who ask at once cost no more than one.
    public: Mutex<Option<Arc<Public>>>,
}

/// What is told of witnesses, from the register and with its signatures verified.
struct Public {
    /// Size of the checkpoint that was the last one then, and how often the witnesses had changed.
    of: (u64, u64),
    witnesses: Vec<api::LogWitness>,
    cosigned: Option<String>,
}

struct Signing {
    /// `None`: nothing can be signed.
    keeper: Option<Keeper>,
    /// When all entries were last hashed again.
    verified: Option<Instant>,
}

#[derive(Clone, Default)]
struct Shown {
    origin: String,
    key: Option<String>,
    /// Keys that the log had, oldest first.
    retired: Vec<VerifierKey>,
    /// The leaves that changed the key.
    key_leaves: Vec<u64>,
    /// The last one that is durable.
    last: Option<(SignedCheckpoint, UtcNanos)>,
    /// The log is not what was signed: nothing is signed until somebody begins a new one.
    refusal: Option<String>,
    /// Why nothing could be signed the last time, which is tried again.
    failure: Option<String>,
    /// What was wrong with the second copy at the start: somebody may have taken it away so that an old log is not found out.
    second_lost: Option<String>,
}

impl LogKeeper {
    /// Reads the log's key and every copy of what was signed last; makes a key for a station that has none. `ring_dir` is where the second copy lies. What goes wrong
    /// is an alarm: recording does not wait for signatures.
    pub fn open(register: &Arc<Register>, keys: &Arc<Keys>, ring_dir: &Path) -> Self {
        let second = ring_dir.join(log_second::FILE);
        let mut shown = Shown::default();
        let witnesses = Witnesses::new(register);
        let opened = shown.open(register, keys, &witnesses, &second);
        let keeper = opened.unwrap_or_else(|error| {
            shown.fail(error.message);
            None
        });
        let signing = Signing { keeper, verified: None };
        Self {
            register: Arc::clone(register),
            keys: Arc::clone(keys),
            witnesses,
            turns: Arc::default(),
            second: SecondCopy::new(second),
            signing: Mutex::new(signing),
            shown: Mutex::new(shown),
            public: Mutex::default(),
        }
    }

    fn signing(&self) -> MutexGuard<'_, Signing> {
        self.signing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last checkpoint.
    fn last_signed(&self) -> Result<SignedCheckpoint> {
        let last = self.shown().last.clone();
        let (checkpoint, _) = last.ok_or_else(|| {
            Error::not_found("nothing of the audit log is signed yet").next("Wait some seconds, then try again.")
        })?;
        Ok(checkpoint)
    }

    /// Signs the log if it has grown. Blocking: reads a few tiles and writes to the register; once a day, and at first, it reads all entries.
    pub fn tick(&self) {
        let mut signing = self.signing();
        let now = self.register.audit_root();
        let last = self.shown().last.clone();
        if now.size == 0 || self.shown().refusal.is_some() {
            return;
        }
        if signing.verified.is_none_or(|at| at.elapsed() >= VERIFY_EVERY) {
            if let Err(error) = self.register.verify() {
                return self.not_whole(&error);
            }
            signing.verified = Some(Instant::now());
        }
        let known = last.filter(|(last, _)| last.checkpoint().root == now);
        if known.is_some() && !self.second.is_due() {
            return;
        }
        let Signing { keeper: Some(keeper), .. } = &mut *signing else { return };
        match self.sign(keeper, now, known.is_some()) {
            Err(sentence) => self.shown().fail(sentence),
            Ok(checkpoint) => {
                self.second.put(checkpoint.to_text());
                self.shown().failure = None;
            }
        }
    }

    /// Signs what came until now, for the last time. Waits a few seconds for the second copy, and no longer for a disk that hangs.
    pub fn end(&self) {
        self.tick();
        self.second.wait(END_PATIENCE);
    }

    /// Name of the log.
    pub fn origin(&self) -> String {
        self.shown().origin.clone()
    }

    /// A checkpoint of a log that has leaf `leaf`, signed now when there is none yet. Blocking, as [`LogKeeper::tick`].
    ///
    /// # Errors
    /// `Unavailable` when the log is not signed.
    pub fn checkpoint_with(&self, leaf: u64) -> Result<SignedCheckpoint> {
        let has = || self.shown().last.clone().map(|(last, _)| last).filter(|last| last.checkpoint().root.size > leaf);
        if has().is_none() {
            self.tick();
        }
        has().ok_or_else(|| {
            let message = format!("entry {leaf} of the audit log is not signed yet");
            Error::new(Kind::Unavailable, message)
                .next("It is tried again by itself; an admin looks at the health page if it stays so.")
        })
    }

    /// The longest checkpoint that witnesses have signed, when it has leaf `leaf`.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn cosigned_with(&self, leaf: u64) -> Result<Option<SignedCheckpoint>> {
        let cosigned = self.with_log(|log| self.witnesses.cosigned(log))?;
        Ok(cosigned.filter(|cosigned| cosigned.checkpoint().root.size > leaf))
    }

    /// Signs, and makes that durable in the register before anybody sees it; what `is_kept` there already is compared with all that is known all the same, before it goes
    /// to the second place. In a sentence: why not; what a person must look at is a refusal.
    fn sign(&self, keeper: &mut Keeper, now: Root, is_kept: bool) -> core::result::Result<SignedCheckpoint, String> {
        let checkpoint = keeper.sign(&*self.register, now).map_err(|refusal| {
            match &refusal {
                Refusal::Rollback { .. } | Refusal::Fork { .. } => self.shown().refuse(refusal.to_string()),
                // The entries are what they should be: that was looked at first.
                Refusal::Damaged { .. } | Refusal::Tiles(_) => {
                    if let Err(error) = self.register.verify().and_then(|_| self.register.rebuild_tiles()) {
                        self.not_whole(&error);
                    }
                }
                _ => {}
            }
            refusal.to_string()
        })?;
        if is_kept {
            return Ok(checkpoint);
        }
        let utc = SystemClock.utc();
        let value = [&utc.0.to_le_bytes()[..], checkpoint.to_text().as_bytes()].concat();
        let mut changes = vec![Change::put(Namespace::Setting, LAST, value)];
        let key = keeper.key().to_string();
        let gone = self.shown().key.clone().filter(|shown| *shown != key);
        let failed = |error: &dyn core::fmt::Display| format!("keeping a checkpoint: {error}");
        if let Some(gone) = &gone {
            changes.extend(log_keys::finish(&self.register, gone).map_err(|error| failed(&error.message))?);
        }
        self.register.apply(&changes).map_err(|error| failed(&error))?;
        let mut shown = self.shown();
        shown.last = Some((checkpoint.clone(), utc));
        if let Some(gone) = gone {
            tracing::info!(key, "the audit log is signed with another key");
            shown.retired.extend(VerifierKey::parse(&gone));
            shown.key = Some(key);
        }
        Ok(checkpoint)
    }

    /// Who witnesses which log.
    fn with_log<T>(&self, act: impl FnOnce(&Log<'_>) -> Result<T>) -> Result<T> {
        let shown = self.shown().clone();
        act(&Log { origin: &shown.origin, keys: &shown.log_keys() })
    }

    /// What anybody may ask for. It reads the register and verifies signatures once for each checkpoint and each change of the witnesses.
    fn public(&self) -> Result<Arc<Public>> {
        let mut kept = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked before anything is read: what changes meanwhile makes it be read again.
        let changes = self.witnesses.changes();
        let size = self.shown().last.as_ref().map_or(0, |(last, _)| last.checkpoint().root.size);
        if let Some(known) = kept.as_ref().filter(|known| known.of == (size, changes)) {
            return Ok(Arc::clone(known));
        }
        let read = self.with_log(|log| Ok((self.witnesses.list(log)?, self.witnesses.cosigned(log)?)))?;
        let (witnesses, cosigned) = (read.0, read.1.map(|checkpoint| checkpoint.to_text()));
        let public = Arc::new(Public { of: (size, changes), witnesses, cosigned });
        *kept = Some(Arc::clone(&public));
        Ok(public)
    }

    /// Compares a checkpoint that was kept outside with what the log has; what does not fit is a refusal from then on, also after a restart.
    fn learn(&self, brought: &SignedCheckpoint) -> Result<()> {
        let mut signing = self.signing();
        let keys = self.shown().log_keys();
        let right: Vec<VerifierKey> = keys.of(brought.checkpoint().root.size).cloned().into_iter().collect();
        let Some(keeper) = &mut signing.keeper else {
            let message = "nothing is signed on this station now, so nothing can be compared";
            return Err(Error::new(Kind::Unavailable, message).next("Look at the alarms of the health page first."));
        };
        let kept = keeper.learn::<watchbook_store::Error>(brought.to_text().as_bytes(), &right);
        let not_ours = |refusal: &Refused| {
            let next =
                "Compare its first line with the log's name here, and its key with the one that was written down.";
            Error::invalid(format!("this is not a checkpoint of this log: {refusal}")).next(next)
        };
        match &kept {
            Err(refusal @ (Refusal::NotOurs(_) | Refusal::Origin(_))) => return Err(not_ours(refusal)),
            Err(_) | Ok(()) => self.witnesses.remember(brought)?,
        }
        let now = self.register.audit_root();
        let checked = kept.and_then(|()| keeper.check(&*self.register, now));
        match checked {
            Ok(()) => Ok(()),
            Err(refusal @ (Refusal::Rollback { .. } | Refusal::Fork { .. })) => {
                self.shown().refuse(refusal.to_string());
                let next = "Keep that checkpoint and the disks as they are: the station's own signature is the proof.";
                Err(Error::new(Kind::Conflict, refusal.to_string()).next(next))
            }
            Err(refusal) => Err(Error::new(Kind::Unavailable, refusal.to_string())),
        }
    }

    /// The entries do not hash to their root, which a person must look at; or the disk did not give them, which may pass.
    fn not_whole(&self, error: &watchbook_store::Error) {
        match error.kind {
            Kind::Corrupt => self.shown().refuse(format!("DAMAGED: {error}")),
            _ => self.shown().fail(format!("reading the audit log: {error}")),
        }
    }

    /// Signing was broken off.
    pub fn broken_off(&self) {
        self.shown().fail("signing was broken off".to_owned());
    }
}

impl Shown {
    /// The keys that may have signed a checkpoint of this log.
    fn log_keys(&self) -> LogKeys {
        let now = self.key.as_deref().and_then(|key| VerifierKey::parse(key).ok());
        LogKeys::new(&self.retired, now, &self.key_leaves)
    }

    fn open(
        &mut self,
        register: &Register,
        keys: &Keys,
        witnesses: &Witnesses,
        second: &Path,
    ) -> Result<Option<Keeper>> {
        if !log_keys::exists(register)? {
            // Before the key is made: a start that is broken off here does it again.
            set_aside(register, second, "a new audit log begins")?;
            log_keys::make(register, keys, &[])?;
        }
        self.origin = log_keys::origin(register)?;
        let (origin, key) = log_keys::open(register, keys)?;
        self.key = Some(key.verifier().to_string());
        self.retired = log_keys::retired(register)?;
        self.key_leaves = log_keys::leaves(register)?;
        let last = register.get(Namespace::Setting, LAST).map_err(stored)?.map(|entry| entry.value);
        let last = last.as_deref().and_then(decode_last);
        let mut copies = Vec::from_iter(last.as_ref().map(|(text, _)| text.clone().into_bytes()));
        self.last = last.and_then(|(text, utc)| Some((SignedCheckpoint::parse(text.as_bytes()).ok()?, utc)));
        match log_second::read(second) {
            Second::Checkpoint(copy) if copy.checkpoint().origin == origin => copies.push(copy.to_text().into_bytes()),
            Second::Checkpoint(_) => {
                set_aside(register, second, "the audit log goes on")?;
                self.second_lost = Some("a checkpoint of another log lay in its place".to_owned());
            }
            Second::Nothing(why) if self.last.is_some() => {
                note(register, format!("the second copy of the audit log's checkpoint cannot be read: {why}"))?;
                self.second_lost = Some(why);
            }
            Second::Nothing(_) => {}
        }
        let outside = witnesses.seen(&Log { origin: &origin, keys: &self.log_keys() })?;
        copies.extend(outside.iter().map(|seen| seen.to_text().into_bytes()));
        let copies: Vec<&[u8]> = copies.iter().map(Vec::as_slice).collect();
        let opened: core::result::Result<Keeper, Refused> = Keeper::open(&origin, key, &self.retired, &copies);
        let mut keeper = opened.map_err(|refusal| self.refuse(refusal.to_string())).ok();
        if let Some(keeper) = &mut keeper {
            // An old copy in the midst of a change of key: the sentence about that comes first.
            match keeper.check(register, register.audit_root()) {
                Err(refusal @ (Refusal::Rollback { .. } | Refusal::Fork { .. })) => self.refuse(refusal.to_string()),
                _ => log_keys::resume(register, keys, keeper)?,
            }
        }
        Ok(keeper)
    }

    fn refuse(&mut self, sentence: String) {
        tracing::error!(refusal = sentence, "the audit log is not signed any more");
        self.refusal = Some(sentence);
    }

    fn fail(&mut self, sentence: String) {
        if self.failure.as_ref() != Some(&sentence) {
            tracing::error!(failure = sentence, "the audit log could not be signed; it is tried again");
        }
        self.failure = Some(sentence);
    }
}

/// Gives the log another name and key, for the next start; gives the sentence that stands in the log.
///
/// # Errors
/// `InvalidInput` for a reason that is empty or longer than [`REASON_BYTES_MAX`]; when the register or the second place cannot be written.
pub fn begin_anew(register: &Arc<Register>, keys: &Keys, ring_dir: &Path, reason: &str) -> Result<String> {
    let witnesses = &Witnesses::new(register);
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        let message =
            format!("the reason for a new audit log has 1 to {REASON_BYTES_MAX} bytes and no control characters");
        return Err(Error::invalid(message));
    }
    let mut before = Shown::default();
    // A key that does not open, as after a master key was lost, is one more reason for a new log.
    let opened = before.open(register, keys, witnesses, &ring_dir.join(log_second::FILE));
    let keeper = opened.unwrap_or_else(|error| {
        before.refusal = Some(error.message);
        None
    });
    let signed = keeper.as_ref().and_then(Keeper::last).map(|last| last.checkpoint().root);
    let signed = signed.or_else(|| before.last.as_ref().map(|(last, _)| last.checkpoint().root));
    let end =
        signed.map_or("nothing".to_owned(), |root| format!("{} entries with the root {}", root.size, hex(&root.hash)));
    let checked = keeper.map(|keeper| keeper.check(&**register, register.audit_root()));
    let refusal = checked.and_then(core::result::Result::err).map(|refusal| refusal.to_string());
    let refusal = refusal.or(before.refusal).unwrap_or_else(|| "it was not refused".to_owned());
    let what = format!(
        "a new audit log begins in place of {}, whose last checkpoint here is about {end} ({refusal}); the reason given: {reason}",
        before.origin
    );
    note(register, what.clone())?;
    set_aside(register, &ring_dir.join(log_second::FILE), "a new audit log begins")?;
    // At once: the old key without its last checkpoint would sign anything.
    let mut gone = witnesses.forget()?;
    gone.push(Change::delete(Namespace::Setting, LAST));
    log_keys::make(register, keys, &gone)?;
    Ok(what)
}

/// An entry of the recorder itself.
fn note(register: &Register, what: String) -> Result<()> {
    tracing::error!(what, "noted in the audit log");
    let action = Action::ChangeConfig { camera: None, what };
    let noted = register.append(&AuditEntry { account: None, action, outcome: Outcome::Allowed });
    noted.map(drop).map_err(Error::from_log)
}

/// What lies in the second place and is not this log's goes aside, and the log says so: whoever wants a log to be forgotten has the register made anew.
fn set_aside(register: &Register, second: &Path, beginning: &str) -> Result<()> {
    if !second.exists() {
        return Ok(());
    }
    let of = match log_second::read(second) {
        Second::Nothing(why) => format!("something that is no checkpoint ({why})"),
        Second::Checkpoint(other) => {
            let other = other.checkpoint();
            format!("a checkpoint of the log {} with {} entries", other.origin, other.root.size)
        }
    };
    note(register, format!("{beginning} although {of} lies beside the ring; it is set aside"))?;
    let aside = second.with_extension(format!("{}.old", SystemClock.utc().as_ms()));
    std::fs::rename(second, &aside)
        .map_err(|error| Error::new(Kind::Io, format!("setting aside {}: {error}", second.display())))
}

fn decode_last(value: &[u8]) -> Option<(String, UtcNanos)> {
    let (utc, text) = value.split_first_chunk::<8>()?;
    Some((String::from_utf8(text.to_vec()).ok()?, UtcNanos(i64::from_le_bytes(*utc))))
}

impl ports::Checkpoints for LogKeeper {
    fn shown(&self) -> api::LogCheckpoint {
        let shown = self.shown().clone();
        let last = shown.last.as_ref();
        api::LogCheckpoint {
            origin: shown.origin,
            key: shown.key,
            signed_entries: last.map_or(0, |(checkpoint, _)| checkpoint.checkpoint().root.size),
            signed_utc_ms: last.map(|(_, utc)| utc.as_ms()),
            root: last.map(|(checkpoint, _)| hex(&checkpoint.checkpoint().root.hash)),
            checkpoint: last.map(|(checkpoint, _)| checkpoint.to_text()),
            retired_keys: shown.retired.iter().map(ToString::to_string).collect(),
            refusal: shown.refusal,
        }
    }

    fn witnesses(&self) -> Result<Vec<api::LogWitness>> {
        Ok(self.public()?.witnesses.clone())
    }

    fn trust_witness(&self, key: &str) -> Result<api::LogWitness> {
        self.with_log(|log| self.witnesses.trust(log, key))
    }

    fn distrust_witness(&self, name: &str) -> Result<()> {
        self.witnesses.distrust(name)
    }

    fn import(&self, text: &str) -> Result<api::LogImport> {
        let brought = Brought::parse(text)?;
        if let Some(checkpoint) = &brought.checkpoint {
            self.learn(checkpoint)?;
        }
        let cosigned = self.with_log(|log| self.witnesses.import(log, &brought))?;
        let continues_entries = brought.checkpoint.map(|checkpoint| checkpoint.checkpoint().root.size);
        Ok(api::LogImport { continues_entries, cosigned })
    }

    fn cosigned(&self) -> Result<Option<String>> {
        Ok(self.public()?.cosigned.clone())
    }

    fn change_key(&self) -> Result<()> {
        let mut signing = self.signing();
        let refusal = self.shown().refusal.clone();
        let Signing { keeper: Some(keeper), .. } = &mut *signing else {
            let message = "nothing is signed on this station now, so no key can take over";
            return Err(Error::new(Kind::Unavailable, message).next("Look at the alarms of the health page first."));
        };
        if let Some(refusal) = refusal {
            let next = "Look at the alarms of the health page first.";
            return Err(Error::new(Kind::Conflict, format!("the log is not signed any more: {refusal}")).next(next));
        }
        if let Err(refusal) = keeper.check(&*self.register, self.register.audit_root()) {
            let next = "Look at the alarms of the health page first.";
            return Err(Error::new(Kind::Conflict, format!("the log is not signed now: {refusal}")).next(next));
        }
        let leaf = log_keys::rotate(&self.register, &self.keys, keeper)?;
        self.shown().key_leaves.push(leaf);
        drop(signing);
        self.tick();
        Ok(())
    }

    fn tile(&self, path: &str) -> Result<Vec<u8>> {
        let signed = self.shown().last.as_ref().map_or(0, |(last, _)| last.checkpoint().root.size);
        log_tiles::read(&self.register, signed, path)
    }

    fn entry_proof(&self, index: u64) -> Result<String> {
        let checkpoint = self.last_signed()?;
        let size = checkpoint.checkpoint().root.size;
        let row = self.register.audit_entries(index, 1).map_err(stored)?.pop().filter(|row| row.index == index);
        let none = || {
            Error::not_found(format!("the audit log has no entry {index}")).next("Look for it in the list of the log.")
        };
        let row = row.ok_or_else(none)?;
        if index >= size {
            let message = format!(
                "entry {index} of the audit log is not signed yet: the last checkpoint is about {size} entries"
            );
            return Err(Error::new(Kind::Unavailable, message).next("Wait a minute, then try again."));
        }
        let path = self.register.audit_inclusion(index, size).map_err(stored)?;
        let proof = TlogProof::of_entry(&row.leaf, index, path, checkpoint);
        proof.map(|proof| proof.to_text()).map_err(|why| Error::new(Kind::Corrupt, why))
    }

    fn witness_request(&self, old: u64) -> Result<String> {
        let checkpoint = self.last_signed()?;
        let size = checkpoint.checkpoint().root.size;
        if old > size {
            let message = format!("the last checkpoint is about {size} entries, fewer than the {old} of the witness");
            let next = "Ask the witness which checkpoint it saw last; a log never gets shorter.";
            return Err(Error::not_found(message).next(next));
        }
        let proof = self.register.audit_consistency(old, size).map_err(stored)?;
        self.witnesses.remember(&checkpoint)?;
        Ok(Request { old, proof, checkpoint }.to_text())
    }

    fn pushes(&self) -> Result<Vec<api::LogPush>> {
        self.pushes_shown()
    }

    fn set_push(&self, witness: &str, url: Option<&ports::PushUrl>) -> Result<()> {
        self.witnesses.set_push(witness, url)?;
        if url.is_some() { self.ask_for_push(witness) } else { Ok(()) }
    }

    fn push_now(&self, witness: &str) -> Result<()> {
        self.ask_for_push(witness)
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        let shown = self.shown().clone();
        let second = "The second copy of the audit log's checkpoint";
        let told = [
            (api::AlarmKind::LogUnsigned, shown.refusal),
            (api::AlarmKind::LogSigningFailed, shown.failure),
            (
                api::AlarmKind::LogCopyMissing,
                self.second.trouble(Instant::now()).map(|why| format!("{second} is not there: {why}")),
            ),
            (
                api::AlarmKind::LogCopyMissing,
                shown.second_lost.map(|why| format!("{second} was not there at the start: {why}")),
            ),
        ];
        let alarm = |(kind, text): (_, Option<String>)| {
            Some(api::Alarm { kind, disk: None, camera: None, since_utc_ms: None, text: text? })
        };
        let mut alarms: Vec<api::Alarm> = told.into_iter().filter_map(alarm).collect();
        alarms.extend(self.alarms_of_pushes(SystemClock.utc()));
        alarms
    }
}
