//! The store: the rings of all disks as one.

use crate::alarm::{Alarm, Alarms};
use crate::config::Config;
use crate::disk::{Opened, Start};
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::keys::{Keeper, Keys};
use crate::kv::Kv;
use crate::pool::{DiskStatus, Pool, Threads};
use crate::reader::{PartList, Reader};
use crate::register::Register;
use crate::retention::Retention;
use crate::vault::SourceList;
use crate::writer::Writer;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::fs::Fs;
use watchbook_base::{Clock, Kind};

/// Opens the index of one disk.
pub type OpenIndex = Arc<dyn Fn(DiskId) -> Result<Arc<dyn Kv>> + Send + Sync>;

/// What a store stands on.
#[derive(Clone)]
pub struct Deps {
    /// Files.
    pub fs: Arc<dyn Fs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The index of a disk, which lies elsewhere; [`open_index`] opens the real one.
    pub index: OpenIndex,
    /// What footage is sealed with; `None` stores it in the clear, which only tests and benchmarks do.
    pub keys: Option<Arc<Keys>>,
    /// Where the store keeps which disk belongs to which directory; without it an empty mount point is taken for a new disk.
    pub register: Option<Arc<Register>>,
}

/// An open store. Dropping it closes it.
pub struct Store {
    pool: Arc<Pool>,
    threads: Threads,
    writer: Writer,
    reader: Reader,
    retention: Option<Retention>,
    keeper: Mutex<Option<Keeper>>,
}

/// What tests use of a store of one disk, without a thread.
#[cfg(test)]
pub(crate) struct Parts {
    pub(crate) committer: crate::committer::Committer,
    pub(crate) part: Arc<crate::reader::Part>,
    pub(crate) care: crate::care::Care,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) opened: Opened,
    pub(crate) index: Arc<crate::index::IndexQueue>,
}

/// Recovers one ring, without a thread.
#[cfg(test)]
pub(crate) fn assemble(config: &Config, deps: &Deps) -> Result<Parts> {
    use crate::disk::{Common, Wanted, finish_disk, recover_disk};
    use crate::writer::Routes;
    let common = Common { keys: deps.keys.clone(), ..Common::default() };
    let recovered = recover_disk(config, deps, &|disk| (deps.index)(disk), Wanted::default())?;
    common.hear_of(&recovered);
    let mut disk = finish_disk(recovered, deps, (&common, 0), &|_, _| None, Start::Manual)?;
    let routes = Arc::new(Routes::new(common, config.pending_bytes_max));
    routes.add(disk.shared.clone(), disk.part.capacity_bytes());
    let committer = *disk.take_committer().expect("it was started by hand");
    let reader = Reader::new(PartList::new(vec![disk.part.clone()].into()));
    let care = crate::care::Care::new(disk.shared.clone(), disk.part.clone(), deps.clock.clone());
    let writer = Writer::new(routes, deps.clock.clone());
    let index = disk.part.index.clone();
    Ok(Parts { committer, part: disk.part, care, writer, reader, opened: disk.opened, index })
}

impl Store {
    /// Opens the rings of `configs` and those that were added on the page, one a disk: makes those that are not there, brings their indexes up to date and
    /// starts their committers. A known disk that is missing, or has another one in its place, is told by an alarm and does not prevent the start. Nothing is
    /// erased by age before [`Retention::start`].
    ///
    /// # Errors
    /// `Conflict` when another program has one open, `InvalidInput` for settings that cannot work; when there is no other disk, `Exhausted` when this one has
    /// no room for four segments, and what the operating system says.
    pub fn open(configs: &[Config], deps: &Deps) -> Result<Self> {
        let pool = Arc::new(Pool::new(configs, deps, Start::Thread)?);
        let writer = Writer::new(pool.routes.clone(), deps.clock.clone());
        let reader = Reader::new(pool.parts.clone());
        match Threads::start(pool.clone()) {
            Ok(threads) => {
                let mut store = Self { pool, threads, writer, reader, retention: None, keeper: Mutex::default() };
                if let Some(keys) = &deps.keys {
                    // The second copy lies on a ring's disk, which is there by now.
                    keys.tend();
                    let (parts, alarms) = (store.pool.parts.clone(), store.pool.common.alarms.clone());
                    store.retention = Some(Retention::new(keys.clone(), parts, alarms, deps.clock.clone()));
                    store.keeper = Mutex::new(Some(Keeper::start(keys)?));
                }
                Ok(store)
            }
            Err(error) => {
                if let Err(closing) = pool.close() {
                    tracing::error!(%closing, "a disk could not be closed");
                }
                Err(error)
            }
        }
    }

    /// A handle that writes.
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// A handle that reads.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// What the vault works on: the rings, the parts that it joins, and where it tells what is wrong.
    pub(crate) fn for_holds(&self) -> (SourceList, PartList, Arc<Alarms>) {
        let pool = self.pool.clone();
        let sources: SourceList = Arc::new(move || pool.sources());
        (sources, self.pool.parts.clone(), self.pool.common.alarms.clone())
    }

    /// What start-up found, disk by disk.
    #[must_use]
    pub fn opened(&self) -> Vec<Opened> {
        self.pool.start_up()
    }

    /// A handle on the disks.
    #[must_use]
    pub fn disks(&self) -> Disks {
        Disks { pool: self.pool.clone(), threads: self.threads.clone() }
    }

    /// Waits until every index has all that its log has: after a lost one was made again, say.
    ///
    /// # Errors
    /// `Timeout` when one has not within `patience`.
    pub fn settle_index(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        for part in self.parts() {
            if !part.index.settle(deadline.saturating_duration_since(Instant::now())) {
                let disk = part.disk();
                let what = format!("waiting {patience:?} for the index of disk {disk}: it is still behind the log");
                return Err(Error::new(Kind::Timeout, what));
            }
        }
        Ok(())
    }

    /// How the indexes are doing, disk by disk.
    #[must_use]
    pub fn index_status(&self) -> Vec<(DiskId, crate::IndexStatus)> {
        self.parts().iter().map(|part| (part.disk(), part.index.status())).collect()
    }

    fn parts(&self) -> Vec<Arc<crate::reader::Part>> {
        self.pool.parts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is wrong now, the gravest first.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.pool.common.alarms.all()
    }

    /// What keeps the maximum ages once it is started; `None` without keys.
    #[must_use]
    pub fn retention(&self) -> Option<Retention> {
        self.retention.clone()
    }

    /// Commits what waits and stops the committers.
    ///
    /// # Errors
    /// `Io` with the alarm when a last commit could not be written, `Internal` when a committer had died.
    pub fn close(self) -> Result<()> {
        self.stop()
    }

    fn stop(&self) -> Result<()> {
        if let Some(retention) = &self.retention {
            retention.stop();
        }
        self.threads.stop();
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = &keeper {
            keeper.prepare_to_stop();
        }
        let closed = self.pool.close();
        keeper.into_iter().for_each(Keeper::stop);
        closed
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "the store was dropped without being closed");
        }
    }
}

/// The disks of an open store: how they are doing, and new ones. Clones are of the same store.
#[derive(Clone)]
pub struct Disks {
    pool: Arc<Pool>,
    threads: Threads,
}

impl Disks {
    /// Every disk.
    #[must_use]
    pub fn list(&self) -> Vec<DiskStatus> {
        self.pool.list()
    }

    /// How the indexes are doing, disk by disk.
    #[must_use]
    pub fn index_status(&self) -> Vec<(DiskId, crate::IndexStatus)> {
        let parts = self.pool.parts.read().unwrap_or_else(PoisonError::into_inner).clone();
        parts.iter().map(|part| (part.disk(), part.index.status())).collect()
    }

    /// What is wrong now, the gravest first.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.pool.common.alarms.all()
    }

    /// Has the audit log take the hashes of all footage that is acknowledged by now, and returns when they are durable there. To be called before footage is handed out that may lie in a
    /// segment that is still being written: until then [`Register::footage_leaf`] knows no leaf of it. Footage that still waits in memory is not meant ([`Writer::flush`]). Blocks for `patience` at most.
    ///
    /// # Errors
    /// Why one disk could not, after the others did: `Timeout` when disk or register do not answer, `Conflict` when the disk is being closed, and what they say. What could be logged is logged.
    pub fn commit_leaves_now(&self, patience: Duration) -> Result<()> {
        self.pool.commit_leaves(Instant::now() + patience)
    }

    /// A ring of `capacity_bytes` in `dir` joins, and is kept in the register. It takes streams at once. Blocks while the ring is made.
    ///
    /// # Errors
    /// `Conflict` when the directory is in use already, `InvalidInput` for a capacity that cannot work, and why the ring cannot be made.
    pub fn add(&self, dir: &Path, capacity_bytes: u64) -> Result<()> {
        let place = self.pool.add(dir, capacity_bytes)?;
        self.threads.look_after(place, false)
    }

    /// Takes the disk that is mounted at `dir` now for the one that belongs there. It joins within seconds.
    ///
    /// # Errors
    /// `NotFound` when `dir` is no ring directory of this store, `Conflict` when the right disk is there.
    pub fn accept(&self, dir: &Path) -> Result<()> {
        self.pool.accept(dir)
    }

    /// Gives up the disk of `dir`, which will not come back. `replaced`: a new, empty one is mounted there, and joins within seconds. Otherwise the
    /// directory, which must have been added, is forgotten.
    ///
    /// # Errors
    /// `NotFound` when `dir` is no ring directory of this store, `Conflict` when its disk is in use, or the directory holds a ring, or the configuration
    /// names it; when the register does not take it.
    pub fn retire(&self, dir: &Path, replaced: bool) -> Result<()> {
        self.pool.retire(dir, replaced)
    }
}

/// Folder of the indexes in the state directory.
#[cfg(feature = "rocks")]
const INDEX_DIR: &str = "index";

/// Where the index of `disk` lies.
#[cfg(feature = "rocks")]
fn index_dir(state_dir: &Path, disk: DiskId) -> std::path::PathBuf {
    state_dir.join(INDEX_DIR).join(disk.to_string())
}

/// The RocksDB index of `disk` in the state directory. One that cannot be opened is moved aside, to be rebuilt from the log.
///
/// # Errors
/// `Conflict` when another program has it open; `Io` when a fresh one cannot be made either.
#[cfg(feature = "rocks")]
pub fn open_index(state_dir: &Path, disk: DiskId) -> Result<Arc<dyn Kv>> {
    use crate::kv::rocks::{RocksKv, Use, set_aside};
    use watchbook_base::Kind;
    // The index of a store that had one disk lay in the folder itself.
    let folder = state_dir.join(INDEX_DIR);
    if folder.join("CURRENT").exists() {
        set_aside(&folder)?;
    }
    let path = index_dir(state_dir, disk);
    let open = || RocksKv::open(&path, &crate::catalog::rows::INDEX_TABLES, Use::Index);
    match open() {
        Ok(kv) => Ok(Arc::new(kv)),
        Err(error) if error.kind == Kind::Conflict => Err(error),
        Err(error) => {
            tracing::error!(%error, "the index cannot be opened; it is set aside and rebuilt");
            set_aside(&path)?;
            Ok(Arc::new(open()?))
        }
    }
}

/// The RocksDB index of `disk` as it is; `None` when there is none. Makes nothing and sets nothing aside.
///
/// # Errors
/// `Conflict` when another program has it open; what RocksDB says when it is damaged.
#[cfg(feature = "rocks")]
pub fn open_existing_index(state_dir: &Path, disk: DiskId) -> Result<Option<Arc<dyn Kv>>> {
    use crate::kv::rocks::{RocksKv, Use};
    let path = index_dir(state_dir, disk);
    if !path.join("CURRENT").exists() {
        return Ok(None);
    }
    Ok(Some(Arc::new(RocksKv::open(&path, &crate::catalog::rows::INDEX_TABLES, Use::Index)?)))
}
