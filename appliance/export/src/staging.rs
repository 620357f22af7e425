//! The folder in which bundles lie until they are fetched: `exports/<number>` whole, `exports/making-<number>` while one is written. All I/O of this crate is here and in [`crate::sink`].

use crate::job::FileRow;
use crate::{Error, Result};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use watchbook_base::Kind;
use watchbook_evidence::bundle::is_file_name;
use watchbook_evidence::{hex, sha256};

/// Bytes after which what was written goes to the disk: a queue of dirty pages would hold up the ring's next sync on the same disk.
const SYNC_BYTES: u64 = 8 << 20;
/// Room that an export leaves free.
pub const RESERVE_BYTES: u64 = 256 << 20;
/// Of that, what is left when it is broken off: others fill the same disk meanwhile, and recording and its index must go on.
const RESERVE_BYTES_MIN: u64 = RESERVE_BYTES / 2;
/// Bytes of one read of a file that is handed out.
const READ_BYTES_MAX: u64 = 1 << 20;

/// Where bundles lie.
#[derive(Clone, Debug)]
pub struct Staging {
    dir: PathBuf,
}

/// A file of a bundle that is being written.
pub struct NewFile {
    file: File,
    path: PathBuf,
    name: String,
    hash: Hashing,
    bytes: u64,
    unsynced: u64,
}

/// A file of a whole bundle.
pub struct StagedFile {
    file: File,
    path: PathBuf,
}

impl StagedFile {
    /// A part of it, at most 1 MiB.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len.min(READ_BYTES_MAX)).unwrap_or(0)];
        let failed = |error: std::io::Error| Error::io(place("reading", &self.path), &error);
        self.file.read_exact_at(&mut bytes, offset).map_err(failed)?;
        Ok(bytes)
    }
}

struct Hashing {
    sha256: watchbook_evidence::Hasher,
    crc32: crc32fast::Hasher,
}

impl Staging {
    /// The folder `dir`, made when it is not there; what a crash left half made is removed.
    ///
    /// # Errors
    /// When it cannot be made or looked at.
    pub fn open(dir: &Path) -> Result<Self> {
        let staging = Self { dir: dir.to_owned() };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| Error::io(place("making", dir), &error))?;
        for name in staging.names()? {
            if name.starts_with("making-") {
                remove(&dir.join(name))?;
            }
        }
        Ok(staging)
    }

    fn names(&self) -> Result<Vec<String>> {
        let listed = std::fs::read_dir(&self.dir).map_err(|error| Error::io(place("listing", &self.dir), &error))?;
        Ok(listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    /// Numbers of the bundles that are there.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn whole(&self) -> Result<Vec<u64>> {
        Ok(self.names()?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn making(&self, export: u64) -> PathBuf {
        self.dir.join(format!("making-{export}"))
    }

    fn bundle(&self, export: u64) -> PathBuf {
        self.dir.join(export.to_string())
    }

    /// Bytes that can be written here.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn free_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)
            .map_err(|error| Error::io(place("asking for room in", &self.dir), &error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Says whether `bytes` fit, with [`RESERVE_BYTES`] to spare.
    ///
    /// # Errors
    /// `Exhausted` when they do not.
    pub fn check_room(&self, bytes: u64) -> Result<()> {
        let free = self.free_bytes()?;
        if free >= bytes.saturating_add(RESERVE_BYTES) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Exhausted,
            format!(
                "the export takes about {} MiB, and {} has {} MiB, of which {} stay free; ask for less, or have an admin make room",
                bytes >> 20,
                self.dir.display(),
                free >> 20,
                RESERVE_BYTES >> 20
            ),
        ))
    }

    /// Begins a bundle, or begins it anew.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn begin(&self, export: u64) -> Result<()> {
        let dir = self.making(export);
        remove(&dir)?;
        DirBuilder::new().mode(0o700).create(&dir).map_err(|error| Error::io(place("making", &dir), &error))
    }

    /// A new file in the bundle that is being made; `whole`: in the one that is there, where it takes the place of a file of that name when it is finished.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn file(&self, export: u64, name: &str, whole: bool) -> Result<NewFile> {
        check_name(name)?;
        let dir = if whole { self.bundle(export) } else { self.making(export) };
        let path = dir.join(format!(".{name}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Error::io(place("making", &path), &error))?;
        let hash = Hashing { sha256: watchbook_evidence::Hasher::default(), crc32: crc32fast::Hasher::new() };
        Ok(NewFile { file, path: dir.join(name), name: name.to_owned(), hash, bytes: 0, unsynced: 0 })
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, export: u64, (name, bytes): (&str, &[u8]), whole: bool) -> Result<FileRow> {
        let mut file = self.file(export, name, whole)?;
        file.write(bytes)?;
        file.finish()
    }

    /// Writes a whole file into a whole bundle, hidden beside the one of that name, for [`Staging::name_beside`]. Durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_beside(&self, export: u64, (name, bytes): (&str, &[u8])) -> Result<FileRow> {
        let mut file = self.file(export, name, true)?;
        file.write(bytes)?;
        let failed = |error: std::io::Error| Error::io(place("writing", &file.path), &error);
        file.file.sync_all().map_err(failed)?;
        Ok(row_of(name, bytes))
    }

    /// Gives files that were put beside those of the same names these names. Durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn name_beside(&self, export: u64, names: &[&str]) -> Result<()> {
        let dir = self.bundle(export);
        for name in names {
            check_name(name)?;
            let to = dir.join(name);
            std::fs::rename(dir.join(format!(".{name}")), &to)
                .map_err(|error| Error::io(place("naming", &to), &error))?;
        }
        sync_dir(&dir)
    }

    /// A file of a whole bundle, held open: it stays what it is when another takes its name.
    ///
    /// # Errors
    /// When it is not there or has another length.
    pub fn open_file(&self, export: u64, row: &FileRow) -> Result<StagedFile> {
        check_name(&row.name)?;
        let path = self.bundle(export).join(&row.name);
        let failed = |error: std::io::Error| Error::io(place("opening", &path), &error);
        let file = File::open(&path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() != row.bytes {
            let message = format!("{}: it is not what was made; ask for the export anew", place("opening", &path));
            return Err(Error::new(Kind::Corrupt, message));
        }
        Ok(StagedFile { file, path })
    }

    /// The bundle is whole: it gets its name. Durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(&self, export: u64) -> Result<()> {
        let (from, to) = (self.making(export), self.bundle(export));
        sync_dir(&from)?;
        remove(&to)?;
        std::fs::rename(&from, &to).map_err(|error| Error::io(place("naming", &to), &error))?;
        sync_dir(&self.dir)
    }

    /// Deletes a bundle, whole or not.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self, export: u64) -> Result<()> {
        remove(&self.making(export))?;
        remove(&self.bundle(export))
    }
}

impl NewFile {
    /// Writes what comes next.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let path = &self.path;
        let failed = |error: std::io::Error| Error::io(place("writing", path), &error);
        self.file.write_all(bytes).map_err(failed)?;
        self.hash.sha256.update(bytes);
        self.hash.crc32.update(bytes);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        (self.bytes, self.unsynced) = (self.bytes + len, self.unsynced + len);
        if self.unsynced >= SYNC_BYTES {
            self.file.sync_data().map_err(failed)?;
            self.unsynced = 0;
            let stat = rustix::fs::fstatvfs(&self.file).map_err(|error| failed(error.into()))?;
            if stat.f_bavail.saturating_mul(stat.f_frsize) < RESERVE_BYTES_MIN {
                let message = format!(
                    "{}: the disk is nearly full, and what is left is for recording. Have an admin make room, then ask again",
                    place("writing", path)
                );
                return Err(Error::new(Kind::Exhausted, message));
            }
        }
        Ok(())
    }

    /// SHA-256 of what is written so far, and `then`.
    #[must_use]
    pub fn digest_with(&self, then: &[u8]) -> watchbook_evidence::Hash {
        let mut hash = self.hash.sha256.clone();
        hash.update(then);
        hash.finish()
    }

    /// Durable under its name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(self) -> Result<FileRow> {
        let failed = |error: std::io::Error| Error::io(place("writing", &self.path), &error);
        self.file.sync_all().map_err(failed)?;
        let hidden = self.path.with_file_name(format!(".{}", self.name));
        std::fs::rename(hidden, &self.path).map_err(failed)?;
        let sha256 = hex(&self.hash.sha256.finish());
        Ok(FileRow { name: self.name, bytes: self.bytes, sha256, crc32: self.hash.crc32.finalize() })
    }
}

/// A name never leads out of the folder.
fn check_name(name: &str) -> Result<()> {
    match is_file_name(name) {
        true => Ok(()),
        false => {
            Err(Error::new(Kind::Internal, format!("looking for {name:?} in a bundle: it is no name of a file in one")))
        }
    }
}

fn place(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}

fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| Error::io(place("syncing", dir), &error))
}

fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(place("deleting", dir), &error)),
        _ => Ok(()),
    }
}

/// The row of bytes that are in memory.
#[must_use]
pub fn row_of(name: &str, bytes: &[u8]) -> FileRow {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    FileRow { name: name.to_owned(), bytes: len, sha256: hex(&sha256(bytes)), crc32: crc32fast::hash(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("exports");
        let staging = Staging::open(&place).unwrap();
        staging.begin(7).unwrap();
        let row = staging.put(7, ("a", b"hello"), false).unwrap();
        assert_eq!(row, row_of("a", b"hello"));
        // The power goes.
        let staging = Staging::open(&place).unwrap();
        assert!(staging.whole().unwrap().is_empty() && staging.names().unwrap().is_empty());
        staging.begin(7).unwrap();
        staging.put(7, ("a", b"hello"), false).unwrap();
        staging.finish(7).unwrap();
        let file = staging.open_file(7, &row).unwrap();
        assert_eq!(staging.put_beside(7, ("a", b"other")).unwrap(), row_of("a", b"other"));
        assert_eq!(staging.open_file(7, &row).unwrap().read(0, 5).unwrap(), b"hello", "it has no name yet");
        staging.name_beside(7, &["a"]).unwrap();
        assert_eq!(staging.open_file(7, &row).unwrap().read(0, 5).unwrap(), b"other");
        assert!(staging.open_file(7, &row_of("a", b"longer")).is_err());
        let staging = Staging::open(&place).unwrap();
        assert_eq!(staging.whole().unwrap(), [7]);
        assert_eq!(file.read(1, 3).unwrap(), b"ell", "whoever has it open reads what it was");
        assert!(file.read(3, 3).is_err());
        staging.remove(7).unwrap();
        assert!(staging.names().unwrap().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::open(dir.path()).unwrap();
        assert_eq!(staging.check_room(u64::MAX / 2).unwrap_err().kind, Kind::Exhausted);
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), b"key").unwrap();
        let staging = Staging::open(&dir.path().join("exports")).unwrap();
        staging.begin(7).unwrap();
        staging.finish(7).unwrap();
        for name in ["../../secret", "..", "", ".hidden", "a/b", "/etc/passwd"] {
            assert!(staging.open_file(7, &row_of(name, b"key")).is_err(), "{name:?}");
            assert!(staging.put(7, (name, b"x"), true).is_err(), "{name:?}");
        }
        assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"key");
    }

    #[test]
    fn what_is_left_of_the_disk_stays_for_recording() {
        let dir = tempfile::tempdir().unwrap();
        let Some(_disk) = crate::mounts::Tmpfs::mount(dir.path(), "size=64m") else { return };
        let staging = Staging::open(&dir.path().join("exports")).unwrap();
        staging.begin(7).unwrap();
        let mut file = staging.file(7, "a", false).unwrap();
        let written = (0..9).try_for_each(|_| file.write(&[1; 1 << 20]));
        let error = written.unwrap_err();
        assert!(error.kind == Kind::Exhausted && error.message.contains("for recording"), "{error}");
    }

    #[test]
    fn a_digest_can_be_had_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::open(dir.path()).unwrap();
        staging.begin(1).unwrap();
        let mut file = staging.file(1, "a", false).unwrap();
        file.write(b"ab").unwrap();
        assert_eq!(file.digest_with(b"c"), sha256(b"abc"));
        assert_eq!(file.finish().unwrap(), row_of("a", b"ab"));
    }
}
