//! File systems for tests, which only root can mount.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One in memory, taken down at the end.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    /// `None` where this may not mount; the list of what was not tested says so then.
    pub(crate) fn mount(dir: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir.to_owned()));
        }
        let why = "exports on a disk that is full, read-only or pulled out: this test may not mount one";
        eprintln!("NOT TESTED: {why}");
        if let Some(path) = std::env::var_os("WATCHBOOK_NOT_TESTED") {
            use std::io::Write as _;
            let mut list = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            writeln!(list, "{why}").unwrap();
        }
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}
