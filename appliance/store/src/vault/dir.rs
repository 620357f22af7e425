//! The vault's directory: superblock, segments of any length, and no preallocated file.

use crate::catalog::rows::Position;
use crate::codec::narrow;
use crate::error::{Error, Result};
use crate::format::{
    BLOCK_BYTES, COMMIT_BYTES_MAX, Commit, DiskId, SEGMENT_BYTES_MAX, SegmentHeader, Superblock, VAULT_MAGIC,
    segment_name,
};
use crate::ring::{self, Ring};
use crate::scan::{Damage, SegmentReader, first_position};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use watchbook_base::fs::{Fs, OpenMode};
use watchbook_base::{Clock, Kind};
use watchbook_evidence::Hash;

/// Segments of a vault at once: 16 TiB in files of [`VAULT_SEGMENT_BYTES_MAX`]. Their generations are kept in memory, 8 B each.
pub(crate) const VAULT_SLOTS_MAX: u32 = 1 << 16;
/// A segment is closed behind this many bytes: small enough that a damaged header concerns little, large enough that a terabyte makes 4,096 files.
pub(crate) const VAULT_SEGMENT_BYTES_MAX: u64 = 256 << 20;

/// The log of holds.
pub(crate) const LOG: &str = "log";

/// What a segment file is.
pub(crate) enum SlotFile {
    /// A segment of this vault.
    Segment(SegmentHeader),
    /// It was being made when the power went: nothing in it was ever held.
    Unfinished,
    /// It was whole once, and is not what was written.
    Damaged(&'static str),
}

/// An opened vault directory. Segments are those of a [`Ring`], whose reader serves them.
pub(crate) struct VaultDir {
    pub(crate) ring: Arc<Ring>,
}

impl VaultDir {
    /// Opens the vault in `dir`. Makes one when there is none and `known` does not say that there must be.
    ///
    /// # Errors
    /// `Conflict` when another program has it open or another vault is there than is known, `Unavailable` when the known one is not there.
    pub(crate) fn open(dir: &Path, known: Option<DiskId>, fs: Arc<dyn Fs>, clock: &dyn Clock) -> Result<Self> {
        let away = |error: Error| match known {
            Some(known) => Error::new(
                Kind::Unavailable,
                format!(
                    "opening the vault {}: the vault {known} is not there ({error}); mount its disk",
                    dir.display()
                ),
            ),
            None => error,
        };
        if known.is_some() {
            ring::read_superblock(&*fs, dir, VAULT_MAGIC).map_err(away)?;
        }
        let segments = dir.join(ring::SEGMENTS);
        fs.create_dir(&segments).map_err(|error| Error::io(format!("making {}", segments.display()), error))?;
        let lock = ring::lock(&*fs, dir)?;
        let superblock = match ring::read_superblock(&*fs, dir, VAULT_MAGIC) {
            Ok(superblock) => superblock,
            Err(error) if error.kind == Kind::NotFound && ring::slots_in(&*fs, &segments)?.is_empty() => {
                let superblock =
                    Superblock { disk: ring::new_disk_id()?, segment_bytes: SEGMENT_BYTES_MAX, created: clock.utc() };
                ring::write_superblock(&*fs, dir, &superblock, VAULT_MAGIC)?;
                superblock
            }
            Err(error) => {
                let superblock = salvage(&*fs, &segments).ok_or(error)?;
                tracing::warn!(vault = %superblock.disk, "the vault's superblock was damaged or missing; it is written again from a segment header");
                ring::write_superblock(&*fs, dir, &superblock, VAULT_MAGIC)?;
                superblock
            }
        };
        if let Some(known) = known.filter(|known| *known != superblock.disk) {
            return Err(Error::new(
                Kind::Conflict,
                format!("opening the vault {}: {} is there and {known} is expected", dir.display(), superblock.disk),
            ));
        }
        let ring = Ring::of_vault((fs, dir.to_owned(), superblock), VAULT_SLOTS_MAX, lock);
        Ok(Self { ring: Arc::new(ring) })
    }

    /// Opens an existing vault for checking: makes and changes nothing.
    ///
    /// # Errors
    /// `Conflict` when the recorder has it open, `NotFound` when there is none.
    pub(crate) fn open_existing(dir: &Path, fs: Arc<dyn Fs>) -> Result<Self> {
        let lock = ring::lock(&*fs, dir)?;
        let superblock = ring::read_superblock(&*fs, dir, VAULT_MAGIC)
            .or_else(|error| salvage(&*fs, &dir.join(ring::SEGMENTS)).ok_or(error))?;
        let ring = Ring::of_vault((fs, dir.to_owned(), superblock), VAULT_SLOTS_MAX, lock);
        Ok(Self { ring: Arc::new(ring) })
    }

    pub(crate) fn disk(&self) -> DiskId {
        self.ring.superblock.disk
    }

    pub(crate) fn fs(&self) -> &dyn Fs {
        &*self.ring.fs
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.ring.dir.join(LOG)
    }

    pub(crate) fn segments_path(&self) -> PathBuf {
        self.ring.dir.join(ring::SEGMENTS)
    }

    /// Numbers of the segment files.
    pub(crate) fn slots(&self) -> Result<Vec<u32>> {
        ring::slots_in(self.fs(), &self.segments_path())
    }

    /// Bytes of a segment file.
    pub(crate) fn len(&self, slot: u32) -> Result<u64> {
        let file = self.ring.open_slot(slot, OpenMode::Read)?;
        file.len().map_err(|error| Error::io(format!("looking at {}", self.ring.path(slot).display()), error))
    }

    /// The commits of a segment of `generation`, or of any.
    pub(crate) fn reader(&self, slot: u32, generation: Option<u64>) -> Result<SegmentReader> {
        self.reader_of(&self.ring.path(slot), generation)
    }

    /// The commits of any file of the vault.
    pub(crate) fn reader_of(&self, path: &Path, generation: Option<u64>) -> Result<SegmentReader> {
        let failed = |error| Error::io(format!("opening {}", path.display()), error);
        let file = self.fs().open(path, OpenMode::Read).map_err(failed)?;
        let segment_bytes = file.len().map_err(failed)?;
        let superblock = Superblock { segment_bytes, ..self.ring.superblock };
        Ok(SegmentReader::new(file, &superblock, generation))
    }

    /// What the file of a segment is, by its header, or by what its first commit that checks out says.
    ///
    /// # Errors
    /// When the disk does not give what would tell: it says nothing about what is there.
    pub(crate) fn look(&self, slot: u32) -> Result<SlotFile> {
        let path = self.ring.path(slot);
        let failed = |error| Error::io(format!("reading {}", path.display()), error);
        let file = self.fs().open(&path, OpenMode::Read).map_err(failed)?;
        let mut block = vec![0; narrow(BLOCK_BYTES)];
        let refused = match file.read_exact_at(&mut block, 0) {
            Ok(()) => None,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(failed(error)),
        };
        if let Some(header) = SegmentHeader::decode(&block).filter(|_| refused.is_none()) {
            return Ok(match header.disk == self.disk() && header.slot == slot {
                true => SlotFile::Segment(header),
                false => SlotFile::Damaged("it is of another vault, or of another place in this one"),
            });
        }
        let reader = self.reader(slot, None)?;
        if let Some((_, commit)) = reader.first_commit(COMMIT_BYTES_MAX + 2 * BLOCK_BYTES) {
            return Ok(SlotFile::Segment(header_from(self.disk(), slot, &commit)));
        }
        let unfinished = reader.is_unfinished(BLOCK_BYTES);
        match refused.or_else(|| reader.take_refused()) {
            Some(error) => Err(error),
            None if unfinished => Ok(SlotFile::Unfinished),
            None => Ok(SlotFile::Damaged("nothing in it checks out")),
        }
    }

    /// Shows every commit of a segment to `visit`, with its place and hash. Gives the damage passed, and the first read that the disk refused.
    pub(crate) fn scan(
        &self,
        header: &SegmentHeader,
        visit: &mut dyn FnMut(Position, Commit, Hash),
    ) -> (Vec<Damage>, Option<Error>) {
        match self.reader(header.slot, Some(header.generation)) {
            Ok(reader) => {
                let (_, damage) = reader.scan(first_position(header), None, visit);
                (damage, reader.take_refused())
            }
            Err(error) => (Vec::new(), Some(error)),
        }
    }

    /// FORMAT.md "Release", step 4, for one file; the caller syncs the directory.
    pub(crate) fn remove(&self, slot: u32) -> Result<()> {
        let path = self.ring.path(slot);
        match self.fs().remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("removing {}", path.display()), error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn sync_segments(&self) -> Result<()> {
        let path = self.segments_path();
        self.fs().sync_dir(&path).map_err(|error| Error::io(format!("syncing {}", path.display()), error))
    }

    /// What may be written before the file system is down to the reserve that every ring on it leaves free.
    pub(crate) fn room_bytes(&self) -> Result<u64> {
        let space = self
            .fs()
            .space(&self.ring.dir)
            .map_err(|error| Error::io(format!("asking for the room at {}", self.ring.dir.display()), error))?;
        Ok(space.free_bytes.saturating_sub(ring::reserve_bytes(space)))
    }
}

/// The header of a segment as a commit in it tells it.
fn header_from(disk: DiskId, slot: u32, commit: &Commit) -> SegmentHeader {
    SegmentHeader {
        disk,
        slot,
        generation: commit.generation,
        first_seq: super::segment::first_seq(slot),
        prev_hash: commit.prev_hash,
        utc: commit.utc,
        next_recording: commit.next_recording,
        next_event: commit.next_event,
    }
}

/// The header in the first block of the file at `path`.
fn header_at(fs: &dyn Fs, path: &Path) -> Option<SegmentHeader> {
    let file = fs.open(path, OpenMode::Read).ok()?;
    let mut block = vec![0; narrow(BLOCK_BYTES)];
    file.read_exact_at(&mut block, 0).ok()?;
    SegmentHeader::decode(&block)
}

/// Identity as the first readable segment has it.
fn salvage(fs: &dyn Fs, segments: &Path) -> Option<Superblock> {
    let slots = ring::slots_in(fs, segments).ok()?;
    slots.iter().find_map(|slot| {
        let header = header_at(fs, &segments.join(segment_name(*slot)))?;
        Some(Superblock { disk: header.disk, segment_bytes: SEGMENT_BYTES_MAX, created: header.utc })
    })
}
