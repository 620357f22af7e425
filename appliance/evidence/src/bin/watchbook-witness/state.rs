//! What a witness remembers: a folder with, for each log, `HASH.keys` (its origin, then its keys, one a line) and `HASH.checkpoint` (the last one that was cosigned, with
//! the witness's own line), HASH being SHA-256 of the origin. `HASH.cosigned` says that
//! there must be one. `HASH.fork` files are requests that prove a fork.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use watchbook_evidence::note::NOTE_BYTES_MAX;
use watchbook_evidence::witness::Log;
use watchbook_evidence::{SignedCheckpoint, VerifierKey, hex, sha256};

/// Bytes of a file with keys: origin and a hundred keys.
const KEYS_BYTES_MAX: u64 = 64 << 10;

/// The folder. While it is open nobody else can have it.
pub(crate) struct State {
    dir: PathBuf,
    _lock: File,
}

impl State {
    pub(crate) fn open(dir: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("opening the state in {}: {error}", dir.display());
        // What is there is only read, so that a fork is told on a disk that is full or read-only, too.
        let lock = match File::open(dir.join("lock")) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(dir).map_err(told)?;
                File::create(dir.join("lock")).map_err(told)?
            }
            Err(error) => return Err(told(error)),
        };
        lock.try_lock().map_err(|_| format!("the state in {} is in use by another witness", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    fn path(&self, origin: &str, ending: &str) -> PathBuf {
        self.dir.join(format!("{}.{ending}", hex(&sha256(origin.as_bytes()))))
    }

    /// The log of that origin, if it is watched.
    pub(crate) fn log(&self, origin: &str) -> Result<Option<Log>, String> {
        let path = self.path(origin, "keys");
        if is_there(&path)? { read_log(&path).map(Some) } else { Ok(None) }
    }

    /// Every log that is watched.
    pub(crate) fn logs(&self) -> Result<Vec<Log>, String> {
        let told = |error: std::io::Error| format!("listing {}: {error}", self.dir.display());
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(told)? {
            let path = entry.map_err(told)?.path();
            if path.extension().is_some_and(|ending| ending == "keys") {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| read_log(path)).collect()
    }

    pub(crate) fn watch(&self, log: &Log) -> Result<(), String> {
        let keys: String = log.keys.iter().map(|key| format!("{key}\n")).collect();
        if log.origin.is_empty() || log.origin.contains('\n') {
            return Err("the origin of a log is one line".to_owned());
        }
        replace(&self.path(&log.origin, "keys"), format!("{}\n{keys}", log.origin).as_bytes())
    }

    /// What was cosigned last for a log.
    pub(crate) fn seen(&self, origin: &str) -> Result<Option<SignedCheckpoint>, String> {
        let path = self.path(origin, "checkpoint");
        if !is_there(&path)? {
            if is_there(&self.path(origin, "cosigned"))? {
                return Err(format!(
                    "{} is gone, but this witness has cosigned that log before; restore it from a copy",
                    path.display()
                ));
            }
            return Ok(None);
        }
        let bytes = bounded(&path, NOTE_BYTES_MAX as u64)?;
        let damaged = |error| format!("{} is damaged: {error}; restore it from a copy", path.display());
        SignedCheckpoint::parse(&bytes).map(Some).map_err(damaged)
    }

    pub(crate) fn remember(&self, seen: &SignedCheckpoint) -> Result<(), String> {
        let origin = &seen.checkpoint().origin;
        replace(&self.path(origin, "checkpoint"), seen.to_text().as_bytes())?;
        // Before a cosignature goes out there is a mark that one did.
        let mark = self.path(origin, "cosigned");
        if is_there(&mark)? { Ok(()) } else { replace(&mark, format!("{origin}\n").as_bytes()) }
    }

    /// Keeps a request that proves a fork.
    pub(crate) fn keep_proof(&self, request: &[u8]) -> Result<(), String> {
        replace(&self.dir.join(format!("{}.fork", hex(&sha256(request)))), request)
    }
}

/// Not being allowed to look is not the same as not being there.
fn is_there(path: &Path) -> Result<bool, String> {
    path.try_exists().map_err(|error| format!("looking at {}: {error}", path.display()))
}

fn read_log(path: &Path) -> Result<Log, String> {
    let damaged = |what: &str| format!("{} is damaged: {what}", path.display());
    let text = String::from_utf8(bounded(path, KEYS_BYTES_MAX)?).map_err(|_| damaged("it is not UTF-8"))?;
    let mut lines = text.lines();
    let origin = lines.next().filter(|line| !line.is_empty()).ok_or_else(|| damaged("it has no origin"))?;
    let keys = lines.map(|line| VerifierKey::parse(line).map_err(|error| damaged(&error.to_string())));
    Ok(Log { origin: origin.to_owned(), keys: keys.collect::<Result<_, _>>()? })
}

/// The contents of a file, if they are not more than `most` bytes.
pub(crate) fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!("{} is not there", path.display()),
        _ => format!("reading {}: {error}", path.display()),
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(told)?.take(most + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > most {
        return Err(format!("{} has more than {most} bytes", path.display()));
    }
    Ok(bytes)
}

/// Writes a file so that after a power cut it is the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let told = |error: std::io::Error| format!("writing {}: {error}", path.display());
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut file = File::create(&fresh).map_err(told)?;
    file.write_all(bytes).map_err(told)?;
    file.sync_all().map_err(told)?;
    fs::rename(&fresh, path).map_err(told)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(told)
}
