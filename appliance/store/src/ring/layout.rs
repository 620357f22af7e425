//! Making and removing segment files.

use crate::codec::wide;
use crate::config::SLOTS_MIN;
use crate::format::segment_name;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use watchbook_base::fs::{Fs, OpenMode, Space};

/// Left free on the file system for the index, the register and whoever else lives there: this much, or so many hundredths of it when that is more.
const RESERVE_BYTES: u64 = 1 << 30;
const RESERVE_PERCENT: u64 = 2;

/// What the ring leaves free on a file system of this size.
pub(crate) fn reserve_bytes(space: Space) -> u64 {
    RESERVE_BYTES.max(space.total_bytes / 100 * RESERVE_PERCENT)
}

/// Refuses a new slot that would take the file system below its reserve.
fn keep_reserve(fs: &dyn Fs, segments: &Path, segment_bytes: u64) -> io::Result<()> {
    let space = fs.space(segments)?;
    let reserve = reserve_bytes(space);
    match space.free_bytes.saturating_sub(segment_bytes) < reserve {
        true => Err(io::Error::new(
            io::ErrorKind::StorageFull,
            format!("{} bytes are free, and {reserve} stay so for other files", space.free_bytes),
        )),
        false => Ok(()),
    }
}

/// What [`lay_out`] made of the slots.
pub(super) struct Laid {
    /// Numbers of those that have files.
    pub(super) present: Vec<u32>,
    /// Why they are fewer than wanted.
    pub(super) alarm: Option<String>,
    pub(super) unopened: Vec<u32>,
}

/// Checks the slots that were found and makes what is missing of the number wanted, the lowest numbers first. The smallest ring is made whatever the reserve.
pub(super) fn lay_out(fs: &dyn Fs, segments: &Path, segment_bytes: u64, sizes: (u32, Vec<u32>)) -> Laid {
    let (wanted, mut present) = sizes;
    let mut made = false;
    let mut alarm = None;
    let mut unopened = Vec::new();
    for slot in &present {
        let path = segments.join(segment_name(*slot));
        match allocate_slot(fs, &path, segment_bytes) {
            Ok(new) => made |= new,
            // A file that was there and cannot be opened now is a damaged slot among good ones.
            Err(error) => {
                tracing::error!(%error, segment = %path.display(), "a segment cannot be opened");
                unopened.push(*slot);
            }
        }
    }
    let found: BTreeSet<u32> = present.iter().copied().collect();
    for slot in (1..=u32::MAX).filter(|slot| !found.contains(slot)) {
        if present.len() >= crate::codec::narrow(u64::from(wanted)) {
            break;
        }
        let path = segments.join(segment_name(slot));
        let smallest = wide(present.len()) < SLOTS_MIN;
        let room = if smallest { Ok(()) } else { keep_reserve(fs, segments, segment_bytes) };
        match room.and_then(|()| allocate_slot(fs, &path, segment_bytes)) {
            Ok(new) => {
                made |= new;
                present.push(slot);
            }
            Err(error) => {
                alarm = Some(format!(
                    "the ring has {} of {wanted} segments: making {} failed ({error}). Free space on this disk or lower capacity_bytes",
                    present.len(),
                    path.display()
                ));
                break;
            }
        }
    }
    if made && let Err(error) = fs.sync_dir(segments) {
        alarm.get_or_insert(format!("the names of new segments could not be synced: {error}"));
    }
    present.sort_unstable();
    Laid { present, alarm, unopened }
}

/// True when the file was made or grown.
fn allocate_slot(fs: &dyn Fs, path: &Path, segment_bytes: u64) -> io::Result<bool> {
    let (file, new) = match fs.open(path, OpenMode::ReadWrite) {
        Ok(file) => (file, false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (fs.open(path, OpenMode::Create)?, true),
        Err(error) => return Err(error),
    };
    if !new && file.len()? >= segment_bytes {
        return Ok(false);
    }
    let reserve = || -> io::Result<()> {
        file.allocate(segment_bytes)?;
        file.sync()
    };
    reserve().inspect_err(|_| {
        if new {
            // Half a segment is of no use, and its blocks may be what the disk lacks. If even this fails, the next start tries again.
            let _ = fs.remove(path);
        }
    })?;
    Ok(true)
}

/// FORMAT.md "Grow": one more segment file, durable when this returns.
///
/// # Errors
/// `StorageFull` when the reserve would suffer; what the operating system says.
pub(crate) fn add_slot(fs: &dyn Fs, segments: &Path, segment_bytes: u64, slot: u32) -> io::Result<()> {
    keep_reserve(fs, segments, segment_bytes)?;
    allocate_slot(fs, &segments.join(segment_name(slot)), segment_bytes)?;
    fs.sync_dir(segments)
}

/// FORMAT.md "Shrink", steps 2 and 3.
///
/// # Errors
/// What the operating system says; then the file may still be there.
pub(crate) fn remove_slot(fs: &dyn Fs, segments: &Path, slot: u32) -> io::Result<()> {
    match fs.remove(&segments.join(segment_name(slot))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs.sync_dir(segments)
}
