//! The directory: superblock and slots.

mod layout;
mod slots;

pub(crate) use layout::{add_slot, remove_slot, reserve_bytes};
pub(crate) use slots::Slots;

use crate::codec::{narrow, wide};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::format::{
    self, BLOCK_BYTES, Commit, DiskId, SUPERBLOCK_MAGIC, SegmentHeader, Superblock, segment_name, slot_of_name,
};
use crate::scan::SegmentReader;
use layout::{Laid, lay_out};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::fs::{File, Fs, LockGuard, OpenMode};
use watchbook_base::{Clock, Kind};

const SUPERBLOCK: &str = "superblock";
pub(crate) const SEGMENTS: &str = "segments";

/// An opened ring directory.
pub(crate) struct Ring {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) superblock: Superblock,
    pub(crate) slots: Slots,
    /// How many slots it should have.
    pub(crate) wanted: u32,
    /// Why the ring is smaller than configured, if it is.
    shrunk: Mutex<Option<String>>,
    /// Slots whose file is there and could not be opened or made whole at start-up.
    unopened: Vec<u32>,
    /// Slots whose header met a read error: they look empty and are not.
    unreadable: Mutex<BTreeSet<u32>>,
    lock: Mutex<Option<LockGuard>>,
}

impl Ring {
    /// Opens the ring in `config.dir`, makes it when there is none, adds slots when the capacity has grown. Headers are not read yet. With `expected` it
    /// must be that disk's, and nothing is made in a directory without it.
    pub(crate) fn open(config: &Config, fs: Arc<dyn Fs>, clock: &dyn Clock, expected: Option<DiskId>) -> Result<Self> {
        config.check()?;
        if let Some(expected) = expected {
            expect(identity(&*fs, &config.dir)?, expected, &config.dir)?;
        }
        let segments = config.dir.join(SEGMENTS);
        fs.create_dir(&segments).map_err(|error| Error::io(format!("making {}", segments.display()), error))?;
        let lock = lock(&*fs, &config.dir)?;
        let found = slots_in(&*fs, &segments)?;
        let superblock = match read_superblock(&*fs, &config.dir, SUPERBLOCK_MAGIC) {
            Ok(superblock) => superblock,
            Err(error) if found.is_empty() && error.kind == Kind::NotFound => {
                let superblock = Superblock {
                    disk: new_disk_id()?,
                    segment_bytes: config.new_segment_bytes()?,
                    created: clock.utc(),
                };
                write_superblock(&*fs, &config.dir, &superblock, SUPERBLOCK_MAGIC)?;
                superblock
            }
            Err(error) => {
                let superblock = salvage_superblock(&*fs, &segments, &found).ok_or(error)?;
                tracing::warn!(disk = %superblock.disk, "the superblock was damaged or missing; it is written again from a segment header");
                write_superblock(&*fs, &config.dir, &superblock, SUPERBLOCK_MAGIC)?;
                superblock
            }
        };
        // Once more, behind the lock: a disk may have been mounted meanwhile.
        expected.map_or(Ok(()), |expected| expect(Some(superblock.disk), expected, &config.dir))?;
        let wanted = config.slots(superblock.segment_bytes)?;
        let Laid { present, alarm, unopened } = lay_out(&*fs, &segments, superblock.segment_bytes, (wanted, found));
        if wide(present.len()) < crate::config::SLOTS_MIN {
            return Err(Error::new(
                Kind::Exhausted,
                alarm.unwrap_or_else(|| "making the ring: too few segments".to_owned()),
            ));
        }
        let slots = (Slots::new(wanted, &present), wanted);
        let ring = Self::of((fs, config.dir.clone(), superblock), slots, Some(lock));
        Ok(Self { shrunk: Mutex::new(alarm), unopened, ..ring })
    }

    /// Opens an existing ring for checking: makes and changes nothing.
    pub(crate) fn open_existing(dir: &Path, fs: Arc<dyn Fs>) -> Result<Self> {
        let lock = lock(&*fs, dir)?;
        let segments = dir.join(SEGMENTS);
        let found = slots_in(&*fs, &segments)?;
        let superblock = match read_superblock(&*fs, dir, SUPERBLOCK_MAGIC) {
            Ok(superblock) => superblock,
            Err(error) => salvage_superblock(&*fs, &segments, &found).ok_or(error)?,
        };
        let slots = (Slots::new(0, &found), crate::codec::count(found.len()));
        Ok(Self::of((fs, dir.to_owned(), superblock), slots, Some(lock)))
    }

    /// The ring of a disk that is not there, as its index has it: `generations` of the slots.
    pub(crate) fn absent(fs: Arc<dyn Fs>, disk: DiskId, generations: &[(u32, u64)]) -> Self {
        let present: Vec<u32> = generations.iter().map(|(slot, _)| *slot).collect();
        let slots = Slots::new(0, &present);
        generations.iter().for_each(|(slot, generation)| slots.set(*slot, *generation));
        let wanted = slots.count();
        let superblock = Superblock { disk, segment_bytes: 0, created: watchbook_base::UtcNanos(0) };
        Self::of((fs, PathBuf::new(), superblock), (slots, wanted), None)
    }

    /// Writes the superblock again, as it is: shows whether the disk can be written without touching footage.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn try_writing(&self) -> Result<()> {
        write_superblock(&*self.fs, &self.dir, &self.superblock, SUPERBLOCK_MAGIC)
    }

    /// Lets go of the lock, so that the directory can be opened anew. Nobody may write to this ring any more.
    pub(crate) fn unlock(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn shrunk(&self) -> MutexGuard<'_, Option<String>> {
        self.shrunk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the ring is smaller than configured, if it is.
    pub(crate) fn alarm(&self) -> Option<String> {
        self.shrunk().clone()
    }

    /// Says why the ring is smaller than configured, or that it is not any more.
    pub(crate) fn set_alarm(&self, alarm: Option<String>) {
        *self.shrunk() = alarm;
    }

    /// Where the segment files are.
    pub(crate) fn segments(&self) -> PathBuf {
        self.dir.join(SEGMENTS)
    }

    /// The segments of a vault, which come and go. `of`: file system, directory and superblock.
    pub(crate) fn of_vault(of: (Arc<dyn Fs>, PathBuf, Superblock), slots_max: u32, lock: LockGuard) -> Self {
        Self::of(of, (Slots::new(slots_max, &[]), 0), Some(lock))
    }

    /// A ring of which nothing is wrong. `slots`: with how many there should be.
    fn of(of: (Arc<dyn Fs>, PathBuf, Superblock), slots: (Slots, u32), lock: Option<LockGuard>) -> Self {
        let (fs, dir, superblock) = of;
        let (slots, wanted) = slots;
        let (shrunk, unopened, unreadable) = (Mutex::default(), Vec::new(), Mutex::default());
        Self { fs, dir, superblock, slots, wanted, shrunk, unopened, unreadable, lock: Mutex::new(lock) }
    }

    pub(crate) fn path(&self, slot: u32) -> PathBuf {
        self.dir.join(SEGMENTS).join(segment_name(slot))
    }

    pub(crate) fn open_slot(&self, slot: u32, mode: OpenMode) -> Result<Box<dyn File>> {
        let path = self.path(slot);
        self.fs.open(&path, mode).map_err(|error| Error::io(format!("opening segment {}", path.display()), error))
    }

    /// The header of a slot. When the block is damaged, what can be told from the first commit; `None` when the slot holds nothing of this ring.
    pub(crate) fn header(&self, slot: u32) -> Option<SegmentHeader> {
        let file = self.open_slot(slot, OpenMode::Read).ok()?;
        // A header whose sync failed may be in the system's memory and not on the disk: nobody may go on writing behind it.
        file.forget(0, BLOCK_BYTES);
        let mut block = vec![0; narrow(BLOCK_BYTES)];
        let read = file.read_exact_at(&mut block, 0);
        if let Some(header) = read.as_ref().ok().and_then(|()| SegmentHeader::decode(&block)) {
            return (header.disk == self.superblock.disk && header.slot == slot).then_some(header);
        }
        let reader = SegmentReader::new(file, &self.superblock, None);
        let commit = reader.commit_at(BLOCK_BYTES);
        if let (Err(error), None) = (&read, &commit) {
            tracing::error!(%error, slot, "a segment's header cannot be read; the segment is reused after all others");
            self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(slot);
        }
        Some(self.header_from(slot, &commit?.0))
    }

    /// Slots that may hold footage and cannot be written or read as they should: all others are reused before them.
    pub(crate) fn doubtful(&self) -> BTreeSet<u32> {
        let unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        unreadable.into_iter().chain(self.unopened.iter().copied()).collect()
    }

    fn header_from(&self, slot: u32, commit: &Commit) -> SegmentHeader {
        SegmentHeader {
            disk: self.superblock.disk,
            slot,
            generation: commit.generation,
            first_seq: commit.seq,
            prev_hash: commit.prev_hash,
            utc: commit.utc,
            next_recording: commit.next_recording,
            next_event: commit.next_event,
        }
    }

    /// A reader of the commits of `slot`, which must be of `generation`.
    pub(crate) fn reader(&self, slot: u32, generation: u64) -> Result<SegmentReader> {
        Ok(SegmentReader::new(self.open_slot(slot, OpenMode::Read)?, &self.superblock, Some(generation)))
    }
}

/// Whose ring is in `dir`; `None` when there is none.
///
/// # Errors
/// When there is one that cannot be read, or the directory cannot.
pub(crate) fn identity(fs: &dyn Fs, dir: &Path) -> Result<Option<DiskId>> {
    let error = match read_superblock(fs, dir, SUPERBLOCK_MAGIC) {
        Ok(superblock) => return Ok(Some(superblock.disk)),
        Err(error) => error,
    };
    let segments = dir.join(SEGMENTS);
    let found = match fs.list(&segments) {
        Ok(names) => names.iter().filter_map(|name| slot_of_name(name)).collect::<Vec<u32>>(),
        Err(listed) if listed.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(listed) => return Err(Error::io(format!("listing {}", segments.display()), listed)),
    };
    match salvage_superblock(fs, &segments, &found) {
        Some(superblock) => Ok(Some(superblock.disk)),
        None if error.kind == Kind::NotFound && found.is_empty() => Ok(None),
        None => Err(error),
    }
}

fn expect(found: Option<DiskId>, expected: DiskId, dir: &Path) -> Result<()> {
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(Error::new(
            Kind::Conflict,
            format!("opening the ring {}: it is {found}, and {expected} belongs there", dir.display()),
        )),
        None => Err(Error::new(
            Kind::NotFound,
            format!("opening the ring {}: there is none, and {expected} belongs there; mount its disk", dir.display()),
        )),
    }
}

pub(crate) fn lock(fs: &dyn Fs, dir: &Path) -> Result<LockGuard> {
    fs.lock(&dir.join("lock")).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Error::new(
            Kind::Conflict,
            format!("opening the ring {}: another program has it open; stop the recorder first", dir.display()),
        ),
        _ => Error::io(format!("locking the ring {}", dir.display()), error),
    })
}

pub(crate) fn slots_in(fs: &dyn Fs, segments: &Path) -> Result<Vec<u32>> {
    let names = fs.list(segments).map_err(|error| Error::io(format!("listing {}", segments.display()), error))?;
    Ok(names.iter().filter_map(|name| slot_of_name(name)).collect())
}

pub(crate) fn new_disk_id() -> Result<DiskId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| Error::new(Kind::Io, format!("making a disk id: no random bytes: {error}")))?;
    Ok(DiskId(id))
}

pub(crate) fn read_superblock(fs: &dyn Fs, dir: &Path, magic: [u8; 8]) -> Result<Superblock> {
    let path = dir.join(SUPERBLOCK);
    let wrong = |error| Error::io(format!("reading {}", path.display()), error);
    let file = fs.open(&path, OpenMode::Read).map_err(wrong)?;
    let mut block = vec![0; narrow(BLOCK_BYTES)];
    file.read_exact_at(&mut block, 0).map_err(wrong)?;
    Superblock::decode(&block, magic)
}

/// FORMAT.md "Create", steps 2 to 4.
pub(crate) fn write_superblock(fs: &dyn Fs, dir: &Path, superblock: &Superblock, magic: [u8; 8]) -> Result<()> {
    let (temporary, path) = (dir.join("superblock.new"), dir.join(SUPERBLOCK));
    let write = || -> std::io::Result<()> {
        match fs.remove(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = fs.open(&temporary, OpenMode::Create)?;
        file.write_all_at(&[&superblock.encode(magic)], 0)?;
        file.sync()?;
        fs.rename(&temporary, &path)?;
        fs.sync_dir(dir)
    };
    write().map_err(|error| Error::io(format!("writing {}", path.display()), error))
}

/// Identity and segment size as the first readable segment has them.
fn salvage_superblock(fs: &dyn Fs, segments: &Path, slots: &[u32]) -> Option<Superblock> {
    slots.iter().find_map(|slot| {
        let file = fs.open(&segments.join(segment_name(*slot)), OpenMode::Read).ok()?;
        let mut block = vec![0; narrow(BLOCK_BYTES)];
        file.read_exact_at(&mut block, 0).ok()?;
        let header = SegmentHeader::decode(&block)?;
        let segment_bytes = file.len().ok()?;
        let possible = (format::SEGMENT_BYTES_MIN..=format::SEGMENT_BYTES_MAX).contains(&segment_bytes);
        possible.then_some(Superblock { disk: header.disk, segment_bytes, created: header.utc })
    })
}

/// Bytes of a ring with so many slots.
pub(crate) fn capacity_bytes(slots: &Slots, superblock: &Superblock) -> u64 {
    u64::from(slots.count()).saturating_mul(superblock.segment_bytes)
}
