//! One commit: header, run directory, records, sample tables; then the payloads.

use super::record::Record;
use super::{
    BLOCK_BYTES, COMMIT_BYTES_MAX, COMMIT_HEADER_BYTES, COMMIT_MAGIC, DiskId, FORMAT_VERSION, META_BYTES_MAX,
    NUMBER_MAX, PAYLOAD_ALIGN_BYTES, RUN_ENTRY_BYTES,
};
use crate::codec::{Put, Take, align, count, narrow, wide};
use watchbook_base::{MonoNanos, StreamId, SyncState, Ticks90k, UtcNanos};
use watchbook_evidence::Hash;
use watchbook_media::RecordingId;

const CRC_AT: usize = COMMIT_HEADER_BYTES - 4;
const HAS_CTS: u8 = 1;
const HAS_LOST: u8 = 2;

/// How a payload is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// 1: AES-256-GCM, tag behind the ciphertext.
    pub cipher: u8,
    /// Which key of the key file.
    pub key_id: u32,
    /// Unique for its key.
    pub nonce: [u8; 12],
}

/// One stream's samples in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whose samples.
    pub stream: StreamId,
    /// Part of which recording.
    pub recording: RecordingId,
    /// Where the payload starts, counted from the start of the commit. [`Commit::encode`] sets it.
    pub payload_offset: u64,
    /// Stored payload bytes.
    pub payload_len: u64,
    /// [`watchbook_media::sample_table`] of the samples.
    pub table: Vec<u8>,
    /// Samples.
    pub sample_count: u32,
    /// Samples with `key` set.
    pub key_count: u32,
    /// Some sample has a composition offset.
    pub has_cts: bool,
    /// Some sample has something missing before it.
    pub has_lost: bool,
    /// Decode time of the first sample.
    pub first_dts: Ticks90k,
    /// Estimated length: last decode time + the step before it − first decode time.
    pub length_ticks: u32,
    /// UTC of the first sample's decode time.
    pub first_utc: UtcNanos,
    /// When the first sample arrived.
    pub first_mono: MonoNanos,
    /// CRC32C of the stored payload.
    pub crc: u32,
    /// SHA-256 of table ‖ plaintext payload.
    pub sha256: Hash,
    /// `None`: stored in the clear.
    pub seal: Option<Seal>,
}

/// What a commit holds, without its payloads.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Grows by one from commit to commit, over all segments. 1 is the first.
    pub seq: u64,
    /// Generation of its segment.
    pub generation: u64,
    /// Whose ring.
    pub disk: DiskId,
    /// SHA-256 of the previous commit's metadata; zeros for the first.
    pub prev_hash: Hash,
    /// Header, payloads and padding: a multiple of [`BLOCK_BYTES`]. [`Commit::encode`] sets it.
    pub commit_len: u64,
    /// When it was put together.
    pub utc: UtcNanos,
    /// The same moment on the monotonic clock.
    pub mono: MonoNanos,
    /// Whether UTC could be trusted.
    pub sync: SyncState,
    /// First recording number not given out yet.
    pub next_recording: u64,
    /// First event number not given out yet.
    pub next_event: u64,
    /// In directory order.
    pub runs: Vec<Run>,
    /// Each with the number of runs before it; never falling.
    pub records: Vec<(u32, Record)>,
}

/// What the fixed part says about the lengths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) meta_len: u64,
    pub(crate) commit_len: u64,
}

/// Reads lengths from the first [`COMMIT_HEADER_BYTES`] of a commit; nothing is verified but the magic, the version and that the lengths are possible.
pub(crate) fn extent(head: &[u8]) -> Option<Extent> {
    let mut take = Take(head);
    if take.array() != Some(COMMIT_MAGIC) || take.u32()? != FORMAT_VERSION {
        return None;
    }
    take.slice(4 + 8 + 8 + 16 + 32)?;
    let (commit_len, meta_len) = (take.u64()?, u64::from(take.u32()?));
    let possible = commit_len.is_multiple_of(BLOCK_BYTES)
        && (wide(COMMIT_HEADER_BYTES)..=META_BYTES_MAX).contains(&meta_len)
        && meta_len <= commit_len
        && commit_len <= COMMIT_BYTES_MAX;
    possible.then_some(Extent { meta_len, commit_len })
}

impl Run {
    /// Sample bytes: the payload without its tag.
    #[must_use]
    pub fn plain_len(&self) -> u64 {
        match self.seal {
            Some(_) => self.payload_len.saturating_sub(wide(crate::keys::TAG_BYTES)),
            None => self.payload_len,
        }
    }
}

impl Commit {
    /// Bytes of header, directory, records and tables.
    #[must_use]
    pub fn meta_len(&self) -> u64 {
        let records: usize = self.records.iter().map(|(_, record)| record.stored_bytes()).sum();
        let tables: usize = self.runs.iter().map(|run| run.table.len()).sum();
        wide(COMMIT_HEADER_BYTES + RUN_ENTRY_BYTES * self.runs.len() + records + tables)
    }

    /// Lays the payloads out behind the metadata, one run after the other, and returns the metadata's stored form.
    pub fn encode(&mut self) -> Vec<u8> {
        let meta_len = self.meta_len();
        let mut offset = align(meta_len, PAYLOAD_ALIGN_BYTES);
        for run in &mut self.runs {
            run.payload_offset = offset;
            offset += run.payload_len;
        }
        self.commit_len = align(offset, BLOCK_BYTES);
        let records_at = COMMIT_HEADER_BYTES + RUN_ENTRY_BYTES * self.runs.len();
        let records_len: usize = self.records.iter().map(|(_, record)| record.stored_bytes()).sum();
        let tables_at = records_at + records_len;
        let mut out = Vec::with_capacity(narrow(meta_len));
        self.put_header(meta_len, (records_at, records_len), &mut out);
        let mut table_at = tables_at;
        for run in &self.runs {
            put_run(run, table_at, &mut out);
            table_at += run.table.len();
        }
        self.records.iter().for_each(|(position, record)| record.encode(*position, &mut out));
        self.runs.iter().for_each(|run| out.put(&run.table));
        debug_assert_eq!(wide(out.len()), meta_len, "lengths were computed as written");
        let crc = crc32c::crc32c(&out);
        for (to, from) in out.iter_mut().skip(CRC_AT).zip(crc.to_le_bytes()) {
            *to = from;
        }
        out
    }

    fn put_header(&self, meta_len: u64, records: (usize, usize), out: &mut Vec<u8>) {
        let tables_at = records.0 + records.1;
        out.put(&COMMIT_MAGIC);
        out.u32(FORMAT_VERSION);
        out.u32(0);
        out.u64(self.seq);
        out.u64(self.generation);
        out.put(&self.disk.0);
        out.put(&self.prev_hash);
        out.u64(self.commit_len);
        out.u32(count(narrow(meta_len)));
        out.u32(count(self.runs.len()));
        out.u32(count(self.records.len()));
        out.u32(count(records.0));
        out.u32(count(records.1));
        out.u32(count(tables_at));
        out.u32(count(narrow(meta_len).saturating_sub(tables_at)));
        out.u32(u32::from(self.sync as u8));
        out.i64(self.utc.0);
        out.u64(self.mono.0);
        out.u64(self.next_recording);
        out.u64(self.next_event);
        out.resize(COMMIT_HEADER_BYTES, 0);
    }

    /// The commit with this stored metadata, whose checksum is verified first. `None` when it is none.
    #[must_use]
    pub fn decode(meta: &[u8]) -> Option<Self> {
        let extent = extent(meta)?;
        if wide(meta.len()) != extent.meta_len || !crc_is_right(meta) {
            return None;
        }
        let mut take = Take(meta);
        take.slice(16)?;
        let (seq, generation, disk, prev_hash) = (take.u64()?, take.u64()?, DiskId(take.array()?), take.array()?);
        take.slice(12)?;
        let (run_count, record_count, records_at, records_len) = (take.u32()?, take.u32()?, take.u32()?, take.u32()?);
        take.slice(8)?;
        let sync = SyncState::from_number((take.u32()? & 0xFF) as u8);
        let (utc, mono) = (UtcNanos(take.i64()?), MonoNanos(take.u64()?));
        let (next_recording, next_event) = (take.u64()?, take.u64()?);
        if [seq, generation, next_recording, next_event].iter().any(|number| *number > NUMBER_MAX) {
            return None;
        }

        let mut directory = Take(meta.get(COMMIT_HEADER_BYTES..)?);
        if narrow(u64::from(run_count)) > directory.0.len() / RUN_ENTRY_BYTES {
            return None;
        }
        let runs = (0..run_count).map(|_| take_run(&mut directory, meta, extent)).collect::<Option<Vec<Run>>>()?;
        let records_at = narrow(u64::from(records_at));
        let records_end = records_at.checked_add(narrow(u64::from(records_len)))?;
        let mut bytes = Take(meta.get(records_at..records_end)?);
        let mut records = Vec::new();
        for _ in 0..record_count {
            records.push(Record::take(&mut bytes)?);
        }
        let commit_len = extent.commit_len;
        Some(Self {
            seq,
            generation,
            disk,
            prev_hash,
            commit_len,
            utc,
            mono,
            sync,
            next_recording,
            next_event,
            runs,
            records,
        })
    }
}

fn crc_is_right(meta: &[u8]) -> bool {
    let Some((head, rest)) = meta.split_at_checked(CRC_AT) else { return false };
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else { return false };
    let computed = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]), rest);
    computed == u32::from_le_bytes(*crc)
}

fn put_run(run: &Run, table_at: usize, out: &mut Vec<u8>) {
    let seal = run.seal.unwrap_or(Seal { cipher: 0, key_id: 0, nonce: [0; 12] });
    out.u32(run.stream.to_u32());
    out.u8(seal.cipher);
    out.u8((u8::from(run.has_cts) * HAS_CTS) | (u8::from(run.has_lost) * HAS_LOST));
    out.u16(0);
    out.u64(run.recording.0);
    out.u64(run.payload_offset);
    out.u64(run.payload_len);
    out.u32(count(table_at));
    out.u32(count(run.table.len()));
    out.u32(run.sample_count);
    out.u32(run.key_count);
    out.i64(run.first_dts.0);
    out.i64(run.first_utc.0);
    out.u64(run.first_mono.0);
    out.u32(run.crc);
    out.u32(seal.key_id);
    out.put(&run.sha256);
    out.put(&seal.nonce);
    out.u32(run.length_ticks);
}

fn take_run(take: &mut Take<'_>, meta: &[u8], extent: Extent) -> Option<Run> {
    let stream = StreamId::from_u32(take.u32()?)?;
    let (cipher, flags) = (take.u8()?, take.u8()?);
    take.u16()?;
    let (recording, payload_offset, payload_len) = (RecordingId(take.u64()?), take.u64()?, take.u64()?);
    let (table_at, table_len) = (narrow(u64::from(take.u32()?)), narrow(u64::from(take.u32()?)));
    let (sample_count, key_count) = (take.u32()?, take.u32()?);
    let (first_dts, first_utc, first_mono) = (Ticks90k(take.i64()?), UtcNanos(take.i64()?), MonoNanos(take.u64()?));
    let (crc, key_id, sha256, nonce, length_ticks) =
        (take.u32()?, take.u32()?, take.array()?, take.array()?, take.u32()?);
    let inside = payload_offset >= extent.meta_len && payload_offset.checked_add(payload_len)? <= extent.commit_len;
    let table = meta.get(table_at..table_at.checked_add(table_len)?)?.to_vec();
    inside.then_some(Run {
        stream,
        recording,
        payload_offset,
        payload_len,
        table,
        sample_count,
        key_count,
        has_cts: flags & HAS_CTS != 0,
        has_lost: flags & HAS_LOST != 0,
        first_dts,
        length_ticks,
        first_utc,
        first_mono,
        crc,
        sha256,
        seal: (cipher != 0).then_some(Seal { cipher, key_id, nonce }),
    })
}

#[cfg(test)]
pub(crate) mod tests;
