//! Exports: a thread that makes one bundle after the other, one that writes released ones to other disks, and what people do with them.
//!
//! Recording comes first: both threads rest while footage waits for a disk, and what they write goes to the disk in small pieces. What an account may is looked at when it asks, again
//! before its export is made or written, and again before each piece of it goes out.

mod carry;
mod ledger;
mod making;
mod permit;
mod places;
mod redact;
mod release;
mod sealing;
mod shown;
mod source;
mod told;

pub use places::Places;
pub use sealing::Sealing;

use super::book::Book;
use super::desk::{CameraDesk, stored};
use super::log_keeper::LogKeeper;
use ledger::{Ledger, Topic};
use permit::{Asked, permit};
use source::RingSource;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use watchbook_access::{Action, Grant};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Clock as _, Kind, TimeRange, TrackRole, UtcNanos};
use watchbook_export::bundle::{Maker, make, survey};
use watchbook_export::job::{CameraOf, Job, Made, Order, State};
use watchbook_export::staging::{RESERVE_BYTES, StagedFile, Staging};
use watchbook_export::zip::{Entry, Piece, Zip};
use watchbook_media::{ByteFile, SpanSource};
use watchbook_store::register::Register;
use watchbook_store::{Disks, Reader, Writer};
use watchbook_web::error::Error;
use watchbook_web::ports::{self, Cameras as _};
use watchbook_web::{Rights, api};

type Result<T> = core::result::Result<T, Error>;

/// How long the hashes of footage may take to come into the log, each time it is tried.
const LEAVES_PATIENCE: Duration = Duration::from_secs(30);
/// Attempts to have them there.
const LEAVES_ATTEMPTS: u32 = 10;
/// Bytes a second that are expected before anything was measured.
const BYTES_PER_S: u64 = 50 << 20;
/// Fewer are not believed: what is measured of a few bytes says nothing.
const BYTES_PER_S_MIN: u64 = 1 << 20;
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
    /// What an account may at the moment at which it is asked.
    pub rights: Rights,
    /// Where else than to a browser bundles go.
    pub places: Places,
    /// Where the programs are that decode and encode.
    pub program_dir: PathBuf,
}

/// The exports of the station.
pub struct ExportDesk {
    means: Means,
    register: Arc<Register>,
    log: Arc<Book>,
    staging: Staging,
    ledger: Arc<Ledger>,
    /// What the gate gave for those that are to be made. One that a restart broke off has none until it is asked again.
    grants: Mutex<HashMap<u64, Arc<Grant>>>,
    carrying: carry::Waiting,
    /// Held while proofs are made.
    proving: Mutex<()>,
    /// Held by who gives files of a released bundle other contents, and by who opens them.
    swapping: RwLock<()>,
    bytes_per_s: AtomicU64,
    /// Milliseconds that a second of a redacted copy took.
    redact_ms_per_s: AtomicU64,
}

fn exported(error: watchbook_export::Error) -> Error {
    Error::new(error.kind, error.message)
}

/// What is wrong and what can be done about it.
fn sentence(error: &Error) -> String {
    [Some(&error.message), error.next_step.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(". ")
}

fn other_grant() -> Error {
    Error::new(Kind::Denied, "asking for an export: the grant is for something else")
}

fn unknown(export: u64) -> Error {
    Error::not_found(format!("there is no export {export}")).next("Look at the list of exports.")
}

impl ExportDesk {
    /// Reads what is kept; bundles lie in `dir`. What is there of an export that has ended is removed; what belongs to a row that cannot be read stays.
    ///
    /// # Errors
    /// When the register or the folder cannot be read.
    pub fn open(means: Means, register: Arc<Register>, log: Arc<Book>, dir: &Path) -> Result<Self> {
        let ledger = Arc::new(Ledger::open(Arc::clone(&register), Arc::new(SystemClock))?);
        let staging = Staging::open(dir).map_err(exported)?;
        let desk = Self {
            means,
            register,
            log,
            staging,
            ledger,
            grants: Mutex::default(),
            carrying: Mutex::default(),
            proving: Mutex::new(()),
            swapping: RwLock::new(()),
            bytes_per_s: AtomicU64::new(BYTES_PER_S),
            redact_ms_per_s: AtomicU64::new(redact::MS_PER_S),
        };
        desk.tidy_up();
        desk.miss_lost_files()?;
        Ok(desk)
    }

    /// Starts the threads. They end with [`ExportDesk::stop`].
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let (makes, carries) = (Arc::clone(self), Arc::clone(self));
        named("exports").spawn(move || makes.run())?;
        named("export places").spawn(move || carries.carry_all()).map(drop)
    }

    /// Ends the threads. What is being made is made anew after the next start, what is being written is gone on with.
    pub fn stop(&self) {
        self.ledger.stop();
    }

    fn run(&self) {
        while let Some(next) = self.ledger.next_to_make() {
            if let Some(job) = next {
                making::work(&self.ledger, &self.staging, job.id, &|job| self.make(job));
                self.grants().remove(&job.id);
            }
            self.expire();
            self.prove_all();
            self.tidy_up();
        }
    }

    fn tidy_up(&self) {
        if let Err(error) = making::tidy_up(&self.ledger, &self.staging) {
            let sentence =
                format!("Files of exports that have ended could not be deleted; it is tried again: {}", error.message);
            self.ledger.say(Topic::Files, sentence);
        }
    }

    fn grants(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Grant>>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, job: &Job) -> Result<Made> {
        let began = Instant::now();
        let grant = self.grant(job)?;
        let mut source = RingSource::new(self, job, &grant);
        let order = &job.order;
        let mut surveyed = survey(order, &mut source).map_err(exported)?;
        for _ in 0..LEAVES_ATTEMPTS {
            if surveyed.without_leaf == 0 {
                break;
            }
            self.ledger.tell_making(job.id, |making| making.without_leaf = surveyed.without_leaf);
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
        self.ledger.tell_making(job.id, |making| (making.without_leaf, making.total_bytes) = (0, surveyed.bytes));
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
        let millis = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        if order.redaction.is_some() {
            let mut children = redact::Children::start(&self.means.program_dir)?;
            let place = (job.id, &self.staging);
            let made = watchbook_export::redact::make(place, (order, &surveyed), &maker, &mut source, &mut children);
            let made = made.map_err(exported)?;
            self.redact_ms_per_s.store(redact::measured(millis(), &made), Ordering::Relaxed);
            return Ok(made);
        }
        let made = make(job.id, (order, &surveyed), &maker, &mut source, &self.staging).map_err(exported)?;
        let millis = millis();
        let rate = surveyed.bytes.saturating_mul(1000) / millis;
        self.bytes_per_s.store(rate.max(BYTES_PER_S_MIN), Ordering::Relaxed);
        Ok(made)
    }

    /// Looked at anew each time: rights, case and cameras may have changed since it was asked for.
    fn grant(&self, job: &Job) -> Result<Arc<Grant>> {
        let (account, case) = (job.order.account, job.order.case.clone());
        let asked = Asked { account, case, export: self.ledger.facts(job.id), action: job.order.action(job.id) };
        let known = self.grants().get(&job.id).cloned();
        permit(&self.means.rights, &*self.log, asked, known)
    }

    /// How far the camera's clock was from ours at the reading nearest to the footage, in a sentence; empty when it tells none.
    fn clock_of(&self, camera: CameraId, range: TimeRange) -> String {
        let readings = self.means.cameras.clock(camera, usize::MAX).unwrap_or_default();
        let near = readings.iter().min_by_key(|reading| (reading.at_utc_ms - range.start.as_ms()).abs());
        near.map_or(String::new(), |reading| {
            format!("{} ms from the recorder's at {}", reading.offset_ms, UtcNanos::from_ms(reading.at_utc_ms))
        })
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
}

/// The page that plays and checks a bundle without a network; none in a program that was built before the page was.
fn player() -> Vec<(&'static str, &'static [u8])> {
    let page = watchbook_evidence::player::HTML;
    if page.is_empty() { Vec::new() } else { vec![("player.html", page.as_bytes())] }
}

impl ports::Exports for ExportDesk {
    fn list(&self) -> Result<Vec<api::Export>> {
        Ok(self.ledger.list().iter().map(|job| self.shown(job)).collect())
    }

    fn facts(&self, export: u64) -> Option<watchbook_access::ExportNow> {
        self.ledger.facts(export)
    }

    fn troubles(&self) -> Vec<String> {
        self.ledger.troubles()
    }

    fn sinks(&self) -> Result<api::ExportSinkList> {
        Ok(self.means.places.list())
    }

    fn deliver(&self, grant: Arc<Grant>, delivery: ports::ExportDelivery) -> Result<api::Export> {
        self.ask_delivery(grant, &delivery)
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
        // The thread asks for the grant as soon as the row is there.
        let mut grants = self.grants();
        self.ledger.add(job.clone())?;
        grants.insert(export, grant);
        drop(grants);
        Ok(self.shown(&job))
    }

    fn cancel(&self, _: &Grant, export: u64, account: u32) -> Result<api::Export> {
        let (job, was) = self.ledger.change(export, |job, now| {
            job.may_cancel(account)?;
            let was = job.state;
            job.enter(State::Cancelled, now);
            Ok(was)
        })?;
        let is_being_made = self.ledger.progress().0.is_some_and(|making| making.export == export);
        // What is being written goes when its thread sees that it is not wanted.
        if !(was == State::Making && is_being_made) {
            self.grants().remove(&export);
            making::remove_files(&self.ledger, &self.staging, export);
        }
        Ok(self.shown(&job))
    }

    fn may_answer(&self, export: u64, account: u32, manifest_sha256: &str) -> Result<()> {
        self.ledger.get(export)?.may_answer(account, manifest_sha256).map_err(exported)
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
        Ok(self.shown(&job))
    }

    fn open(&self, grant: &Grant, export: u64, account: u32, manifest_sha256: &str) -> Result<ports::ExportFile> {
        if !grant.covers_delivery(export, manifest_sha256, ports::DOWNLOAD) {
            return Err(Error::new(Kind::Denied, "handing an export out: the grant is for something else"));
        }
        let (made, files) = self.open_files(export, account, manifest_sha256)?;
        let entries: Vec<Entry> = made
            .files
            .iter()
            .map(|file| Entry { name: file.name.clone(), bytes: file.bytes, crc32: file.crc32 })
            .collect();
        let zip = Zip::plan(&entries).map_err(exported)?;
        self.ledger.change(export, |job, now| {
            job.may_have(account, manifest_sha256)?;
            job.delivered_at = job.delivered_at.or(Some(now));
            Ok(())
        })?;
        let (ledger, manifest_sha256) = (Arc::clone(&self.ledger), manifest_sha256.to_owned());
        let file = Arc::new(Archive { ledger, export, manifest_sha256, files, zip });
        Ok(ports::ExportFile { file, proven: made.proven.unwrap_or(made.at) })
    }
}

/// A bundle as one file, for as long as it is released.
struct Archive {
    ledger: Arc<Ledger>,
    export: u64,
    manifest_sha256: String,
    files: Vec<StagedFile>,
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
        let failed =
            |error: watchbook_export::Error| watchbook_media::Error { kind: error.kind, message: error.message };
        let len_max = u64::try_from(len_max.min(watchbook_media::byte_file::CHUNK_BYTES_MAX)).unwrap_or(0);
        let bytes = match self.zip.piece(offset, len_max) {
            None => Vec::new(),
            Some(Piece::Bytes(bytes)) => bytes,
            Some(Piece::File { file, offset, len }) => {
                if !self.ledger.is_released(self.export, &self.manifest_sha256) {
                    let message = format!("handing export {} out: its time is over", self.export);
                    return Err(failed(watchbook_export::Error::new(Kind::Conflict, message)));
                }
                let none = || watchbook_export::Error::new(Kind::Internal, "an archive has a file that is not there");
                self.files.get(file).ok_or_else(none).and_then(|file| file.read(offset, len)).map_err(failed)?
            }
        };
        Ok(bytes.into())
    }
}
