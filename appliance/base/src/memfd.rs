//! Sealed memory files: how access units and pictures cross a process border. The sender writes and seals; after that neither side can change or cut
//! the bytes, so the receiver may check once and read at leisure. Plain `pread`, no mapping: a hostile peer cannot raise `SIGBUS`.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

fn seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL
}

/// A new memory file that holds exactly `bytes` for ever. `name` shows in `/proc/PID/fd` only.
///
/// # Errors
/// The operating system's, when memory or descriptors run out.
pub fn seal(name: &str, bytes: &[u8]) -> Result<OwnedFd> {
    let file = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all_at(bytes, 0)?;
    fcntl_add_seals(&file, seals())?;
    Ok(file.into())
}

/// The length of a received memory file, after checking that it is sealed and holds at most `bytes_max`.
///
/// # Errors
/// [`ErrorKind::InvalidData`] when it is not a sealed memory file or too large.
pub fn check(file: BorrowedFd<'_>, bytes_max: usize) -> Result<usize> {
    let bad = |sentence: String| Error::new(ErrorKind::InvalidData, sentence);
    // F_GET_SEALS fails with EINVAL on anything that is not a memory file.
    let found = fcntl_get_seals(file).map_err(|errno| bad(format!("not a memory file: {errno}")))?;
    if !found.contains(seals()) {
        return Err(bad("the memory file is not sealed".to_owned()));
    }
    let size = rustix::fs::fstat(file)?.st_size;
    match usize::try_from(size) {
        Ok(length) if length <= bytes_max => Ok(length),
        _ => Err(bad(format!("the memory file has {size} bytes; at most {bytes_max} are expected"))),
    }
}

/// All bytes of a received memory file of at most `bytes_max`.
///
/// # Errors
/// As [`check`].
pub fn read(file: BorrowedFd<'_>, bytes_max: usize) -> Result<Vec<u8>> {
    let length = check(file, bytes_max)?;
    // Not zeroed first: at the size of a picture that is a quarter of the cost.
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let offset = bytes.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(bytes)
}

/// Fills `bytes` from `offset` of a memory file.
///
/// # Errors
/// [`ErrorKind::UnexpectedEof`] when the file ends before that.
pub fn read_at(file: BorrowedFd<'_>, bytes: &mut [u8], offset: u64) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pread(file, &mut bytes[done..], offset + done as u64) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => done += length,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn sealed_bytes_come_back_and_cannot_be_changed() {
        let file = seal("test", b"0123456789").unwrap();
        assert_eq!(read(file.as_fd(), 10).unwrap(), b"0123456789");
        let mut part = [0; 3];
        read_at(file.as_fd(), &mut part, 4).unwrap();
        assert_eq!(&part, b"456");
        let file = File::from(file);
        assert!(file.write_all_at(b"x", 0).is_err());
        assert!(file.set_len(5).is_err() && file.set_len(20).is_err());
        assert_eq!(read_at(file.as_fd(), &mut part, 8).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn unsealed_foreign_and_oversize_files_are_refused() {
        let open = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        let disk = tempfile::tempfile().unwrap();
        for file in [open.as_fd(), disk.as_fd()] {
            assert_eq!(check(file, 100).unwrap_err().kind(), ErrorKind::InvalidData);
        }
        let sealed = seal("test", b"12345").unwrap();
        assert_eq!(check(sealed.as_fd(), 5).unwrap(), 5);
        assert!(check(sealed.as_fd(), 4).unwrap_err().to_string().contains("5 bytes"));
    }
}
