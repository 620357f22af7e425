//! Where bundles can be written to besides a browser: directories that the configuration file names, and file systems that are mounted where removable disks are. No path comes from a
//! request: whoever asks names one of these.

use super::{Result, exported};
use crate::config::Exports;
use rustix::fs::StatxFlags;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use watchbook_base::Kind;
use watchbook_export::delivery::{SinkKind, SinkName, is_name};
use watchbook_export::sink::Place;
use watchbook_web::api;
use watchbook_web::error::Error;

/// Mounts that are listed.
const MOUNTS_MAX: usize = 32;
/// What the kernel says of mounts is read up to here: some thousands of them.
const MOUNTINFO_BYTES_MAX: u64 = 1 << 20;
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Directories of the configuration and mounted removable disks, looked up by name each time.
pub struct Places {
    config: Exports,
}

/// A file system that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// As the kernel numbers it.
    id: u64,
    name: String,
}

impl Places {
    /// As the configuration file has them.
    pub fn new(config: &Exports) -> Self {
        Self { config: config.clone() }
    }

    /// All that are there now.
    pub(super) fn list(&self) -> api::ExportSinkList {
        let directories = self.config.sinks.iter().map(|sink| (SinkKind::Directory, sink.name.clone()));
        let mut names: Vec<(SinkKind, String)> = directories.collect();
        names.extend(self.mounts().unwrap_or_default().into_iter().map(|mount| (SinkKind::Usb, mount.name)));
        names.sort();
        let sinks = names.into_iter().map(|(kind, name)| self.shown(&SinkName { kind, name })).collect();
        api::ExportSinkList { sinks, usb: !self.config.usb_root.as_os_str().is_empty() }
    }

    fn shown(&self, sink: &SinkName) -> api::ExportSink {
        let found = self.open(sink);
        let file_bytes_max = found.as_ref().ok().and_then(Place::file_bytes_max);
        let (free_bytes, trouble) = match found.and_then(|place| place.room().map_err(exported)) {
            Ok((free, true)) => (Some(free), None),
            Ok((free, false)) => {
                (Some(free), Some("It cannot be written to. Move its switch, or use another one.".to_owned()))
            }
            Err(error) => (None, Some(error.message)),
        };
        let (id, name) = (sink.in_log(), sink.name.clone());
        api::ExportSink { id, kind: kind(sink.kind), name, free_bytes, file_bytes_max, trouble }
    }

    /// Opens one.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name now, and why it cannot be opened.
    pub(super) fn open(&self, sink: &SinkName) -> Result<Place> {
        let unknown = || {
            let next = match sink.kind {
                SinkKind::Directory => "Choose another one, or have an admin look at the configuration file.",
                SinkKind::Usb => "Plug the disk in, wait some seconds, and choose it from the list.",
            };
            Error::not_found(format!("there is no place {} now", sink.in_log())).next(next)
        };
        match sink.kind {
            SinkKind::Directory => {
                let known = self.config.sinks.iter().find(|known| known.name == sink.name).ok_or_else(unknown)?;
                Place::open(&known.dir, &sink.name).map_err(exported)
            }
            SinkKind::Usb => {
                self.mounts()?.into_iter().find(|mount| mount.name == sink.name).ok_or_else(unknown)?;
                let place = Place::open(&self.config.usb_root.join(&sink.name), &sink.name).map_err(exported)?;
                // Between the two looks it may have been pulled out: then this is the empty directory below, on the recorder's own disk.
                let stat = rustix::fs::statx(place.fd(), "", rustix::fs::AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
                let id = stat
                    .map_err(|error| Error::new(Kind::Io, format!("looking at {}: {error}", sink.in_log())))?
                    .stx_mnt_id;
                let is_it = self.mounts()?.iter().any(|mount| mount.name == sink.name && mount.id == id);
                if is_it { Ok(place) } else { Err(unknown()) }
            }
        }
    }

    /// What is mounted right below the root of removable disks.
    fn mounts(&self) -> Result<Vec<Mount>> {
        if self.config.usb_root.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        // The kernel tells of mounts by their real paths.
        let Ok(root) = self.config.usb_root.canonicalize() else { return Ok(Vec::new()) };
        let mut text = String::new();
        let opened = std::fs::File::open(MOUNTINFO);
        let read = opened.and_then(|file| file.take(MOUNTINFO_BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| Error::new(Kind::of_io(&error), format!("reading {MOUNTINFO}: {error}")))?;
        Ok(mounts_below(&text, &root))
    }
}

pub(super) fn kind(kind: SinkKind) -> api::ExportSinkKind {
    match kind {
        SinkKind::Directory => api::ExportSinkKind::Directory,
        SinkKind::Usb => api::ExportSinkKind::Usb,
    }
}

/// From `/proc/self/mountinfo` (proc_pid_mountinfo(5)): number of the mount, of its parent, device, root, mount point with `\ooo` for blanks and backslashes.
fn mounts_below(text: &str, root: &Path) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let (Some(id), Some(point)) = (fields.next().and_then(|id| id.parse().ok()), fields.nth(3)) else { continue };
        let point = PathBuf::from(unescaped(point));
        let name = point.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if point.parent() == Some(root) && is_name(name) {
            // One that is mounted over another hides it.
            mounts.retain(|mount| mount.name != name);
            mounts.push(Mount { id, name: name.to_owned() });
        }
    }
    mounts.truncate(MOUNTS_MAX);
    mounts
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| core::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ExportSink;

    #[test]
    fn mounts_are_found_by_what_the_kernel_says() {
        let text = "\
22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw
88 28 8:17 / /media/watchbook/COURT\\040ONE rw,nosuid - vfat /dev/sdb1 rw
89 28 8:33 / /media/watchbook/B rw - ext4 /dev/sdc1 rw
90 89 8:34 / /media/watchbook/B/inner rw - ext4 /dev/sdc2 rw
91 89 8:35 / /media/watchbook/B rw - ext4 /dev/sdc3 rw
92 28 8:36 / /media/watchbook rw - ext4 /dev/sdc4 rw
93 28 8:37 / /media/watchbook/.hidden rw - ext4 /dev/sdc5 rw
broken
";
        let found = mounts_below(text, Path::new("/media/watchbook"));
        let mount = |id, name: &str| Mount { id, name: name.to_owned() };
        assert_eq!(found, [mount(88, "COURT ONE"), mount(91, "B")]);
    }

    #[test]
    fn a_place_is_one_that_the_configuration_names() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, usb) = (dir.path().join("shared"), dir.path().join("usb"));
        for made in [&shared, &usb, &usb.join("not-mounted")] {
            std::fs::create_dir(made).unwrap();
        }
        let sink = |name: &str, dir: &Path| ExportSink { name: name.to_owned(), dir: dir.to_owned() };
        let sinks = vec![sink("court", &shared), sink("gone", &dir.path().join("gone"))];
        let places = Places::new(&Exports { sinks, usb_root: usb.clone() });
        let open = |id: &str| places.open(&SinkName::parse(id).unwrap()).map(|_| ()).map_err(|error| error.kind);
        assert_eq!(open("directory/court"), Ok(()));
        for id in ["directory/gone", "directory/usb", "usb/not-mounted", "usb/court"] {
            assert_eq!(open(id), Err(Kind::NotFound), "{id}");
        }
        let listed = places.list();
        let shown: Vec<_> = listed.sinks.iter().map(|sink| (&*sink.id, sink.trouble.is_some())).collect();
        assert_eq!((shown, listed.usb), (vec![("directory/court", false), ("directory/gone", true)], true));
        let none = Places::new(&Exports::default()).list();
        assert!(none.sinks.is_empty() && !none.usb);
    }
}
