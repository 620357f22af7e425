//! The rows of exports: read at the start, changed in one place, and written before they are believed.
//!
//! Who changes a row holds [`Ledger::writing`] from the look at the row to the end of its writing, so that nobody's change is lost. Who looks holds `rows` for moments alone and waits
//! for no disk. A row is always looked at as it is at that moment: what has expired has expired, whenever its files are deleted.

use super::{Result, unknown};
use crate::station::desk::stored;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_access::ExportNow;
use watchbook_base::{Clock, Kind, UtcNanos};
use watchbook_evidence::record::Record;
use watchbook_export::delivery::DeliveryState;
use watchbook_export::job::{Job, KEPT_MAX, State, WAITING_MAX, WAITING_OF_ONE_MAX};
use watchbook_export::sink::Phase;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::error::Error;

/// Rows of the register begin with it, followed by the number, big-endian.
const PREFIX: &[u8] = b"export/";
/// How often it is looked for bundles whose time is over, and for releases that wait for a signature.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After the register could not be written nothing is begun for so long; twice as long after each further time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// And never longer than that.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What can be wrong with exports as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Rows cannot be read.
    Unreadable,
    /// Rows cannot be written.
    Register,
    /// Files cannot be deleted.
    Files,
    /// A release waits for its proofs.
    Proofs,
}

/// The export that is being made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Making {
    pub(super) export: u64,
    pub(super) done_bytes: u64,
    pub(super) total_bytes: u64,
    pub(super) without_leaf: u64,
}

/// The bundle that is being written to a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carrying {
    pub(super) export: u64,
    pub(super) number: u32,
    pub(super) phase: Phase,
    pub(super) written_bytes: u64,
    pub(super) checked_bytes: u64,
    pub(super) began: Instant,
}

#[derive(Default)]
struct Rows {
    by_number: BTreeMap<u64, Job>,
    /// Numbers of rows that cannot be read.
    unreadable: BTreeSet<u64>,
    /// A row cannot be read, and its number neither.
    nameless: bool,
    making: Option<Making>,
    carrying: Option<Carrying>,
    failures: u32,
    pause: Option<Instant>,
    troubles: BTreeMap<Topic, String>,
    stopped: bool,
}

impl Rows {
    fn rests(&self) -> Option<Duration> {
        self.pause.and_then(|until| until.checked_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn to_make(&self) -> Option<&Job> {
        let waiting = self.by_number.values().filter(|job| job.state == State::Making);
        waiting.min_by_key(|job| (job.order.asked, job.id)).filter(|_| self.rests().is_none())
    }

    fn to_carry(&self, now: UtcNanos) -> Option<(u64, u32)> {
        let staged = self.by_number.values().filter(|job| job.state == State::Released && !is_over(job, now));
        let waiting = staged.flat_map(|job| job.deliveries.iter().map(move |delivery| (job.id, delivery)));
        let first = waiting.filter(|(_, delivery)| delivery.state == DeliveryState::Waiting);
        let first = first.min_by_key(|(_, delivery)| delivery.asked).filter(|_| self.rests().is_none());
        first.map(|(export, delivery)| (export, delivery.number))
    }
}

fn is_over(job: &Job, now: UtcNanos) -> bool {
    job.expires().is_some_and(|end| end <= now)
}

/// The rows.
pub(super) struct Ledger {
    register: Arc<Register>,
    clock: Arc<dyn Clock>,
    writing: Mutex<()>,
    rows: Mutex<Rows>,
    changed: Condvar,
}

pub(super) fn put(job: &Job) -> Change {
    let value = serde_json::to_vec(job).expect("names, numbers and strings always have a JSON form");
    Change::put(Namespace::Setting, [PREFIX, &job.id.to_be_bytes()].concat(), value)
}

impl Ledger {
    /// Reads what is kept. A row that cannot be read is kept as it is, and so are its files: a later program may read it, and an admin is told.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub(super) fn open(register: Arc<Register>, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut rows = Rows::default();
        for entry in register.scan(Namespace::Setting, PREFIX).map_err(stored)? {
            let number = entry.key.strip_prefix(PREFIX).and_then(|key| key.try_into().ok()).map(u64::from_be_bytes);
            match (serde_json::from_slice::<Job>(&entry.value), number) {
                (Ok(job), Some(number)) if job.id == number => {
                    rows.by_number.insert(number, job);
                }
                (_, Some(number)) => {
                    rows.unreadable.insert(number);
                }
                (_, None) => rows.nameless = true,
            }
        }
        let ledger = Self { register, clock, writing: Mutex::new(()), rows: Mutex::new(rows), changed: Condvar::new() };
        ledger.say_unreadable();
        Ok(ledger)
    }

    fn say_unreadable(&self) {
        let numbers: Vec<String> = self.rows().unreadable.iter().map(ToString::to_string).collect();
        if numbers.is_empty() && !self.rows().nameless {
            return;
        }
        let which = if numbers.is_empty() { "of which the number is lost, too".to_owned() } else { numbers.join(", ") };
        let sentence = format!(
            "Rows of exports cannot be read ({which}); their files are kept and nobody can have them. The program may be older than the register, or the register is damaged"
        );
        self.say(Topic::Unreadable, sentence);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether files with this number must stay.
    pub(super) fn keeps_files(&self, export: u64) -> bool {
        let rows = self.rows();
        rows.nameless
            || rows.unreadable.contains(&export)
            || rows.by_number.get(&export).is_some_and(|job| job.state.is_staged())
    }

    /// An export as it is now.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn get(&self, export: u64) -> Result<Job> {
        let job = self.rows().by_number.get(&export).cloned();
        Ok(job.ok_or_else(|| unknown(export))?.at(self.clock.utc()))
    }

    /// All as they are now, the last that was asked for first.
    pub(super) fn list(&self) -> Vec<Job> {
        let now = self.clock.utc();
        let mut all: Vec<Job> = self.rows().by_number.values().map(|job| job.clone().at(now)).collect();
        all.sort_by_key(|job| core::cmp::Reverse((job.order.asked, job.id)));
        all
    }

    /// The row itself says what it is in this state, and not the time alone.
    pub(super) fn is_noted(&self, job: &Job) -> bool {
        self.rows().by_number.get(&job.id).is_some_and(|row| row.state == job.state)
    }

    /// What the gate is told of an export.
    pub(super) fn facts(&self, export: u64) -> Option<ExportNow> {
        self.rows().by_number.get(&export).map(|job| job.order.now(export))
    }

    pub(super) fn progress(&self) -> (Option<Making>, Option<Carrying>) {
        let rows = self.rows();
        (rows.making, rows.carrying)
    }

    /// Keeps a new one.
    ///
    /// # Errors
    /// `Conflict` when its number is taken, `Exhausted` when too many wait or have not ended.
    pub(super) fn add(&self, job: Job) -> Result<()> {
        let _writing = self.writing();
        let mut changes = Vec::new();
        {
            let rows = self.rows();
            if rows.by_number.contains_key(&job.id) || rows.unreadable.contains(&job.id) {
                return Err(Error::new(Kind::Conflict, format!("the number {} is taken", job.id)).next("Ask again."));
            }
            let waiting = rows.by_number.values().filter(|job| job.state == State::Making).count();
            let own = |row: &&Job| row.state == State::Making && row.order.account == job.order.account;
            if rows.by_number.values().filter(own).count() >= WAITING_OF_ONE_MAX {
                let message = format!("{WAITING_OF_ONE_MAX} exports of this account wait to be made already");
                return Err(Error::new(Kind::Exhausted, message).next("Wait until one is done, or cancel one."));
            }
            if waiting >= WAITING_MAX {
                let message = format!("{WAITING_MAX} exports wait to be made already");
                return Err(Error::new(Kind::Exhausted, message).next("Wait until one is done, or cancel one."));
            }
            changes.extend(gone_for_room(&rows)?);
        }
        let gone = changes.clone();
        changes.push(put(&job));
        self.write(&changes)?;
        let mut rows = self.rows();
        for change in gone {
            let number = change.key.strip_prefix(PREFIX).and_then(|key| key.try_into().ok()).map(u64::from_be_bytes);
            number.map(|number| rows.by_number.remove(&number));
        }
        rows.by_number.insert(job.id, job);
        drop(rows);
        self.changed.notify_all();
        Ok(())
    }

    /// Changes a row: `act` is given it as it is now, and leaves what is to be kept. Nobody else changes it meanwhile.
    ///
    /// # Errors
    /// `NotFound`, what `act` says, and when the register cannot be written; then nothing has changed.
    pub(super) fn change<T>(
        &self,
        export: u64,
        act: impl FnOnce(&mut Job, UtcNanos) -> watchbook_export::Result<T>,
    ) -> Result<(Job, T)> {
        let _writing = self.writing();
        let mut job = self.get(export)?;
        let said = act(&mut job, self.clock.utc()).map_err(super::exported)?;
        self.write(&[put(&job)])?;
        self.believe(job.clone());
        Ok((job, said))
    }

    /// The same together with a leaf of the log, whose number `told` puts into the row: both or nothing.
    ///
    /// # Errors
    /// As [`Ledger::change`].
    pub(super) fn change_with(
        &self,
        export: u64,
        act: impl FnOnce(&mut Job, UtcNanos) -> watchbook_export::Result<Record>,
        told: impl Fn(&mut Job, u64),
    ) -> Result<Job> {
        let _writing = self.writing();
        let mut job = self.get(export)?;
        let record = act(&mut job, self.clock.utc()).map_err(super::exported)?;
        let with = |leaf| {
            let mut job = job.clone();
            told(&mut job, leaf);
            job
        };
        let leaf = self.register.append_records(core::slice::from_ref(&record), |leaf| vec![put(&with(leaf))]);
        let job = with(self.written(leaf)?);
        self.believe(job.clone());
        Ok(job)
    }

    fn believe(&self, job: Job) {
        self.rows().by_number.insert(job.id, job);
        self.changed.notify_all();
    }

    fn write(&self, changes: &[Change]) -> Result<()> {
        self.written(self.register.apply(changes))
    }

    /// After a write that failed nothing is begun for a while: what is made again and again would only wear the disks.
    fn written<T>(&self, written: watchbook_store::Result<T>) -> Result<T> {
        match written {
            Ok(value) => {
                let mut rows = self.rows();
                (rows.failures, rows.pause) = (0, None);
                drop(rows);
                self.unsay(Topic::Register);
                Ok(value)
            }
            Err(error) => {
                let mut rows = self.rows();
                let pause = PAUSE_MIN.saturating_mul(1 << rows.failures.min(16)).min(PAUSE_MAX);
                rows.failures = rows.failures.saturating_add(1);
                rows.pause = Some(Instant::now() + pause);
                drop(rows);
                let sentence = format!(
                    "What becomes of exports cannot be noted, so none is begun; it is tried again by itself, at least every {} minutes. An admin looks at the health page: {error}",
                    PAUSE_MAX.as_secs() / 60
                );
                self.say(Topic::Register, sentence);
                Err(stored(error))
            }
        }
    }

    /// The export that is to be made next; `Some(None)`: there is none, after a while. `None`: the thread is to end.
    pub(super) fn next_to_make(&self) -> Option<Option<Job>> {
        let mut rows = self.wait(|rows, _| rows.to_make().is_some());
        if rows.stopped {
            return None;
        }
        let job = rows.to_make().cloned();
        let making = |job: &Job| Making { export: job.id, total_bytes: job.estimate_bytes, ..Making::default() };
        rows.making = job.as_ref().map(making);
        Some(job)
    }

    /// The delivery that is to be carried out next: number of the export and its own; as [`Ledger::next_to_make`].
    pub(super) fn next_to_carry(&self) -> Option<Option<(u64, u32)>> {
        let mut rows = self.wait(|rows, now| rows.to_carry(now).is_some());
        if rows.stopped {
            return None;
        }
        let next = rows.to_carry(self.clock.utc());
        rows.carrying = next.map(|(export, number)| Carrying {
            export,
            number,
            phase: Phase::Writing,
            written_bytes: 0,
            checked_bytes: 0,
            began: Instant::now(),
        });
        Some(next)
    }

    fn wait(&self, is_there: impl Fn(&Rows, UtcNanos) -> bool) -> MutexGuard<'_, Rows> {
        let rows = self.rows();
        let patience = rows.rests().unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
        let idle = |rows: &mut Rows| !rows.stopped && !is_there(rows, self.clock.utc());
        let (rows, _) = self.changed.wait_timeout_while(rows, patience, idle).unwrap_or_else(PoisonError::into_inner);
        rows
    }

    /// Nothing is being made any more.
    pub(super) fn made(&self) {
        self.rows().making = None;
    }

    /// Nothing is being written any more.
    pub(super) fn carried(&self) {
        self.rows().carrying = None;
    }

    pub(super) fn tell_making(&self, export: u64, change: impl FnOnce(&mut Making)) {
        if let Some(making) = self.rows().making.as_mut().filter(|making| making.export == export) {
            change(making);
        }
    }

    pub(super) fn tell_carrying(&self, phase: Phase, bytes: u64) {
        if let Some(carrying) = self.rows().carrying.as_mut() {
            carrying.phase = phase;
            match phase {
                Phase::Writing => carrying.written_bytes += bytes,
                Phase::Checking => carrying.checked_bytes += bytes,
            }
        }
    }

    /// It is still to be made, and the recorder goes on.
    pub(super) fn is_wanted(&self, export: u64) -> bool {
        let rows = self.rows();
        !rows.stopped && rows.by_number.get(&export).is_some_and(|job| job.state == State::Making)
    }

    /// It is released at this moment, with this manifest. While better proofs take the place of those it has, it stays so for whoever has opened it.
    pub(super) fn is_released(&self, export: u64, manifest_sha256: &str) -> bool {
        let now = self.clock.utc();
        let rows = self.rows();
        let is_out = |job: &&Job| job.state == State::Released || job.is_renewed();
        let job = rows.by_number.get(&export).filter(is_out).filter(|job| !is_over(job, now));
        job.and_then(|job| job.made.as_ref()).is_some_and(|made| made.manifest_sha256 == manifest_sha256)
    }

    /// The recorder ends.
    pub(super) fn stop(&self) {
        self.rows().stopped = true;
        self.changed.notify_all();
    }

    pub(super) fn stopped(&self) -> bool {
        self.rows().stopped
    }

    /// Something is wrong; it is told once, and until it is right.
    pub(super) fn say(&self, topic: Topic, sentence: String) {
        let before = self.rows().troubles.insert(topic, sentence.clone());
        if before.as_ref() != Some(&sentence) {
            tracing::error!(trouble = sentence, "exports");
        }
    }

    /// It is right again.
    pub(super) fn unsay(&self, topic: Topic) {
        self.rows().troubles.remove(&topic);
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        self.rows().troubles.values().cloned().collect()
    }
}

/// What forgets the oldest exports that have ended, when another one needs the room.
fn gone_for_room(rows: &Rows) -> Result<Vec<Change>> {
    let over = (rows.by_number.len() + 1).saturating_sub(KEPT_MAX);
    let mut ended: Vec<&Job> = rows.by_number.values().filter(|job| job.has_ended()).collect();
    if ended.len() < over {
        return Err(Error::new(Kind::Exhausted, format!("there are {KEPT_MAX} exports that have not ended"))
            .next("Have them released, refused or cancelled first."));
    }
    ended.sort_by_key(|job| job.since);
    let key = |job: &&Job| [PREFIX, &job.id.to_be_bytes()].concat();
    Ok(ended.iter().take(over).map(|job| Change::delete(Namespace::Setting, key(job))).collect())
}

#[cfg(test)]
pub(super) mod tests;
