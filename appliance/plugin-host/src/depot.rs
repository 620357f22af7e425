//! The plugins that a station has: packages on disk, whose signatures are trusted, which version of each may run.
//!
//! A package is installed, which only stores it; what it asks for is shown; somebody approves it. Only approved packages are loaded, and hash and signature
//! of each are checked again at every load. Everything is durable before a call returns: what a kill at any point leaves is the state before the call or the
//! one after it.

mod disk;
mod state;
#[cfg(test)]
mod tests;

use crate::asks::{Change, diff, signing_key_change};
use crate::package::{PLUGINS_MAX, sha256_hex};
use crate::wbp::{self, Opened, PublisherKey};
use crate::{Error, Manifest, Package};
use disk::Disk;
use state::{Record, State, Unsigned};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::fs::{Fs, RealFs};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Kind, UtcNanos};

/// Versions that are kept of a plugin.
pub const VERSIONS_MAX: usize = 3;
/// Publishers that a station may trust.
pub const PUBLISHERS_MAX: usize = 32;
/// Bytes of all packages that are kept.
pub const DEPOT_BYTES_MAX: u64 = 1 << 30;
/// Bytes of all approved components and models together, which are in memory while they are loaded.
pub const COMPONENTS_BYTES_MAX: usize = 512 << 20;
/// The longest that unsigned packages may be allowed in one go.
pub const UNSIGNED_NANOS_MAX: i64 = 24 * 3600 * NANOS_PER_SEC;

/// What the page calls the switch of [`Depot::offer_tried_out`].
pub const TRIED_OUT_SWITCH: &str = "Interfaces that are being tried out";

/// Where a package stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Installed, and not judged by anybody.
    Waiting,
    /// The version that runs.
    Approved,
    /// Was approved, and another version took its place.
    Superseded,
}

/// A publisher that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// The name that the station gave it.
    pub name: String,
    /// 16 hex digits in upper case.
    pub key_id: String,
    /// 56 digits of base64: what people compare.
    pub public_key: String,
    /// Since when.
    pub trusted: UtcNanos,
}

/// Who signed a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The publisher's name when the package was installed.
    pub name: String,
    /// 16 hex digits in upper case.
    pub key_id: String,
    /// Whether the key is trusted now. A package of a key that no longer is does not run.
    pub trusted: bool,
}

/// A package that the station has.
#[derive(Clone, Debug, PartialEq)]
pub struct Installed {
    /// The plugin's id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// What it says about itself; nothing when the file cannot be read any more, as `problem` says.
    pub manifest: Option<Manifest>,
    /// SHA-256 of the whole package: its name in every call.
    pub package_sha256: String,
    /// SHA-256 of the component, which every event carries.
    pub component_sha256: String,
    /// Bytes of the package.
    pub bytes: u64,
    /// Who signed it; nothing for an unsigned one, which runs only while the station allows that.
    pub signer: Option<Signer>,
    /// Where it stands.
    pub stage: Stage,
    /// When it was installed.
    pub installed: UtcNanos,
    /// When it was last approved.
    pub approved: Option<UtcNanos>,
    /// Which account approved it.
    pub approved_by_account: Option<u32>,
    /// What is different from the version that runs; nothing when none does.
    pub changes: Vec<Change>,
    /// Why it was not readable when the station started.
    pub problem: Option<String>,
}

/// The store of plugins, in a directory of its own. Calls from several threads wait for each other only when they change something.
pub struct Depot {
    disk: Disk,
    /// Held by whoever changes something, from the first check until it is durable.
    changing: Mutex<()>,
    held: Mutex<Held>,
}

#[derive(Clone, Default)]
struct Held {
    state: State,
    /// What could be read of each package, by its SHA-256.
    contents: BTreeMap<String, Result<Manifest, String>>,
}

impl core::fmt::Debug for Depot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Depot({} packages)", self.lock().state.packages.len())
    }
}

impl Depot {
    /// Opens the store in `dir`, which is made when missing, and clears away what an interrupted call left. The second value holds a sentence for each
    /// package that is damaged or missing, and for a damaged list of packages, which is put aside: then nothing is trusted and nothing runs.
    ///
    /// # Errors
    /// The operating system's; [`Kind::Conflict`] when another process has it open or a newer version of this program wrote it.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Error>), Error> {
        Self::open_on(Arc::new(RealFs), dir)
    }

    pub(crate) fn open_on(fs: Arc<dyn Fs>, dir: &Path) -> Result<(Self, Vec<Error>), Error> {
        let disk = Disk::open(fs, dir)?;
        let (mut state, mut problems) = (State::default(), Vec::new());
        match disk.read_state()? {
            None => {}
            Some(bytes) => match State::read(&bytes) {
                Ok(read) => state = read,
                Err(error) if error.kind() == Kind::Conflict => return Err(error),
                Err(error) => {
                    disk.put_state_aside()?;
                    problems.push(error);
                }
            },
        }
        if problems.is_empty() {
            disk.clear(|sha256| state.find(sha256).is_some())?;
        }
        let mut contents = BTreeMap::new();
        for record in &state.packages {
            let manifest = content(&disk, record).map(|(opened, _)| opened.package.manifest);
            let manifest = manifest.map_err(|error| {
                let named = format!("{} {}: {error}", record.id, record.version);
                problems.push(Error::new(error.kind(), named));
                error.to_string()
            });
            contents.insert(record.package_sha256.clone(), manifest);
        }
        let held = Mutex::new(Held { state, contents });
        Ok((Self { disk, changing: Mutex::default(), held }, problems))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state: `change` on a copy, the copy on disk, then in memory. Files that the new state no longer names are removed.
    fn change<T>(&self, change: impl FnOnce(&mut Held) -> Result<T, Error>) -> Result<T, Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.lock().clone();
        let result = change(&mut held)?;
        self.disk.write_state(&held.state.write()?)?;
        let gone: Vec<String> =
            held.contents.keys().filter(|sha256| held.state.find(sha256).is_none()).cloned().collect();
        for sha256 in gone {
            held.contents.remove(&sha256);
            self.disk.remove_package(&sha256);
        }
        *self.lock() = held;
        Ok(result)
    }

    /// The publishers that are trusted, in the order in which they were added.
    #[must_use]
    pub fn publishers(&self) -> Vec<Publisher> {
        self.lock().state.publishers.iter().map(state::Trusted::public).collect()
    }

    /// Trusts a publisher's key from now on. `public_key` is a minisign public key; somebody must have compared it with what the publisher says by another
    /// way.
    ///
    /// # Errors
    /// As [`PublisherKey::new`]; [`Kind::Conflict`] when the key id is trusted already; [`Kind::Exhausted`] at [`PUBLISHERS_MAX`]; the operating system's.
    pub fn trust(&self, name: &str, public_key: &str, at: UtcNanos) -> Result<Publisher, Error> {
        let key = PublisherKey::new(name, public_key)?;
        self.change(|held| held.state.trust(&key, at))
    }

    /// Trusts a key no longer. Its packages stay listed, and none of them is loaded again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when no such key is trusted; the operating system's.
    pub fn distrust(&self, key_id: &str) -> Result<Publisher, Error> {
        self.change(|held| held.state.distrust(key_id))
    }

    /// Until when unsigned packages are allowed; nothing when they are not, also when the clock was set back to before it was switched on.
    #[must_use]
    pub fn unsigned_until(&self, now: UtcNanos) -> Option<UtcNanos> {
        self.lock().state.unsigned_until(now)
    }

    /// Allows unsigned packages until `until`, or no longer when that is not after `now`. For a plugin's author, on a station that guards nothing.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] when `until` is more than [`UNSIGNED_NANOS_MAX`] away; the operating system's.
    pub fn allow_unsigned(&self, now: UtcNanos, until: UtcNanos) -> Result<(), Error> {
        if until.nanos_since(now) > UNSIGNED_NANOS_MAX {
            return Err(Error::new(Kind::InvalidInput, "unsigned packages can be allowed for 24 hours at most"));
        }
        self.change(|held| {
            held.state.unsigned = (until > now).then_some(Unsigned { from: now, until });
            Ok(())
        })
    }

    /// Whether interfaces that are being tried out are offered to plugins.
    #[must_use]
    pub fn offers_tried_out(&self) -> bool {
        self.lock().state.tried_out
    }

    /// Offers interfaces that are being tried out ([`crate::manifest::TRIED_OUT`]) to plugins, or no longer: then no plugin is loaded again that asks for one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn offer_tried_out(&self, on: bool) -> Result<(), Error> {
        self.change(|held| {
            held.state.tried_out = on;
            Ok(())
        })
    }

    /// Whether a plugin that did not come as a package may run here, as far as its manifest goes.
    ///
    /// # Errors
    /// [`Kind::Denied`] when it asks for what is being tried out and that is not offered.
    pub fn offers(&self, manifest: &Manifest) -> Result<(), Error> {
        self.lock().state.offers(manifest)
    }

    /// Checks a package and keeps it until somebody approves it. The same package again changes nothing but a damaged file.
    ///
    /// # Errors
    /// [`Kind::Denied`] when its signer is not trusted, it is unsigned and that is not allowed, or it asks for what is being tried out and that is not offered;
    /// [`Kind::Corrupt`] when the signature is not of these
    /// bytes; [`Kind::InvalidInput`] when the package breaks a rule, with the rule; [`Kind::Conflict`] when it is older than the version that runs or has the
    /// same version and other bytes than a kept one; [`Kind::Exhausted`] at [`PLUGINS_MAX`] or [`DEPOT_BYTES_MAX`]; the operating system's.
    pub fn install(&self, bytes: &[u8], at: UtcNanos) -> Result<Installed, Error> {
        let sealed = wbp::split(bytes)?;
        let (keys, unsigned) = {
            let held = self.lock();
            (held.state.keys()?, held.state.unsigned_until(at).is_some())
        };
        // Nothing is decompressed that nobody trusted has signed.
        let signer = match sealed.signature() {
            None if unsigned => None,
            _ => Some(sealed.verify(&keys)?),
        };
        let opened = sealed.open()?;
        let record = Record::new(&opened, bytes.len() as u64, signer, at);
        let sha256 = record.package_sha256.clone();
        let manifest = opened.package.manifest;
        self.change(|held| {
            held.state.offers(&manifest)?;
            if held.state.find(&sha256).is_none() {
                held.state.add(record)?;
            }
            // Also when it is there: the file may have been damaged since.
            self.disk.write_package(&sha256, bytes)?;
            held.contents.insert(sha256.clone(), Ok(manifest.clone()));
            Ok(())
        })?;
        self.installed(&sha256)
    }

    /// Lets a version run, in the place of the one that does. Its hash and signature are checked again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such package of this plugin; [`Kind::Conflict`] when it is older than the version that runs, which
    /// [`Depot::roll_back`] is for; as [`Depot::read`]; the operating system's.
    pub fn approve(&self, id: &str, package_sha256: &str, at: UtcNanos, account: u32) -> Result<Installed, Error> {
        self.change(|held| {
            let record = held.state.of(id, package_sha256)?;
            let loaded = self.load(&held.state, record, at)?;
            held.state.approve(id, package_sha256, (at, account))?;
            held.contents.insert(package_sha256.to_owned(), Ok(loaded.package.manifest));
            Ok(())
        })?;
        self.installed(package_sha256)
    }

    /// Forgets a package that does not run.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such package of this plugin; [`Kind::Conflict`] when it is the one that runs; the operating system's.
    pub fn reject(&self, id: &str, package_sha256: &str) -> Result<(), Error> {
        self.change(|held| held.state.reject(id, package_sha256))
    }

    /// Lets the version run that was approved before the one that does.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when none was or it is no longer kept; as [`Depot::read`]; the operating system's.
    pub fn roll_back(&self, id: &str, at: UtcNanos) -> Result<Installed, Error> {
        let sha256 = self.change(|held| {
            let sha256 = held.state.before(id)?;
            let loaded = self.load(&held.state, held.state.of(id, &sha256)?, at)?;
            held.state.current.insert(id.to_owned(), sha256.clone());
            held.contents.insert(sha256.clone(), Ok(loaded.package.manifest));
            Ok(sha256)
        })?;
        self.installed(&sha256)
    }

    /// Removes all versions of a plugin. What it may do again after that is what somebody approves then, also an older version.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none; the operating system's.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        self.change(|held| held.state.remove(id))
    }

    /// All packages, in the order of ids and versions.
    #[must_use]
    pub fn list(&self) -> Vec<Installed> {
        let held = self.lock();
        held.state.packages.iter().map(|record| held.describe(record)).collect()
    }

    fn installed(&self, package_sha256: &str) -> Result<Installed, Error> {
        let held = self.lock();
        held.state
            .find(package_sha256)
            .map(|record| held.describe(record))
            .ok_or_else(|| state::missing(package_sha256))
    }

    /// A package with its texts and models, checked anew.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such package or its file is gone; [`Kind::Corrupt`] when the file is not what was installed; [`Kind::Denied`] when
    /// its key is no longer trusted, unsigned packages are not allowed, or what it asks for is not offered; the operating system's.
    pub fn read(&self, package_sha256: &str, now: UtcNanos) -> Result<Opened, Error> {
        let state = self.lock().state.clone();
        let record = state.find(package_sha256).ok_or_else(|| state::missing(package_sha256))?;
        self.load(&state, record, now)
    }

    /// The packages that may run, in the order of their ids, each checked anew; and a sentence for each that may not although it was approved.
    #[must_use]
    pub fn approved(&self, now: UtcNanos) -> (Vec<Package>, Vec<Error>) {
        let state = self.lock().state.clone();
        let (mut packages, mut problems, mut bytes) = (Vec::<Package>::new(), Vec::new(), 0);
        for record in state.packages.iter().filter(|record| state.is_current(record)) {
            let loaded = self.load(&state, record, now).and_then(|opened| {
                bytes += opened.package.component.len() + opened.package.models.bytes.len();
                if bytes <= COMPONENTS_BYTES_MAX {
                    return Ok(opened.package);
                }
                let sentence =
                    "with it all components and models have more than 512 MiB; remove plugins that are not used";
                Err(Error::new(Kind::Exhausted, sentence))
            });
            match loaded {
                Ok(package) => packages.push(package),
                Err(error) => {
                    let sentence = format!("{} {} does not run: {error}", record.id, record.version);
                    problems.push(Error::new(error.kind(), sentence));
                }
            }
        }
        (packages, problems)
    }

    fn load(&self, state: &State, record: &Record, now: UtcNanos) -> Result<Opened, Error> {
        let (opened, bytes) = content(&self.disk, record)?;
        match &record.key_id {
            Some(_) => {
                wbp::split(&bytes)?.verify(&state.keys()?)?;
            }
            None if state.unsigned_until(now).is_some() => {}
            None => {
                let sentence = "it is not signed, and the time for which unsigned packages were allowed is over";
                return Err(Error::new(Kind::Denied, sentence));
            }
        }
        state.offers(&opened.package.manifest)?;
        Ok(opened)
    }
}

/// The package of `record` from the disk, when it still is what was installed, and its bytes.
fn content(disk: &Disk, record: &Record) -> Result<(Opened, Vec<u8>), Error> {
    let bytes = disk.read_package(&record.package_sha256)?;
    if sha256_hex(&bytes) != record.package_sha256 {
        return Err(Error::new(Kind::Corrupt, "its file is not what was installed; install it again"));
    }
    let opened = wbp::open(&bytes)?;
    Ok((opened, bytes))
}

impl Held {
    fn describe(&self, record: &Record) -> Installed {
        let content = self.contents.get(&record.package_sha256);
        let manifest = content.and_then(|content| content.as_ref().ok());
        let running = self.state.running(&record.id);
        let stage = match &running {
            Some(running) if running.package_sha256 == record.package_sha256 => Stage::Approved,
            _ if record.approval.is_some() => Stage::Superseded,
            _ => Stage::Waiting,
        };
        let trusted = |key_id: &str| self.state.publishers.iter().any(|publisher| publisher.key_id == key_id);
        Installed {
            id: record.id.clone(),
            version: record.version.clone(),
            manifest: manifest.cloned(),
            package_sha256: record.package_sha256.clone(),
            component_sha256: record.component_sha256.clone(),
            bytes: record.bytes,
            signer: record.key_id.as_ref().map(|key_id| Signer {
                name: record.signer.clone().unwrap_or_default(),
                key_id: key_id.clone(),
                trusted: trusted(key_id),
            }),
            stage,
            installed: record.installed,
            approved: record.approval.as_ref().map(|approval| approval.at),
            approved_by_account: record.approval.as_ref().map(|approval| approval.account),
            changes: running.map_or_else(Vec::new, |running| self.changes(running, record, manifest)),
            problem: content.and_then(|content| content.as_ref().err()).cloned(),
        }
    }

    fn changes(&self, running: &Record, record: &Record, manifest: Option<&Manifest>) -> Vec<Change> {
        let mut changes: Vec<Change> =
            signing_key_change(running.key_id.as_deref(), record.key_id.as_deref()).into_iter().collect();
        let before = self.contents.get(&running.package_sha256).and_then(|content| content.as_ref().ok());
        if let (Some(before), Some(now)) = (before, manifest) {
            changes.extend(diff(before, now));
        }
        changes
    }
}
