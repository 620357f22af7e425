//! Real power cuts: a virtual machine is killed over a disk that loses what it was not told to flush.

use crate::child::Job;
use crate::error::Result;
use crate::nbd::Disk;
use crate::rounds::{Machine, Running};
use crate::vm::{self, Kit};
use std::path::{Path, PathBuf};
use watchbook_base::fs::sim::Dice;

/// The guest's disk.
pub const DISK_BYTES: u64 = 224 << 20;

/// A virtual machine on a disk with a volatile cache.
pub struct PowerCut<'a> {
    kit: &'a Kit,
    disk: Disk,
    socket: PathBuf,
    /// Volatile blocks that survived cuts, and those that did not.
    pub blocks: (usize, usize),
}

impl<'a> PowerCut<'a> {
    /// One with a fresh file system.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(kit: &'a Kit, folder: &Path, lies: bool) -> Result<Self> {
        let socket = folder.join("nbd");
        let disk = Disk::serve(vm::ext4(DISK_BYTES, folder)?, &socket, lies)?;
        disk.slow_down(Dice::new(1));
        Ok(Self { kit, disk, socket, blocks: (0, 0) })
    }

    /// Flushes that the disk was asked for.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.disk.flushes()
    }
}

impl Machine for PowerCut<'_> {
    fn start(&mut self, job: &Job) -> Result<Running> {
        let drive = format!(
            "if=none,id=disk,driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={}",
            self.socket.display()
        );
        Running::start(&mut self.kit.qemu(&job.args(), &drive))
    }

    fn crash(&mut self, running: Running, dice: &mut Dice) -> Result<Vec<String>> {
        self.disk.power_off();
        let lines = running.kill()?;
        let (kept, lost) = self.disk.cut(dice);
        self.blocks = (self.blocks.0 + kept, self.blocks.1 + lost);
        Ok(lines)
    }
}

/// What is recorded in the virtual machine: little, because everything in it is slow.
#[must_use]
pub fn job() -> Job {
    Job {
        dir: PathBuf::from("/data"),
        life: 0,
        cameras: 4,
        sample_bytes: 2_000,
        capacity_bytes: 24 << 20,
        vault_bytes: 24 << 20,
        flushes: false,
        look_only: false,
        await_holds: false,
    }
}
