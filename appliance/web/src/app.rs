//! What all routes share.

use crate::accounts::{AccountBook, HashCost};
use crate::crowd::Crowd;
use crate::error::{Error, Problem};
use crate::event_feed::{self, EventFeed};
use crate::gate::Gate;
use crate::live::{self, LiveHub};
use crate::mirrors::MirrorBook;
use crate::places::Places;
use crate::ports::Ports;
use crate::requests::{Office, RequestBook};
use crate::routes::dispatch::blocking;
use crate::settings::SettingBook;
use crate::stills::{STILLS_MAX, STILLS_PER_SESSION_MAX, StillCache};
use crate::turning::Turning;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use watchbook_access::CaseNow;
use watchbook_base::Clock;

/// Camera tests at once: each may hold a thread for 10 s.
const CAMERA_TESTS_MAX: usize = 2;
/// Files that are received at once, of at most 16 MiB each.
const UPLOADS_MAX: usize = 2;
/// Counts of events at once: each may look at 200 000 events and hold a thread for a few seconds.
const COUNTS_MAX: usize = 2;
/// Pieces of the log that are read at once, of at most 4 MiB each.
const LOG_READS_MAX: usize = 4;
/// Files that are being sent at once, for 8 sessions with all they may have. Each holds at most 4 MiB of chunks, 128 MiB in all, and no thread
/// while its reader is slow.
pub(crate) const DOWNLOADS_MAX: usize = 32;
/// Of them for one session. Cameras that play in lock-step take turns in them: a browser opens 6 connections, and 2 stay for other calls.
pub(crate) const DOWNLOADS_PER_SESSION_MAX: usize = 4;
/// Chunks (of at most 1 MiB) that are read from the disk at once, each on a thread that may block. Far fewer than there are such threads, so
/// that a slow disk leaves some to the other calls.
const CHUNK_READS_MAX: usize = 8;

/// What the web is made of, to be filled in by the binary.
pub struct AppParts {
    /// The rest of the box.
    pub ports: Ports,
    /// Live pictures.
    pub live: Arc<LiveHub>,
    /// New events.
    pub event_feed: Arc<EventFeed>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What a password costs; [`HashCost::default`] outside tests.
    pub hash_cost: HashCost,
    /// Version of the program.
    pub version: String,
    /// What the configuration file says of the station; what was set on the page holds instead.
    pub office: Office,
}

/// The web application. Clones share everything.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: AppParts,
    accounts: AccountBook,
    gate: Gate,
    mirrors: Arc<MirrorBook>,
    log_reads: Semaphore,
    camera_tests: Arc<Semaphore>,
    counts: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    deciding: tokio::sync::Mutex<()>,
    downloads: Arc<Semaphore>,
    downloads_by_session: Places,
    viewers: Crowd,
    followers: Crowd,
    chunk_reads: Arc<Semaphore>,
    stills: Arc<Semaphore>,
    stills_by_session: Places,
    still_cache: StillCache,
    turning: Turning,
    requests: RequestBook,
    settings: SettingBook,
    transcodes: crate::transcode::Places,
}

impl App {
    /// Loads accounts and sessions; on a box that nobody has claimed, makes a new claim code. Blocking.
    ///
    /// # Errors
    /// When the register cannot be read, or a row in it cannot be understood.
    pub fn load(parts: AppParts) -> Result<Self, Error> {
        let accounts = AccountBook::load(&parts.ports, Arc::clone(&parts.clock), parts.hash_cost)?;
        let mirrors = Arc::new(MirrorBook::load(&parts.ports, Arc::clone(&parts.clock))?);
        let gate = Gate::new(Arc::clone(&parts.ports.audit), Arc::clone(&parts.clock));
        let requests = RequestBook::load(Arc::clone(&parts.ports.register))?;
        let settings = SettingBook::load(Arc::clone(&parts.ports.register), parts.office.clone())?;
        Ok(Self(Arc::new(Inner {
            parts,
            accounts,
            gate,
            mirrors,
            log_reads: Semaphore::new(LOG_READS_MAX),
            camera_tests: Arc::new(Semaphore::new(CAMERA_TESTS_MAX)),
            counts: Arc::new(Semaphore::new(COUNTS_MAX)),
            deciding: tokio::sync::Mutex::new(()),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            downloads_by_session: Places::new(DOWNLOADS_PER_SESSION_MAX),
            viewers: Crowd::new(live::VIEWERS),
            followers: Crowd::new(event_feed::FOLLOWERS),
            chunk_reads: Arc::new(Semaphore::new(CHUNK_READS_MAX)),
            stills: Arc::new(Semaphore::new(STILLS_MAX)),
            stills_by_session: Places::new(STILLS_PER_SESSION_MAX),
            still_cache: StillCache::default(),
            turning: Turning::default(),
            requests,
            settings,
            transcodes: crate::transcode::Places::new(std::thread::available_parallelism().map_or(1, usize::from)),
        })))
    }

    /// The one-time code that claims this box, grouped for reading; `None` once it is claimed. For the console only.
    #[must_use]
    pub fn claim_code(&self) -> Option<String> {
        self.0.accounts.claim_code()
    }

    /// SHA-256 of the station's own authority, as browsers show it, when the page is served with it. For the console: it can be compared there.
    #[must_use]
    pub fn authority_sha256(&self) -> Option<String> {
        self.0.parts.ports.certificates.authority().map(|certificate| watchbook_tls::fingerprint(&certificate))
    }

    /// The page is served over TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.parts.ports.certificates.tls().is_some()
    }

    pub(crate) fn accounts(&self) -> &AccountBook {
        &self.0.accounts
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.0.parts.ports
    }

    /// The case with this number, as it is now.
    pub(crate) async fn case_now(&self, number: &str) -> Result<Option<CaseNow>, Error> {
        if watchbook_access::case::check_number(number).is_err() {
            return Ok(None);
        }
        let (app, number) = (self.clone(), number.to_owned());
        blocking(move || app.case_at_once(&number)).await
    }

    /// The same on a thread that may wait.
    pub(crate) fn case_at_once(&self, number: &str) -> Result<Option<CaseNow>, Error> {
        let found = self.ports().cases.get(number)?;
        Ok(found.map(|case| CaseNow { case, now: self.clock().utc() }))
    }

    pub(crate) fn requests(&self) -> &RequestBook {
        &self.0.requests
    }

    pub(crate) fn office(&self) -> Office {
        // The policy is the station's promise, the settings say how its office keeps it: the shorter time holds.
        let answer_days = self.ports().policies.in_force().rules.subject_request_days;
        let office = self.0.settings.office();
        Office { answer_days: office.answer_days.min(answer_days), ..office }
    }

    pub(crate) fn settings(&self) -> &SettingBook {
        &self.0.settings
    }

    pub(crate) fn live(&self) -> &LiveHub {
        &self.0.parts.live
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.parts.clock
    }

    pub(crate) fn version(&self) -> &str {
        &self.0.parts.version
    }

    pub(crate) fn camera_tests(&self) -> &Arc<Semaphore> {
        &self.0.camera_tests
    }

    pub(crate) fn mirrors(&self) -> &Arc<MirrorBook> {
        &self.0.mirrors
    }

    pub(crate) fn log_reads(&self) -> &Semaphore {
        &self.0.log_reads
    }

    pub(crate) fn counts(&self) -> &Arc<Semaphore> {
        &self.0.counts
    }

    /// A place to receive a file in.
    pub(crate) fn place_to_upload(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let full = || Problem::too_many("another file is being uploaded", "Wait until it is done, then try again.");
        Arc::clone(&self.0.uploads).try_acquire_owned().map_err(|_| full())
    }

    /// Held by whoever decides a proposal, so that what follows from it is done once.
    pub(crate) fn deciding(&self) -> &tokio::sync::Mutex<()> {
        &self.0.deciding
    }

    pub(crate) fn downloads(&self) -> &Arc<Semaphore> {
        &self.0.downloads
    }

    pub(crate) fn downloads_by_session(&self) -> &Places {
        &self.0.downloads_by_session
    }

    /// Who holds live pictures open.
    pub(crate) fn viewers(&self) -> &Crowd {
        &self.0.viewers
    }

    pub(crate) fn event_feed(&self) -> &Arc<EventFeed> {
        &self.0.parts.event_feed
    }

    /// Who follows new events.
    pub(crate) fn followers(&self) -> &Crowd {
        &self.0.followers
    }

    pub(crate) fn stills(&self) -> (&Places, &Arc<Semaphore>) {
        (&self.0.stills_by_session, &self.0.stills)
    }

    pub(crate) fn still_cache(&self) -> &StillCache {
        &self.0.still_cache
    }

    /// The cap on what is transcoded.
    pub(crate) fn transcodes(&self) -> &crate::transcode::Places {
        &self.0.transcodes
    }

    pub(crate) fn turning(&self) -> &Turning {
        &self.0.turning
    }

    pub(crate) fn chunk_reads(&self) -> &Arc<Semaphore> {
        &self.0.chunk_reads
    }
}

impl core::fmt::Debug for App {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("App")
    }
}
