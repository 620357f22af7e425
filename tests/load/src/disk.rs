//! Where a recorder writes: a fresh ext4 on a loop device of its own, so that the device's counters are the recorder's alone. Without the rights for that, a
//! plain folder, and the device's columns stay empty.

use crate::error::Attempt;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a sector in the kernel's statistics, whatever the device's own (Documentation/block/stat.rst).
const SECTOR_BYTES: u64 = 512;

/// A place to write to; gone when dropped.
pub struct Disk {
    folder: tempfile::TempDir,
    device: Option<String>,
}

/// Counters of the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceUse {
    /// Bytes written.
    pub written_bytes: u64,
    /// Flushes: each makes the device keep what it was given.
    pub flushes: u64,
}

impl Disk {
    /// A disk of `size_bytes` (sparse) below `folder`.
    ///
    /// # Errors
    /// `folder` cannot be written.
    pub fn new(folder: &Path, size_bytes: u64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("disk-").tempdir_in(folder).attempt("making a folder")?;
        let device = match Self::mount(folder.path(), size_bytes) {
            Ok(device) => Some(device),
            Err(error) => {
                eprintln!("no loop device, so nothing is said about device bytes and flushes ({error})");
                None
            }
        };
        std::fs::create_dir_all(folder.path().join("data")).attempt("making a folder")?;
        Ok(Self { folder, device })
    }

    fn mount(folder: &Path, size_bytes: u64) -> Result<String> {
        let image = folder.join("image");
        let file = std::fs::File::create(&image).attempt("making an image")?;
        file.set_len(size_bytes).attempt("sizing an image")?;
        let mount_point = folder.join("data");
        std::fs::create_dir_all(&mount_point).attempt("making a folder")?;
        // Inode tables and journal are laid out now, not by the kernel in the background while somebody is measured.
        tool("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"], &[&image])?;
        let device = tool("losetup", &["--find", "--show", "--direct-io=on"], &[&image])?;
        if let Err(error) = tool("mount", &["-o", "noatime", &device], &[&mount_point]) {
            drop(tool("losetup", &["-d", &device], &[]));
            return Err(error);
        }
        Ok(device.trim_start_matches("/dev/").to_owned())
    }

    /// Where to write.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Hands everything that is still in memory to the device.
    ///
    /// # Errors
    /// The device refuses.
    pub fn settle(&self) -> Result<()> {
        let folder = std::fs::File::open(self.path()).attempt("opening the disk")?;
        rustix::fs::syncfs(&folder).attempt("settling the disk")
    }

    /// The device's counters; `None` for a plain folder.
    #[must_use]
    pub fn device_use(&self) -> Option<DeviceUse> {
        let device = self.device.as_ref()?;
        let text = std::fs::read_to_string(format!("/sys/block/{device}/stat")).ok()?;
        parse_stat(&text)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(device) = &self.device {
            let outcome = tool("umount", &[], &[&self.path()])
                .and_then(|_| tool("losetup", &["-d", &format!("/dev/{device}")], &[]));
            if let Err(error) = outcome {
                eprintln!("a disk could not be taken away: {error}");
            }
        }
    }
}

/// Field 7 is sectors written, field 16 flushes (Documentation/block/stat.rst, counted from 1).
fn parse_stat(text: &str) -> Option<DeviceUse> {
    let fields: Vec<u64> = text.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    Some(DeviceUse { written_bytes: fields.get(6)? * SECTOR_BYTES, flushes: *fields.get(15)? })
}

fn tool(name: &str, args: &[&str], paths: &[&Path]) -> Result<String> {
    let output = Command::new(name).args(args).args(paths).output().attempt(format!("running {name}"))?;
    if !output.status.success() {
        return Err(Error(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_and_flushes_are_read_from_their_fields() {
        let text = " 58 0 2162 6 32 46 20048 35 0 44 64 0 0 0 0 21 21\n";
        let device = parse_stat(text).unwrap();
        assert_eq!((device.written_bytes, device.flushes), (20_048 * 512, 21));
    }
}
