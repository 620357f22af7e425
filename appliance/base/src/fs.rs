//! Files, narrowed to what a log needs: preallocated files, positioned gathering writes, syncs in their place. [`RealFs`] is the operating
//! system's; [`sim::SimFs`] loses what was not synced.

pub mod sim;

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use std::any::Any;
use std::fs::File as StdFile;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Buffers that one `pwritev(2)` takes (`IOV_MAX` of Linux).
const BUFFERS_PER_WRITE_MAX: usize = 1024;

/// How [`Fs::open`] opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A new file, for reading and writing; an error when the name is taken. The name is durable only after [`Fs::sync_dir`].
    Create,
}

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What an unprivileged process may still allocate.
    pub free_bytes: u64,
}

/// Keeps a lock until dropped.
pub type LockGuard = Box<dyn Any + Send + Sync>;

/// A file system.
pub trait Fs: Send + Sync + 'static {
    /// Makes `dir` and its missing parents.
    ///
    /// # Errors
    /// The operating system's.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Opens a file.
    ///
    /// # Errors
    /// The operating system's; `NotFound` and `AlreadyExists` as [`OpenMode`] says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;

    /// Names of the entries of `dir`, sorted.
    ///
    /// # Errors
    /// The operating system's.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Renames a file over another or to a new name in the same directory.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in `dir` durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Room on the file system that holds `dir`.
    ///
    /// # Errors
    /// The operating system's.
    fn space(&self, dir: &Path) -> io::Result<Space>;

    /// Takes the exclusive lock of the file at `path`, made when missing, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<LockGuard>;
}

/// An open file. All methods take positions; there is no cursor, so threads may share it.
#[expect(clippy::len_without_is_empty, reason = "an empty file means nothing special here")]
pub trait File: Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn len(&self) -> io::Result<u64>;

    /// Makes the file at least `len` bytes long with all blocks reserved; what was not written reads as zero.
    ///
    /// # Errors
    /// `StorageFull` when the blocks are not there.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bufs`, one behind the other, from `offset` on. After an error any part of it may have been written.
    ///
    /// # Errors
    /// The operating system's.
    fn write_all_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()>;

    /// Makes contents and length durable (`fdatasync(2)`). After an error nobody may rely on any byte written since the last good sync, and a
    /// second call proves nothing: the kernel reports a failed write-back once and forgets it.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&self) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

struct RealFile(StdFile);

impl Fs for RealFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let flags = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::ReadWrite => OFlags::RDWR,
            OpenMode::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let file = rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR)?;
        Ok(Box::new(RealFile(file.into())))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        StdFile::open(dir)?.sync_all()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(Space {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }
}

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            // A file system without fallocate: the length at least; its writes may then meet a full disk.
            Err(rustix::io::Errno::OPNOTSUPP) => self.0.set_len(len),
            other => other.map_err(io::Error::from),
        }
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, bufs: &[&[u8]], mut offset: u64) -> io::Result<()> {
        for chunk in bufs.chunks(BUFFERS_PER_WRITE_MAX) {
            let mut slices: Vec<IoSlice<'_>> =
                chunk.iter().filter(|buf| !buf.is_empty()).map(|buf| IoSlice::new(buf)).collect();
            let mut left: &mut [IoSlice<'_>] = &mut slices;
            while !left.is_empty() {
                let written = match rustix::io::pwritev(&self.0, left, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => written,
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                IoSlice::advance_slices(&mut left, written);
                offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both file systems must do alike.
    fn behaves(fs: &dyn Fs, root: &Path) {
        let dir = root.join("a/b");
        fs.create_dir(&dir).unwrap();
        let path = dir.join("x");
        assert_eq!(fs.open(&path, OpenMode::Read).err().unwrap().kind(), io::ErrorKind::NotFound);
        let file = fs.open(&path, OpenMode::Create).unwrap();
        assert_eq!(fs.open(&path, OpenMode::Create).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        file.allocate(10_000).unwrap();
        let many: Vec<Vec<u8>> = (0..3000_u32).map(|i| vec![(i % 251) as u8; (i % 3) as usize]).collect();
        let bufs: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        file.write_all_at(&bufs, 5000).unwrap();
        file.sync().unwrap();
        fs.sync_dir(&dir).unwrap();
        let mut got = vec![1; 5001];
        fs.open(&path, OpenMode::Read).unwrap().read_exact_at(&mut got, 2999).unwrap();
        let mut want = vec![0; 2001];
        want.extend(many.concat());
        want.resize(5001, 0);
        assert!(got == want, "3000 buffers arrive in order behind zeros");
        let end = file.read_exact_at(&mut [0; 2], file.len().unwrap() - 1).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        fs.rename(&path, &dir.join("y")).unwrap();
        assert_eq!(fs.list(&dir).unwrap(), ["y"]);
        fs.remove(&dir.join("y")).unwrap();
        assert!(fs.list(&dir).unwrap().is_empty() && fs.space(&dir).unwrap().total_bytes > 0);
    }

    #[test]
    fn the_real_and_the_simulated_file_system_behave_alike() {
        let dir = tempfile::tempdir().unwrap();
        behaves(&RealFs, dir.path());
        behaves(&sim::SimFs::new(1), Path::new("/ring"));
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = RealFs.lock(&path).unwrap();
        assert_eq!(RealFs.lock(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert!(RealFs.lock(&path).is_ok());
    }
}
