//! The configuration file: what must be known before the page can be reached. Everything else is set on the page and kept in the register.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use watchbook_base::Kind;

/// The commented reference, also the text of `watchbook example-config`. A test parses it and compares it with the defaults.
pub const EXAMPLE: &str = include_str!("../watchbook.example.toml");

/// Largest configuration file that is read.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// An access unit must fit a quarter of a segment: the largest that a camera may send ([`watchbook_base::limits::ACCESS_UNIT_BYTES_MAX`]) does.
const SEGMENT_MIB_MIN: u64 = 16;
/// At most a second is lost at a power cut: a commit interval, and the commit that is under way.
const COMMIT_INTERVAL_MS_MAX: u64 = 500;

/// A whole configuration file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the page listens.
    pub web: Web,
    /// Where things are kept.
    pub storage: Storage,
    /// Plugins and the child programs.
    pub plugins: Plugins,
    /// Where cameras may be.
    pub cameras: CameraNetworks,
    /// Where released exports can be written to.
    pub exports: Exports,
    /// What the public page says of the station.
    pub public: Public,
    /// Cameras to add at the first start, while there are none.
    pub camera: Vec<SeedCamera>,
}

/// Where released exports can be written to, besides a browser. No path ever comes from a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exports {
    /// Directories, by name; at most [`EXPORT_SINKS_MAX`].
    pub sinks: Vec<ExportSink>,
    /// Below it removable disks are mounted, each in a directory of its own. Empty: none are used.
    pub usb_root: PathBuf,
}

/// A directory for exports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportSink {
    /// Name on the page and in the audit log, 1 to 64 bytes.
    pub name: String,
    /// An absolute path.
    pub dir: PathBuf,
}

/// Directories below which disks may be added.
const DISK_ROOTS_MAX: usize = 16;
/// Directories for exports.
const EXPORT_SINKS_MAX: usize = 16;

impl Exports {
    fn check(&self) -> std::result::Result<(), String> {
        if self.sinks.len() > EXPORT_SINKS_MAX {
            return Err(format!(
                "exports.sinks names {} directories; at most {EXPORT_SINKS_MAX} are allowed",
                self.sinks.len()
            ));
        }
        let mut names = std::collections::BTreeSet::new();
        for ExportSink { name, dir } in &self.sinks {
            if !watchbook_export::delivery::is_name(name) {
                return Err(format!(
                    "exports.sinks has the name {name:?}; 1 to 64 bytes without / and \\ are allowed, and no dot in front"
                ));
            }
            if !names.insert(name) {
                return Err(format!("exports.sinks has the name {name:?} twice"));
            }
            if !dir.is_absolute() {
                return Err(format!("exports.sinks: the dir of {name:?} is {}; it must begin with /", dir.display()));
            }
        }
        let root = &self.usb_root;
        match root.as_os_str().is_empty() || root.is_absolute() && root.parent().is_some() {
            true => Ok(()),
            false => Err(format!("exports.usb_root is {}; it must be a directory and begin with /", root.display())),
        }
    }
}

/// The public page, the signs beside cameras, and what people may expect who were recorded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Public {
    /// Name of the station, as it stands on signs.
    pub name: String,
    /// Whom somebody asks who was recorded, or wants to complain: an office, a telephone number, an address. Everybody can read it.
    pub contact: String,
    /// Where the public reaches the page, as `https://192.168.10.2:8080`: the code on signs leads there. Empty: the address at which the sign was made.
    pub address: String,
    /// Somebody who asks for footage of themselves is answered within so many days.
    pub request_answer_days: u32,
    /// How many more days that may take, once and with a reason.
    pub request_extension_days: u32,
    /// The station's own policies, one `.toml` file each; empty: it has none.
    pub policies_dir: PathBuf,
}

impl Default for Public {
    fn default() -> Self {
        let office = watchbook_web::Office::default();
        Self {
            name: office.name,
            contact: office.contact,
            address: office.address,
            request_answer_days: office.answer_days,
            request_extension_days: office.extension_days,
            policies_dir: PathBuf::new(),
        }
    }
}

impl Public {
    /// As the page needs it.
    #[must_use]
    pub fn office(&self) -> watchbook_web::Office {
        // `check` has seen that each value is one.
        self.stated().tidied().unwrap_or_else(|_| self.stated())
    }

    /// As it stands in the file.
    fn stated(&self) -> watchbook_web::Office {
        watchbook_web::Office {
            name: self.name.clone(),
            contact: self.contact.clone(),
            address: self.address.clone(),
            answer_days: self.request_answer_days,
            extension_days: self.request_extension_days,
        }
    }

    fn check(&self) -> std::result::Result<(), String> {
        // What is set on the page goes through the same table.
        self.stated().tidied().map(drop).map_err(|why| format!("public.{why}"))
    }
}

/// The page.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Address and port.
    pub listen: SocketAddr,
    /// What it is served with.
    pub tls: TlsMode,
    /// PEM file with the certificate and its issuers, for `files`.
    pub tls_certificate: PathBuf,
    /// PEM file with its private key, for `files`.
    pub tls_key: PathBuf,
}

/// Where the certificate of the page comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// From the station's own authority, or from whoever uploads one on the page.
    #[default]
    OwnCa,
    /// From two files.
    Files,
    /// There is none: everything is readable on the way.
    Off,
}

impl Default for Web {
    fn default() -> Self {
        let (tls, tls_certificate, tls_key) = (TlsMode::default(), PathBuf::new(), PathBuf::new());
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 8080)), tls, tls_certificate, tls_key }
    }
}

impl Web {
    fn check(&self) -> std::result::Result<(), String> {
        let files = [("web.tls_certificate", &self.tls_certificate), ("web.tls_key", &self.tls_key)];
        for (key, file) in files {
            let named = !file.as_os_str().is_empty();
            if self.tls == TlsMode::Files && !file.is_absolute() {
                return Err(format!("{key} is {file:?}; with tls = \"files\" it must be a file and begin with /"));
            }
            if self.tls != TlsMode::Files && named {
                return Err(format!("{key} is {file:?}; it is read with tls = \"files\" alone"));
            }
        }
        Ok(())
    }
}

/// The ring and the state directory.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Accounts, cameras, audit log and the index.
    pub state_dir: PathBuf,
    /// What wraps the keys of all footage: a path, `credential:NAME`, or empty for `master.key` in the state directory.
    pub master_key: String,
    /// The segment log.
    pub ring_dir: PathBuf,
    /// How much of the disk the ring takes, in GiB.
    pub ring_gib: f64,
    /// Rings on more disks.
    pub disk: Vec<Disk>,
    /// Directories below which disks may be added on the page; the recorder reaches no others.
    pub disk_roots: Vec<PathBuf>,
    /// The copies of held footage; empty: `vault` beside the ring's directory.
    pub vault_dir: PathBuf,
    /// How much held footage may take, in GiB; 0: nothing can be held.
    pub vault_gib: f64,
    /// Size of one segment file, in MiB; 0: by the ring's size.
    pub segment_mib: u64,
    /// How often everything received is made durable, in ms: what a power cut may cost.
    pub commit_interval_ms: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/watchbook/state"),
            master_key: String::new(),
            ring_dir: PathBuf::from("/var/lib/watchbook/ring"),
            ring_gib: 16.0,
            disk: Vec::new(),
            disk_roots: ["/srv", "/mnt", "/media"].map(PathBuf::from).to_vec(),
            vault_dir: PathBuf::new(),
            vault_gib: 4.0,
            segment_mib: 0,
            commit_interval_ms: 500,
        }
    }
}

/// A ring on one more disk.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Its directory.
    pub ring_dir: PathBuf,
    /// How much of that disk it takes, in GiB.
    pub ring_gib: f64,
}

impl Storage {
    fn check_disk_roots(&self) -> std::result::Result<(), String> {
        if self.disk_roots.len() > DISK_ROOTS_MAX {
            let given = self.disk_roots.len();
            return Err(format!("storage.disk_roots names {given} directories; at most {DISK_ROOTS_MAX} are allowed"));
        }
        match self.disk_roots.iter().find(|root| !root.is_absolute() || root.parent().is_none()) {
            Some(root) => Err(format!(
                "storage.disk_roots has {}; each must be a directory below / and begin with /",
                root.display()
            )),
            None => Ok(()),
        }
    }

    fn check_rings(&self) -> std::result::Result<(), String> {
        let mut sizes = std::iter::once(self.ring_gib).chain(self.disk.iter().map(|disk| disk.ring_gib));
        if let Some(gib) = sizes.find(|gib| !(0.03..=1_048_576.0).contains(gib)) {
            return Err(format!("a ring_gib of storage is {gib}; 0.03 to 1048576 (1 PiB) is allowed"));
        }
        let mut dirs = std::collections::BTreeSet::new();
        for (dir, bytes) in self.rings() {
            if bytes < 4 * (self.segment_mib << 20) {
                return Err(format!(
                    "the ring in {} has no room for four segments of {} MiB; make the ring larger or the segments smaller",
                    dir.display(),
                    self.segment_mib
                ));
            }
            if !dirs.insert(dir) {
                return Err(format!("two disks of storage have the ring_dir {}", dir.display()));
            }
        }
        Ok(())
    }

    /// Directory and bytes of each ring, that of the first disk first.
    #[must_use]
    pub fn rings(&self) -> Vec<(&Path, u64)> {
        // `check` has bounded the values, so that the products fit.
        let bytes = |gib: f64| (gib * f64::from(1 << 30)) as u64;
        let first = (self.ring_dir.as_path(), bytes(self.ring_gib));
        let more = self.disk.iter().map(|disk| (disk.ring_dir.as_path(), bytes(disk.ring_gib)));
        std::iter::once(first).chain(more).collect()
    }

    /// Bytes that held footage may take.
    #[must_use]
    pub fn vault_bytes(&self) -> u64 {
        (self.vault_gib * f64::from(1 << 30)) as u64
    }

    /// Where held footage lies.
    #[must_use]
    pub fn vault_path(&self) -> PathBuf {
        match self.vault_dir.as_os_str().is_empty() {
            true => self.ring_dir.with_file_name("vault"),
            false => self.vault_dir.clone(),
        }
    }
}

/// Where cameras may be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CameraNetworks {
    /// Networks such as `192.168.10.0/24`; none: addresses for private use.
    pub networks: Vec<String>,
}

/// Where plugins and the programs that run them are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plugins {
    /// One folder per plugin: `plugin.toml` and `plugin.wasm`.
    pub dir: PathBuf,
    /// Where `watchbook-decode` and `watchbook-plugins` are; empty: beside this program.
    pub program_dir: PathBuf,
}

impl Default for Plugins {
    fn default() -> Self {
        Self { dir: PathBuf::from("/usr/lib/watchbook/plugins"), program_dir: PathBuf::new() }
    }
}

/// A camera that the file brings along.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedCamera {
    /// Name on the page.
    pub name: String,
    /// Main stream, `rtsp://…` or `http://…`, encrypted `rtsps://…` or `https://…`; may hold `user:password@`.
    pub main_url: String,
    /// Sub stream.
    pub sub_url: Option<String>,
    /// What it is there for, for everybody to read. Without one the camera is added switched off.
    #[serde(default)]
    pub purpose: String,
    /// Who answers for it, for everybody to read; the station's `public.contact` when left out. Without either the camera is added switched off.
    #[serde(default)]
    pub contact: String,
    /// `tcp` or `udp`.
    #[serde(default = "tcp")]
    pub transport: String,
    /// How often an `http://` or `https://` address that gives one picture for each request is asked, in ms.
    #[serde(default)]
    pub interval_ms: Option<u32>,
    /// Plugins to switch on with their default settings.
    #[serde(default)]
    pub plugins: Vec<String>,
}

fn tcp() -> String {
    "tcp".to_owned()
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, is too large, is not valid TOML, or a value is out of range; the message names the file and the key.
    pub fn read(path: &Path) -> Result<Self> {
        let at = |what: &str| format!("{what} the configuration file {}", path.display());
        let size = std::fs::metadata(path).map_err(|error| Error::io(at("reading"), &error))?.len();
        if size > CONFIG_BYTES_MAX {
            return Err(Error::new(Kind::InvalidInput, format!("{}: {size} bytes are too many", at("reading"))));
        }
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(at("reading"), &error))?;
        let config: Self = toml::from_str(&text)
            .map_err(|error| Error::new(Kind::InvalidInput, format!("{}: {error}", at("parsing"))))?;
        config.check().map_err(|why| Error::new(Kind::InvalidInput, format!("{}: {why}", at("checking"))))?;
        Ok(config)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let storage = &self.storage;
        if !(0.0..=1_048_576.0).contains(&storage.vault_gib) {
            return Err(format!("storage.vault_gib is {}; 0 to 1048576 (1 PiB) is allowed", storage.vault_gib));
        }
        if storage.rings().iter().any(|(dir, _)| *dir == storage.vault_path()) {
            return Err("storage.vault_dir is the ring's directory; it needs one of its own".to_owned());
        }
        watchbook_store::MasterSource::parse(&storage.master_key, &storage.state_dir)
            .map_err(|error| format!("storage.master_key: {}", error.message))?;
        if storage.segment_mib != 0 && !(SEGMENT_MIB_MIN..=4096).contains(&storage.segment_mib) {
            return Err(format!(
                "storage.segment_mib is {}; {SEGMENT_MIB_MIN} to 4096 is allowed, or 0 for a size that fits the ring",
                storage.segment_mib
            ));
        }
        storage.check_rings()?;
        storage.check_disk_roots()?;
        self.web.check()?;
        self.exports.check()?;
        self.public.check()?;
        watchbook_capture::Networks::parse(&self.cameras.networks)
            .map_err(|error| format!("cameras.networks: {error}"))?;
        if !(50..=COMMIT_INTERVAL_MS_MAX).contains(&storage.commit_interval_ms) {
            return Err(format!(
                "storage.commit_interval_ms is {}; 50 to {COMMIT_INTERVAL_MS_MAX} is allowed",
                storage.commit_interval_ms
            ));
        }
        Ok(())
    }
}

/// What must hold for any configuration file; in `tests/fuzz` by libFuzzer, too.
#[cfg(any(test, fuzzing))]
#[path = "config/fuzz_body.rs"]
pub(crate) mod fuzz_body;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_file_states_the_defaults() {
        let example: Config = toml::from_str(EXAMPLE).unwrap();
        assert_eq!(example, Config::default());
        assert_eq!(example.check(), Ok(()));
    }

    #[test]
    fn more_disks_have_rings_of_their_own() {
        let text = "[storage]\nring_dir = '/a'\nring_gib = 2.0\n[[storage.disk]]\nring_dir = '/b'\nring_gib = 4.0\n";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.storage.rings(), [(Path::new("/a"), 2 << 30), (Path::new("/b"), 4 << 30)]);
    }

    #[test]
    fn a_mistake_is_named_by_its_key() {
        for (text, key) in [
            ("[storage]\nring_gib = 0.001", "ring_gib"),
            ("[storage]\nring_gib = nan", "ring_gib"),
            ("[storage]\nvault_gib = -1.0", "vault_gib"),
            ("[storage]\nring_dir = '/x'\nvault_dir = '/x'", "vault_dir"),
            ("[storage]\nsegment_mib = 15", "segment_mib"),
            ("[storage]\nmaster_key = 'credential:../x'", "master_key"),
            ("[storage]\nring_gib = 1.0\nsegment_mib = 1024", "four segments"),
            ("[storage]\ncommit_interval_ms = 1", "commit_interval_ms"),
            ("[storage]\ncommit_interval_ms = 501", "commit_interval_ms"),
            ("[storage]\nring_dirr = '/x'", "ring_dirr"),
            ("[[storage.disk]]\nring_dir = '/x'\nring_gib = 0.001", "ring_gib"),
            ("[[storage.disk]]\nring_dir = '/var/lib/watchbook/ring'\nring_gib = 2.0", "two disks"),
            ("[[storage.disk]]\nring_gib = 2.0", "ring_dir"),
            ("[web]\nlisten = 'everywhere'", "listen"),
            ("[web]\ntls = 'on'", "tls"),
            ("[web]\ntls = 'files'\ntls_key = '/k'", "web.tls_certificate"),
            ("[web]\ntls = 'files'\ntls_certificate = '/c'\ntls_key = 'k'", "web.tls_key"),
            ("[web]\ntls_key = '/k'", "web.tls_key"),
            ("[exports]\nusb_root = 'media'", "exports.usb_root"),
            ("[exports]\nusb_root = '/'", "exports.usb_root"),
            ("[[exports.sinks]]\nname = 'a/b'\ndir = '/x'", "exports.sinks"),
            ("[[exports.sinks]]\nname = 'a'\ndir = 'x'", "exports.sinks"),
            ("[[exports.sinks]]\nname = 'a'\ndir = '/x'\n[[exports.sinks]]\nname = 'a'\ndir = '/y'", "twice"),
            ("[public]\nrequest_answer_days = 0", "request_answer_days"),
            ("[public]\nrequest_extension_days = 93", "request_extension_days"),
            ("[public]\naddress = 'javascript:alert(1)'", "public.address"),
            ("[public]\nname = \"two\\nlines\"", "public.name"),
            ("[cameras]\nnetworks = ['10.0.0.0/8', 'the yard']", "cameras.networks"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("watchbook.toml");
            std::fs::write(&path, text).unwrap();
            let message = Config::read(&path).unwrap_err().to_string();
            assert!(message.contains(key) && message.contains("watchbook.toml"), "{text:?} gave: {message}");
        }
    }
}
