//! What the disk itself does: long writes in sequence past the page cache, the measure for everything that the store does.

use crate::Result;
use crate::error::Attempt;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::path::Path;
use std::time::Instant;

/// One write.
const WRITE_BYTES: usize = 4 << 20;
/// Alignment of direct writes.
const ALIGN_BYTES: usize = 4096;

/// Bytes a second.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Into blocks that are reserved and were never written.
    pub first: f64,
    /// Over what was written before: what a ring does all its life.
    pub again: f64,
}

/// Writes a file of `bytes` in `dir` twice, with one sync at the end of each, and removes it.
///
/// # Errors
/// The file system has no direct writes, or no room.
pub fn sequential(dir: &Path, bytes: u64) -> Result<Rate> {
    let path = dir.join("sequential");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::DIRECT;
    let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).attempt("making a file for direct writes")?;
    let measured = (|| {
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes).attempt("reserving a file")?;
        rustix::fs::fsync(&file).attempt("syncing a file")?;
        let pass = || -> Result<f64> {
            let buffer = vec![0x5A_u8; WRITE_BYTES + ALIGN_BYTES];
            let skip = buffer.as_ptr().align_offset(ALIGN_BYTES);
            let aligned = buffer.get(skip..skip + WRITE_BYTES).attempt("aligning a buffer")?;
            let started = Instant::now();
            let mut offset = 0;
            while offset < bytes {
                offset += rustix::io::pwrite(&file, aligned, offset).attempt("writing a file")? as u64;
            }
            rustix::fs::fdatasync(&file).attempt("syncing a file")?;
            Ok(offset as f64 / started.elapsed().as_secs_f64())
        };
        Ok(Rate { first: pass()?, again: pass()? })
    })();
    std::fs::remove_file(&path).attempt("removing a file")?;
    measured
}
