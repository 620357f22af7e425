//! Real kills: the program on a real file system, ended by `SIGKILL`. The page cache survives that, so what is lost is what was still in memory.

use crate::child::Job;
use crate::error::{Attempt as _, Result};
use crate::rounds::{Machine, Running};
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_base::fs::sim::Dice;

/// Starts this very program again.
pub struct Process {
    program: PathBuf,
}

impl Process {
    /// The program at `program`, or this one.
    ///
    /// # Errors
    /// When this one's path cannot be found.
    pub fn new(program: Option<&Path>) -> Result<Self> {
        let own = || std::env::current_exe().attempt("finding this program");
        Ok(Self { program: program.map_or_else(own, |program| Ok(program.to_owned()))? })
    }
}

impl Machine for Process {
    fn start(&mut self, job: &Job) -> Result<Running> {
        Running::start(Command::new(&self.program).args(job.args()))
    }

    fn crash(&mut self, running: Running, _: &mut Dice) -> Result<Vec<String>> {
        running.kill()
    }
}

/// What is recorded while real kills strike: 16 cameras of 2.5 Mbit/s in a ring that wraps within ten seconds.
#[must_use]
pub fn job(dir: &Path) -> Job {
    Job {
        dir: dir.to_owned(),
        life: 0,
        cameras: 16,
        sample_bytes: 10_000,
        capacity_bytes: 64 << 20,
        // Four holds take as much of a camera as a minute of rounds makes.
        vault_bytes: 128 << 20,
        flushes: false,
        look_only: false,
        await_holds: false,
    }
}
