//! Many power cuts within one virtual machine: device-mapper's `flakey` target drops every write from one moment on. Runs inside the guest.

use crate::child::{Job, WORD};
use crate::error::{Attempt as _, Result, ensure};
use crate::rounds::{Machine, Running};
use crate::shutdown::run;
use std::process::Command;
use watchbook_base::fs::sim::Dice;

const DEVICE: &str = "/dev/vda";
const NAME: &str = "flaky";
const MAPPED: &str = "/dev/dm-0";
const DIR: &str = "/data";
/// Seconds for which a table stays as it is: longer than any run.
const LONG_SECS: u32 = 1_000_000;

/// The guest's disk behind a switch.
pub struct Flakey {
    sectors: u64,
}

impl Flakey {
    /// Puts the switch in, and mounts what is behind it.
    ///
    /// # Errors
    /// When a tool of the guest says so.
    pub fn new() -> Result<Self> {
        let sectors = std::fs::read_to_string("/sys/block/vda/size").attempt("reading the disk's size")?;
        let flakey = Self { sectors: sectors.trim().parse().attempt("reading the disk's size")? };
        run("dmsetup", &["create", NAME, "--noudevsync", "--table", &flakey.table(false)])?;
        run("mount", &["-t", "ext4", MAPPED, DIR])?;
        Ok(flakey)
    }

    fn table(&self, drops: bool) -> String {
        let (up, down, features) = if drops { (0, LONG_SECS, " 1 drop_writes") } else { (LONG_SECS, 0, "") };
        format!("0 {} flakey {DEVICE} 0 {up} {down}{features}", self.sectors)
    }

    fn switch(&self, drops: bool) -> Result<()> {
        run("dmsetup", &["suspend", "--nolockfs", "--noflush", NAME])?;
        run("dmsetup", &["reload", NAME, "--table", &self.table(drops)])?;
        run("dmsetup", &["resume", "--noudevsync", NAME])
    }
}

impl Machine for Flakey {
    fn start(&mut self, job: &Job) -> Result<Running> {
        Running::start(Command::new("/bin/watchbook-crash").args(job.args()))
    }

    fn crash(&mut self, running: Running, _: &mut Dice) -> Result<Vec<String>> {
        // What is said later may be about writes that were dropped.
        let lines = running.arrived();
        self.switch(true)?;
        drop(running.kill()?);
        run("umount", &[DIR])?;
        self.switch(false)?;
        run("blockdev", &["--flushbufs", MAPPED])?;
        std::fs::write("/proc/sys/vm/drop_caches", "3").attempt("emptying the page cache")?;
        let fsck = Command::new("e2fsck").args(["-p", MAPPED]).status().attempt("starting e2fsck")?;
        ensure(fsck.code().is_some_and(|code| code < 4), || format!("e2fsck ended with {fsck}"))?;
        run("mount", &["-t", "ext4", MAPPED, DIR])?;
        Ok(lines)
    }

    fn recording_ms_max(&self) -> u64 {
        2_000
    }
}

/// What the guest says at its end: `flakey good …` or `flakey broken …`.
#[must_use]
pub fn verdict(good: bool, text: &str) -> String {
    format!("{WORD} flakey {} {text}", if good { "good" } else { "broken" })
}
