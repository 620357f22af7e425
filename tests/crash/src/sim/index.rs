//! The simulated index: it loses power together with the disk, and may come from elsewhere or from before.

use crate::footage::{Camera, STEP_NANOS};
use crate::ring::{Ground, Ring};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use watchbook_base::clock::SimClock;
use watchbook_base::fs::sim::SimFs;
use watchbook_base::{Clock as _, Kind, UtcNanos};
use watchbook_store::kv::model::ModelKv;
use watchbook_store::kv::{Batch, Keys, Kv, Table};
use watchbook_store::{Config, Error, INDEX_TABLES, OpenIndex, Result};

/// An index on the power of a disk: once that is off, nothing is written any more.
#[derive(Clone)]
pub struct Powered {
    model: ModelKv,
    disk: SimFs,
}

impl Powered {
    /// An empty one.
    #[must_use]
    pub fn new(disk: SimFs) -> Self {
        Self { model: ModelKv::crashing(), disk }
    }

    /// The rows, to break them.
    #[must_use]
    pub fn model(&self) -> &ModelKv {
        &self.model
    }

    fn powered(&self) -> Result<()> {
        match self.disk.is_off() {
            true => Err(Error::new(Kind::Io, "writing to the index: the simulated power is off")),
            false => Ok(()),
        }
    }
}

impl Kv for Powered {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.model.get(table, key)
    }

    fn scan(&self, table: Table, keys: &Keys, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        self.model.scan(table, keys, visit)
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        self.powered()?;
        self.model.write(batch, sync)
    }

    fn renew(&self) -> Result<()> {
        self.powered()?;
        self.model.renew()
    }
}

/// The same index for whatever disk.
pub fn every_disk(index: impl Kv + 'static) -> OpenIndex {
    let index: Arc<dyn Kv> = Arc::new(index);
    Arc::new(move |_| Ok(index.clone()))
}

/// All rows of an index at one moment.
#[derive(Clone, Debug)]
pub struct Copy(Batch);

impl Copy {
    /// The rows that `index` has now.
    #[must_use]
    pub fn of(index: &ModelKv) -> Self {
        Self(index.all(&INDEX_TABLES))
    }

    /// Makes `index` have these rows and no others.
    ///
    /// # Panics
    /// When the index was broken on purpose.
    pub fn restore(&self, index: &ModelKv) {
        index.wipe();
        index.write(&self.0, true).expect("a map takes every row");
    }
}

/// The index of another ring.
///
/// # Panics
/// When not even an undisturbed ring can be made.
pub fn foreign() -> &'static Copy {
    static FOREIGN: OnceLock<Copy> = OnceLock::new();
    FOREIGN.get_or_init(|| {
        let clock = SimClock::new(UtcNanos(1_700_000_000_000_000_000));
        let index = ModelKv::new();
        let config = Config { segment_bytes: Some(4 << 20), ..Config::new("/other", 16 << 20) };
        let ground = Ground {
            fs: Arc::new(SimFs::new(1)),
            clock: Arc::new(clock.clone()),
            index: every_disk(index.clone()),
            config,
            state_dir: None,
        };
        let ring = Ring::open(&ground).expect("an undisturbed ring opens");
        let mut camera = Camera::new(1, 1000, 12);
        let writer = ring.writer();
        writer.begin(&camera.begin(1, (clock.utc(), clock.mono())));
        for _ in 0..100 {
            clock.advance(STEP_NANOS);
            writer.append(camera.packet(clock.mono()).1).expect("an undisturbed ring takes a packet");
        }
        ring.flush(Duration::from_secs(30)).expect("an undisturbed ring commits");
        assert!(ring.settles(Duration::from_secs(30)), "an undisturbed ring's index is complete");
        ring.close().expect("an undisturbed ring closes");
        Copy::of(&index)
    })
}
