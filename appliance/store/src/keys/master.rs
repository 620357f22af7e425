//! The master key: what the keys in the key files are wrapped with.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use watchbook_base::Kind;
use watchbook_base::fs::{Fs, OpenMode};
use zeroize::Zeroizing;

/// Bytes of every key here: AES-256.
pub const KEY_BYTES: usize = 32;
/// What stands in front of a credential's name in the configuration.
const CREDENTIAL: &str = "credential:";

/// Where the master key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterSource {
    /// A file of [`KEY_BYTES`] bytes, made at the first start.
    File(PathBuf),
    /// `$CREDENTIALS_DIRECTORY/NAME`, which systemd fills (`LoadCredentialEncrypted=`; sealed to the TPM if there is one). Never made here.
    Credential(String),
}

impl MasterSource {
    /// `credential:NAME`, a path, or nothing for `master.key` in `state_dir`.
    ///
    /// # Errors
    /// `InvalidInput` when the credential's name is no file name.
    pub fn parse(text: &str, state_dir: &Path) -> Result<Self> {
        match text.strip_prefix(CREDENTIAL) {
            Some(name) if name.is_empty() || name.starts_with('.') || name.contains('/') => {
                Err(Error::invalid(format!("the master key {text:?}: the name of a credential is a plain file name")))
            }
            Some(name) => Ok(Self::Credential(name.to_owned())),
            None if text.is_empty() => Ok(Self::File(state_dir.join("master.key"))),
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// Reads the master key, or makes it when it is to be in a file that is not there. `may_make` is false when key files exist: another master key than
    /// theirs is of no use.
    ///
    /// # Errors
    /// `NotFound` when there is none and none may be made, `Corrupt` when it has another length, `Io` when it cannot be read or written.
    pub fn load(&self, fs: &dyn Fs, may_make: bool) -> Result<MasterKey> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        self.load_from(fs, may_make, credentials.as_deref())
    }

    /// [`MasterSource::load`] with the directory of credentials, if there is one.
    fn load_from(&self, fs: &dyn Fs, may_make: bool, credentials: Option<&Path>) -> Result<MasterKey> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Credential(name) => {
                let dir = credentials.ok_or_else(|| {
                    let message = format!(
                        "reading the master key from the credential {name}: CREDENTIALS_DIRECTORY is not set. Start the recorder by systemd with \
                         LoadCredentialEncrypted={name}"
                    );
                    Error::new(Kind::NotFound, message)
                })?;
                dir.join(name)
            }
        };
        match read(fs, &path) {
            Err(error) if error.kind == Kind::NotFound => match self {
                Self::File(_) if may_make => make(fs, &path),
                _ => Err(error.within("the key files need the master key that they were made with; put it back")),
            },
            other => other,
        }
    }
}

/// The master key in memory; wiped when dropped. Boxed, so that handing it on leaves no copies behind.
#[derive(Clone)]
pub struct MasterKey(pub(super) Box<Zeroizing<[u8; KEY_BYTES]>>);

impl MasterKey {
    /// The master key with these bytes.
    #[must_use]
    pub fn of_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Box::new(Zeroizing::new(bytes)))
    }
}

impl core::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

fn read(fs: &dyn Fs, path: &Path) -> Result<MasterKey> {
    let failed = |error| Error::io(format!("reading the master key {}", path.display()), error);
    let file = fs.open(path, OpenMode::Read).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    if len != crate::codec::wide(KEY_BYTES) {
        return Err(Error::corrupt(format!(
            "reading the master key {}: it has {len} bytes; {KEY_BYTES} are a key",
            path.display()
        )));
    }
    let mut key = MasterKey::of_bytes([0; KEY_BYTES]);
    file.read_exact_at(&mut **key.0, 0).map_err(failed)?;
    Ok(key)
}

/// FORMAT.md "Make the master key".
fn make(fs: &dyn Fs, path: &Path) -> Result<MasterKey> {
    let mut key = MasterKey::of_bytes([0; KEY_BYTES]);
    super::fill(&mut **key.0)?;
    super::file::replace(fs, path, &|file| file.write_all_at(&[&**key.0], 0))
        .map_err(|error| Error::io(format!("writing the master key {}", path.display()), error))?;
    tracing::info!(path = %path.display(), "a master key has been made; keep a copy of it outside this box");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::fs::RealFs;
    use watchbook_base::fs::sim::SimFs;

    #[test]
    fn a_credential_is_read_where_it_was_put_and_never_made() {
        let dir = tempfile::tempdir().unwrap();
        let source = MasterSource::parse("credential:ring", Path::new("/state")).unwrap();
        let load = |may_make| source.load_from(&RealFs, may_make, Some(dir.path()));
        let unset = source.load_from(&RealFs, true, None).unwrap_err();
        assert!(unset.kind == Kind::NotFound && unset.message.contains("LoadCredentialEncrypted=ring"), "{unset}");
        for may_make in [false, true] {
            let missing = load(may_make).unwrap_err();
            assert!(missing.kind == Kind::NotFound && missing.message.contains("put it back"), "{missing}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is made there");
        let key: [u8; KEY_BYTES] = std::array::from_fn(|at| at as u8);
        std::fs::write(dir.path().join("ring"), key).unwrap();
        assert_eq!(**load(false).unwrap().0, key);
        for wrong in [&key[..KEY_BYTES - 1], &[&key[..], b"\n"].concat()] {
            std::fs::write(dir.path().join("ring"), wrong).unwrap();
            let error = load(true).unwrap_err();
            assert!(error.kind == Kind::Corrupt && error.message.contains("32 are a key"), "{error}");
        }
    }

    #[test]
    fn a_master_key_is_made_once_and_never_replaced() {
        let fs = SimFs::new(1);
        let source = MasterSource::parse("", Path::new("/state")).unwrap();
        assert_eq!(source.load(&fs, false).unwrap_err().kind, Kind::NotFound);
        let made = source.load(&fs, true).unwrap();
        fs.cut();
        fs.power_on();
        assert_eq!(source.load(&fs, true).unwrap().0, made.0, "it was durable");
        let file = fs.open(Path::new("/state/master.key"), OpenMode::ReadWrite).unwrap();
        file.allocate(33).unwrap();
        assert_eq!(source.load(&fs, true).unwrap_err().kind, Kind::Corrupt);
    }

    #[test]
    fn names_of_credentials_are_plain() {
        let parse = |text: &str| MasterSource::parse(text, Path::new("/state"));
        assert_eq!(parse("credential:ring").unwrap(), MasterSource::Credential("ring".to_owned()));
        assert_eq!(parse("/etc/key").unwrap(), MasterSource::File("/etc/key".into()));
        for bad in ["credential:", "credential:../x", "credential:.x"] {
            assert_eq!(parse(bad).unwrap_err().kind, Kind::InvalidInput, "{bad}");
        }
    }
}
