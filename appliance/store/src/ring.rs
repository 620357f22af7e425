//! The directory: superblock and slots.

use crate::codec::narrow;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::format::{self, BLOCK_BYTES, Commit, DiskId, SegmentHeader, Superblock, segment_name, slot_of_name};
use crate::scan::SegmentReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use watchbook_base::fs::{File, Fs, LockGuard, OpenMode};
use watchbook_base::{Clock, Kind};

const SUPERBLOCK: &str = "superblock";
const SEGMENTS: &str = "segments";

/// Generation of each slot, shared with readers. 0: empty, or being reused.
pub(crate) struct Slots(Vec<AtomicU64>);

impl Slots {
    pub(crate) fn get(&self, slot: u32) -> u64 {
        self.cell(slot).map_or(0, |cell| cell.load(Ordering::SeqCst))
    }

    pub(crate) fn set(&self, slot: u32, generation: u64) {
        if let Some(cell) = self.cell(slot) {
            cell.store(generation, Ordering::SeqCst);
        }
    }

    fn cell(&self, slot: u32) -> Option<&AtomicU64> {
        self.0.get(narrow(u64::from(slot)).checked_sub(1)?)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        crate::codec::count(self.0.len())
    }

    /// Every slot with its generation.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, u64)> {
        (1..=self.count()).map(|slot| (slot, self.get(slot)))
    }
}

/// An opened ring directory.
pub(crate) struct Ring {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) superblock: Superblock,
    pub(crate) slots: Slots,
    /// Why the ring is smaller than configured, if it is.
    pub(crate) alarm: Option<String>,
    /// Slots whose file is there and could not be opened or made whole at start-up.
    pub(crate) unopened: Vec<u32>,
    _lock: LockGuard,
}

impl Ring {
    /// Opens the ring in `config.dir`, makes it when there is none, adds slots when the capacity has grown. Headers are not read yet.
    pub(crate) fn open(config: &Config, fs: Arc<dyn Fs>, clock: &dyn Clock) -> Result<Self> {
        config.check()?;
        let segments = config.dir.join(SEGMENTS);
        fs.create_dir(&segments).map_err(|error| Error::io(format!("making {}", segments.display()), error))?;
        let lock = lock(&*fs, &config.dir)?;
        let found = slots_in(&*fs, &segments)?;
        let superblock = match read_superblock(&*fs, &config.dir) {
            Ok(superblock) => superblock,
            Err(error) if found.is_empty() && error.kind == Kind::NotFound => {
                let superblock = Superblock {
                    disk: new_disk_id()?,
                    segment_bytes: config.new_segment_bytes()?,
                    created: clock.utc(),
                };
                write_superblock(&*fs, &config.dir, &superblock)?;
                superblock
            }
            Err(error) => {
                let superblock = salvage_superblock(&*fs, &segments, &found).ok_or(error)?;
                tracing::warn!(disk = %superblock.disk, "the superblock was damaged or missing; it is written again from a segment header");
                write_superblock(&*fs, &config.dir, &superblock)?;
                superblock
            }
        };
        let wanted = config.slots(superblock.segment_bytes)?;
        let highest = found.iter().copied().max().unwrap_or(0);
        let Allocated { count, alarm, unopened } =
            allocate_slots(&*fs, &segments, superblock.segment_bytes, (wanted, highest));
        if u64::from(count) < crate::config::SLOTS_MIN {
            return Err(Error::new(
                Kind::Exhausted,
                alarm.unwrap_or_else(|| "making the ring: too few segments".to_owned()),
            ));
        }
        let slots = Slots((0..count).map(|_| AtomicU64::new(0)).collect());
        Ok(Self { fs, dir: config.dir.clone(), superblock, slots, alarm, unopened, _lock: lock })
    }

    /// Opens an existing ring for checking: makes and changes nothing.
    pub(crate) fn open_existing(dir: &Path, fs: Arc<dyn Fs>) -> Result<Self> {
        let lock = lock(&*fs, dir)?;
        let segments = dir.join(SEGMENTS);
        let found = slots_in(&*fs, &segments)?;
        let superblock = match read_superblock(&*fs, dir) {
            Ok(superblock) => superblock,
            Err(error) => salvage_superblock(&*fs, &segments, &found).ok_or(error)?,
        };
        let count = found.iter().copied().max().unwrap_or(0);
        let slots = Slots((0..count).map(|_| AtomicU64::new(0)).collect());
        Ok(Self { fs, dir: dir.to_owned(), superblock, slots, alarm: None, unopened: Vec::new(), _lock: lock })
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
        let mut block = vec![0; narrow(BLOCK_BYTES)];
        if file.read_exact_at(&mut block, 0).is_ok()
            && let Some(header) = SegmentHeader::decode(&block)
        {
            return (header.disk == self.superblock.disk && header.slot == slot).then_some(header);
        }
        let reader = SegmentReader::new(file, &self.superblock, None);
        let (commit, _) = reader.commit_at(BLOCK_BYTES)?;
        Some(self.header_from(slot, &commit))
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

fn lock(fs: &dyn Fs, dir: &Path) -> Result<LockGuard> {
    fs.lock(&dir.join("lock")).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Error::new(
            Kind::Conflict,
            format!("opening the ring {}: another program has it open; stop the recorder first", dir.display()),
        ),
        _ => Error::io(format!("locking the ring {}", dir.display()), error),
    })
}

fn slots_in(fs: &dyn Fs, segments: &Path) -> Result<Vec<u32>> {
    let names = fs.list(segments).map_err(|error| Error::io(format!("listing {}", segments.display()), error))?;
    Ok(names.iter().filter_map(|name| slot_of_name(name)).collect())
}

fn new_disk_id() -> Result<DiskId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| Error::new(Kind::Io, format!("making a disk id: no random bytes: {error}")))?;
    Ok(DiskId(id))
}

fn read_superblock(fs: &dyn Fs, dir: &Path) -> Result<Superblock> {
    let path = dir.join(SUPERBLOCK);
    let wrong = |error| Error::io(format!("reading {}", path.display()), error);
    let file = fs.open(&path, OpenMode::Read).map_err(wrong)?;
    let mut block = vec![0; narrow(BLOCK_BYTES)];
    file.read_exact_at(&mut block, 0).map_err(wrong)?;
    Superblock::decode(&block)
}

/// FORMAT.md "Create", steps 2 to 4.
fn write_superblock(fs: &dyn Fs, dir: &Path, superblock: &Superblock) -> Result<()> {
    let (temporary, path) = (dir.join("superblock.new"), dir.join(SUPERBLOCK));
    let write = || -> std::io::Result<()> {
        match fs.remove(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = fs.open(&temporary, OpenMode::Create)?;
        file.write_all_at(&[&superblock.encode()], 0)?;
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

/// Left free on the file system for the index, the register and whoever else lives there: this much, or so many hundredths of it when that is more.
const RESERVE_BYTES: u64 = 1 << 30;
const RESERVE_PERCENT: u64 = 2;

/// Refuses a new slot that would take the file system below its reserve; the smallest ring is made all the same.
fn keep_reserve(fs: &dyn Fs, segments: &Path, segment_bytes: u64, slot: u32) -> std::io::Result<()> {
    if u64::from(slot) <= crate::config::SLOTS_MIN {
        return Ok(());
    }
    let space = fs.space(segments)?;
    let reserve = RESERVE_BYTES.max(space.total_bytes / 100 * RESERVE_PERCENT);
    match space.free_bytes.saturating_sub(segment_bytes) < reserve {
        true => Err(std::io::Error::new(
            std::io::ErrorKind::StorageFull,
            format!("{} bytes are free, and {reserve} stay so for other files", space.free_bytes),
        )),
        false => Ok(()),
    }
}

/// What [`allocate_slots`] made of the slots.
struct Allocated {
    count: u32,
    /// Why they are fewer than wanted.
    alarm: Option<String>,
    unopened: Vec<u32>,
}

/// Makes the missing slots up to `wanted`, or checks those up to `highest` when there are more.
fn allocate_slots(fs: &dyn Fs, segments: &Path, segment_bytes: u64, sizes: (u32, u32)) -> Allocated {
    let (wanted, highest) = sizes;
    let mut made = false;
    let mut alarm = None;
    let mut unopened = Vec::new();
    let mut count = wanted.max(highest);
    for slot in 1..=count {
        let path = segments.join(segment_name(slot));
        let room = if slot > highest { keep_reserve(fs, segments, segment_bytes, slot) } else { Ok(()) };
        match room.and_then(|()| allocate_slot(fs, &path, segment_bytes)) {
            Ok(new) => made |= new,
            // A file that was there and cannot be opened now is a damaged slot among good ones; a file that cannot be made is the end of the ring.
            Err(error) if slot <= highest => {
                tracing::error!(%error, segment = %path.display(), "a segment cannot be opened");
                unopened.push(slot);
            }
            Err(error) => {
                alarm = Some(format!(
                    "the ring has {} of {wanted} segments: making {} failed ({error}). Free space on this disk or lower capacity_bytes",
                    slot - 1,
                    path.display()
                ));
                count = slot - 1;
                break;
            }
        }
    }
    if made && let Err(error) = fs.sync_dir(segments) {
        alarm.get_or_insert(format!("the names of new segments could not be synced: {error}"));
    }
    Allocated { count, alarm, unopened }
}

/// True when the file was made or grown.
fn allocate_slot(fs: &dyn Fs, path: &Path, segment_bytes: u64) -> std::io::Result<bool> {
    let (file, new) = match fs.open(path, OpenMode::ReadWrite) {
        Ok(file) => (file, false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (fs.open(path, OpenMode::Create)?, true),
        Err(error) => return Err(error),
    };
    if !new && file.len()? >= segment_bytes {
        return Ok(false);
    }
    let reserve = || -> std::io::Result<()> {
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

/// Bytes of a ring with so many slots.
pub(crate) fn capacity_bytes(slots: &Slots, superblock: &Superblock) -> u64 {
    u64::from(slots.count()).saturating_mul(superblock.segment_bytes)
}
