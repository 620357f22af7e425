//! Files, narrowed to what a log needs: preallocated files, positioned gathering writes, syncs in their place. [`RealFs`] is the operating
//! system's; [`sim::SimFs`] loses what was not synced.

pub mod sim;

use rustix::fs::{Advice, FallocateFlags, FlockOperation, Mode, OFlags};
use std::any::Any;
use std::fs::File as StdFile;
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Buffers that one `pwritev(2)` takes (`IOV_MAX` of Linux).
const BUFFERS_PER_WRITE_MAX: usize = 1024;
/// Alignment that direct writes need of offset, length and memory: the largest logical block in use.
const DIRECT_ALIGN_BYTES: usize = 4096;
/// Gathered before a direct write goes out: long enough that a disk streams, short enough to stay resident.
const DIRECT_BUFFER_BYTES: usize = 4 << 20;

/// How [`Fs::open`] opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// An existing file, for long aligned writes that nobody reads back soon: they go past the page cache where the file system can.
    Log,
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

    /// Lets the system forget its copies of these bytes in memory, so that the next read asks the disk. A hint: it may do nothing, and what was written
    /// and not synced stays.
    fn forget(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

struct RealFile {
    file: StdFile,
    /// The same file, opened `O_DIRECT`, and the memory that its writes are gathered in.
    direct: Option<(StdFile, Mutex<Vec<u8>>)>,
}

impl Fs for RealFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let flags = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::ReadWrite | OpenMode::Log => OFlags::RDWR,
            OpenMode::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let open = |flags| rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR);
        let file = open(flags)?.into();
        // Not every file system has direct writes; those without take them through the page cache.
        let direct = (mode == OpenMode::Log).then(|| open(OFlags::WRONLY | OFlags::DIRECT).ok()).flatten();
        Ok(Box::new(RealFile { file, direct: direct.map(|file| (file.into(), Mutex::default())) }))
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
        Ok(self.file.metadata()?.len())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            // A file system without fallocate: the length at least; its writes may then meet a full disk.
            Err(rustix::io::Errno::OPNOTSUPP) => self.file.set_len(len),
            other => other.map_err(io::Error::from),
        }
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        let aligned = len.is_multiple_of(DIRECT_ALIGN_BYTES)
            && usize::try_from(offset).is_ok_and(|offset| offset.is_multiple_of(DIRECT_ALIGN_BYTES));
        match &self.direct {
            Some((file, buffer)) if aligned => {
                let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
                write_direct(file, &mut buffer, bufs, offset)
            }
            _ => write_gathered(&self.file, bufs, offset),
        }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn forget(&self, offset: u64, len: u64) {
        // A length of 0 would mean the rest of the file. That the hint is not taken is no error.
        if let Some(len) = NonZeroU64::new(len) {
            let _ = rustix::fs::fadvise(&self.file, offset, Some(len), Advice::DontNeed);
        }
    }
}

/// Straight from the buffers' memory: one `pwritev(2)` for every [`BUFFERS_PER_WRITE_MAX`] of them.
fn write_gathered(file: &StdFile, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
    write_pieces(bufs, offset, |slices, offset| rustix::io::pwritev(file, slices, offset))
}

/// Gives `write` the buffers with the offset of the first one, and again what it did not take, until all is written.
fn write_pieces(
    bufs: &[&[u8]],
    mut offset: u64,
    mut write: impl FnMut(&[IoSlice<'_>], u64) -> rustix::io::Result<usize>,
) -> io::Result<()> {
    for chunk in bufs.chunks(BUFFERS_PER_WRITE_MAX) {
        let mut slices: Vec<IoSlice<'_>> =
            chunk.iter().filter(|buf| !buf.is_empty()).map(|buf| IoSlice::new(buf)).collect();
        let mut left: &mut [IoSlice<'_>] = &mut slices;
        while !left.is_empty() {
            let written = match write(left, offset) {
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

/// Gathers into aligned memory, and from there to the disk without a copy in the page cache. The total length is aligned, so every piece is.
fn write_direct(file: &StdFile, buffer: &mut Vec<u8>, bufs: &[&[u8]], mut offset: u64) -> io::Result<()> {
    buffer.resize(DIRECT_BUFFER_BYTES + DIRECT_ALIGN_BYTES, 0);
    let start = buffer.as_ptr().align_offset(DIRECT_ALIGN_BYTES);
    let Some(room) = buffer.get_mut(start..start.saturating_add(DIRECT_BUFFER_BYTES)) else {
        return Err(io::Error::other("no aligned memory"));
    };
    let mut filled = 0;
    for buf in bufs {
        let mut rest = *buf;
        while !rest.is_empty() {
            let (_, free) = room.split_at_mut(filled);
            let (piece, tail) = rest.split_at(rest.len().min(free.len()));
            if let Some(free) = free.get_mut(..piece.len()) {
                free.copy_from_slice(piece);
            }
            filled += piece.len();
            rest = tail;
            if filled == room.len() {
                file.write_all_at(room, offset)?;
                offset = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
                filled = 0;
            }
        }
    }
    let (last, _) = room.split_at(filled);
    file.write_all_at(last, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_and_gathered_writes_put_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let len = 3 * DIRECT_BUFFER_BYTES / 2;
        RealFs.open(&path, OpenMode::Create).unwrap().allocate(u64::try_from(len).unwrap() + 8192).unwrap();
        let log = RealFs.open(&path, OpenMode::Log).unwrap();
        let bytes: Vec<u8> = (0..len).map(|at| (at % 253) as u8).collect();
        let (a, rest) = bytes.split_at(77);
        let (b, c) = rest.split_at(5_000_001);
        log.write_all_at(&[a, &[], b, c], 4096).unwrap();
        log.write_all_at(&[b"odd"], 1).unwrap();
        log.sync().unwrap();
        let mut got = vec![0; len + 4096];
        log.read_exact_at(&mut got, 0).unwrap();
        assert_eq!(&got[..5], b"\0odd\0");
        assert!(got[4096..] == bytes);
    }

    #[test]
    fn what_a_short_write_leaves_is_written_behind_it() {
        let pieces: Vec<Vec<u8>> = (0..2500_usize).map(|at| vec![(at % 251) as u8; at % 5]).collect();
        let bufs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let want = pieces.concat();
        for taken_max in [1, 3, 7, 1000, usize::MAX] {
            let (mut file, mut calls) = (vec![0xFF; 100], 0);
            let written = write_pieces(&bufs, 100, |slices, offset| {
                calls += 1;
                if calls % 3 == 0 {
                    return Err(rustix::io::Errno::INTR);
                }
                assert!(slices.len() <= BUFFERS_PER_WRITE_MAX && offset == file.len() as u64, "behind the last byte");
                let given: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(taken_max).collect();
                file.extend(&given);
                Ok(given.len())
            });
            assert!(written.is_ok() && file[100..] == want, "{taken_max} bytes at most were taken at once");
        }
        let full = write_pieces(&bufs, 0, |_, offset| if offset < 10 { Ok(5) } else { Ok(0) });
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::WriteZero);
        let refused = write_pieces(&bufs, 0, |_, offset| if offset < 10 { Ok(5) } else { Err(rustix::io::Errno::IO) });
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EIO));
    }

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
        file.forget(0, 10_000);
        fs.open(&path, OpenMode::Read).unwrap().read_exact_at(&mut got, 2999).unwrap();
        assert!(got == want, "what is forgotten is read again");
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
