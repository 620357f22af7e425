//! The store as a crash test sees it. Only this file knows how one is opened and read, so that it alone changes when the store's interface does.

use crate::error::{Attempt as _, Error, Result};
use crate::footage::Mark;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use watchbook_access::{Action, AuditEntry, AuditError, AuditLog, CaseNow, Grant, Role, Subject};
use watchbook_base::fs::{File, Fs, LockGuard, OpenMode, Space};
use watchbook_base::{Clock, Gap, Kind, StreamId, TimeRange, UtcNanos};
use watchbook_media::SpanSource as _;
use watchbook_store::format::DiskId;
use watchbook_store::kv::Kv;
use watchbook_store::vault::{ClosedVault, VaultReport};
use watchbook_store::{
    ClosedRing, Config, Deps, EventQuery, Holds, Keys, MasterSource, OpenIndex, Place, Report, Store, VaultConfig,
};

pub use watchbook_store::{Stats, Writer};

/// Directory of the vault beside a ring's.
const VAULT: &str = "vault";

/// All time.
pub const ALL: TimeRange = TimeRange { start: UtcNanos(0), end: UtcNanos(i64::MAX / 2) };

/// What a ring stands on: it outlives the recorder.
#[derive(Clone)]
pub struct Ground {
    /// Files.
    pub fs: Arc<dyn Fs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The index of a disk.
    pub index: OpenIndex,
    /// Size and place.
    pub config: Config,
    /// Where the master key and one copy of the keys lie, when footage is sealed; the other copy lies in the ring's directory.
    pub state_dir: Option<PathBuf>,
}

impl Ground {
    /// The keys; `open` is [`Keys::open`], or [`Keys::open_existing`] to change nothing.
    fn keys(&self, open: OpenKeys) -> watchbook_store::Result<Option<Arc<Keys>>> {
        let Some(state_dir) = &self.state_dir else { return Ok(None) };
        let places = Place::usual(&self.fs, state_dir, &self.config.dir);
        let master = MasterSource::File(state_dir.join("master.key"));
        open(places, &master, &*self.fs, self.clock.clone()).map(|keys| Some(Arc::new(keys)))
    }
}

type OpenKeys = fn([Place; 2], &MasterSource, &dyn Fs, Arc<dyn Clock>) -> watchbook_store::Result<Keys>;

/// An open ring.
pub struct Ring {
    store: Store,
    deps: Deps,
}

/// What a ring has of one stream.
#[derive(Debug, Default)]
pub struct Found {
    /// Samples whose every byte is right, in the order of their recordings.
    pub marks: Vec<Mark>,
    /// Bytes of these samples.
    pub bytes: u64,
    /// Runs that the ring lists and says it cannot read.
    pub unreadable: Vec<String>,
}

/// A file system that has more room than it has: the vault leaves a GiB of its disk free, and the disks under test are smaller.
struct Roomy(Arc<dyn Fs>);

impl Fs for Roomy {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        self.0.open(path, mode)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let space = self.0.space(dir)?;
        Ok(Space { free_bytes: space.free_bytes + (2 << 30), ..space })
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.0.lock(path)
    }
}

struct NoLog;

impl AuditLog for NoLog {
    fn append(&self, _: &AuditEntry) -> std::result::Result<u64, AuditError> {
        Ok(0)
    }
}

/// How long a lost index of a small ring may take to be made again on a busy machine.
pub const INDEX_PATIENCE: Duration = Duration::from_secs(60);

fn grant(action: Action) -> Result<Grant> {
    let mut subject = Subject::new(1, [Role::Investigator].into_iter().collect(), None);
    if let Action::Playback { camera, .. } = &action {
        subject.case = Some(CaseNow::for_measuring(1, *camera));
    }
    watchbook_access::open(&subject, action, &NoLog)
        .map_err(|refusal| Error(format!("asking for a grant: {refusal:?}")))
}

impl Ring {
    /// Opens it as the recorder does at its start.
    ///
    /// # Errors
    /// What the store says.
    pub fn open(ground: &Ground) -> watchbook_store::Result<Self> {
        let (fs, clock, index) = (ground.fs.clone(), ground.clock.clone(), ground.index.clone());
        let deps = Deps { fs, clock, index, keys: ground.keys(Keys::open)?, register: None };
        let store = Store::open(std::slice::from_ref(&ground.config), &deps)?;
        Ok(Self { store, deps })
    }

    /// Starts a vault beside the ring in `dir`, as the recorder does; what it holds is read with what the ring has. Drop it before the ring is closed.
    ///
    /// # Errors
    /// What the store says.
    pub fn holds(&self, dir: &Path, quota_bytes: u64) -> Result<Holds> {
        let deps = Deps { fs: Arc::new(Roomy(self.deps.fs.clone())), ..self.deps.clone() };
        let config = VaultConfig { dir: dir.join(VAULT), quota_bytes, register: None };
        Holds::open(&self.store, config, &deps).attempt("starting the vault")
    }

    /// Waits until the index has everything; false when that takes longer than `patience`. Recording does not wait for it; who wants to find everything does.
    #[must_use]
    pub fn settles(&self, patience: Duration) -> bool {
        self.store.settle_index(patience).is_ok()
    }

    /// A handle that writes.
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.store.writer()
    }

    /// Whether the start made the index anew, and what of the log it could not read.
    #[must_use]
    pub fn opened(&self) -> (bool, String) {
        let opened = self.store.opened();
        let damage: Vec<_> = opened.iter().flat_map(|disk| &disk.damage).collect();
        let damage = if damage.is_empty() { String::new() } else { format!("{damage:?}") };
        (opened.iter().any(|disk| disk.index_rebuilt), damage)
    }

    /// Everything of `stream`. A sample that nobody made, or one with a wrong byte, is an error: it was passed off as good.
    ///
    /// # Errors
    /// For such a sample, and when the list of spans cannot be read.
    pub fn found(&self, stream: StreamId) -> Result<Found> {
        let grant = grant(Action::Playback { camera: stream.camera, range: ALL, case: CaseNow::MEASURING.into() })?;
        let reader = self.store.reader();
        let mut spans = reader.spans(&grant, stream, ALL).attempt(format!("listing spans of {stream}"))?;
        // A clock that was set back puts later recordings at earlier times.
        spans.sort_by_key(|span| (span.recording, span.first_dts));
        let footage = reader.footage(&grant, stream.camera, ALL).attempt("opening footage")?;
        let mut found = Found::default();
        for span in &spans {
            let table = match footage.table(span) {
                Ok(table) => table,
                Err(error) => {
                    found.unreadable.push(error.message);
                    continue;
                }
            };
            let mut offset = 0;
            for run in &table.runs {
                match footage.read(span, offset, run.byte_count()) {
                    Ok(bytes) => cut(stream, &run.samples, &bytes, &mut found)?,
                    Err(error) if error.kind == Kind::Corrupt || error.kind == Kind::Io => {
                        found.unreadable.push(error.message);
                    }
                    Err(error) => return Err(Error(format!("reading {stream}: {}", error.message))),
                }
                offset += run.byte_count();
            }
        }
        Ok(found)
    }

    /// The gap rows of `stream`; one that goes on ends now.
    ///
    /// # Errors
    /// What the store says.
    pub fn gaps(&self, stream: StreamId) -> Result<Vec<Gap>> {
        let grant = grant(Action::Timeline { camera: stream.camera })?;
        let now = self.deps.clock.utc();
        self.store.reader().gaps(&grant, stream, ALL, now).attempt(format!("listing gaps of {stream}"))
    }

    /// Numbers of all events, rising.
    ///
    /// # Errors
    /// What the store says.
    pub fn events(&self) -> Result<Vec<u64>> {
        let grant = grant(Action::SearchEvents { camera: None, cameras: Vec::new(), range: ALL })?;
        let mut query = EventQuery {
            camera: None,
            only: None,
            kind: None,
            zone: None,
            plugin: None,
            range: ALL,
            newest_first: false,
            limit: 1000,
            after: None,
        };
        let mut numbers = Vec::new();
        loop {
            let page = self.store.reader().events(&grant, &query).attempt("listing events")?;
            numbers.extend(page.events.iter().map(|event| event.number));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Waits until all that was handed over is durable; false when that takes longer than `patience`.
    ///
    /// # Errors
    /// What the store says, but for the time-out.
    pub fn flush(&self, patience: Duration) -> Result<bool> {
        match self.store.writer().flush(patience) {
            Ok(_) => Ok(true),
            Err(error) if error.kind == Kind::Timeout => Ok(false),
            Err(error) => Err(Error(error.to_string())),
        }
    }

    /// Commits what waits and closes.
    ///
    /// # Errors
    /// When the last commit could not be written.
    pub fn close(self) -> Result<()> {
        self.store.close().attempt("closing")
    }
}

fn cut(stream: StreamId, samples: &[watchbook_media::Sample], bytes: &[u8], found: &mut Found) -> Result<()> {
    let mut rest = bytes;
    for sample in samples {
        let (one, after) = rest
            .split_at_checked(usize::try_from(sample.size_bytes).unwrap_or(usize::MAX))
            .attempt("cutting a run into samples")?;
        let mark = Mark::of(one).filter(|mark| mark.stream == stream.to_u32());
        let mark = mark.ok_or_else(|| Error(format!("{stream}: a sample with wrong bytes was passed off as good")))?;
        if sample.lost_before != mark.lost_before() {
            return Err(Error(format!("{stream}: a sample says that {} are missing before it", sample.lost_before)));
        }
        found.marks.push(mark);
        rest = after;
    }
    found.bytes += u64::try_from(bytes.len()).unwrap_or(0);
    Ok(())
}

/// Looks over the closed ring as `watchbook check` does, with its index as it is.
///
/// # Errors
/// What the store says.
pub fn check(ground: &Ground, index: Option<&dyn Kv>) -> Result<Report> {
    let mut ring = ClosedRing::open(&ground.config.dir, ground.fs.clone()).attempt("opening the closed ring")?;
    if let Some(keys) = ground.keys(Keys::open_existing).attempt("opening the keys as they are")? {
        ring = ring.with_keys(keys);
    }
    Ok(ring.check(index, &mut |_| {}))
}

/// Which disk the closed ring of `ground` is.
///
/// # Errors
/// What the store says.
pub fn disk(ground: &Ground) -> Result<DiskId> {
    ClosedRing::open(&ground.config.dir, ground.fs.clone()).attempt("opening the closed ring").map(|ring| ring.disk())
}

/// Looks over the closed vault beside a ring in `dir` as `watchbook check` does, with its index as it is; `None` when there is none.
///
/// # Errors
/// What the store says.
pub fn check_vault(ground: &Ground, dir: &Path) -> Result<Option<VaultReport>> {
    let vault = match ClosedVault::open(&dir.join(VAULT), ground.fs.clone()) {
        Err(error) if error.kind == Kind::NotFound => return Ok(None),
        other => other.attempt("opening the closed vault")?,
    };
    let keys = ground.keys(Keys::open_existing).attempt("opening the keys as they are")?;
    let index = existing_index(dir, vault.id())?;
    vault.check(keys.as_deref(), index.as_deref(), &mut |_| {}).attempt("checking the vault").map(Some)
}

/// How the index of a ring in `dir` is opened: the real one.
#[cfg(feature = "rocks")]
#[must_use]
pub fn open_index(dir: &Path) -> OpenIndex {
    let state = dir.join("state");
    Arc::new(move |disk| {
        std::fs::create_dir_all(&state)
            .map_err(|error| watchbook_store::Error::io("making the state directory", error))?;
        watchbook_store::open_index(&state, disk)
    })
}

/// The index of `disk`, a ring in `dir` or its vault, as a crash left it.
///
/// # Errors
/// What the store says.
#[cfg(feature = "rocks")]
pub fn existing_index(dir: &Path, disk: DiskId) -> Result<Option<Arc<dyn Kv>>> {
    watchbook_store::open_existing_index(&dir.join("state"), disk).attempt("opening the index")
}

/// How the index of a ring in `dir` is opened: one in memory, that every crash takes.
#[cfg(not(feature = "rocks"))]
#[must_use]
pub fn open_index(_: &Path) -> OpenIndex {
    let indexes: std::sync::Mutex<std::collections::BTreeMap<[u8; 16], Arc<dyn Kv>>> = std::sync::Mutex::default();
    Arc::new(move |disk: DiskId| {
        let mut indexes = indexes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(indexes.entry(disk.0).or_insert_with(|| Arc::new(watchbook_store::kv::model::ModelKv::new())).clone())
    })
}

/// None: one in memory does not survive a crash.
///
/// # Errors
/// None.
#[cfg(not(feature = "rocks"))]
pub fn existing_index(_: &Path, _: DiskId) -> Result<Option<Arc<dyn Kv>>> {
    Ok(None)
}
