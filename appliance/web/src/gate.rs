//! The gate as routes use it: entries that may be shared are shared here, and refusals to nobody cannot flood the log.

use crate::accounts::Who;
use crate::error::{Error, Problem};
use crate::ports::AuditBook;
use crate::routes::AuditRule;
use crate::routes::dispatch::{blocking, window_s};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::{Action, AuditEntry, AuditError, AuditLog, Grant, Outcome, Refusal, Subject, decide};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Clock, MonoNanos};

/// Shared grants and remembered refusals: 64 sessions with 16 cameras on screen each. About 300 bytes an entry.
const REMEMBERED_MAX: usize = 1024;
/// The same refusal to the same asker is logged once in so long; the others are counted.
const REFUSAL_WINDOW_S: u64 = 60;
/// Entries about people who are not signed in, in one minute and for the whole station. Anybody on the network can cause them, and each
/// costs a synced write and room for ever: 60 × 1440 × about 200 bytes are 17 MB a day at worst.
const NOBODY_ENTRIES_PER_MINUTE: u32 = 60;

/// Opens [`watchbook_access::open`] for routes.
pub(crate) struct Gate {
    audit: Arc<dyn AuditBook>,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
    not_logged: AtomicU64,
}

#[derive(Default)]
struct Memory {
    grants: HashMap<(Asker, String), (MonoNanos, Arc<Grant>)>,
    refusals: HashMap<(Asker, String), MonoNanos>,
    minute: u64,
    in_minute: u32,
    /// Bounds of which the recorder's own log was told, and when.
    told: HashMap<String, MonoNanos>,
}

/// Who asks, as far as sharing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asker {
    Session([u8; 32]),
    Address(IpAddr),
}

impl Gate {
    pub(crate) fn new(audit: Arc<dyn AuditBook>, clock: Arc<dyn Clock>) -> Self {
        Self { audit, clock, memory: Mutex::default(), not_logged: AtomicU64::new(0) }
    }

    /// Decides for a session. A grant that `rule` lets share is decided again, and only its entry is shared.
    pub(crate) async fn open(&self, who: &Who, action: Action, rule: AuditRule) -> Result<Arc<Grant>, Problem> {
        let key = (Asker::Session(who.session), key_of(&action));
        match decide(&who.subject, &action) {
            Ok(()) => {
                if let Some(window) = window_s(rule)
                    && let Some(grant) = self.shared(&key, window)
                {
                    return Ok(grant);
                }
            }
            Err(refusal) if self.refused_before(&key) => return Err(refusal.into()),
            Err(_) => {}
        }
        let grant = Arc::new(self.open_now(who.subject.clone(), action).await?);
        if window_s(rule).is_some() {
            let now = self.clock.mono();
            let mut memory = self.memory();
            make_room(&mut memory.grants, |(at, _)| *at);
            memory.grants.insert(key, (now, Arc::clone(&grant)));
        }
        Ok(grant)
    }

    async fn open_now(&self, subject: Subject, action: Action) -> Result<Grant, Problem> {
        let audit = Arc::clone(&self.audit);
        let opened = blocking(move || Ok(watchbook_access::open(&subject, action, &Through(&*audit)))).await;
        opened.map_err(Problem::from)?.map_err(Problem::from)
    }

    /// Decides for somebody who proved in another way than by a session who they are.
    pub(crate) async fn open_for(&self, subject: Subject, action: Action) -> Result<Grant, Problem> {
        self.open_now(subject, action).await
    }

    /// The refusal for somebody who is not signed in; logged as far as the log's bounds go.
    pub(crate) async fn refuse_nobody(&self, peer: IpAddr, action: Option<Action>) -> Problem {
        let refusal = Problem::from(Refusal::SignInFirst).next("Sign in on the page of this recorder.");
        let Some(action) = action else {
            self.not_logged.fetch_add(1, Ordering::Relaxed);
            return refusal;
        };
        if self.refused_before(&(Asker::Address(peer), key_of(&action))) || !self.may_log_nobody() {
            return refusal;
        }
        let audit = Arc::clone(&self.audit);
        // A refusal stands whether or not it could be logged.
        let logged = blocking(move || Ok(watchbook_access::open(&Subject::nobody(), action, &Through(&*audit)))).await;
        if !matches!(logged, Ok(Err(Refusal::SignInFirst))) {
            self.not_logged.fetch_add(1, Ordering::Relaxed);
        }
        refusal
    }

    /// Writes what a handler decided by itself: a password or a claim code that was right or wrong.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may follow from it.
    pub(crate) async fn note(&self, entry: AuditEntry) -> Result<(), Problem> {
        let failed = matches!(entry.outcome, Outcome::Refused(_)) && entry.account.is_none();
        if failed && !self.may_log_nobody() {
            return Ok(());
        }
        self.note_numbered(entry).await.map(|_| ())
    }

    /// As [`Self::note`], for what may yet come to nothing; the entry's number.
    pub(crate) async fn note_numbered(&self, entry: AuditEntry) -> Result<u64, Problem> {
        let audit = Arc::clone(&self.audit);
        let written = blocking(move || Ok(audit.append(&entry))).await.map_err(Problem::from)?;
        written.map_err(|error| Refusal::LogUnwritable(error).into())
    }

    /// Refusals that were counted but not written, since the start.
    pub(crate) fn not_logged(&self) -> u64 {
        self.not_logged.load(Ordering::Relaxed)
    }

    /// Counts an attempt that was turned away before it could be judged.
    pub(crate) fn count_not_logged(&self) {
        self.not_logged.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what a bound turned away before anything of it could be decided, and tells the recorder's own log of it, once in a minute for each bound: who fills a bound would else fill that log.
    pub(crate) fn turn_away(&self, bound: &str, peer: IpAddr) {
        self.count_not_logged();
        let now = self.clock.mono();
        let mut memory = self.memory();
        let window = REFUSAL_WINDOW_S * NANOS_PER_SEC.unsigned_abs();
        if memory.told.get(bound).is_none_or(|at| now.nanos_since(*at) >= window) {
            memory.told.insert(bound.to_owned(), now);
            tracing::warn!(%peer, bound, "turned away; the health page counts how many");
        }
    }

    /// Forgets the grants of a session that ended.
    pub(crate) fn forget(&self, session: &[u8; 32]) {
        self.memory().grants.retain(|(asker, _), _| *asker != Asker::Session(*session));
    }

    fn shared(&self, key: &(Asker, String), window_s: u64) -> Option<Arc<Grant>> {
        let now = self.clock.mono();
        let memory = self.memory();
        let (at, grant) = memory.grants.get(key)?;
        (now.nanos_since(*at) < window_s * NANOS_PER_SEC.unsigned_abs()).then(|| Arc::clone(grant))
    }

    fn refused_before(&self, key: &(Asker, String)) -> bool {
        let now = self.clock.mono();
        let mut memory = self.memory();
        let window = REFUSAL_WINDOW_S * NANOS_PER_SEC.unsigned_abs();
        if memory.refusals.get(key).is_some_and(|at| now.nanos_since(*at) < window) {
            self.not_logged.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        make_room(&mut memory.refusals, |at| *at);
        memory.refusals.insert(key.clone(), now);
        false
    }

    fn may_log_nobody(&self) -> bool {
        let minute = self.clock.mono().0 / (60 * NANOS_PER_SEC.unsigned_abs());
        let mut memory = self.memory();
        if memory.minute != minute {
            memory.minute = minute;
            memory.in_minute = 0;
        }
        memory.in_minute = memory.in_minute.saturating_add(1);
        let may = memory.in_minute <= NOBODY_ENTRIES_PER_MINUTE;
        if !may {
            self.not_logged.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Actions are equal when their JSON is: it holds every field.
fn key_of(action: &Action) -> String {
    serde_json::to_string(action).unwrap_or_default()
}

fn make_room<K: Clone + Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, at: impl Fn(&V) -> MonoNanos) {
    if map.len() >= REMEMBERED_MAX {
        let oldest = map.iter().min_by_key(|(_, value)| at(value)).map(|(key, _)| key.clone());
        oldest.map(|key| map.remove(&key));
    }
}

/// [`AuditBook`] as the trait that the gate takes.
struct Through<'a>(&'a dyn AuditBook);

impl AuditLog for Through<'_> {
    fn append(&self, entry: &AuditEntry) -> Result<u64, AuditError> {
        self.0.append(entry)
    }
}

/// The entry for an act that proves itself.
pub(crate) fn entry(account: Option<u32>, action: Action, refused: Option<&str>) -> AuditEntry {
    let outcome = refused.map_or(Outcome::Allowed, |why| Outcome::Refused(why.to_owned()));
    AuditEntry { account, action, outcome }
}

impl Error {
    /// A log that could not be written.
    #[must_use]
    pub fn from_log(error: AuditError) -> Self {
        Self::new(watchbook_base::Kind::Unavailable, format!("the audit log cannot be written: {}", error.0))
    }
}

impl From<Error> for AuditError {
    fn from(error: Error) -> Self {
        Self(error.message)
    }
}

/// The entry for an act that the gate allowed with entry `of`, and of which nothing came: what counts deeds counts it no more.
pub(crate) fn undone(account: Option<u32>, (of, action): (u64, Action), why: &str) -> AuditEntry {
    AuditEntry { account, action, outcome: Outcome::CameToNothing { entry: of, why: why.to_owned() } }
}
