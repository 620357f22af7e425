//! The store: the rings of all disks as one.

use crate::alarm::Alarm;
use crate::config::Config;
use crate::disk::{Common, Disk, Opened};
#[cfg(test)]
use crate::disk::{DiskParts, assemble_disk};
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::keys::Keys;
use crate::kv::Kv;
use crate::reader::{PartList, Reader};
use crate::writer::Writer;
#[cfg(feature = "rocks")]
use std::path::Path;
use std::sync::Arc;
use watchbook_base::Clock;
use watchbook_base::fs::Fs;

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
}

/// An open store. Dropping it closes it.
pub struct Store {
    disks: Vec<Disk>,
    writer: Writer,
    reader: Reader,
    common: Common,
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
}

/// Recovers one ring, without a thread.
#[cfg(test)]
pub(crate) fn assemble(config: &Config, deps: &Deps) -> Result<Parts> {
    let common = Common { keys: deps.keys.clone(), ..Common::default() };
    let DiskParts { shared, committer, part, opened } = assemble_disk(config, deps, &common, 0)?;
    let reader = Reader::new(PartList::new(vec![part.clone()].into()));
    let care = crate::care::Care::new(shared.clone(), part.clone(), deps.clock.clone());
    let writer = Writer::new(shared, deps.clock.clone());
    Ok(Parts { committer, part, care, writer, reader, opened })
}

impl Store {
    /// Opens the rings of `configs`, one a disk, makes those that are not there, brings their indexes up to date and starts their committers.
    ///
    /// # Errors
    /// `Conflict` when another program has one open, `InvalidInput` for settings that cannot work, `Exhausted` when a disk has no room for four
    /// segments, and what the operating system says.
    pub fn open(configs: &[Config], deps: &Deps) -> Result<Self> {
        let common = Common { keys: deps.keys.clone(), ..Common::default() };
        let mut disks = Vec::new();
        for (ordinal, config) in (0_u8..).zip(configs) {
            disks.push(Disk::open(config, deps, &common, ordinal)?);
        }
        if let Some(keys) = &common.keys {
            // The second copy lies on a ring's disk, which is there by now.
            keys.tend();
        }
        let first = disks.first().ok_or_else(|| Error::invalid("opening the store: no disk is configured"))?;
        let writer = Writer::new(first.shared.clone(), deps.clock.clone());
        let parts: Vec<_> = disks.iter().map(|disk| disk.part.clone()).collect();
        let reader = Reader::new(PartList::new(parts.into()));
        Ok(Self { disks, writer, reader, common })
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

    /// What start-up found, disk by disk.
    #[must_use]
    pub fn opened(&self) -> Vec<Opened> {
        self.disks.iter().map(|disk| disk.opened.clone()).collect()
    }

    /// What is wrong now, the gravest first.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.common.alarms.all()
    }

    /// Commits what waits and stops the committers.
    ///
    /// # Errors
    /// `Io` with the alarm when a last commit could not be written, `Internal` when a committer had died.
    pub fn close(mut self) -> Result<()> {
        self.stop()
    }

    fn stop(&mut self) -> Result<()> {
        // Each disk is closed, whatever became of the others.
        let closed: Vec<Result<()>> = self.disks.iter_mut().map(Disk::close).collect();
        closed.into_iter().collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "the store was dropped without being closed");
        }
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
