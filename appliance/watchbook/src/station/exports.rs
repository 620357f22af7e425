//! Exports: a thread that makes one bundle after the other, and what people do with them.
//!
//! Recording comes first: the thread rests while footage waits for a disk, and what it writes goes to the disk in small pieces.

mod redact;
mod sealing;
mod source;

pub use sealing::Sealing;

use super::book::Book;
use super::desk::{CameraDesk, stored};
use super::log_keeper::LogKeeper;
use super::log_keys;
use source::RingSource;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_access::{Action, Grant};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Clock as _, Kind, TimeRange, TrackRole, UtcNanos};
use watchbook_evidence::bundle::{CHECKPOINT, LeafEntry, PROOFS};
use watchbook_evidence::record::Record;
use watchbook_export::bundle::{Maker, make, proofs, survey};
use watchbook_export::job::{Answer, CameraOf, FileRow, Job, KEPT_MAX, MissingRow, Order, State, WAITING_MAX};
use watchbook_export::staging::{RESERVE_BYTES, Staging};
use watchbook_export::zip::{Entry, Piece, Zip};
use watchbook_media::{ByteFile, SpanSource};
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_store::{Disks, Reader, Writer};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{self, Cameras as _};

type Result<T> = core::result::Result<T, Error>;

/// Rows of the register begin with it, followed by the number, big-endian.
const PREFIX: &[u8] = b"export/";
/// How often it is looked for bundles whose time is over, and for releases that wait for a signature.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long the hashes of footage may take to come into the log, each time it is tried.
const LEAVES_PATIENCE: Duration = Duration::from_secs(30);
/// Attempts to have them there.
const LEAVES_ATTEMPTS: u32 = 10;
/// Bytes a second that are expected before anything was measured.
const BYTES_PER_S: u64 = 50 << 20;
/// Missing stretches of one export that are shown.
const MISSING_MAX: usize = 200;

/// What exports are made of.
pub struct Means {
    /// What is recorded.
    pub reader: Reader,
    /// Which tells whether recording keeps up.
    pub writer: Writer,
    /// Which bring hashes into the log.
    pub disks: Disks,
    /// Which signs the log.
    pub keeper: Arc<LogKeeper>,
    /// Whose names and clocks the bundle tells.
    pub cameras: Arc<CameraDesk>,
    /// What masters are sealed with.
    pub sealing: Sealing,
    /// Where the programs are that decode and encode.
    pub program_dir: PathBuf,
}

/// The exports of the station.
pub struct ExportDesk {
    means: Means,
    register: Arc<Register>,
    log: Arc<Book>,
    staging: Staging,
    jobs: Mutex<Jobs>,
    changed: Condvar,
    /// Held while somebody's answer takes effect.
    answering: Mutex<()>,
    bytes_per_s: AtomicU64,
    /// Milliseconds that a second of a redacted copy took.
    redact_ms_per_s: AtomicU64,
}

#[derive(Default)]
struct Jobs {
    by_number: BTreeMap<u64, Job>,
    /// What the gate gave for those that are to be made. One that a restart broke off has none until it is asked again.
    grants: HashMap<u64, Arc<Grant>>,
    making: Option<Making>,
    stopped: bool,
}

/// The export that is being made.
#[derive(Clone, Copy, Default)]
struct Making {
    export: u64,
    done_bytes: u64,
    total_bytes: u64,
    without_leaf: u64,
}

fn exported(error: watchbook_export::Error) -> Error {
    Error::new(error.kind, error.message)
}

fn other_grant() -> Error {
    Error::new(Kind::Denied, "asking for an export: the grant is for something else")
}

fn unknown(export: u64) -> Error {
    Error::not_found(format!("there is no export {export}")).next("Look at the list of exports.")
}

fn put(job: &Job) -> Change {
    let value = serde_json::to_vec(job).expect("names, numbers and strings always have a JSON form");
    Change::put(Namespace::Setting, [PREFIX, &job.id.to_be_bytes()].concat(), value)
}

impl ExportDesk {
    /// Reads what is kept; bundles lie in `dir`. What is there of an export that nobody knows is removed.
    ///
    /// # Errors
    /// When the register or the folder cannot be read.
    pub fn open(means: Means, register: Arc<Register>, log: Arc<Book>, dir: &Path) -> Result<Self> {
        let mut jobs = Jobs::default();
        for entry in register.scan(Namespace::Setting, PREFIX).map_err(stored)? {
            match serde_json::from_slice::<Job>(&entry.value) {
                Ok(job) => drop(jobs.by_number.insert(job.id, job)),
                Err(error) => tracing::error!(%error, "an export in the register cannot be read and is left out"),
            }
        }
        let staging = Staging::open(dir).map_err(exported)?;
        for export in staging.whole().map_err(exported)? {
            if !jobs.by_number.get(&export).is_some_and(|job| job.state.is_staged()) {
                staging.remove(export).map_err(exported)?;
            }
        }
        let (jobs, bytes_per_s) = (Mutex::new(jobs), AtomicU64::new(BYTES_PER_S));
        let redact_ms_per_s = AtomicU64::new(redact::MS_PER_S);
        Ok(Self {
            means,
            register,
            log,
            staging,
            jobs,
            changed: Condvar::new(),
            answering: Mutex::new(()),
            bytes_per_s,
            redact_ms_per_s,
        })
    }

    /// Starts the thread that makes bundles. It ends with [`ExportDesk::stop`].
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let desk = Arc::clone(self);
        std::thread::Builder::new().name("exports".to_owned()).spawn(move || desk.run()).map(drop)
    }

    /// Ends the thread. What is being made is made anew after the next start.
    pub fn stop(&self) {
        self.jobs().stopped = true;
        self.changed.notify_all();
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(next) = self.next() {
            if let Some(job) = next {
                self.work(job);
            }
            self.look_after();
        }
    }

    /// The export that is to be made next; `Some(None)`: there is none, after a while. `None`: the thread is to end.
    fn next(&self) -> Option<Option<Job>> {
        let waits = |jobs: &Jobs| jobs.by_number.values().find(|job| job.state == State::Making).cloned();
        let idle = |jobs: &mut Jobs| !jobs.stopped && waits(jobs).is_none();
        let waited = self.changed.wait_timeout_while(self.jobs(), LOOK_EVERY, idle);
        let (mut jobs, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if jobs.stopped {
            return None;
        }
        let job = waits(&jobs);
        let making = |job: &Job| Making { export: job.id, total_bytes: job.estimate_bytes, ..Making::default() };
        jobs.making = job.as_ref().map(making);
        Some(job)
    }

    /// Makes one.
    fn work(&self, mut job: Job) {
        let began = std::time::Instant::now();
        let made = self.make(&job);
        let mut jobs = self.jobs();
        let making = jobs.making.take().unwrap_or_default();
        let wanted = jobs.by_number.get(&job.id).is_some_and(|job| job.state == State::Making);
        if !wanted || (made.is_err() && jobs.stopped) {
            return;
        }
        let now = SystemClock.utc();
        match made {
            Ok(made) => {
                let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                let rate = making.done_bytes.saturating_mul(1000) / millis;
                match job.order.redaction {
                    None => self.bytes_per_s.store(rate.max(1 << 20), Ordering::Relaxed),
                    Some(_) => self.redact_ms_per_s.store(redact::measured(millis, &made), Ordering::Relaxed),
                }
                job.made = Some(made);
                job.enter(State::Ready, now);
            }
            Err(error) => {
                tracing::error!(export = job.id, %error, "an export could not be made");
                job.trouble = error.message;
                job.enter(State::Failed, now);
            }
        }
        jobs.grants.remove(&job.id);
        if let Err(error) = self.keep(&mut jobs, job.clone()) {
            tracing::error!(export = job.id, %error, "an export is made anew because the register could not be written");
        }
        drop(jobs);
        if job.has_ended() {
            self.remove_files(job.id);
        }
    }

    fn make(&self, job: &Job) -> Result<watchbook_export::job::Made> {
        let grant = self.grant(job)?;
        let mut source = RingSource::new(self, job, &grant);
        let order = &job.order;
        let mut surveyed = survey(order, &mut source).map_err(exported)?;
        for _ in 0..LEAVES_ATTEMPTS {
            if surveyed.without_leaf == 0 {
                break;
            }
            self.tell(job.id, |making| making.without_leaf = surveyed.without_leaf);
            self.means.disks.commit_leaves_now(LEAVES_PATIENCE).map_err(stored)?;
            surveyed = survey(order, &mut source).map_err(exported)?;
        }
        if surveyed.without_leaf > 0 {
            let message = format!("the hashes of {} runs of footage are not in the audit log", surveyed.without_leaf);
            return Err(Error::new(Kind::Unavailable, message).next("Look at the health page, then ask again."));
        }
        let mut room = surveyed.bytes.saturating_add(surveyed.bytes / 16);
        if order.redaction.is_some() {
            surveyed = watchbook_export::redact::pictures(surveyed);
            room = surveyed.bytes.saturating_mul(watchbook_export::redact::GROWTH);
        }
        self.tell(job.id, |making| (making.without_leaf, making.total_bytes) = (0, surveyed.bytes));
        self.staging.check_room(room).map_err(exported)?;
        let origin = self.means.keeper.origin();
        let key = self.means.sealing.key(&origin)?;
        let maker = Maker {
            origin,
            software: format!("watchbook {}", env!("CARGO_PKG_VERSION")),
            clocks: order.cameras.iter().map(|of| self.clock_of(of.camera, order.range)).collect(),
            sealer: Some(&*key),
            files: player(),
            now: SystemClock.utc(),
        };
        if order.redaction.is_some() {
            let mut children = redact::Children::start(&self.means.program_dir)?;
            let place = (job.id, &self.staging);
            let made = watchbook_export::redact::make(place, (order, &surveyed), &maker, &mut source, &mut children);
            return made.map_err(exported);
        }
        make(job.id, (order, &surveyed), &maker, &mut source, &self.staging).map_err(exported)
    }

    /// What the gate gave; after a restart it is asked again, in the name of whoever asked, as they were then.
    fn grant(&self, job: &Job) -> Result<Arc<Grant>> {
        if let Some(grant) = self.jobs().grants.get(&job.id) {
            return Ok(Arc::clone(grant));
        }
        let opened = watchbook_access::open(&job.order.subject(), job.order.action(job.id), &*self.log);
        let grant = opened.map_err(|refusal| Error::new(Kind::Denied, refusal.to_string()))?;
        Ok(Arc::clone(self.jobs().grants.entry(job.id).or_insert(Arc::new(grant))))
    }

    /// How far the camera's clock was from ours at the reading nearest to the footage, in a sentence; empty when it tells none.
    fn clock_of(&self, camera: CameraId, range: TimeRange) -> String {
        let readings = self.means.cameras.clock(camera, usize::MAX).unwrap_or_default();
        let near = readings.iter().min_by_key(|reading| (reading.at_utc_ms - range.start.as_ms()).abs());
        near.map_or(String::new(), |reading| {
            format!("{} ms from the recorder's at {}", reading.offset_ms, UtcNanos::from_ms(reading.at_utc_ms))
        })
    }

    fn tell(&self, export: u64, change: impl FnOnce(&mut Making)) {
        if let Some(making) = self.jobs().making.as_mut().filter(|making| making.export == export) {
            change(making);
        }
    }

    /// Writes a row, and then believes it.
    fn keep(&self, jobs: &mut Jobs, job: Job) -> Result<()> {
        self.register.apply(&[put(&job)]).map_err(stored)?;
        jobs.by_number.insert(job.id, job);
        Ok(())
    }

    fn get(&self, export: u64) -> Result<Job> {
        self.jobs().by_number.get(&export).cloned().ok_or_else(|| unknown(export))
    }

    fn remove_files(&self, export: u64) {
        if let Err(error) = self.staging.remove(export) {
            tracing::error!(export, %error, "the files of an export could not be deleted; the next start tries again");
        }
    }

    /// Deletes what nobody came for, and finishes releases that waited for a signature.
    fn look_after(&self) {
        let now = SystemClock.utc();
        let all: Vec<Job> = self.jobs().by_number.values().cloned().collect();
        for job in all {
            let is_over = job.expires().is_some_and(|end| end <= now);
            if is_over && job.answer.is_none() | (job.state == State::Released) {
                let mut expired = job.clone();
                expired.enter(State::Expired, now);
                let kept = self.keep(&mut self.jobs(), expired);
                match kept {
                    Ok(()) => self.remove_files(job.id),
                    Err(error) => tracing::error!(export = job.id, %error, "an export could not be let go"),
                }
            } else if job.state == State::Ready
                && job.answer.is_some()
                && let Err(error) = self.finish_release(job.id)
            {
                tracing::warn!(export = job.id, %error, "a released export waits for its proofs");
            }
        }
    }

    /// Puts proofs and checkpoint into a bundle that somebody has released.
    fn finish_release(&self, export: u64) -> Result<Job> {
        let _one = self.answering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut job = self.get(export)?;
        let leaf = job.answer.as_ref().and_then(|answer| answer.leaf);
        let (Some(leaf), Some(made), State::Ready) = (leaf, job.made.as_mut(), job.state) else { return Ok(job) };
        let checkpoint = self.means.keeper.checkpoint_with(leaf)?;
        let size = checkpoint.checkpoint().root.size;
        let mut entry = |index: u64| {
            let refused = |error: watchbook_store::Error| watchbook_export::Error::new(error.kind, error.message);
            let row = self.register.audit_entries(index, 1).map_err(refused)?.pop();
            let row = row.filter(|row| row.index == index);
            let row = row.ok_or_else(|| {
                watchbook_export::Error::new(Kind::NotFound, format!("there is no audit entry {index}"))
            })?;
            let path = self.register.audit_inclusion(index, size).map_err(refused)?;
            LeafEntry::new(index, &row.leaf, &path)
                .map_err(|error| watchbook_export::Error::new(Kind::Corrupt, format!("audit entry {index}: {error}")))
        };
        // Whoever trusts a key that the log had before follows it to the one of now.
        let changes = log_keys::leaves(&self.register)?.into_iter().filter(|change| *change < size);
        let leaves: Vec<u64> = made.leaves.iter().copied().chain(changes).collect();
        let proofs = proofs(&leaves, leaf, &mut entry).map_err(exported)?;
        let mut rows: Vec<FileRow> = Vec::new();
        for named in [(PROOFS, proofs.as_slice()), (CHECKPOINT, checkpoint.to_text().as_bytes())] {
            rows.push(self.staging.put(export, named, true).map_err(exported)?);
        }
        self.staging.sync(export).map_err(exported)?;
        made.files.retain(|file| rows.iter().all(|row| row.name != file.name));
        made.files.extend(rows);
        made.files.sort_by(|a, b| a.name.cmp(&b.name));
        job.enter(State::Released, SystemClock.utc());
        self.keep(&mut self.jobs(), job.clone())?;
        Ok(job)
    }

    /// Forgets the oldest exports that have ended.
    fn make_room(&self, jobs: &mut Jobs) -> Result<()> {
        let over = (jobs.by_number.len() + 1).saturating_sub(KEPT_MAX);
        let ended: Vec<u64> =
            jobs.by_number.values().filter(|job| job.has_ended()).map(|job| job.id).take(over).collect();
        for export in ended {
            let key = [PREFIX, &export.to_be_bytes()].concat();
            self.register.apply(&[Change::delete(Namespace::Setting, key)]).map_err(stored)?;
            jobs.by_number.remove(&export);
        }
        match jobs.by_number.len() < KEPT_MAX {
            true => Ok(()),
            false => Err(Error::new(Kind::Exhausted, format!("there are {KEPT_MAX} exports that have not ended"))
                .next("Have them released, refused or cancelled first.")),
        }
    }

    fn stored_bytes(&self, cameras: &[CameraId], range: TimeRange) -> Result<u64> {
        let mut bytes = 0;
        for camera in cameras {
            for role in [TrackRole::MainVideo, TrackRole::MainAudio] {
                bytes += self.means.reader.stored_bytes(camera.stream(role), range).map_err(stored)?;
            }
        }
        Ok(bytes)
    }

    fn shown(jobs: &Jobs, job: &Job) -> api::Export {
        let before_it = jobs.by_number.range(..job.id).filter(|(_, job)| job.state == State::Making).count();
        let progress = (job.state == State::Making).then(|| {
            let making = jobs.making.filter(|making| making.export == job.id).unwrap_or_default();
            api::ExportProgress {
                done_bytes: making.done_bytes,
                total_bytes: making.total_bytes.max(job.estimate_bytes * u64::from(making.total_bytes == 0)),
                before_it: u32::try_from(before_it).unwrap_or(u32::MAX),
                without_leaf: making.without_leaf,
            }
        });
        let order = &job.order;
        api::Export {
            id: job.id.to_string(),
            case: order.case.clone(),
            cameras: order.cameras.iter().map(|of| of.camera).collect(),
            start_utc_ms: order.range.start.as_ms(),
            end_utc_ms: order.range.end.as_ms(),
            recipient_class: order.recipient_class,
            recipient: order.recipient.clone(),
            asked_by: order.account,
            asked_by_name: None,
            asked_utc_ms: order.asked.as_ms(),
            state: state(job.state),
            since_utc_ms: job.since.as_ms(),
            progress,
            made: job.made.as_ref().map(made_shown),
            answer: job.answer.as_ref().map(|answer| api::ExportAnswer {
                account: answer.account,
                account_name: None,
                at_utc_ms: answer.at.as_ms(),
                reason: answer.reason.clone(),
            }),
            trouble: (!job.trouble.is_empty()).then(|| job.trouble.clone()),
            expires_utc_ms: job.expires().map(UtcNanos::as_ms),
            delivered_utc_ms: job.delivered_at.map(UtcNanos::as_ms),
            redaction: order.redaction.as_ref().map(redact::shown),
        }
    }

    fn release(&self, answer: ports::ExportAnswer) -> Result<Job> {
        {
            let _one = self.answering.lock().unwrap_or_else(PoisonError::into_inner);
            let mut job = self.get(answer.export)?;
            job.may_answer(answer.account, &answer.manifest_sha256).map_err(exported)?;
            let (account, at) = (answer.account, SystemClock.utc());
            let record =
                Record::Export { account: job.order.account, approver: account, manifest: answer.manifest_sha256 };
            let answered = |leaf| Answer { account, at, reason: String::new(), leaf: Some(leaf) };
            // The leaf and the row that says so: both or nothing.
            let leaf = self.register.append_records(core::slice::from_ref(&record), |leaf| {
                vec![put(&Job { answer: Some(answered(leaf)), ..job.clone() })]
            });
            job.answer = Some(answered(leaf.map_err(stored)?));
            self.jobs().by_number.insert(job.id, job);
        }
        self.finish_release(answer.export)
    }

    fn refuse(&self, answer: ports::ExportAnswer, reason: String) -> Result<Job> {
        let _one = self.answering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut job = self.get(answer.export)?;
        job.may_answer(answer.account, &answer.manifest_sha256).map_err(exported)?;
        let at = SystemClock.utc();
        job.answer = Some(Answer { account: answer.account, at, reason, leaf: None });
        job.enter(State::Refused, at);
        self.keep(&mut self.jobs(), job.clone())?;
        self.remove_files(job.id);
        Ok(job)
    }
}

/// The page that plays and checks a bundle without a network; none in a program that was built before the page was.
fn player() -> Vec<(&'static str, &'static [u8])> {
    let page = watchbook_evidence::player::HTML;
    if page.is_empty() { Vec::new() } else { vec![("player.html", page.as_bytes())] }
}

impl ports::Exports for ExportDesk {
    fn list(&self) -> Result<Vec<api::Export>> {
        let jobs = self.jobs();
        Ok(jobs.by_number.values().rev().map(|job| Self::shown(&jobs, job)).collect())
    }

    fn estimate(&self, cameras: &[CameraId], range: TimeRange) -> Result<api::ExportEstimate> {
        let bytes = self.stored_bytes(cameras, range)?;
        let seconds = bytes / self.bytes_per_s.load(Ordering::Relaxed).max(1) + 1;
        let free_bytes = self.staging.free_bytes().map_err(exported)?.saturating_sub(RESERVE_BYTES);
        let redacted_seconds = redact::seconds(range, self.redact_ms_per_s.load(Ordering::Relaxed));
        Ok(api::ExportEstimate { bytes, seconds, redacted_seconds, free_bytes })
    }

    fn request(&self, grant: Arc<Grant>, order: ports::ExportOrder) -> Result<api::Export> {
        let mut cameras = Vec::new();
        for camera in &order.cameras {
            let name = self.means.cameras.get(*camera)?.config.name;
            cameras.push(CameraOf { camera: *camera, name });
        }
        let estimate_bytes = self.stored_bytes(&order.cameras, order.range)?;
        self.staging.check_room(estimate_bytes).map_err(exported)?;
        let (within, roles) = order.of;
        let redaction = match (&order.redaction, &order.cameras[..]) {
            (None, _) => None,
            (Some(asked), [camera]) => Some(self.wish(asked, &order.case, (*camera, order.range))?),
            (Some(_), _) => return Err(Error::invalid("a redacted copy is of one camera")),
        };
        let order = Order {
            redaction,
            within,
            case: order.case,
            cameras,
            range: order.range,
            recipient_class: order.recipient_class,
            recipient: order.recipient,
            account: order.account,
            account_name: order.account_name,
            roles,
            asked: SystemClock.utc(),
        };
        let Action::RequestExport { export, .. } = *grant.action() else { return Err(other_grant()) };
        if *grant.action() != order.action(export) || export == 0 {
            return Err(other_grant());
        }
        let job = Job::new(export, order, estimate_bytes);
        let mut jobs = self.jobs();
        if jobs.by_number.contains_key(&export) {
            return Err(Error::new(Kind::Conflict, format!("the number {export} is taken")).next("Ask again."));
        }
        let waiting = jobs.by_number.values().filter(|job| job.state == State::Making).count();
        if waiting >= WAITING_MAX {
            let message = format!("{WAITING_MAX} exports wait to be made already");
            return Err(Error::new(Kind::Exhausted, message).next("Wait until one is done, or cancel one."));
        }
        self.make_room(&mut jobs)?;
        jobs.grants.insert(job.id, grant);
        self.keep(&mut jobs, job.clone())?;
        let shown = Self::shown(&jobs, &job);
        drop(jobs);
        self.changed.notify_all();
        Ok(shown)
    }

    fn cancel(&self, _: &Grant, export: u64, account: u32) -> Result<api::Export> {
        let _one = self.answering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jobs = self.jobs();
        let mut job = jobs.by_number.get(&export).cloned().ok_or_else(|| unknown(export))?;
        job.may_cancel(account).map_err(exported)?;
        let is_being_made = jobs.making.is_some_and(|making| making.export == export);
        job.enter(State::Cancelled, SystemClock.utc());
        jobs.grants.remove(&export);
        self.keep(&mut jobs, job.clone())?;
        let shown = Self::shown(&jobs, &job);
        drop(jobs);
        // What is being written goes when its thread sees that it is not wanted.
        if !is_being_made {
            self.remove_files(export);
        }
        Ok(shown)
    }

    fn answer(&self, grant: &Grant, answer: ports::ExportAnswer) -> Result<api::Export> {
        let granted = match &answer.refusal {
            None => grant.covers_export_release(answer.export, &answer.manifest_sha256),
            Some(_) => grant.covers_export_refusal(answer.export, &answer.manifest_sha256),
        };
        if !granted {
            return Err(Error::new(Kind::Denied, "answering an export: the grant is for something else"));
        }
        let job = match answer.refusal.clone() {
            None => self.release(answer)?,
            Some(reason) => self.refuse(answer, reason)?,
        };
        Ok(Self::shown(&self.jobs(), &job))
    }

    fn open(&self, grant: &Grant, export: u64, account: u32, manifest_sha256: &str) -> Result<ports::ExportFile> {
        if !grant.covers_delivery(export, manifest_sha256) {
            return Err(Error::new(Kind::Denied, "handing an export out: the grant is for something else"));
        }
        let mut job = self.get(export)?;
        let files = job.may_have(account, manifest_sha256).map_err(exported)?.files.clone();
        let entries: Vec<Entry> =
            files.iter().map(|file| Entry { name: file.name.clone(), bytes: file.bytes, crc32: file.crc32 }).collect();
        let zip = Zip::plan(&entries).map_err(exported)?;
        let released = job.since;
        if job.delivered_at.is_none() {
            job.delivered_at = Some(SystemClock.utc());
            self.keep(&mut self.jobs(), job)?;
        }
        let file = Arc::new(Archive { staging: self.staging.clone(), export, entries, zip });
        Ok(ports::ExportFile { file, released })
    }
}

fn state(state: State) -> api::ExportState {
    match state {
        State::Making => api::ExportState::Making,
        State::Ready => api::ExportState::Ready,
        State::Released => api::ExportState::Released,
        State::Refused => api::ExportState::Refused,
        State::Failed => api::ExportState::Failed,
        State::Cancelled => api::ExportState::Cancelled,
        State::Expired => api::ExportState::Expired,
    }
}

fn made_shown(made: &watchbook_export::job::Made) -> api::ExportMade {
    let missing = |row: &MissingRow| api::ExportMissing {
        camera: row.camera,
        is_sound: row.is_sound,
        start_utc_ms: row.range.start.as_ms(),
        end_utc_ms: row.range.end.as_ms(),
        reason: row.reason.clone(),
    };
    let file =
        |file: &FileRow| api::ExportFile { name: file.name.clone(), bytes: file.bytes, sha256: file.sha256.clone() };
    api::ExportMade {
        manifest_sha256: made.manifest_sha256.clone(),
        bytes: made.bytes(),
        runs: made.runs,
        complete: made.is_complete(),
        delivered_start_utc_ms: made.delivered.map(|range| range.start.as_ms()),
        delivered_end_utc_ms: made.delivered.map(|range| range.end.as_ms()),
        missing: made.missing.iter().take(MISSING_MAX).map(missing).collect(),
        missing_count: u64::try_from(made.missing.len()).unwrap_or(u64::MAX),
        files: made.files.iter().map(file).collect(),
    }
}

/// A bundle as one file.
struct Archive {
    staging: Staging,
    export: u64,
    entries: Vec<Entry>,
    zip: Zip,
}

impl ByteFile for Archive {
    fn len(&self) -> u64 {
        self.zip.len()
    }

    fn read_at(
        &self,
        offset: u64,
        len_max: usize,
        _: &dyn SpanSource,
    ) -> core::result::Result<bytes::Bytes, watchbook_media::Error> {
        let len_max = u64::try_from(len_max.min(watchbook_media::byte_file::CHUNK_BYTES_MAX)).unwrap_or(0);
        let bytes = match self.zip.piece(offset, len_max) {
            None => Vec::new(),
            Some(Piece::Bytes(bytes)) => bytes,
            Some(Piece::File { file, offset, len }) => {
                let name = self.entries.get(file).map(|entry| entry.name.as_str()).unwrap_or_default();
                let read = self.staging.read(self.export, name, (offset, len));
                read.map_err(|error| watchbook_media::Error { kind: error.kind, message: error.message })?
            }
        };
        Ok(bytes.into())
    }
}
