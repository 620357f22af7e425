//! Reading commits back from a segment file, past damage.

use crate::catalog::rows::Position;
use crate::codec::{narrow, wide};
use crate::error::{Error, Result};
use crate::format::commit::extent;
use crate::format::{
    BLOCK_BYTES, COMMIT_BYTES_MAX, COMMIT_HEADER_BYTES, COMMIT_MAGIC, Commit, DiskId, Run, SegmentHeader, Superblock,
};
use std::sync::{Mutex, PoisonError};
use watchbook_base::fs::File;
use watchbook_evidence::{Hash, sha256};

/// Read at once while looking for the next commit behind damage.
const SEARCH_BYTES: u64 = 1 << 20;
/// First read of a commit: header and most of the metadata of a commit of 64 streams.
const FIRST_READ_BYTES: u64 = 16 << 10;
/// The smallest piece that a disk writes whole.
const SECTOR_BYTES: u64 = 512;
/// A shorter end of a run may be zeros by chance.
const BLANK_BYTES_MIN: usize = 8;

/// The commits of one segment file.
pub(crate) struct SegmentReader {
    file: Box<dyn File>,
    segment_bytes: u64,
    disk: DiskId,
    /// `None` takes any.
    generation: Option<u64>,
    /// The first read that the disk refused.
    refused: Mutex<Option<std::io::Error>>,
}

/// A stretch of a segment that holds no commit though it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File number.
    pub slot: u32,
    /// First bad byte in the file.
    pub from: u64,
    /// First good byte behind it.
    pub to: u64,
    /// First commit that is missing.
    pub seq_from: u64,
    /// First commit that is there again.
    pub seq_to: u64,
}

impl SegmentReader {
    pub(crate) fn new(file: Box<dyn File>, superblock: &Superblock, generation: Option<u64>) -> Self {
        // A vault's segments are as long as what is in them.
        let len = file.len().unwrap_or(superblock.segment_bytes);
        let segment_bytes = superblock.segment_bytes.min(len);
        Self { segment_bytes, file, disk: superblock.disk, generation, refused: Mutex::default() }
    }

    /// The commit at `offset` and the hash of its metadata, when header, directory, records and tables check out.
    pub(crate) fn commit_at(&self, offset: u64) -> Option<(Commit, Hash)> {
        let room = self.segment_bytes.checked_sub(offset)?;
        let mut meta = self.read(offset, FIRST_READ_BYTES.min(room))?;
        let extent = extent(&meta)?;
        if extent.commit_len > room {
            return None;
        }
        if extent.meta_len > wide(meta.len()) {
            meta = self.read(offset, extent.meta_len)?;
        }
        meta.truncate(narrow(extent.meta_len));
        let commit = Commit::decode(&meta)?;
        let ours = commit.disk == self.disk && self.generation.is_none_or(|generation| generation == commit.generation);
        ours.then(|| (commit, sha256(&meta)))
    }

    fn try_read(&self, offset: u64, len: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; narrow(len)];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn read(&self, offset: u64, len: u64) -> Option<Vec<u8>> {
        match self.try_read(offset, len) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::warn!(%error, offset, len, "a part of a segment cannot be read");
                // The end of the file is no refusal: nothing is there.
                if error.kind() != std::io::ErrorKind::UnexpectedEof {
                    self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
                None
            }
        }
    }

    /// The first read since the last call that the disk refused: what was not found may be there nevertheless.
    pub(crate) fn take_refused(&self) -> Option<Error> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map(|error| Error::io("reading a segment", error))
    }

    /// The stored payload of `run` in the commit at `offset`.
    pub(crate) fn payload(&self, offset: u64, run: &Run) -> Option<Vec<u8>> {
        self.read(offset + run.payload_offset, run.payload_len)
    }

    /// The stored payload of `run` in the commit at `offset`.
    ///
    /// # Errors
    /// `Corrupt` when the file ends before it; else the disk refused, and another try may succeed.
    pub(crate) fn try_payload(&self, offset: u64, run: &Run) -> Result<Vec<u8>> {
        self.try_read(offset + run.payload_offset, run.payload_len).map_err(|error| {
            Error::io(format!("reading {} bytes at {}", run.payload_len, offset + run.payload_offset), error)
        })
    }

    /// True when no commit was ever written whole at `offset`: what never arrived reads as zeros.
    pub(crate) fn is_unfinished(&self, offset: u64) -> bool {
        let room = self.segment_bytes.saturating_sub(offset);
        if room < wide(COMMIT_HEADER_BYTES) {
            return true;
        }
        let Some(head) = self.read(offset, SECTOR_BYTES.min(room)) else { return false };
        if has_blank_sector(&head, offset) {
            return true;
        }
        let meta = extent(&head).and_then(|extent| self.read(offset, extent.meta_len.min(room)));
        meta.is_some_and(|meta| has_blank_sector(&meta, offset))
    }

    /// The next read of anything in the file asks the disk.
    pub(crate) fn forget_all(&self) {
        self.file.forget(0, self.segment_bytes);
    }

    /// The next read of these bytes asks the disk.
    pub(crate) fn forget(&self, offset: u64, len: u64) {
        self.file.forget(offset, len);
    }

    /// `len` bytes of the file.
    pub(crate) fn bytes(&self, offset: u64, len: u64) -> Option<Vec<u8>> {
        self.read(offset, len)
    }

    /// True when the commit at `offset` and every payload of it are on the disk: what a failed sync has left in the system's memory alone does not count.
    pub(crate) fn payloads_are_right(&self, offset: u64, commit: &Commit) -> bool {
        self.file.forget(offset, commit.commit_len);
        self.commit_at(offset).is_some_and(|(again, _)| again.seq == commit.seq)
            && commit
                .runs
                .iter()
                .all(|run| self.payload(offset, run).is_some_and(|bytes| crc32c::crc32c(&bytes) == run.crc))
    }

    /// The first commit at a block boundary from `from` on, up to `until`, whose number is at least `seq`.
    fn search(&self, from: u64, until: u64, seq: u64) -> Option<(u64, Commit, Hash)> {
        let until = until.min(self.segment_bytes);
        let mut window = from;
        while window < until {
            let Some(bytes) = self.read(window, SEARCH_BYTES.min(until - window)) else {
                window += SEARCH_BYTES;
                continue;
            };
            for (index, block) in bytes.chunks(narrow(BLOCK_BYTES)).enumerate() {
                if !block.starts_with(&COMMIT_MAGIC) || block.len() < COMMIT_HEADER_BYTES {
                    continue;
                }
                let offset = window + wide(index) * BLOCK_BYTES;
                if let Some((commit, hash)) = self.commit_at(offset).filter(|(commit, _)| commit.seq >= seq) {
                    return Some((offset, commit, hash));
                }
            }
            window += SEARCH_BYTES;
        }
        None
    }

    /// The first good commit at `at` or behind it, with its offset and the hash of its metadata; `void_from` as in [`SegmentReader::scan`].
    pub(crate) fn next(&self, at: Position, void_from: Option<u64>) -> Option<(u64, Commit, Hash)> {
        let counts = |commit: &Commit| void_from.is_none_or(|void| commit.seq < void);
        if at.offset >= self.segment_bytes || void_from.is_some_and(|void| at.seq >= void) {
            return None;
        }
        let here = self.commit_at(at.offset).filter(|(commit, _)| commit.seq >= at.seq && counts(commit));
        here.map(|(commit, hash)| (at.offset, commit, hash)).or_else(|| {
            // A damaged commit is at most so long; behind the end of the log nothing of this generation follows.
            let until = at.offset.saturating_add(COMMIT_BYTES_MAX + 2 * BLOCK_BYTES);
            self.search(at.offset + BLOCK_BYTES, until, at.seq + 1).filter(|(_, commit, _)| counts(commit))
        })
    }

    /// The first commit that checks out and begins in the first `within` bytes, with its place.
    pub(crate) fn first_commit(&self, within: u64) -> Option<(u64, Commit)> {
        self.search(BLOCK_BYTES, within, 0).map(|(offset, commit, _)| (offset, commit))
    }

    /// Shows every commit from `start` on to `visit`, going on behind damage. `void_from`: the next generation's first commit; none of that number or later
    /// counts here. Returns the place behind the last good commit, and the damage passed.
    pub(crate) fn scan(
        &self,
        start: Position,
        void_from: Option<u64>,
        visit: &mut dyn FnMut(Position, Commit, Hash),
    ) -> (Position, Vec<Damage>) {
        self.scan_while(start, void_from, &mut |at, commit, hash| {
            visit(at, commit, hash);
            true
        })
    }

    /// [`SegmentReader::scan`] until `visit` returns false.
    pub(crate) fn scan_while(
        &self,
        start: Position,
        void_from: Option<u64>,
        visit: &mut dyn FnMut(Position, Commit, Hash) -> bool,
    ) -> (Position, Vec<Damage>) {
        let mut at = start;
        let mut damage = Vec::new();
        while let Some((offset, commit, hash)) = self.next(at, void_from) {
            if commit.seq != at.seq || commit.prev_hash != at.prev_hash {
                damage.push(Damage {
                    slot: at.slot,
                    from: at.offset,
                    to: offset,
                    seq_from: at.seq,
                    seq_to: commit.seq,
                });
            }
            let next = Position { offset: offset + commit.commit_len, seq: commit.seq + 1, prev_hash: hash, ..at };
            let here = Position { offset, seq: commit.seq, prev_hash: commit.prev_hash, ..at };
            at = next;
            if !visit(here, commit, hash) {
                break;
            }
        }
        (at, damage)
    }
}

/// True when a sector of `bytes`, which lie at `offset` of a file, was never written, as a power cut leaves it.
pub(crate) fn has_blank_sector(bytes: &[u8], offset: u64) -> bool {
    let first = narrow((SECTOR_BYTES - offset % SECTOR_BYTES) % SECTOR_BYTES).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    let mut pieces = std::iter::once(head).chain(rest.chunks(narrow(SECTOR_BYTES)));
    pieces.any(|piece| piece.len() >= BLANK_BYTES_MIN && piece.iter().all(|byte| *byte == 0))
}

/// Where the commits of a segment begin.
pub(crate) fn first_position(header: &SegmentHeader) -> Position {
    Position {
        slot: header.slot,
        generation: header.generation,
        offset: BLOCK_BYTES,
        seq: header.first_seq,
        prev_hash: header.prev_hash,
    }
}
