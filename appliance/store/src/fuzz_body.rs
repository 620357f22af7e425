//! What must hold for any bytes of a disk. Checksums are made right here, so that a search gets behind them: who changes a disk can do that, too. Run here on a corpus and in `tests/fuzz` by
//! libFuzzer; it panics when a promise is broken.

use crate::catalog::rows::Position;
use crate::codec::narrow;
use crate::config::Config;
use crate::disk::{Wanted, recover_disk};
use crate::format::{
    BLOCK_BYTES, COMMIT_BYTES_MAX, COMMIT_HEADER_BYTES, COMMIT_MAGIC, Commit, DiskId, FORMAT_VERSION, HEADER_BYTES,
    META_BYTES_MAX, NUMBER_MAX, Record, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_MAGIC, SUPERBLOCK_MAGIC,
    SegmentHeader, Superblock, VAULT_MAGIC, segment_name,
};
use crate::keys::fuzz_body::key_file;
use crate::kv::Kv;
use crate::kv::model::ModelKv;
use crate::ring::SEGMENTS;
use crate::scan::SegmentReader;
use crate::store::Deps;
use std::io;
use std::sync::Arc;
use watchbook_base::UtcNanos;
use watchbook_base::clock::SimClock;
use watchbook_base::fs::sim::SimFs;
use watchbook_base::fs::{File, Fs, OpenMode};
use watchbook_media::sample_table::decode_run;

/// Where a commit names its disk, and the length of its metadata: `FORMAT.md`, "Commit".
const DISK_AT: usize = 32;
const META_LEN_AT: usize = 88;
const DISK: DiskId = DiskId([7; 16]);

/// `bytes` begin with `magic` and the version, and the checksum at `at` is right: what is read next depends on what is behind.
pub(crate) fn seal(bytes: &mut [u8], magic: [u8; 8], at: usize) {
    if let Some(head) = bytes.first_chunk_mut::<12>() {
        let version = FORMAT_VERSION.to_le_bytes();
        head.iter_mut().zip(magic.iter().chain(&version)).for_each(|(to, from)| *to = *from);
    }
    let Some((head, rest)) = bytes.split_at_mut_checked(at) else { return };
    let Some((crc, rest)) = rest.split_first_chunk_mut::<4>() else { return };
    let computed = match magic {
        COMMIT_MAGIC => crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]), rest),
        _ => crc32c::crc32c(head),
    };
    *crc = computed.to_le_bytes();
}

/// [`seal`] for a commit that is as long as `bytes`.
fn seal_commit(bytes: &mut [u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    bytes.iter_mut().skip(META_LEN_AT).zip(len).for_each(|(to, from)| *to = from);
    seal(bytes, COMMIT_MAGIC, COMMIT_HEADER_BYTES - 4);
}

/// A commit: what is read is written and read again as the same; what it says of lengths is possible.
pub fn commit(data: &[u8]) {
    let mut meta = data.to_vec();
    seal_commit(&mut meta);
    let Some(commit) = Commit::decode(&meta) else { return };
    assert!(commit.commit_len.is_multiple_of(BLOCK_BYTES) && commit.commit_len <= COMMIT_BYTES_MAX);
    for run in &commit.runs {
        assert!(run.payload_offset + run.payload_len <= commit.commit_len, "a payload lies in its commit");
        assert!(run.plain_len() <= run.payload_len && run.table.len() <= data.len());
        // Tables are read when they are needed; what cannot be read is a damaged run.
        drop(decode_run(&run.table));
    }
    assert!(commit.records.len() <= data.len());
    let mut again = commit.clone();
    // Of a record that is not understood there is the type alone.
    let understood = !commit.records.iter().any(|(_, record)| matches!(record, Record::Unknown(_)));
    if understood
        && commit.meta_len() <= META_BYTES_MAX
        && commit.runs.iter().map(|run| run.payload_len).sum::<u64>() < COMMIT_BYTES_MAX / 2
    {
        let written = again.encode();
        let read = Commit::decode(&written);
        assert_eq!(read.as_ref(), Some(&again), "what is written is read");
        assert_eq!((again.records, again.runs.len()), (commit.records, commit.runs.len()));
    }
}

/// Superblocks of rings and vaults, heads of segments and key files: one spelling, sizes within bounds.
pub fn headers(data: &[u8]) {
    let block = |magic| {
        let mut block = data.to_vec();
        block.resize(narrow(BLOCK_BYTES), 0);
        block.iter_mut().skip(HEADER_BYTES).for_each(|byte| *byte = 0);
        seal(&mut block, magic, HEADER_BYTES - 4);
        block
    };
    for magic in [SUPERBLOCK_MAGIC, VAULT_MAGIC] {
        if let Ok(read) = Superblock::decode(&block(magic), magic) {
            assert!((SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&read.segment_bytes));
            assert_eq!(Superblock::decode(&read.encode(magic), magic).ok(), Some(read));
        }
        drop(Superblock::decode(data, magic));
    }
    if let Some(read) = SegmentHeader::decode(&block(SEGMENT_MAGIC)) {
        assert_eq!(SegmentHeader::decode(&read.encode()), Some(read));
    }
    assert!(SegmentHeader::decode(data).is_none() || data.len() >= HEADER_BYTES);
    key_file(data);
}

/// A segment behind its first block: pieces behind their lengths, each from a block on, each with the sums and the disk of a commit.
fn blocks_of(mut data: &[u8], disk: DiskId) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((len, behind)) = data.split_first_chunk::<2>() {
        let (piece, behind) = behind.split_at(usize::from(u16::from_le_bytes(*len)).min(behind.len()));
        let mut piece = piece.to_vec();
        piece.iter_mut().skip(DISK_AT).zip(disk.0).for_each(|(to, from)| *to = from);
        seal_commit(&mut piece);
        bytes.extend_from_slice(&piece);
        bytes.resize(bytes.len().next_multiple_of(narrow(BLOCK_BYTES)), 0);
        data = behind;
    }
    bytes
}

/// A ring whose first segment holds what is in the input: a recorder starts on it, with the index that it made, too, or says why it cannot.
pub fn start(data: &[u8]) {
    let Some((choice, pieces)) = data.split_first() else { return };
    let (fs, kv) = (SimFs::new(1), ModelKv::new());
    let clock = SimClock::new(UtcNanos(1_800_000_000_000_000_000));
    let config = Config { segment_bytes: Some(SEGMENT_BYTES_MIN), ..Config::new("/ring", 4 * SEGMENT_BYTES_MIN) };
    let index: Arc<dyn Kv> = Arc::new(kv);
    let deps = Deps {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(clock),
        index: Arc::new({
            let index = index.clone();
            move |_| Ok(index.clone())
        }),
        keys: None,
        register: None,
    };
    let recover = || recover_disk(&config, &deps, &|_| Ok(index.clone()), Wanted::default()).map(|disk| disk.disk());
    let disk = recover().expect("a new ring is made");
    let first_seq = if choice & 1 == 0 { 1 } else { u64::MAX };
    let (prev_hash, utc) = ([0; 32], UtcNanos(1));
    let header =
        SegmentHeader { disk, slot: 1, generation: 1, first_seq, prev_hash, utc, next_recording: 1, next_event: 1 };
    let bytes = [header.encode(), blocks_of(pieces, disk)].concat();
    let file = fs.open(&config.dir.join(SEGMENTS).join(segment_name(1)), OpenMode::ReadWrite);
    let written = file.and_then(|file| file.write_all_at(&[&bytes], 0));
    written.expect("the ring has four segments");
    let (first, again) = (recover(), recover());
    for start in [&first, &again] {
        assert!(start.as_ref().err().is_none_or(|error| !error.message.is_empty()));
    }
    assert_eq!(first.ok(), again.ok(), "what starts once starts again");
}

/// The first byte says where the scan begins, then comes what [`blocks_of`] reads. The scan comes to an end, in order, within the file.
pub fn segment(data: &[u8]) {
    let Some((start, pieces)) = data.split_first() else { return };
    let bytes = [vec![0; narrow(BLOCK_BYTES)], blocks_of(pieces, DISK)].concat();
    let blocks = bytes.len() as u64 / BLOCK_BYTES;
    let superblock = Superblock { disk: DISK, segment_bytes: SEGMENT_BYTES_MIN, created: UtcNanos(0) };
    let reader = SegmentReader::new(Box::new(Memory(bytes)), &superblock, None);
    let seq = if start & 1 == 0 { 1 } else { NUMBER_MAX };
    let at = Position { slot: 1, generation: 1, offset: BLOCK_BYTES, seq, prev_hash: [0; 32] };
    let void_from = (start & 2 != 0).then_some(9);
    let mut seen: Vec<Position> = Vec::new();
    let (end, damage) = reader.scan(at, void_from, &mut |at, commit, _| {
        for run in &commit.runs {
            drop(reader.payload(at.offset, run));
        }
        reader.payloads_are_right(at.offset, &commit);
        seen.push(at);
    });
    assert!(seen.len() as u64 <= blocks && damage.len() <= seen.len());
    assert!(seen.is_sorted_by(|one, next| one.offset < next.offset && one.seq < next.seq), "the log goes on");
    assert!(damage.iter().all(|damage| damage.from <= damage.to && damage.seq_from <= damage.seq_to));
    assert!(end.offset <= SEGMENT_BYTES_MIN.min(blocks * BLOCK_BYTES));
    reader.is_unfinished(end.offset);
    drop((reader.first_commit(blocks * BLOCK_BYTES), reader.take_refused()));
}

/// A file in memory that nobody writes to.
struct Memory(Vec<u8>);

impl File for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let (from, len) = (narrow(offset), buf.len());
        let bytes = from.checked_add(len).and_then(|to| self.0.get(from..to)).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn write_all_at(&self, _: &[&[u8]], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "../../../tests/fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::commit::tests::sample_commit;
    use crate::fuzz_body::corpus::over_corpus;

    fn commits(seqs: &[u64]) -> Vec<Vec<u8>> {
        let one = |seq: &u64| Commit { seq: *seq, disk: DISK, ..sample_commit(2) }.encode();
        seqs.iter().map(one).collect()
    }

    fn in_segment(start: u8, commits: &[Vec<u8>]) -> Vec<u8> {
        let piece = |meta: &Vec<u8>| [&(meta.len() as u16).to_le_bytes()[..], meta].concat();
        [vec![start], commits.iter().flat_map(piece).collect()].concat()
    }

    #[test]
    fn any_commit() {
        assert!(over_corpus("store_commit", commit, &[commits(&[1]).concat(), sample_commit(0).encode()]) > 0);
    }

    #[test]
    fn any_headers() {
        let superblock = Superblock { disk: DISK, segment_bytes: SEGMENT_BYTES_MIN, created: UtcNanos(7) };
        let mut head = superblock.encode(SUPERBLOCK_MAGIC);
        head.truncate(64);
        assert!(over_corpus("store_headers", headers, &[head, vec![0; 256]]) > 0);
    }

    #[test]
    fn any_segment() {
        let seeds =
            [in_segment(0, &commits(&[1, 2])), in_segment(2, &commits(&[1, 5, 9])), in_segment(1, &commits(&[9]))];
        assert!(over_corpus("store_segment", segment, &seeds) > 0);
    }

    #[test]
    fn any_start() {
        let of = |start: u8, seqs: &[u64]| {
            let one = |seq: &u64| Commit { seq: *seq, generation: 1, ..sample_commit(1) }.encode();
            in_segment(start, &seqs.iter().map(one).collect::<Vec<_>>())
        };
        assert!(over_corpus("store_start", start, &[of(0, &[1, 2]), of(0, &[1, 5]), of(1, &[1])]) > 0);
    }

    /// Whoever counts on from the largest number there is would stop the recorder, at each start anew.
    #[test]
    fn numbers_that_nobody_can_count_on_from_are_none() {
        segment(&in_segment(0, &commits(&[1, u64::MAX, 3])));
        segment(&in_segment(1, &commits(&[u64::MAX, 1])));
        start(&in_segment(1, &[]));
        let [last, beyond] = [NUMBER_MAX, NUMBER_MAX + 1].map(|seq| Commit { seq, ..sample_commit(0) }.encode());
        assert_eq!(Commit::decode(&last).map(|commit| commit.seq), Some(NUMBER_MAX));
        assert_eq!(Commit::decode(&beyond), None);
    }
}
