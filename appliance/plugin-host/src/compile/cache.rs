//! Artefacts on the disk. What lies there is run as machine code, so each is sealed with a key that only the recorder has, and checked before it is handed on.

use super::ARTEFACT_BYTES_MAX;
use crate::Error;
use crate::package::{PLUGINS_MAX, sha256_hex};
use aws_lc_rs::constant_time::verify_slices_are_equal as equal;
use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use watchbook_base::{Kind, memfd};

/// Artefacts that are kept: of every plugin, its version before, too.
pub const ARTEFACTS_MAX: usize = 2 * PLUGINS_MAX;
/// Bytes of all artefacts: those of 30 plugins with Python's run-time, or of thousands without one.
pub const CACHE_BYTES_MAX: u64 = 1 << 30;
/// Bytes of the key and of the code before each artefact.
const KEY_BYTES: usize = 32;
const KEY_FILE: &str = "key";

/// A folder of artefacts. Losing it costs compiling again, nothing else.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    key: Key,
}

impl Cache {
    /// The artefacts in `folder`, which is made when it is not there, as is the key (32 random bytes, mode 0600).
    ///
    /// # Errors
    /// The operating system's, when the folder or the key cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let attempt = || -> std::io::Result<Key> {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let path = folder.join(KEY_FILE);
            let held = match File::open(&path) {
                Ok(file) => {
                    let mut held = Vec::new();
                    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut held)?;
                    held
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            };
            if held.len() == KEY_BYTES {
                return Ok(Key::new(HMAC_SHA256, &held));
            }
            let mut fresh = [0; KEY_BYTES];
            aws_lc_rs::rand::fill(&mut fresh).map_err(|_| std::io::Error::other("no random numbers"))?;
            replace(&path, &[&fresh])?;
            Ok(Key::new(HMAC_SHA256, &fresh))
        };
        let named = |error: std::io::Error| {
            Error::new(Kind::of_io(&error), format!("keeping compiled plugins in {}: {error}", folder.display()))
        };
        Ok(Self { folder: folder.to_owned(), key: attempt().map_err(named)? })
    }

    /// The artefact of a component for an engine, if it is there and nobody has changed it. One that somebody has changed is removed.
    #[must_use]
    pub fn get(&self, component_sha256: &str, engine: &str) -> Option<OwnedFd> {
        let name = name(component_sha256, engine);
        let path = self.folder.join(&name);
        let file = File::open(&path).ok()?;
        let mut bytes = Vec::new();
        let bytes_max = (KEY_BYTES + ARTEFACT_BYTES_MAX) as u64;
        (&file).take(bytes_max + 1).read_to_end(&mut bytes).ok()?;
        let sealed = bytes.split_at_checked(KEY_BYTES).filter(|_| bytes.len() as u64 <= bytes_max);
        let Some((_, artefact)) =
            sealed.filter(|(code, artefact)| equal(self.code(&name, artefact).as_ref(), code).is_ok())
        else {
            tracing::warn!(file = %path.display(), "a compiled plugin was changed on the disk; it is compiled again");
            let _ = std::fs::remove_file(&path);
            return None;
        };
        // When it was used last; what is used least goes first.
        let _ = file.set_modified(SystemTime::now());
        memfd::seal("artefact", artefact).ok()
    }

    /// Keeps an artefact, and removes those that were not used for longest when there are more than [`ARTEFACTS_MAX`] or [`CACHE_BYTES_MAX`]. What
    /// cannot be kept is compiled again another time.
    pub fn put(&self, component_sha256: &str, engine: &str, artefact: &OwnedFd) {
        let name = name(component_sha256, engine);
        let path = self.folder.join(&name);
        let kept = memfd::read(artefact.as_fd(), ARTEFACT_BYTES_MAX)
            .and_then(|artefact| replace(&path, &[self.code(&name, &artefact).as_ref(), &artefact]))
            .and_then(|()| self.tidy(ARTEFACTS_MAX, CACHE_BYTES_MAX));
        if let Err(error) = kept {
            tracing::warn!(file = %path.display(), %error, "a compiled plugin is not kept; it is compiled again at the next start");
        }
    }

    fn code(&self, name: &str, artefact: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        // Names have one length, so that the border between the two is clear.
        context.update(name.as_bytes());
        context.update(artefact);
        context.sign()
    }

    fn tidy(&self, files_max: usize, bytes_max: u64) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name() != KEY_FILE {
                let about = entry.metadata()?;
                files.push((about.modified()?, about.len(), entry.path()));
            }
        }
        files.sort();
        let (mut count, mut bytes) = (files.len(), files.iter().map(|(_, length, _)| length).sum::<u64>());
        for (_, length, path) in files {
            if count <= files_max && bytes <= bytes_max {
                break;
            }
            std::fs::remove_file(path)?;
            (count, bytes) = (count - 1, bytes - length);
        }
        Ok(())
    }
}

fn name(component_sha256: &str, engine: &str) -> String {
    sha256_hex(format!("{component_sha256} {engine}").as_bytes())
}

/// Writes a file as a whole or not at all.
fn replace(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    for part in parts {
        file.write_all(part)?;
    }
    std::fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    fn artefact(bytes: &[u8]) -> OwnedFd {
        memfd::seal("artefact", bytes).unwrap()
    }

    fn get(cache: &Cache, component: &str, engine: &str) -> Option<Vec<u8>> {
        cache.get(component, engine).map(|file| memfd::read(file.as_fd(), 100).unwrap())
    }

    #[test]
    fn what_is_kept_comes_back_for_its_component_and_engine_only() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("compiled")).unwrap();
        cache.put("a", "e", &artefact(b"code"));
        assert_eq!(get(&cache, "a", "e").as_deref(), Some(b"code".as_slice()));
        assert_eq!((get(&cache, "b", "e"), get(&cache, "a", "f")), (None, None));
        let again = Cache::open(&cache.folder).unwrap();
        assert_eq!(get(&again, "a", "e").as_deref(), Some(b"code".as_slice()));
        let mode = std::fs::metadata(cache.folder.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_was_changed_cut_moved_or_made_with_another_key_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let path = folder.path().join(name("a", "e"));
        cache.put("a", "e", &artefact(b"machine code"));
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, bad).unwrap();
            assert_eq!(get(&cache, "a", "e"), None, "byte {at}");
            assert!(!path.exists());
            std::fs::write(&path, &good[..at]).unwrap();
            assert_eq!(get(&cache, "a", "e"), None, "{at} bytes");
        }
        std::fs::write(folder.path().join(name("b", "e")), &good).unwrap();
        assert_eq!(get(&cache, "b", "e"), None, "the artefact of another component");
        std::fs::write(&path, &good).unwrap();
        std::fs::write(folder.path().join(KEY_FILE), b"short").unwrap();
        let other = Cache::open(folder.path()).unwrap();
        assert_eq!(get(&other, "a", "e"), None, "sealed with a key that is gone");
    }

    #[test]
    fn the_oldest_use_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let age = |component: &str, seconds: u64| {
            let file = File::open(folder.path().join(name(component, "e"))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        for (component, seconds) in [("a", 300), ("b", 200), ("c", 100)] {
            cache.put(component, "e", &artefact(b"code"));
            age(component, seconds);
        }
        assert!(get(&cache, "a", "e").is_some(), "used now");
        cache.tidy(2, u64::MAX).unwrap();
        assert_eq!((get(&cache, "b", "e"), get(&cache, "c", "e").is_some()), (None, true));
        age("c", 100);
        cache.tidy(2, (KEY_BYTES + 4) as u64).unwrap();
        assert_eq!((get(&cache, "c", "e"), get(&cache, "a", "e").is_some()), (None, true));
    }
}
