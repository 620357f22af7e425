//! Writes a released bundle into a directory of another disk, and reads it back. What it never does: follow a link, write over a file, or leave a folder under its final name that was
//! not read back whole.
//!
//! 1. The folder gets a name of its own, `watchbook-export-<number>.<random>.part`, and every file in it another one while it is written.
//! 2. Each file is synced and named; then the folder is synced.
//! 3. Every file is read again, past the memory that caches it, and its SHA-256 compared with the one that was released.
//! 4. The folder gets its final name, and the directory is synced.
//!
//! Whatever breaks it off, the next attempt with the same names goes on behind the last byte that lies there and is right.

use crate::job::FileRow;
use crate::{Error, Result};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use watchbook_base::Kind;
use watchbook_evidence::bundle::is_file_name;
use watchbook_evidence::{Hasher, hex};

/// Bytes of one read and one write.
const STEP_BYTES: usize = 1 << 20;
/// Bytes after which what was written goes to the disk: else it would lie in memory, and the progress would tell of memory.
const SYNC_BYTES: u64 = 8 << 20;
/// Largest file of a FAT file system.
const FAT_FILE_BYTES_MAX: u64 = 0xFFFF_FFFF;
/// Types of file systems with that limit: `MSDOS_SUPER_MAGIC` of `linux/magic.h`.
const FAT: fs::FsWord = 0x4D44;
/// What folders and directories take beside the files.
const SPARE_BYTES: u64 = 1 << 20;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Files are written.
    Writing,
    /// They are read again.
    Checking,
}

/// A directory that bundles are written into, held open: what is plugged in under its name later is another one.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    shown: String,
    /// Type of its file system, as the kernel numbers them.
    kind: fs::FsWord,
}

/// What is to be written, and how it is called.
pub struct Parcel<'a> {
    /// Of the folder while it is not whole; nobody else's.
    pub part: &'a str,
    /// Of the folder in the end.
    pub folder: &'a str,
    /// What was released.
    pub files: &'a [FileRow],
    /// An attempt before this one may have left something.
    pub resumed: bool,
}

/// Gives bytes of a file of the bundle: name, offset and length, at most 1 MiB.
pub type ReadFile<'a> = dyn FnMut(&str, u64, u64) -> Result<Vec<u8>> + 'a;
/// Is told of so many more bytes that are done. Its error ends the work: what lies there stays for the next attempt.
pub type Tell<'a> = dyn FnMut(Phase, u64) -> Result<()> + 'a;

fn errno(what: &str, shown: &str, errno: Errno) -> Error {
    let next = match errno {
        Errno::NOSPC | Errno::DQUOT => "it is full. Make room on it, or use another one",
        Errno::ROFS => "it cannot be written to. Move its switch, or use another one",
        Errno::ACCESS | Errno::PERM => "the recorder may not write there. An admin gives it the right",
        Errno::FBIG => "the file is too large for its file system. Use a disk with exFAT or ext4",
        Errno::IO | Errno::NODEV | Errno::NXIO | Errno::STALE | Errno::NOTCONN => {
            "it does not answer. Was it pulled out? Plug it in again and write once more; what lies on it is gone on with"
        }
        _ => "ask an admin to look at it",
    };
    let kind = match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Kind::Exhausted,
        _ => Kind::of_io(&errno.into()),
    };
    Error::new(kind, format!("{what} on {shown}: {}; {next}", std::io::Error::from(errno)))
}

fn io(what: &str, shown: &str, error: &std::io::Error) -> Error {
    match Errno::from_io_error(error) {
        Some(known) => errno(what, shown, known),
        None => Error::new(Kind::of_io(error), format!("{what} on {shown}: {error}")),
    }
}

impl Place {
    /// The directory `dir`, which people know as `shown`.
    ///
    /// # Errors
    /// When it is not there, or is none.
    pub fn open(dir: &Path, shown: &str) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened =
            fs::open(dir, flags, Mode::empty()).map_err(|error| errno("opening the directory", shown, error))?;
        let kind = fs::fstatfs(&opened).map_err(|error| errno("asking for its kind", shown, error))?.f_type;
        Ok(Self { dir: opened, shown: shown.to_owned(), kind })
    }

    /// The open directory, to be asked what it is.
    #[must_use]
    pub fn fd(&self) -> &OwnedFd {
        &self.dir
    }

    /// Bytes that can be written, and whether the file system takes any.
    ///
    /// # Errors
    /// When it does not say.
    pub fn room(&self) -> Result<(u64, bool)> {
        let stat = fs::fstatvfs(&self.dir).map_err(|error| errno("asking for room", &self.shown, error))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        Ok((free, !stat.f_flag.contains(fs::StatVfsMountFlags::RDONLY)))
    }

    /// Bytes that an attempt before left in the folder `part`; 0 where there is none.
    #[must_use]
    pub fn lies(&self, part: &str, files: &[FileRow]) -> u64 {
        let Ok(folder) = self.folder(part) else { return 0 };
        let len = |name: &str| fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_or(0, |stat| stat.st_size);
        let both = files.iter().map(|file| len(&file.name).max(len(&hidden(&file.name))));
        both.filter_map(|bytes| u64::try_from(bytes).ok()).sum()
    }

    /// Says whether these files fit, where `lies` bytes of them are there already.
    ///
    /// # Errors
    /// `Exhausted` when they do not, or one is too large for the file system; `Denied` when it takes none.
    pub fn check(&self, files: &[FileRow], lies: u64) -> Result<()> {
        let (free, writable) = self.room()?;
        let shown = &self.shown;
        if !writable {
            return Err(errno("writing", shown, Errno::ROFS));
        }
        self.check_lengths(files)?;
        let needed = files.iter().map(|file| file.bytes).sum::<u64>().saturating_sub(lies).saturating_add(SPARE_BYTES);
        if free < needed {
            let message = format!(
                "the bundle takes {} MiB, and {shown} has room for {}. Make room on it, or use another one",
                (needed >> 20) + 1,
                free >> 20
            );
            return Err(Error::new(Kind::Exhausted, message));
        }
        Ok(())
    }

    /// Bytes of the largest file that its file system can have, where that is less than a bundle may need.
    #[must_use]
    pub fn file_bytes_max(&self) -> Option<u64> {
        (self.kind == FAT).then_some(FAT_FILE_BYTES_MAX)
    }

    /// Says whether each of these files can be on it at all.
    fn check_lengths(&self, files: &[FileRow]) -> Result<()> {
        let most = self.file_bytes_max().unwrap_or(u64::MAX);
        let Some(large) = files.iter().find(|file| file.bytes > most) else { return Ok(()) };
        let message = format!(
            "{} has {} MiB, and {} has a file system (FAT) whose files have less than 4096. Use a disk with exFAT or ext4, or ask for less time",
            large.name,
            large.bytes >> 20,
            self.shown
        );
        Err(Error::new(Kind::Exhausted, message))
    }

    /// Writes the files, reads them again, and gives the folder its name. Durable when it returns.
    ///
    /// # Errors
    /// `Exhausted` when a file is too large for the file system, before a byte is written; `Conflict` when something of that name lies there, `Corrupt` when what was written does not read as what was released, what the disk, `read` and `tell` say.
    pub fn write(&self, parcel: &Parcel<'_>, read: &mut ReadFile<'_>, tell: &mut Tell<'_>) -> Result<()> {
        for name in parcel.files.iter().map(|file| file.name.as_str()).chain([parcel.part, parcel.folder]) {
            if !is_file_name(name) {
                return Err(Error::new(
                    Kind::Internal,
                    format!("writing a bundle: {name:?} is no name of a file in one"),
                ));
            }
        }
        // The disk of this name may be another one than when it was asked for.
        self.check_lengths(parcel.files)?;
        if self.has(&self.dir, parcel.folder)? {
            // The attempt before may have ended between the last name and the word that it is done.
            let is_ours = parcel.resumed && !self.has(&self.dir, parcel.part)?;
            let folder = if is_ours { self.folder(parcel.folder).ok() } else { None };
            let same = folder.is_some_and(|folder| self.compare(&folder, parcel.files, tell).is_ok());
            return if same { self.sync(&self.dir) } else { Err(self.taken(parcel.folder)) };
        }
        match fs::mkdirat(&self.dir, parcel.part, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) if parcel.resumed => {}
            made => made.map_err(|error| errno("making a folder", &self.shown, error))?,
        }
        let folder = self.folder(parcel.part)?;
        for file in parcel.files {
            self.file((&folder, parcel.resumed), file, read, tell)?;
        }
        self.sync(&folder)?;
        self.compare(&folder, parcel.files, tell)?;
        if self.has(&self.dir, parcel.folder)? {
            return Err(self.taken(parcel.folder));
        }
        // A directory takes the place of an empty one at most: no file is written over.
        fs::renameat(&self.dir, parcel.part, &self.dir, parcel.folder)
            .map_err(|error| errno("naming the folder", &self.shown, error))?;
        self.sync(&self.dir)
    }

    /// Removes what an attempt left that was not whole; what lies there else stays.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self, part: &str, files: &[FileRow]) -> Result<()> {
        let Ok(folder) = self.folder(part) else { return Ok(()) };
        for name in files.iter().flat_map(|file| [file.name.clone(), hidden(&file.name)]) {
            match fs::unlinkat(&folder, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(errno("deleting what is not whole", &self.shown, error)),
            }
        }
        fs::unlinkat(&self.dir, part, AtFlags::REMOVEDIR)
            .map_err(|error| errno("deleting what is not whole", &self.shown, error))?;
        self.sync(&self.dir)
    }

    fn taken(&self, folder: &str) -> Error {
        let message = format!(
            "writing a bundle on {}: there is {folder} already, and nothing is written over. Move it away, or use another disk",
            self.shown
        );
        Error::new(Kind::Conflict, message)
    }

    fn has(&self, dir: &OwnedFd, name: &str) -> Result<bool> {
        match fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(errno("looking for a folder", &self.shown, error)),
        }
    }

    fn folder(&self, name: &str) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(&self.dir, name, flags, Mode::empty())
            .map_err(|error| errno("opening the folder", &self.shown, error))
    }

    fn sync(&self, dir: &OwnedFd) -> Result<()> {
        match fs::fsync(dir) {
            // Some file systems of USB disks cannot sync a directory alone; the whole of it they can.
            Err(Errno::INVAL) => fs::syncfs(dir),
            synced => synced,
        }
        .map_err(|error| errno("syncing a folder", &self.shown, error))
    }

    /// Opens a file of the folder: never through a link, and nothing but a file.
    fn open_file(&self, folder: &OwnedFd, name: &str, flags: OFlags) -> Result<Option<File>> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        // Readable by others: it is for those whom the disk is given to.
        let file = match fs::openat(folder, name, flags, Mode::from_raw_mode(0o644)) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(errno(&format!("opening {name}"), &self.shown, error)),
        };
        let stat = fs::fstat(&file).map_err(|error| errno(&format!("opening {name}"), &self.shown, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::new(Kind::Corrupt, format!("opening {name} on {}: it is no file", self.shown)));
        }
        Ok(Some(File::from(file)))
    }

    /// Writes one file, unless an attempt before this one did.
    fn file(
        &self,
        (folder, resumed): (&OwnedFd, bool),
        row: &FileRow,
        read: &mut ReadFile<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        let (name, hidden) = (&row.name, hidden(&row.name));
        let what = format!("writing {name}");
        let failed = |error: std::io::Error| io(&what, &self.shown, &error);
        if let Some(there) = self.open_file(folder, name, OFlags::RDONLY)? {
            if resumed && self.digest((&there, &what), row, &mut |_| Ok(()))? {
                return tell(Phase::Writing, row.bytes);
            }
            // The folder is ours alone, by its random name. Proofs may have been made anew since.
            fs::unlinkat(folder, name, AtFlags::empty()).map_err(|error| errno(&what, &self.shown, error))?;
        }
        let file = self.open_file(folder, &hidden, OFlags::RDWR | OFlags::CREATE)?;
        let file = file.ok_or_else(|| errno(&what, &self.shown, Errno::NOENT))?;
        let mut there = file.metadata().map_err(failed)?.len().min(row.bytes);
        let (mut hash, mut at, mut unsynced) = (Hasher::default(), 0, 0);
        let mut old = vec![0; STEP_BYTES];
        while at < row.bytes {
            let len = (row.bytes - at).min(STEP_BYTES as u64);
            let bytes = read(name, at, len)?;
            if bytes.len() as u64 != len {
                return Err(altered_here(name));
            }
            hash.update(&bytes);
            let same = old
                .get_mut(..bytes.len())
                .is_some_and(|old| at + len <= there && file.read_exact_at(old, at).is_ok() && *old == *bytes);
            if !same {
                // From here on what lay there is written anew.
                there = 0;
                file.write_all_at(&bytes, at).map_err(failed)?;
                unsynced += len;
            }
            at += len;
            if unsynced >= SYNC_BYTES {
                file.sync_data().map_err(failed)?;
                unsynced = 0;
            }
            tell(Phase::Writing, len)?;
        }
        if hex(&hash.finish()) != row.sha256 {
            return Err(altered_here(name));
        }
        file.set_len(row.bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::renameat(folder, &hidden, folder, name).map_err(|error| errno(&what, &self.shown, error))
    }

    /// Whether a file has the length and the SHA-256 of its row.
    fn digest(
        &self,
        (file, what): (&File, &str),
        row: &FileRow,
        tell: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<bool> {
        let failed = |error: std::io::Error| io(what, &self.shown, &error);
        if file.metadata().map_err(failed)?.len() != row.bytes {
            return Ok(false);
        }
        let (mut hash, mut at) = (Hasher::default(), 0);
        let mut bytes = vec![0; STEP_BYTES];
        while at < row.bytes {
            let len = usize::try_from((row.bytes - at).min(STEP_BYTES as u64)).unwrap_or(STEP_BYTES);
            let part = bytes.get_mut(..len).unwrap_or_default();
            file.read_exact_at(part, at).map_err(failed)?;
            hash.update(part);
            at += len as u64;
            tell(len as u64)?;
        }
        Ok(hex(&hash.finish()) == row.sha256)
    }

    /// Reads every file again, from the disk and not from memory, and compares.
    fn compare(&self, folder: &OwnedFd, files: &[FileRow], tell: &mut Tell<'_>) -> Result<()> {
        for row in files {
            let what = format!("reading {} again", row.name);
            let wrong = || {
                let message = format!(
                    "{what} on {}: it is not what was written. Do not use this disk; use another one",
                    self.shown
                );
                Error::new(Kind::Corrupt, message)
            };
            let file = self.open_file(folder, &row.name, OFlags::RDONLY)?.ok_or_else(wrong)?;
            // What is synced can leave the cache; where the file system has no other place it stays.
            let _ = fs::fadvise(file.as_fd(), 0, None, fs::Advice::DontNeed);
            if !self.digest((&file, &what), row, &mut |len| tell(Phase::Checking, len))? {
                return Err(wrong());
            }
        }
        Ok(())
    }
}

fn hidden(name: &str) -> String {
    format!(".{name}")
}

fn altered_here(name: &str) -> Error {
    let message =
        format!("reading {name} of the bundle on this recorder: it is not what was released. Ask for the export anew");
    Error::new(Kind::Corrupt, message)
}

#[cfg(test)]
mod tests;
