//! Which disk belongs to which directory, kept in the register: so that an empty mount point is not taken for a new disk, nor one disk for another.

use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::register::{Change, Namespace, Register};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_evidence::{hex, sha256};

/// Beginning of the keys among the settings; the hash of the directory's name follows.
const PREFIX: &[u8] = b"disk/";

/// One ring directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownDisk {
    pub(crate) dir: PathBuf,
    /// Identity in hexadecimal digits; empty: a new disk is expected.
    disk: String,
    pub(crate) capacity_bytes: u64,
    /// Added on the page: the configuration file does not name it.
    pub(crate) added: bool,
}

impl KnownDisk {
    pub(crate) fn new(dir: &Path, disk: DiskId, capacity_bytes: u64, added: bool) -> Self {
        Self { dir: dir.to_owned(), disk: disk.to_string(), capacity_bytes, added }
    }

    fn disk(&self) -> Option<DiskId> {
        let digits: Vec<u8> = self.disk.chars().map_while(|digit| digit.to_digit(16)?.try_into().ok()).collect();
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, half| byte << 4 | half)).collect();
        Some(DiskId(bytes.try_into().ok()?))
    }
}

/// All of them: in memory, and in the register where there is one.
pub(crate) struct Known {
    register: Option<Arc<Register>>,
    disks: Mutex<Vec<KnownDisk>>,
}

impl Known {
    /// What the register knows.
    pub(crate) fn load(register: Option<Arc<Register>>) -> Result<Self> {
        let mut disks = Vec::new();
        for entry in register
            .iter()
            .map(|register| register.scan(Namespace::Setting, PREFIX))
            .next()
            .transpose()?
            .unwrap_or_default()
        {
            disks.push(serde_json::from_slice(&entry.value).map_err(|error| {
                Error::corrupt(format!(
                    "reading which disks the station knows: {error}; restore the register from a backup"
                ))
            })?);
        }
        Ok(Self { register, disks: Mutex::new(disks) })
    }

    fn disks(&self) -> MutexGuard<'_, Vec<KnownDisk>> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk that belongs to `dir`.
    pub(crate) fn disk_of(&self, dir: &Path) -> Option<DiskId> {
        self.disks().iter().find(|known| known.dir == dir)?.disk()
    }

    /// Those that were added on the page.
    pub(crate) fn added(&self) -> Vec<KnownDisk> {
        self.disks().iter().filter(|known| known.added).cloned().collect()
    }

    /// Keeps what belongs to a directory, in place of what did.
    pub(crate) fn remember(&self, disk: KnownDisk) -> Result<()> {
        if self.disks().contains(&disk) {
            return Ok(());
        }
        if let Some(register) = &self.register {
            let value = serde_json::to_vec(&disk)
                .map_err(|error| Error::invalid(format!("keeping the directory {}: {error}", disk.dir.display())))?;
            register.apply(&[Change::put(Namespace::Setting, key_of(&disk.dir), value)])?;
        }
        let mut disks = self.disks();
        disks.retain(|known| known.dir != disk.dir);
        disks.push(disk);
        Ok(())
    }

    /// A new disk belongs to `dir`, whichever it is.
    pub(crate) fn expect_new(&self, dir: &Path) -> Result<()> {
        let known = self.disks().iter().find(|known| known.dir == dir).cloned();
        known.map_or(Ok(()), |known| self.remember(KnownDisk { disk: String::new(), ..known }))
    }

    /// Nothing belongs to `dir` any more.
    pub(crate) fn forget(&self, dir: &Path) -> Result<()> {
        let is_known = self.disks().iter().any(|known| known.dir == dir);
        if let Some(register) = self.register.as_ref().filter(|_| is_known) {
            register.apply(&[Change::delete(Namespace::Setting, key_of(dir))])?;
        }
        self.disks().retain(|known| known.dir != dir);
        Ok(())
    }
}

/// Where the register keeps what belongs to `dir`.
fn key_of(dir: &Path) -> Vec<u8> {
    [PREFIX, hex(&sha256(dir.as_os_str().as_encoded_bytes())).as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::model::ModelKv;
    use watchbook_base::UtcNanos;
    use watchbook_base::clock::SimClock;

    #[test]
    fn what_belongs_to_a_directory_survives_a_restart() {
        let kv = Arc::new(ModelKv::new());
        let open = || {
            let register = Register::on(kv.clone(), Arc::new(SimClock::new(UtcNanos(1)))).unwrap();
            Known::load(Some(Arc::new(register))).unwrap()
        };
        let (one, other) = (DiskId([0xA7; 16]), DiskId([9; 16]));
        let known = open();
        known.remember(KnownDisk::new(Path::new("/a"), one, 1 << 30, false)).unwrap();
        known.remember(KnownDisk::new(Path::new("/b"), one, 1 << 31, true)).unwrap();
        known.remember(KnownDisk::new(Path::new("/b"), other, 1 << 31, true)).unwrap();
        let known = open();
        assert_eq!((known.disk_of(Path::new("/a")), known.disk_of(Path::new("/b"))), (Some(one), Some(other)));
        assert_eq!(known.disk_of(Path::new("/c")), None);
        assert_eq!(known.added(), [KnownDisk::new(Path::new("/b"), other, 1 << 31, true)]);
        known.expect_new(Path::new("/b")).unwrap();
        known.expect_new(Path::new("/c")).unwrap();
        for known in [&known, &open()] {
            assert_eq!((known.disk_of(Path::new("/b")), known.added().len()), (None, 1), "the directory is still ours");
        }
        known.forget(Path::new("/b")).unwrap();
        known.forget(Path::new("/c")).unwrap();
        for known in [known, open()] {
            assert_eq!((known.disk_of(Path::new("/a")), known.disk_of(Path::new("/b"))), (Some(one), None));
            assert_eq!(known.added(), []);
        }
    }
}
