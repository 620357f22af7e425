//! What the recorder reaches, worked out from its configuration before it begins: the wall that follows is for good.

use crate::config::{Config, TlsMode};
use crate::error::{Error, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use watchbook_confine::recorder::Reach;
use watchbook_store::MasterSource;

/// Programs' data, settings and libraries of the system, what the kernel tells, where services meet.
const SYSTEM: [&str; 8] = ["/etc", "/usr", "/lib", "/lib64", "/proc", "/sys", "/run", "/var/lib/ca-certificates"];

/// That of this configuration. The state directory is made when it is not there, and a ring's and the vault's where the directory around them is.
///
/// # Errors
/// The state directory cannot be made. A disk that does not answer is no reason not to record on the others.
pub fn of(config: &Config) -> Result<Reach> {
    let storage = &config.storage;
    let mut write = vec![storage.state_dir.clone()];
    make(&storage.state_dir)?;
    for dir in storage.rings().into_iter().map(|(dir, _)| dir).chain([storage.vault_path().as_path()]) {
        if dir.parent().is_some_and(Path::is_dir)
            && let Err(error) = make(dir)
        {
            tracing::warn!(%error, "this directory may be out of reach until the recorder's next start");
        }
        write.extend(reached(dir));
    }
    write.extend(config.exports.sinks.iter().flat_map(|sink| reached(&sink.dir)));
    write.extend(reached(&config.exports.usb_root).into_iter().chain(storage.disk_roots.iter().cloned()));
    let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    read.extend([config.plugins.dir.clone(), config.plugins.program_dir.clone(), config.public.policies_dir.clone()]);
    if config.web.tls == TlsMode::Files {
        // Whoever renews them puts new files in their place.
        let files = [&config.web.tls_certificate, &config.web.tls_key];
        read.extend(
            files
                .into_iter()
                .flat_map(|file| [around(file), file.canonicalize().ok().and_then(|file| around(&file))])
                .flatten(),
        );
    }
    let master = MasterSource::parse(&storage.master_key, &storage.state_dir);
    match master.map_err(|error| Error::new(error.kind, format!("storage.master_key: {error}")))? {
        MasterSource::File(file) => write.extend(around(&file)),
        MasterSource::Credential(_) => read.extend(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)),
    }
    // Authorities that somebody trusts instead of the system's (rustls-native-certs).
    read.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter_map(std::env::var_os).map(PathBuf::from));
    let list = write.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
    let named = |paths: Vec<PathBuf>| paths.into_iter().filter(|path| !path.as_os_str().is_empty()).collect();
    Ok(Reach {
        read: named(read),
        list: named(list),
        write: named(write),
        devices: vec!["/dev".into()],
        tcp_port: config.web.listen.port(),
    })
}

fn make(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| Error::io(format!("making the directory {}", dir.display()), &error))
}

fn around(file: &Path) -> Option<PathBuf> {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned)
}

/// The directory; when it lies on a mounted disk, the directory around the mount point as well; when it is not there, what is there of the way to it instead. What is allowed on a file
/// system ends when that is unmounted, and what is mounted later covers what was there: only a directory further up counts then. The whole system's is never allowed.
fn reached(dir: &Path) -> Vec<PathBuf> {
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let is_some_part = |path: &&Path| path.parent().is_some() && !path.as_os_str().is_empty();
    let Some(own) = device(dir) else {
        let there = dir.ancestors().find(|path| path.is_dir());
        return there.filter(is_some_part).map(Path::to_owned).into_iter().collect();
    };
    let outside = dir.ancestors().find(|path| device(path) != Some(own));
    std::iter::once(dir).chain(outside.filter(is_some_part)).map(Path::to_owned).collect()
}

/// What decides what the recorder may do and lies where it may write: whoever takes it over could decide that anew for the next start.
pub fn in_its_own_hands<'a>(reach: &Reach, decisive: &[&'a Path]) -> Vec<&'a Path> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let write: Vec<PathBuf> = reach.write.iter().map(|path| real(path)).collect();
    decisive.iter().copied().filter(|path| write.iter().any(|dir| real(path).starts_with(dir))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ExportSink, Storage};

    #[test]
    fn what_is_configured_is_reached_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for made in ["disk", "vaults", "share", "stick", "mounted"] {
            std::fs::create_dir(at(made)).unwrap();
        }
        let mut config = Config {
            storage: Storage {
                state_dir: at("state"),
                ring_dir: at("disk/ring"),
                vault_dir: at("vaults/vault"),
                disk_roots: vec![at("disks")],
                ..Storage::default()
            },
            ..Config::default()
        };
        config.exports.sinks.push(ExportSink { name: "share".to_owned(), dir: at("share") });
        config.web.listen.set_port(8443);
        let reach = of(&config).unwrap();
        for name in ["state", "disk/ring", "vaults/vault", "share", "disks"] {
            assert!(reach.write.contains(&at(name)), "{name} is not in {reach:?}");
        }
        assert!(["state", "disk/ring", "vaults/vault"].iter().all(|made| at(made).is_dir()));
        for around in [dir.path(), &at("disk"), Path::new("/"), Path::new("/etc")] {
            assert!(!reach.write.contains(&around.to_owned()), "{} is in {reach:?}", around.display());
        }
        assert!(reach.list.contains(&at("disk")), "a new name in it is made durable: {reach:?}");
        assert!(reach.tcp_port == 8443 && reach.read.contains(&"/etc".into()));

        // The key may lie on a stick, and is made there.
        config.storage.master_key = at("stick/master.key").display().to_string();
        assert!(of(&config).unwrap().write.contains(&at("stick")));
        config.storage.master_key = "credential:../x".to_owned();
        assert!(of(&config).is_err());
    }

    #[test]
    fn what_is_not_there_yet_is_reached_once_it_is_and_a_disk_that_is_away_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        let mut config = Config::default();
        config.storage.state_dir = at("state");
        // Its disk is mounted later: nothing is made in its place.
        config.storage.ring_dir = at("media/DISK/ring");
        // Where no directory can be made.
        config.storage.vault_dir = at("file/vault");
        config.exports.sinks.push(ExportSink { name: "later".to_owned(), dir: at("shares/later") });
        let reach = of(&config).unwrap();
        assert!(reach.write.iter().filter(|path| *path == dir.path()).count() >= 2, "{reach:?}");
        assert!(!at("media").exists() && !at("shares").exists());
        assert!(reached(Path::new("/nothing-like-this/ring")).is_empty(), "not the whole system");
        // A file system of its own: what is around its mount point, too, unless that is the whole system.
        assert_eq!(reached(Path::new("/proc")), [PathBuf::from("/proc")]);
    }

    #[test]
    fn what_decides_must_not_lie_where_the_recorder_writes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for made in ["ring", "etc"] {
            std::fs::create_dir(at(made)).unwrap();
        }
        std::os::unix::fs::symlink(at("ring"), at("etc/way")).unwrap();
        let reach = Reach { write: vec![at("ring")], ..Reach::default() };
        let (inside, beside, by_a_link) = (at("ring/watchbook.toml"), at("etc/watchbook.toml"), at("etc/way"));
        assert_eq!(in_its_own_hands(&reach, &[&inside, &beside, &by_a_link]), [&inside, &by_a_link]);
    }
}
