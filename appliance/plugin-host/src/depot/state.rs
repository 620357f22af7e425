//! What the depot knows, as it lies in `state.json`, and what each call does to it. No input or output.

use super::{DEPOT_BYTES_MAX, PLUGINS_MAX, PUBLISHERS_MAX, Publisher, TRIED_OUT_SWITCH, VERSIONS_MAX};
use crate::wbp::{Opened, PublisherKey};
use crate::{Error, Manifest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::{Kind, UtcNanos};

/// The form of `state.json` that this program writes and reads.
const FORM: u32 = 1;

/// Everything but the packages' bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    form: u32,
    pub(super) publishers: Vec<Trusted>,
    /// In the order of ids, versions and hashes.
    pub(super) packages: Vec<Record>,
    /// SHA-256 of the package that runs, by plugin id.
    pub(super) current: BTreeMap<String, String>,
    /// Approvals so far: the next one's place in the order.
    turns: u64,
    pub(super) unsigned: Option<Unsigned>,
    /// Interfaces that are being tried out are offered.
    #[serde(default)]
    pub(super) tried_out: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            form: FORM,
            publishers: Vec::new(),
            packages: Vec::new(),
            current: BTreeMap::new(),
            turns: 0,
            unsigned: None,
            tried_out: false,
        }
    }
}

/// A trusted key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trusted {
    name: String,
    pub(super) key_id: String,
    public_key: String,
    trusted: UtcNanos,
}

/// When unsigned packages are allowed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Unsigned {
    pub(super) from: UtcNanos,
    pub(super) until: UtcNanos,
}

/// A package that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) package_sha256: String,
    pub(super) component_sha256: String,
    pub(super) bytes: u64,
    /// The key that signed it; nothing for an unsigned one.
    pub(super) key_id: Option<String>,
    pub(super) signer: Option<String>,
    pub(super) installed: UtcNanos,
    pub(super) approval: Option<Approval>,
}

/// That a package was approved.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Approval {
    /// Its place among all approvals.
    turn: u64,
    pub(super) at: UtcNanos,
    pub(super) account: u32,
}

pub(super) fn missing(package_sha256: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no package {package_sha256}"))
}

fn conflict(sentence: String) -> Error {
    Error::new(Kind::Conflict, sentence)
}

impl Trusted {
    pub(super) fn public(&self) -> Publisher {
        let Self { name, key_id, public_key, trusted } = self.clone();
        Publisher { name, key_id, public_key, trusted }
    }
}

impl Record {
    pub(super) fn new(opened: &Opened, bytes: u64, signer: Option<&PublisherKey>, installed: UtcNanos) -> Self {
        let manifest = &opened.package.manifest;
        Self {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            package_sha256: opened.package_sha256.clone(),
            component_sha256: opened.package.component_sha256.clone(),
            bytes,
            key_id: signer.map(|key| key.key_id().to_owned()),
            signer: signer.map(|key| key.name().to_owned()),
            installed,
            approval: None,
        }
    }

    /// What the list is sorted by. A version that a manifest had is semantic.
    fn order(&self) -> (&str, Option<semver::Version>, &str) {
        (&self.id, semver::Version::parse(&self.version).ok(), &self.package_sha256)
    }

    fn turn(&self) -> Option<u64> {
        self.approval.map(|approval| approval.turn)
    }

    fn is_older_than(&self, other: &Self) -> bool {
        self.order().1 < other.order().1
    }
}

impl State {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Form {
            form: u32,
        }
        let damaged = |error: serde_json::Error| {
            let sentence = format!(
                "the list of plugins is damaged ({error}) and was put aside as state.damaged: no plugin runs and no publisher is trusted until they \
                 are added again"
            );
            Error::new(Kind::Corrupt, sentence)
        };
        let Form { form } = serde_json::from_slice(bytes).map_err(damaged)?;
        if form > FORM {
            return Err(conflict(format!(
                "a newer version of Watchbook wrote the list of plugins (form {form}, this one reads {FORM}); start that one"
            )));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    pub(super) fn write(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec_pretty(self)
            .map_err(|error| Error::new(Kind::Internal, format!("the list of plugins: {error}")))
    }

    pub(super) fn find(&self, package_sha256: &str) -> Option<&Record> {
        self.packages.iter().find(|record| record.package_sha256 == package_sha256)
    }

    /// The package of this plugin.
    pub(super) fn of(&self, id: &str, package_sha256: &str) -> Result<&Record, Error> {
        self.find(package_sha256).filter(|record| record.id == id).ok_or_else(|| missing(package_sha256))
    }

    /// The version of a plugin that runs.
    pub(super) fn running(&self, id: &str) -> Option<&Record> {
        self.current.get(id).and_then(|sha256| self.find(sha256))
    }

    pub(super) fn is_current(&self, record: &Record) -> bool {
        self.current.get(&record.id) == Some(&record.package_sha256)
    }

    /// The trusted keys, ready to verify with.
    pub(super) fn keys(&self) -> Result<Vec<PublisherKey>, Error> {
        self.publishers.iter().map(|trusted| PublisherKey::new(&trusted.name, &trusted.public_key)).collect()
    }

    pub(super) fn unsigned_until(&self, now: UtcNanos) -> Option<UtcNanos> {
        let Unsigned { from, until } = self.unsigned?;
        (from <= now && now < until).then_some(until)
    }

    /// Refuses a plugin that wants what is being tried out, while that is not offered.
    pub(super) fn offers(&self, manifest: &Manifest) -> Result<(), Error> {
        match manifest.tried_out().next() {
            Some(capability) if !self.tried_out => Err(Error::new(
                Kind::Denied,
                format!(
                    "it asks for `{capability}`, which is being tried out and may change or go with any release; an administrator can switch on \
                     \"{TRIED_OUT_SWITCH}\" at the bottom of the plugins page"
                ),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn trust(&mut self, key: &PublisherKey, at: UtcNanos) -> Result<Publisher, Error> {
        if let Some(other) = self.publishers.iter().find(|trusted| trusted.key_id == key.key_id()) {
            return Err(conflict(format!("the key {} is trusted already, as `{}`", key.key_id(), other.name)));
        }
        if self.publishers.len() == PUBLISHERS_MAX {
            let sentence = format!("{PUBLISHERS_MAX} publishers are trusted, which is the most; remove one first");
            return Err(Error::new(Kind::Exhausted, sentence));
        }
        let trusted = Trusted {
            name: key.name().to_owned(),
            key_id: key.key_id().to_owned(),
            public_key: key.public_key().to_owned(),
            trusted: at,
        };
        let public = trusted.public();
        self.publishers.push(trusted);
        Ok(public)
    }

    pub(super) fn distrust(&mut self, key_id: &str) -> Result<Publisher, Error> {
        let at = self.publishers.iter().position(|trusted| trusted.key_id == key_id);
        let at = at.ok_or_else(|| Error::new(Kind::NotFound, format!("the key {key_id} is not trusted")))?;
        Ok(self.publishers.remove(at).public())
    }

    /// Takes a package that is not there yet, and lets go of the least needed one when its plugin has too many versions.
    pub(super) fn add(&mut self, record: Record) -> Result<(), Error> {
        if let Some(running) = self.running(&record.id)
            && record.is_older_than(running)
        {
            return Err(conflict(format!(
                "{} {} is older than {}, which runs; to go back to the version before it, roll back",
                record.id, record.version, running.version
            )));
        }
        let versions: Vec<&Record> = self.packages.iter().filter(|other| other.id == record.id).collect();
        // While a plugin is being written, its version stays and its bytes change.
        if let Some(other) = versions.iter().find(|other| other.version == record.version && other.key_id.is_some()) {
            return Err(conflict(format!(
                "{} {} is there already with other bytes; a changed plugin needs another version (or reject the one that is there: {})",
                record.id, record.version, other.package_sha256
            )));
        }
        let ids: BTreeSet<&str> = self.packages.iter().map(|other| other.id.as_str()).collect();
        if versions.is_empty() && ids.len() == PLUGINS_MAX {
            let sentence = format!("{PLUGINS_MAX} plugins are installed, which is the most; remove one first");
            return Err(Error::new(Kind::Exhausted, sentence));
        }
        if versions.len() >= VERSIONS_MAX {
            // Waiting ones first, the oldest of them; then what was approved longest ago. What runs stays.
            let kept = |other: &&&Record| !self.is_current(other);
            let least = versions.iter().filter(kept).min_by_key(|other| (other.turn(), other.installed));
            let least = least.map(|other| other.package_sha256.clone());
            self.packages.retain(|other| Some(&other.package_sha256) != least.as_ref());
        }
        let bytes: u64 = self.packages.iter().map(|other| other.bytes).sum();
        if bytes + record.bytes > DEPOT_BYTES_MAX {
            let sentence = format!("all packages would have more than {DEPOT_BYTES_MAX} bytes; remove a plugin first");
            return Err(Error::new(Kind::Exhausted, sentence));
        }
        self.packages.push(record);
        self.packages.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(())
    }

    pub(super) fn approve(&mut self, id: &str, sha256: &str, (at, account): (UtcNanos, u32)) -> Result<(), Error> {
        let record = self.of(id, sha256)?;
        match self.running(id) {
            Some(running) if running.package_sha256 == sha256 => return Ok(()),
            Some(running) if record.is_older_than(running) => {
                return Err(conflict(format!(
                    "{id} {} is older than {}, which runs; to go back to the version before it, roll back",
                    record.version, running.version
                )));
            }
            _ => {}
        }
        self.turns += 1;
        let approval = Some(Approval { turn: self.turns, at, account });
        self.packages.iter_mut().filter(|record| record.package_sha256 == sha256).for_each(|record| {
            record.approval = approval;
        });
        self.current.insert(id.to_owned(), sha256.to_owned());
        Ok(())
    }

    pub(super) fn reject(&mut self, id: &str, sha256: &str) -> Result<(), Error> {
        let record = self.of(id, sha256)?;
        if self.is_current(record) {
            return Err(conflict(format!("{id} {} runs; roll back or remove the plugin instead", record.version)));
        }
        self.packages.retain(|record| record.package_sha256 != sha256);
        Ok(())
    }

    /// The version that was approved before the one that runs.
    pub(super) fn before(&self, id: &str) -> Result<String, Error> {
        let none = |sentence: &str| Error::new(Kind::NotFound, format!("{id}: {sentence}"));
        let running = self.running(id).ok_or_else(|| none("no version of it runs"))?;
        let earlier = self.packages.iter().filter(|record| record.id == id && record.turn().is_some());
        let before = earlier.filter(|record| record.turn() < running.turn()).max_by_key(|record| record.turn());
        before.map(|record| record.package_sha256.clone()).ok_or_else(|| none("no version before this one is kept"))
    }

    pub(super) fn remove(&mut self, id: &str) -> Result<(), Error> {
        let before = self.packages.len();
        self.packages.retain(|record| record.id != id);
        self.current.remove(id);
        if self.packages.len() == before {
            return Err(Error::new(Kind::NotFound, format!("there is no plugin {id}")));
        }
        Ok(())
    }
}
