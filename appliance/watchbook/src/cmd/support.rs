//! `watchbook support`: what somebody who helps from afar has to know, in one text file that whoever sends it can read first.
//!
//! Every line is either composed here from a value that is no secret, or went through [`scrub`]. No file is copied into it, and nothing of the ring, the register or the keys is read:
//! there are names, sizes and times of files, never what is in them. The recorder may run meanwhile.

mod scrub;

use crate::config::{Config, TlsMode};
use crate::error::{Error, Result};
use scrub::scrub;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use watchbook_base::{Clock as _, Kind, UtcNanos, clock::SystemClock};

/// Lines of the recorder's log that are taken, the newest.
const LOG_LINES_MAX: &str = "4000";
/// Lines of the kernel's warnings.
const KERNEL_LINES_MAX: &str = "400";
/// Bytes of one line; more is cut.
const LINE_BYTES_MAX: usize = 2000;
/// Bytes of the whole file; what comes after is left out, and the file says so.
const FILE_BYTES_MAX: usize = 4 << 20;
/// Names of one directory that are listed.
const NAMES_MAX: usize = 200;
/// Bytes of a file of the kernel that are read.
const KERNEL_FILE_BYTES_MAX: usize = 64 << 10;

/// Writes the file and prints where it is.
///
/// # Errors
/// The file is there already or cannot be written. What cannot be found out is said in the file.
pub fn support(config: &Path, out: Option<PathBuf>) -> Result<ExitCode> {
    let now = SystemClock.utc();
    let out = out.unwrap_or_else(|| {
        let moment: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        format!("watchbook-support-{moment}.txt").into()
    });
    let text = bounded(composed(config, now));
    let attempt = format!("writing {}", out.display());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&out).map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(Kind::Conflict, format!("{attempt}: it is there already; give another name with --out"))
            }
            _ => Error::io(&attempt, &error),
        }
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| Error::io(&attempt, &error))?;
    super::super::print(&format!(
        "{}\nIt has no password, no key and no picture. Read it before you send it: the log names cameras, addresses and directories.\n",
        out.display()
    ))
}

fn bounded(mut text: String) -> String {
    if text.len() > FILE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(FILE_BYTES_MAX));
        text.push_str("\n[cut here: the whole was longer than 4 MiB]\n");
    }
    text
}

fn composed(path: &Path, now: UtcNanos) -> String {
    let mut text = format!("Watchbook {}, {now}\n", env!("CARGO_PKG_VERSION"));
    section(&mut text, "machine", machine());
    match Config::read(path) {
        Ok(config) => {
            section(&mut text, "configuration, without what is secret or of people", settings(&config));
            section(&mut text, "disks", disks(&config));
            section(&mut text, "state directory: names alone", names(&config.storage.state_dir));
            section(&mut text, "plugins: names alone", names(&config.plugins.dir));
        }
        Err(error) => section(&mut text, "configuration", format!("{error}\n")),
    }
    let shown = "ActiveState,SubState,Result,ExecMainStatus,ExecMainStartTimestamp,NRestarts,MemoryCurrent,MemoryPeak,CPUUsageNSec,TasksCurrent";
    section(&mut text, "service", said_by("systemctl", &["show", "watchbook.service", "-p", shown]));
    let of_units = ["-u", "watchbook.service", "-u", "watchbook-child@*", "-u", "watchbook-child.socket"];
    let usual = ["--no-pager", "--quiet", "-o", "short-iso"];
    let log = [&of_units[..], &usual, &["-n", LOG_LINES_MAX]].concat();
    section(&mut text, "log", said_by("journalctl", &log));
    let kernel = [&["-k", "-p", "warning"][..], &usual, &["-n", KERNEL_LINES_MAX]].concat();
    section(&mut text, "warnings of the kernel", said_by("journalctl", &kernel));
    text
}

fn section(text: &mut String, title: &str, body: String) {
    let _ = write!(text, "\n== {title}\n");
    for line in body.lines() {
        // Cut first, an address could lose the @ by which its password is known.
        let mut clean = scrub(line);
        clean.truncate(clean.floor_char_boundary(LINE_BYTES_MAX));
        let _ = writeln!(text, "{clean}");
    }
}

/// What the kernel and the distribution say of themselves.
fn machine() -> String {
    let mut text = String::new();
    for (file, wanted) in [
        ("/etc/os-release", &["PRETTY_NAME"][..]),
        ("/proc/version", &[]),
        ("/proc/uptime", &[]),
        ("/proc/loadavg", &[]),
        ("/proc/meminfo", &["MemTotal", "MemAvailable", "SwapTotal", "Dirty"]),
        ("/proc/pressure/io", &[]),
        ("/proc/pressure/memory", &[]),
        ("/sys/class/dmi/id/product_name", &[]),
    ] {
        let _ = writeln!(text, "{file}: {}", read(file, wanted));
    }
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let models = read("/proc/cpuinfo", &["model name"]);
    let _ = writeln!(text, "processors: {processors}, {}", models.split("; ").next().unwrap_or_default());
    text
}

/// The lines of a file of the kernel that begin so, or all.
fn read(file: &str, wanted: &[&str]) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let limit = u64::try_from(KERNEL_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    match fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Ok(_) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines = text.lines().filter(|line| wanted.is_empty() || wanted.iter().any(|one| line.starts_with(one)));
            lines.map(str::trim).collect::<Vec<_>>().join("; ")
        }
        Err(error) => format!("({error})"),
    }
}

/// Each value here is named: a new one comes in only when somebody puts it in.
fn settings(config: &Config) -> String {
    let Config { web, storage, plugins, cameras, exports, public, camera } = config;
    let tls = match web.tls {
        TlsMode::OwnCa => "own-ca",
        TlsMode::Files => "files",
        TlsMode::Off => "off",
    };
    let master = match storage.master_key.as_str() {
        "" => "in the state directory",
        key if key.starts_with("credential:") => "a credential",
        _ => "a file elsewhere",
    };
    let set = |text: &str| if text.is_empty() { "not set" } else { "set" };
    let mut text = format!(
        "web: listen {}, tls {tls}\nmaster key: {master}\nsegment_mib {}, commit_interval_ms {}, vault_gib {}\n",
        web.listen, storage.segment_mib, storage.commit_interval_ms, storage.vault_gib
    );
    let _ = writeln!(text, "disk_roots {:?}", storage.disk_roots);
    let _ = writeln!(text, "plugins: dir {:?}, program_dir {:?}", plugins.dir, plugins.program_dir);
    let _ = writeln!(text, "cameras: networks {:?}; {} in the file", cameras.networks, camera.len());
    let _ = writeln!(text, "exports: {} directories, usb_root {:?}", exports.sinks.len(), exports.usb_root);
    let _ = writeln!(text, "public: name {}, contact {}", set(&public.name), set(&public.contact));
    text
}

/// Each ring and the vault: how large its disk is, how much of it is free, and how many segments there are.
fn disks(config: &Config) -> String {
    let mut text = String::new();
    let vault = config.storage.vault_path();
    let rings = config.storage.rings();
    let vault_bytes = config.storage.vault_bytes();
    for (what, dir, bytes) in
        rings.iter().map(|(dir, bytes)| ("ring", *dir, *bytes)).chain([("vault", vault.as_path(), vault_bytes)])
    {
        let _ = write!(text, "{what} {}: configured {} MiB, ", dir.display(), bytes >> 20);
        match rustix::fs::statvfs(dir) {
            Ok(found) => {
                let mib = |blocks: u64| blocks.saturating_mul(found.f_frsize) >> 20;
                let _ = write!(text, "disk {} MiB, free {} MiB, ", mib(found.f_blocks), mib(found.f_bavail));
            }
            Err(error) => {
                let _ = write!(text, "its disk: {error}, ");
            }
        }
        let (mut files, mut held) = (0_u64, 0_u64);
        for entry in fs::read_dir(dir.join("segments")).into_iter().flatten().flatten() {
            if let Ok(found) = entry.metadata() {
                files += 1;
                // In blocks of 512 bytes, whatever the disk's are (stat(2)).
                held += found.blocks() * 512;
            }
        }
        let _ = writeln!(text, "{files} segments with {} MiB", held >> 20);
    }
    text + &read("/proc/mounts", &["/dev/", "tmpfs", "overlay"]).replace("; ", "\n")
}

/// Names, sizes, rights and times of what lies in a directory, and one level below.
fn names(dir: &Path) -> String {
    let mut text = String::new();
    list(dir, 1, &mut text);
    text
}

fn list(dir: &Path, below: u32, text: &mut String) {
    let mut paths: Vec<PathBuf> = match fs::read_dir(dir) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) => {
            let _ = writeln!(text, "{}: {error}", dir.display());
            return;
        }
    };
    paths.sort();
    for path in paths.iter().take(NAMES_MAX) {
        let Ok(found) = fs::symlink_metadata(path) else { continue };
        let changed = UtcNanos(found.mtime().saturating_mul(1_000_000_000));
        let mode = found.permissions().mode() & 0o7777;
        let _ = writeln!(
            text,
            "{mode:04o} {}:{} {:>12} {changed} {}",
            found.uid(),
            found.gid(),
            found.len(),
            path.display()
        );
        if found.is_dir() && below > 0 {
            list(path, below - 1, text);
        }
    }
    if paths.len() > NAMES_MAX {
        let _ = writeln!(text, "{}: {} more", dir.display(), paths.len() - NAMES_MAX);
    }
}

/// What a program of the system prints; a sentence when it cannot be asked.
fn said_by(program: &str, words: &[&str]) -> String {
    match Command::new(program).args(words).env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() && output.stdout.is_empty() => "(nothing)\n".to_owned(),
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => format!("({program}: {}: {})\n", output.status, String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => format!("({program} cannot be started: {error})\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What must not come out, in every place of the configuration that takes a word of somebody's.
    const CANARY: &str = "canary-4f1d";

    #[test]
    fn it_tells_of_machine_disks_and_names_and_of_nothing_that_lies_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("ring/segments")).unwrap();
        fs::create_dir_all(at("state/keys")).unwrap();
        fs::write(at("ring/segments/000001.seg"), vec![7; 8192]).unwrap();
        fs::write(at("state/keys/1.key"), CANARY).unwrap();
        fs::write(at("state/master.key"), CANARY).unwrap();
        let config = format!(
            "[storage]\nring_dir = '{}'\nstate_dir = '{}'\nmaster_key = '/{CANARY}'\n[public]\nname = '{CANARY}'\ncontact = '{CANARY}'\n\
             [[exports.sinks]]\nname = '{CANARY}'\ndir = '/{CANARY}'\n\
             [[camera]]\nname = '{CANARY}'\nmain_url = 'rtsp://{CANARY}:{CANARY}@10.0.0.9/{CANARY}'\npurpose = '{CANARY}'\n",
            at("ring").display(),
            at("state").display()
        );
        fs::write(at("watchbook.toml"), config).unwrap();
        let out = at("support.txt");
        support(&at("watchbook.toml"), Some(out.clone())).unwrap();
        let text = fs::read_to_string(&out).unwrap();
        assert!(!text.contains(CANARY), "{text}");
        for told in [
            "1 segments with",
            "state/keys/1.key",
            "master.key",
            "1 in the file",
            "a file elsewhere",
            "MemTotal",
            "== log",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
        let again = support(&at("watchbook.toml"), Some(out.clone())).unwrap_err().to_string();
        assert!(again.contains("--out"), "{again}");
        assert_eq!(fs::read_to_string(&out).unwrap(), text, "nothing is written over");
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_what_help_is_wanted_for() {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("watchbook.toml"), dir.path().join("support.txt"));
        fs::write(&file, "[storage]\nring_gib = 'much'\n").unwrap();
        support(&file, Some(out.clone())).unwrap();
        let text = fs::read_to_string(out).unwrap();
        assert!(text.contains("ring_gib") && text.contains("== machine"), "{text}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let text = bounded("ក".repeat(FILE_BYTES_MAX));
        assert!(text.len() < FILE_BYTES_MAX + 100 && text.ends_with("[cut here: the whole was longer than 4 MiB]\n"));
        let mut section_of = String::new();
        section(&mut section_of, "t", "ក".repeat(5000));
        assert!(section_of.len() <= LINE_BYTES_MAX + 10, "{}", section_of.len());
        // Wherever the cut falls in an address.
        for before in LINE_BYTES_MAX - 40..LINE_BYTES_MAX {
            let mut text = String::new();
            section(&mut text, "t", format!("{} rtsp://guard:{CANARY}@10.0.0.9/", "a ".repeat(before / 2)));
            assert!(!text.contains("guard"), "{text}");
        }
    }
}
