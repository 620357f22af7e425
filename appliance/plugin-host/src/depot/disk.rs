//! The depot's files. `state.json` is replaced as a whole; `SHA256.wbp` is written once. Both are written under another name, synced, renamed, and the
//! directory is synced: a name that is there has all its bytes.

use crate::Error;
use crate::wbp::PACKAGE_BYTES_MAX;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use watchbook_base::Kind;
use watchbook_base::fs::{Fs, LockGuard, OpenMode};

const STATE: &str = "state.json";
const STATE_BYTES_MAX: usize = 4 << 20;
const TEMPORARY: &str = ".tmp";
const PACKAGE: &str = ".wbp";

pub(super) struct Disk {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    _lock: LockGuard,
}

impl Disk {
    pub(super) fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Self, Error> {
        let failed = |error: io::Error| failed("opening", dir, &error);
        fs.create_dir(dir).map_err(failed)?;
        let lock = fs.lock(&dir.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                Error::new(Kind::Conflict, format!("{}: another process has the plugins open", dir.display()))
            }
            _ => failed(error),
        })?;
        Ok(Self { fs, dir: dir.to_owned(), _lock: lock })
    }

    /// The bytes of `state.json`; nothing when there is none yet.
    pub(super) fn read_state(&self) -> Result<Option<Vec<u8>>, Error> {
        match self.read(STATE, STATE_BYTES_MAX) {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    pub(super) fn write_state(&self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > STATE_BYTES_MAX {
            return Err(Error::new(
                Kind::Exhausted,
                format!("the list of plugins has more than {STATE_BYTES_MAX} bytes"),
            ));
        }
        self.write(STATE, bytes)
    }

    /// Keeps a damaged list for whoever wants to look at it.
    pub(super) fn put_state_aside(&self) -> Result<(), Error> {
        let (from, to) = (self.dir.join(STATE), self.dir.join("state.damaged"));
        let moved = self.fs.rename(&from, &to).and_then(|()| self.fs.sync_dir(&self.dir));
        moved.map_err(|error| failed("putting aside", &from, &error))
    }

    /// Removes what an interrupted call left: half-written files, and packages that are not `kept`.
    pub(super) fn clear(&self, kept: impl Fn(&str) -> bool) -> Result<(), Error> {
        let names = self.fs.list(&self.dir).map_err(|error| failed("listing", &self.dir, &error))?;
        let left = |name: &&String| {
            name.ends_with(TEMPORARY) || name.strip_suffix(PACKAGE).is_some_and(|sha256| !kept(sha256))
        };
        for name in names.iter().filter(left) {
            let path = self.dir.join(name);
            self.fs.remove(&path).map_err(|error| failed("removing", &path, &error))?;
        }
        Ok(())
    }

    pub(super) fn read_package(&self, sha256: &str) -> Result<Vec<u8>, Error> {
        self.read(&format!("{sha256}{PACKAGE}"), PACKAGE_BYTES_MAX)
    }

    pub(super) fn write_package(&self, sha256: &str, bytes: &[u8]) -> Result<(), Error> {
        self.write(&format!("{sha256}{PACKAGE}"), bytes)
    }

    /// A package that stays although it should go is removed at the next start.
    pub(super) fn remove_package(&self, sha256: &str) {
        let path = self.dir.join(format!("{sha256}{PACKAGE}"));
        if let Err(error) = self.fs.remove(&path) {
            tracing::warn!(path = %path.display(), %error, "a plugin's file could not be removed");
        }
    }

    fn read(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let path = self.dir.join(name);
        let failed = |error: io::Error| failed("reading", &path, &error);
        let file = self.fs.open(&path, OpenMode::Read).map_err(failed)?;
        let len = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
        if len > bytes_max {
            let sentence = format!("{}: {len} bytes; at most {bytes_max} were written", path.display());
            return Err(Error::new(Kind::Corrupt, sentence));
        }
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        Ok(bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let (path, temporary) = (self.dir.join(name), self.dir.join(format!("{name}{TEMPORARY}")));
        let written = || -> io::Result<()> {
            match self.fs.remove(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = self.fs.open(&temporary, OpenMode::Create)?;
            file.write_all_at(&[bytes], 0)?;
            file.sync()?;
            self.fs.rename(&temporary, &path)?;
            self.fs.sync_dir(&self.dir)
        };
        written().map_err(|error| failed("writing", &path, &error))
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(Kind::of_io(error), format!("{what} {}: {error}", path.display()))
}
