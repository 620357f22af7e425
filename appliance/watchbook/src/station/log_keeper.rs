//! The audit log's checkpoints: signed when the log has grown, each after a proof that it continues the one before, kept in two places, and only then shown.
//!
//! * In the register: the log's origin, its key wrapped with the master key, the last checkpoint.
//! * In a file beside the first ring, which is usually on another disk: the last checkpoint. A register that comes from an old copy is found out by it.

use super::desk::stored;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome};
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Kind, UtcNanos};
use watchbook_evidence::keeper::Refusal;
use watchbook_evidence::witness::Request;
use watchbook_evidence::{Algorithm, Keeper, SignedCheckpoint, SigningKey, hex};
use watchbook_store::Keys;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports;
use zeroize::Zeroizing;

/// How often it is looked whether the log has grown. What was written since the last checkpoint is what somebody with the box's keys could still rewrite.
pub const EVERY: Duration = Duration::from_secs(10);
/// File beside the first ring.
pub const SECOND_FILE: &str = "log-checkpoint";
/// A checkpoint with its signatures is a few hundred bytes.
const SECOND_BYTES_MAX: u64 = 1 << 20;

const ORIGIN: &[u8] = b"log/origin";
const KEY: &[u8] = b"log/key";
const LAST: &[u8] = b"log/checkpoint";
/// Under which the log's key is wrapped.
const KEY_NAME: &str = "log key";

type Result<T> = core::result::Result<T, Error>;
type Refused = Refusal<watchbook_store::Error>;

/// Who signs for the audit log.
pub struct LogKeeper {
    register: Arc<Register>,
    second: PathBuf,
    /// Held while one is signed and written.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    origin: String,
    /// `None` when what is known of earlier checkpoints does not fit together: nothing is signed then.
    keeper: Option<Keeper>,
    /// The last one that is durable.
    last: Option<(SignedCheckpoint, UtcNanos)>,
    /// Why nothing is signed.
    refusal: Option<String>,
    /// Why the second copy is not there.
    second_failed: Option<String>,
}

impl LogKeeper {
    /// Reads the log's key and every copy of what was signed last; makes a key for a station that has none. `ring_dir` is where the second copy lies. What goes wrong
    /// is an alarm: recording does not wait for signatures.
    pub fn open(register: &Arc<Register>, keys: &Keys, ring_dir: &Path) -> Self {
        let second = ring_dir.join(SECOND_FILE);
        let mut state = State::default();
        if let Err(error) = state.open(register, keys, &second) {
            state.refuse(error.message);
        }
        Self { register: Arc::clone(register), second, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs the log if it has grown. Blocking: reads a few tiles and writes twice.
    pub fn tick(&self) {
        let mut state = self.lock();
        let now = self.register.audit_root();
        let signed = state.last.as_ref().map(|(last, _)| last.checkpoint().root);
        let done = signed == Some(now) && state.refusal.is_none() && state.second_failed.is_none();
        if now.size == 0 || done {
            return;
        }
        let Some(keeper) = &mut state.keeper else { return };
        match keeper.sign(&*self.register, now) {
            Err(refusal) => state.refuse(refusal.to_string()),
            Ok(checkpoint) => {
                state.refusal = None;
                if let Err(error) = self.keep(&mut state, checkpoint) {
                    tracing::error!(%error, "a checkpoint of the audit log could not be kept; it is tried again");
                }
            }
        }
    }

    /// Durable in the register before anybody sees it; a second copy that cannot be written is an alarm.
    fn keep(&self, state: &mut State, checkpoint: SignedCheckpoint) -> Result<()> {
        let utc = SystemClock.utc();
        let text = checkpoint.to_text();
        let value = [&utc.0.to_le_bytes()[..], text.as_bytes()].concat();
        self.register.apply(&[Change::put(Namespace::Setting, LAST, value)]).map_err(stored)?;
        let written = write_second(&self.second, text.as_bytes());
        let failed = written.err().map(|error| format!("writing {}: {error}", self.second.display()));
        if let Some(sentence) = failed.as_ref().filter(|sentence| state.second_failed.as_ref() != Some(*sentence)) {
            tracing::error!(sentence, "the second copy of the audit log's checkpoint is not there; it is tried again");
        }
        state.second_failed = failed;
        state.last = Some((checkpoint, utc));
        Ok(())
    }
}

impl State {
    fn open(&mut self, register: &Register, keys: &Keys, second: &Path) -> Result<()> {
        let (origin, key, is_new) = key_of(register, keys)?;
        self.origin.clone_from(&origin);
        if is_new {
            set_aside(register, second)?;
        }
        let last = register.get(Namespace::Setting, LAST).map_err(stored)?.map(|entry| entry.value);
        let last = last.as_deref().and_then(decode_last);
        let mut copies = Vec::from_iter(last.as_ref().map(|(text, _)| text.clone().into_bytes()));
        copies.extend(read_second(second));
        self.last = last.and_then(|(text, utc)| Some((SignedCheckpoint::parse(text.as_bytes()).ok()?, utc)));
        let copies: Vec<&[u8]> = copies.iter().map(Vec::as_slice).collect();
        let opened: core::result::Result<Keeper, Refused> = Keeper::open(&origin, key, &[], &copies);
        match opened {
            Ok(keeper) => self.keeper = Some(keeper),
            Err(refusal) => self.refuse(refusal.to_string()),
        }
        Ok(())
    }

    fn refuse(&mut self, sentence: String) {
        if self.refusal.as_ref() != Some(&sentence) {
            tracing::error!(refusal = sentence, "the audit log is not signed");
        }
        self.refusal = Some(sentence);
    }
}

/// A new log begins where another one's checkpoint lies: its entries say so, because whoever wants a log to be forgotten has the register made anew.
fn set_aside(register: &Register, second: &Path) -> Result<()> {
    let Some(text) = read_second(second) else { return Ok(()) };
    let of = SignedCheckpoint::parse(&text).map_or_else(
        |_| "something that is no checkpoint".to_owned(),
        |other| {
            let other = other.checkpoint();
            format!("a checkpoint of the log {} with {} entries", other.origin, other.root.size)
        },
    );
    let what = format!("a new audit log begins although {of} lies beside the ring; it is set aside");
    tracing::error!(what, "the audit log begins anew");
    let action = Action::ChangeConfig { camera: None, what };
    let noted = register.append(&AuditEntry { account: None, action, outcome: Outcome::Allowed });
    noted.map_err(Error::from_log)?;
    let aside = second.with_extension(format!("{}.old", SystemClock.utc().as_ms()));
    std::fs::rename(second, &aside)
        .map_err(|error| Error::new(Kind::Io, format!("setting aside {}: {error}", second.display())))
}

/// The log's origin and key, made together at the first start, and whether they were made now.
fn key_of(register: &Register, keys: &Keys) -> Result<(String, SigningKey, bool)> {
    let get = |key: &[u8]| register.get(Namespace::Setting, key).map_err(stored);
    let (origin, wrapped, is_new) = match (get(ORIGIN)?, get(KEY)?) {
        (Some(origin), Some(key)) => (origin.value, key.value, false),
        _ => {
            let (mut station, mut seed) = ([0; 8], Zeroizing::new([0; 32]));
            random(&mut station)?;
            random(&mut *seed)?;
            let origin = format!("watchbook.station/{}", hex(&station)).into_bytes();
            let wrapped = keys.wrap_secret(KEY_NAME, &seed).map_err(stored)?;
            let put = |key: &[u8], value: &[u8]| Change::put(Namespace::Setting, key, value).if_version(0);
            register.apply(&[put(ORIGIN, &origin), put(KEY, &wrapped)]).map_err(stored)?;
            (origin, wrapped, true)
        }
    };
    let seed = keys.unwrap_secret(KEY_NAME, &wrapped).map_err(stored)?;
    let bad = |what: &str| Error::new(Kind::Corrupt, format!("opening the audit log's key: {what}"));
    let origin = String::from_utf8(origin).map_err(|_| bad("its origin is no text"))?;
    let key = SigningKey::from_seed(&origin, Algorithm::Ed25519, &seed).map_err(|error| bad(&error.to_string()))?;
    Ok((origin, key, is_new))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    let failed = |error| Error::new(Kind::Io, format!("making the audit log's key: {error}"));
    getrandom::fill(bytes).map_err(failed)
}

fn decode_last(value: &[u8]) -> Option<(String, UtcNanos)> {
    let (utc, text) = value.split_first_chunk::<8>()?;
    Some((String::from_utf8(text.to_vec()).ok()?, UtcNanos(i64::from_le_bytes(*utc))))
}

/// What lies there; one that cannot be read counts as none, and is written anew.
fn read_second(path: &Path) -> Option<Vec<u8>> {
    let length = std::fs::metadata(path).ok()?.len();
    if length > SECOND_BYTES_MAX {
        return None;
    }
    std::fs::read(path).ok()
}

/// Whole or not at all, and durable.
fn write_second(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all()
}

impl ports::Checkpoints for LogKeeper {
    fn shown(&self) -> api::LogCheckpoint {
        let size = self.register.audit_root().size;
        let state = self.lock();
        let last = state.last.as_ref();
        api::LogCheckpoint {
            origin: state.origin.clone(),
            key: state.keeper.as_ref().map(|keeper| keeper.key().to_string()),
            entries: size,
            signed_entries: last.map_or(0, |(checkpoint, _)| checkpoint.checkpoint().root.size),
            signed_utc_ms: last.map(|(_, utc)| utc.as_ms()),
            root: last.map(|(checkpoint, _)| hex(&checkpoint.checkpoint().root.hash)),
            checkpoint: last.map(|(checkpoint, _)| checkpoint.to_text()),
            refusal: state.refusal.clone(),
        }
    }

    fn witness_request(&self, old: u64) -> Result<String> {
        let last = self.lock().last.clone();
        let (checkpoint, _) = last.ok_or_else(|| {
            Error::not_found("nothing of the audit log is signed yet").next("Wait some seconds, then try again.")
        })?;
        let size = checkpoint.checkpoint().root.size;
        if old > size {
            let message = format!("the last checkpoint is about {size} entries, fewer than the {old} of the witness");
            return Err(Error::not_found(message)
                .next("Ask the witness which checkpoint it saw last; a log never gets shorter."));
        }
        let proof = self.register.audit_consistency(old, size).map_err(stored)?;
        Ok(Request { old, proof, checkpoint }.to_text())
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        let state = self.lock();
        let refused = state.refusal.as_ref().map(|refusal| (api::AlarmKind::LogUnsigned, refusal.clone()));
        let failed = state.second_failed.as_ref().map(|failed| {
            let next = "Look whether its disk is there and has room.";
            (
                api::AlarmKind::LogCopyMissing,
                format!("The second copy of the audit log's checkpoint is not there: {failed}. {next}"),
            )
        });
        let alarm = |(kind, text)| api::Alarm { kind, disk: None, camera: None, since_utc_ms: None, text };
        refused.into_iter().chain(failed).map(alarm).collect()
    }
}
