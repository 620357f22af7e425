//! What the rest of the program has of the vault: holds to place, list and release.

use super::handle::{Vault, VaultConfig};
use super::hold::{HoldId, HoldInfo, HoldRequest, VaultInfo};
use super::state::VaultDeps;
use crate::error::{Error, Result};
use crate::store::{Deps, Store};
use crate::worker::{End, Worker};
use std::sync::Arc;
use std::time::Duration;
use watchbook_base::{CameraId, TimeRange};

/// How long the end waits for the vault: its disk, or one that it copies from, may hang.
const CLOSING_PATIENCE: Duration = Duration::from_secs(10);

/// The vault of a store, at work on a thread of its own. Clones share it; dropping the last one stops the thread..
#[derive(Clone)]
pub struct Holds(Arc<Running>);

struct Running {
    vault: Arc<Vault>,
    thread: Worker,
}

impl Holds {
    /// Starts the vault of `store`. It is opened on its own thread: until then, and while its disk is away, nothing can be held, and recording goes on.
    ///
    /// # Errors
    /// `InvalidInput` when `deps` has no keys, `Io` when the thread cannot be started.
    pub fn open(store: &Store, config: VaultConfig, deps: &Deps) -> Result<Self> {
        let keys = deps.keys.clone().ok_or_else(|| Error::invalid("opening the vault: holds need keys"))?;
        let (sources, parts, alarms) = store.for_holds();
        let deps = VaultDeps {
            fs: deps.fs.clone(),
            clock: deps.clock.clone(),
            keys: keys.clone(),
            sealed_with: Some(keys),
            index: deps.index.clone(),
        };
        let vault = Arc::new(Vault::new(config, deps, (sources, parts), alarms));
        let worker = vault.clone();
        let thread = Worker::start("vault", move || worker.run())?;
        Ok(Self(Arc::new(Running { vault, thread })))
    }

    /// Places a hold; it is durable once this returns. Copying begins at once, what a ring overwrites next first. Blocks for a sync, and for a look at the
    /// index of the range.
    ///
    /// # Errors
    /// `InvalidInput` when the request cannot be met, `Exhausted` when the quota has no room for it, `Unavailable` when the vault is not open, `Io` when it
    /// cannot be written.
    pub fn place(&self, request: HoldRequest) -> Result<HoldId> {
        self.0.vault.place(request)
    }

    /// Estimate of the bytes that a hold would take.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn needed_bytes(&self, request: &HoldRequest) -> Result<u64> {
        self.0.vault.needed_bytes(request)
    }

    /// Releases a hold: once this returns, nobody can read its copy.
    ///
    /// # Errors
    /// `NotFound` when there is no such hold, `Conflict` when it is released already or another one is being copied from it, `InvalidInput` for a reason of
    /// no or too many bytes, `Unavailable` when the vault is not open, `Io` when it cannot be written.
    pub fn release(&self, hold: HoldId, by_account: u32, reason: &str) -> Result<()> {
        self.0.vault.release(hold, by_account, reason)
    }

    /// Every hold, released ones too, by number.
    ///
    /// # Errors
    /// `Unavailable` when the vault is not open.
    pub fn list(&self) -> Result<Vec<HoldInfo>> {
        self.0.vault.holds()
    }

    /// The vault as a whole.
    ///
    /// # Errors
    /// `Unavailable` when the vault is not open.
    pub fn info(&self) -> Result<VaultInfo> {
        self.0.vault.info()
    }

    /// True when footage of `camera` in `range` is held and not copied yet: its key must not be destroyed now. Also true of all footage while a vault that
    /// is known cannot be opened.
    #[must_use]
    pub fn needs(&self, camera: CameraId, range: TimeRange) -> bool {
        self.0.vault.needs(camera, range)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.vault.close();
        match self.thread.wait_for(CLOSING_PATIENCE) {
            Some(End::Done) => {}
            Some(End::Panicked) => tracing::error!("the vault's thread had panicked"),
            None => tracing::error!(
                "a disk of the vault does not answer; what is not copied yet is copied after the next start"
            ),
        }
    }
}
