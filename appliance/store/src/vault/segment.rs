//! Writing one segment of the vault: made when there is something to hold, grown commit by commit, read back after each.

use super::cells::Cells;
use super::dir::{VAULT_SEGMENT_BYTES_MAX, VaultDir};
use super::hold::HoldId;
use super::keys::HoldKeys;
use super::record::VaultRecord;
use crate::catalog::rows::Position;
use crate::codec::{align, narrow, wide};
use crate::error::{Error, Result};
use crate::format::{BLOCK_BYTES, Commit, PAYLOAD_ALIGN_BYTES, Record, Run, SegmentHeader};
use crate::kv::Batch;
use crate::scan::SegmentReader;
use std::collections::HashSet;
use std::sync::Arc;
use watchbook_base::fs::{File, OpenMode};
use watchbook_base::{Clock, Kind};
use watchbook_evidence::{Hash, sha256, sha256_of};
use watchbook_media::{RecordingId, RecordingStart};

/// Commits that one segment numbers: 2^24 of at least a block are 64 GiB.
const SEQ_BITS: u32 = 24;

/// Number of the first commit of a segment. Numbers are unique in the vault and follow each other inside a segment.
pub(crate) fn first_seq(slot: u32) -> u64 {
    u64::from(slot) << SEQ_BITS | 1
}

/// One piece of footage on its way into the vault: a run, sealed, and how its recording began.
pub(crate) struct Piece {
    pub(crate) run: Run,
    pub(crate) start: Arc<RecordingStart>,
    pub(crate) payload: Vec<u8>,
    /// A run of its stream before it is left out, so it begins a span.
    pub(crate) behind_hole: bool,
}

/// Whose segments these are, and what each must state.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) hold: HoldId,
    pub(crate) record: VaultRecord,
}

/// A segment that grows.
pub(crate) struct SegmentWriter {
    dir: Arc<VaultDir>,
    owner: Owner,
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    file: Box<dyn File>,
    at: Position,
    stated: HashSet<RecordingId>,
    cells: Cells,
}

impl SegmentWriter {
    /// FORMAT.md "Hold", step 3: the file, its header and its name, each durable before a commit is written.
    ///
    /// # Errors
    /// The operating system's; half a file is removed, if the disk lets it.
    pub(crate) fn create(
        dir: &Arc<VaultDir>,
        owner: Owner,
        place: (u32, u64),
        prev_hash: Hash,
        clock: &dyn Clock,
    ) -> Result<Self> {
        let (slot, generation) = place;
        let first_seq = first_seq(slot);
        let header = SegmentHeader {
            disk: dir.disk(),
            slot,
            generation,
            first_seq,
            prev_hash,
            utc: clock.utc(),
            next_recording: 0,
            next_event: 0,
        };
        let path = dir.ring.path(slot);
        let make = || -> std::io::Result<Box<dyn File>> {
            let file = dir.fs().open(&path, OpenMode::Create)?;
            file.allocate(BLOCK_BYTES)?;
            file.write_all_at(&[&header.encode()], 0)?;
            file.sync()?;
            dir.fs().sync_dir(&dir.segments_path())?;
            dir.fs().open(&path, OpenMode::Log)
        };
        let file = make().map_err(|error| {
            // Nothing is in it yet. If even this fails, whoever called counts it.
            let _ = dir.remove(slot);
            Error::io(format!("making segment {} of the vault", path.display()), error)
        })?;
        let at = Position { slot, generation, offset: BLOCK_BYTES, seq: first_seq, prev_hash };
        let cells = Cells::new(slot, generation, owner.hold);
        Ok(Self { dir: dir.clone(), owner, slot, generation, file, at, stated: HashSet::new(), cells })
    }

    /// True when it has no commit that counts.
    pub(crate) fn is_empty(&self) -> bool {
        self.at.offset == BLOCK_BYTES
    }

    /// True when the next commit belongs into another segment.
    pub(crate) fn is_full(&self) -> bool {
        self.at.offset >= VAULT_SEGMENT_BYTES_MAX
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.at.offset
    }

    /// Hash of the last commit.
    pub(crate) fn last_hash(&self) -> Hash {
        self.at.prev_hash
    }

    /// FORMAT.md "Hold", steps 4 and 5: one commit, its sync, and its bytes read back and compared; gives its rows. After an error this segment is not written again.
    ///
    /// # Errors
    /// The operating system's, and `Corrupt` when what was read back is not what was written.
    pub(crate) fn append(
        &mut self,
        pieces: &[Piece],
        records: Vec<VaultRecord>,
        keys: &dyn HoldKeys,
        clock: &dyn Clock,
    ) -> Result<Batch> {
        let mut commit = self.compose(pieces, records, clock);
        let meta = commit.encode();
        let failed = |what: &str, at: &Position, error| {
            Error::io(format!("{what} commit {} of segment {} of the vault", at.seq, at.slot), error)
        };
        self.write(&commit, &meta, pieces).map_err(|error| failed("writing", &self.at, error))?;
        self.read_back(&meta, keys)?;
        let hash = sha256(&meta);
        let bytes = commit.commit_len;
        let batch = self.cells.apply(commit, self.at, hash);
        self.stated.extend(pieces.iter().map(|piece| piece.run.recording));
        self.at.offset += bytes;
        self.at.seq += 1;
        self.at.prev_hash = hash;
        Ok(batch)
    }

    fn compose(&self, pieces: &[Piece], records: Vec<VaultRecord>, clock: &dyn Clock) -> Commit {
        let mut all: Vec<(u32, Record)> = Vec::new();
        if self.is_empty() {
            all.push((0, Record::Vault(self.owner.record.clone())));
        }
        all.extend(records.into_iter().map(|record| (0, Record::Vault(record))));
        let mut stated = HashSet::new();
        for piece in pieces {
            let recording = piece.run.recording;
            if !self.stated.contains(&recording) && stated.insert(recording) {
                all.push((0, Record::Start { recording, start: (*piece.start).clone(), restated: true }));
            }
        }
        Commit {
            seq: self.at.seq,
            generation: self.generation,
            disk: self.dir.disk(),
            prev_hash: self.at.prev_hash,
            commit_len: 0,
            utc: clock.utc(),
            mono: clock.mono(),
            sync: clock.sync_state(),
            next_recording: 0,
            next_event: 0,
            runs: pieces.iter().map(|piece| piece.run.clone()).collect(),
            records: all,
        }
    }

    fn write(&self, commit: &Commit, meta: &[u8], pieces: &[Piece]) -> std::io::Result<()> {
        let zeros = [0_u8; 4096];
        let meta_len = wide(meta.len());
        let front = narrow(align(meta_len, PAYLOAD_ALIGN_BYTES) - meta_len);
        let end =
            commit.runs.last().map_or(align(meta_len, PAYLOAD_ALIGN_BYTES), |run| run.payload_offset + run.payload_len);
        let back = narrow(commit.commit_len - end);
        let mut bufs: Vec<&[u8]> = vec![meta, zeros.get(..front).unwrap_or_default()];
        bufs.extend(pieces.iter().map(|piece| piece.payload.as_slice()));
        bufs.push(zeros.get(..back).unwrap_or_default());
        self.file.allocate(self.at.offset + commit.commit_len)?;
        self.file.write_all_at(&bufs, self.at.offset)?;
        self.file.sync()
    }

    /// The commit at the end is there, every payload has its checksum, opens with the hold's key, and has the digest that was made when it was recorded.
    fn read_back(&self, meta: &[u8], keys: &dyn HoldKeys) -> Result<()> {
        let bad = |what: &str| {
            Error::corrupt(format!(
                "reading commit {} of segment {} of the vault back: {what}; it is copied again elsewhere",
                self.at.seq, self.slot
            ))
        };
        let reader = self.dir.reader(self.slot, Some(self.generation))?;
        let (commit, hash) = reader.commit_at(self.at.offset).ok_or_else(|| bad("it does not check out"))?;
        if hash != sha256(meta) {
            return Err(bad("its metadata is not what was written"));
        }
        for run in &commit.runs {
            match wrong_with(&reader, self.at.offset, run, keys) {
                None => {}
                Some(Wrong::Checksum) => return Err(bad("a checksum does not match")),
                Some(Wrong::Digest) => return Err(bad("a digest does not match")),
                Some(Wrong::Unread(_)) => return Err(bad("a run cannot be read")),
                Some(Wrong::Sealed(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What is wrong with a run as it is stored.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// Its bytes are not those that were written, or not all of them are there.
    Checksum,
    /// It does not open with its key, or what it opens to is not what was recorded.
    Digest,
    /// The disk does not give it: that says nothing about what is there.
    Unread(Error),
    /// The keys do not tell.
    Sealed(Error),
}

/// Reads a run of the commit at `offset` back: its checksum, its tag, and the digest that was made when it was recorded.
pub(crate) fn wrong_with(reader: &SegmentReader, offset: u64, run: &Run, keys: &dyn HoldKeys) -> Option<Wrong> {
    match opened(reader, offset, run, keys) {
        Ok(payload) => (sha256_of(&[&run.table, &payload]) != run.sha256).then_some(Wrong::Digest),
        Err(wrong) => Some(wrong),
    }
}

/// The plain payload of a run of the commit at `offset`, when its checksum and its tag are right.
pub(crate) fn opened(
    reader: &SegmentReader,
    offset: u64,
    run: &Run,
    keys: &dyn HoldKeys,
) -> core::result::Result<Vec<u8>, Wrong> {
    let mut payload = reader.try_payload(offset, run).map_err(|error| match error.kind {
        Kind::Corrupt => Wrong::Checksum,
        _ => Wrong::Unread(error),
    })?;
    if crc32c::crc32c(&payload) != run.crc {
        return Err(Wrong::Checksum);
    }
    keys.open(run, &mut payload).map_err(|error| match error.kind {
        Kind::Corrupt => Wrong::Digest,
        _ => Wrong::Sealed(error),
    })?;
    Ok(payload)
}
