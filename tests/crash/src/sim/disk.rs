//! The simulated disk, watched: every sync takes time, and what is made, grown or removed is counted.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::fs::sim::SimFs;
use watchbook_base::fs::{File, Fs, LockGuard, OpenMode, Space};

/// Called before every sync: lets time pass, and the cameras go on.
type OnSync = Box<dyn FnMut() + Send>;

/// A [`SimFs`] whose syncs take time. Clones share one disk.
#[derive(Clone)]
pub struct Disk {
    sim: SimFs,
    watch: Arc<Mutex<Watch>>,
}

#[derive(Default)]
struct Watch {
    on_sync: Option<OnSync>,
    changes: u64,
}

struct Watched {
    file: Box<dyn File>,
    segment: bool,
    disk: Disk,
}

impl Disk {
    /// Watches `sim`.
    #[must_use]
    pub fn new(sim: SimFs) -> Self {
        Self { sim, watch: Arc::default() }
    }

    /// The disk below, to break it.
    #[must_use]
    pub fn sim(&self) -> &SimFs {
        &self.sim
    }

    /// From now on `on_sync` is called before every sync.
    pub fn on_sync(&self, on_sync: impl FnMut() + Send + 'static) {
        self.watch().on_sync = Some(Box::new(on_sync));
    }

    /// Segments made, grown and removed so far. A ring that is laid out changes none.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.watch().changes
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.watch().changes += 1;
    }

    /// The keys' files may grow; segments may not.
    fn is_segment(path: &Path) -> bool {
        path.extension().is_some_and(|ending| ending == "seg")
    }
}

impl Fs for Disk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.sim.create_dir(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let file = self.sim.open(path, mode)?;
        let segment = Self::is_segment(path);
        if segment && mode == OpenMode::Create {
            self.changed();
        }
        Ok(Box::new(Watched { file, segment, disk: self.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.sim.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sim.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.sim.remove(path)?;
        if Self::is_segment(path) {
            self.changed();
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sim.sync_dir(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.sim.space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.sim.lock(path)
    }
}

impl File for Watched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if self.segment {
            self.disk.changed();
        }
        self.file.allocate(len)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bufs, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // Taken out while it runs, so that it may use this disk.
        let on_sync = self.disk.watch().on_sync.take();
        if let Some(mut on_sync) = on_sync {
            on_sync();
            self.disk.watch().on_sync.get_or_insert(on_sync);
        }
        self.file.sync()
    }

    fn forget(&self, offset: u64, len: u64) {
        self.file.forget(offset, len);
    }
}
