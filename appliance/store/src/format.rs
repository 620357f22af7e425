//! What the bytes of a ring directory mean. `FORMAT.md` draws them; a test compares its table of constants with this file.

pub mod commit;
pub mod damage;
pub mod erasure;
pub mod record;

pub use commit::{Commit, Run, Seal};
pub use damage::{DamageKind, DamagedRun};
pub use record::Record;

use crate::codec::{Put, Take};
use crate::error::{Error, Result};
use core::fmt;
use watchbook_base::UtcNanos;
use watchbook_evidence::Hash;

/// Version of everything on disk. Another number is another format.
pub const FORMAT_VERSION: u32 = 1;
/// Alignment of commits and size of a segment header: the page of every file system and disk in use, so that no synced page is written again.
pub const BLOCK_BYTES: u64 = 4096;
/// First bytes of `superblock`.
pub const SUPERBLOCK_MAGIC: [u8; 8] = *b"WB-RING\n";
/// First bytes of `superblock` in a vault.
pub const VAULT_MAGIC: [u8; 8] = *b"WB-VALT\n";
/// First bytes of a segment file.
pub const SEGMENT_MAGIC: [u8; 8] = *b"WB-SEGM\n";
/// First bytes of a commit.
pub const COMMIT_MAGIC: [u8; 8] = *b"WB-CMIT\n";
/// Superblock and segment header proper; the rest of their block is zero. One sector, so a torn write of it is all or nothing.
pub const HEADER_BYTES: usize = 256;
/// Commit header.
pub const COMMIT_HEADER_BYTES: usize = 192;
/// Entry of the run directory.
pub const RUN_ENTRY_BYTES: usize = 128;
/// Head of a record.
pub const RECORD_HEAD_BYTES: usize = 16;
/// Alignment of the first payload byte in its commit: a cache line.
pub const PAYLOAD_ALIGN_BYTES: u64 = 64;
/// Header, directory, records and tables of one commit. 1,200 streams need 154 kB of directory and 120 kB of tables and restated formats; the rest is
/// room for events.
pub const META_BYTES_MAX: u64 = 8 << 20;
/// One commit. 200 streams of 4 Mbit/s bring 50 MB in 500 ms; a longer backlog is split.
pub const COMMIT_BYTES_MAX: u64 = 64 << 20;
/// Smallest segment: two commits of one largest access unit.
pub const SEGMENT_BYTES_MIN: u64 = 4 << 20;
/// Largest segment: offsets inside one fit 32 bits.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;

/// Largest number of a commit, a generation, a recording or an event. None gets there; whoever wrote a larger one is not this program, and who counts on from what a disk says has room.
pub const NUMBER_MAX: u64 = u64::MAX >> 1;

const HEADER_CRC_AT: usize = HEADER_BYTES - 4;

/// Identity of one disk's ring: random, made when the ring is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId(pub [u8; 16]);

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&watchbook_evidence::hex(&self.0))
    }
}

/// The file `superblock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Whose ring this is.
    pub disk: DiskId,
    /// Size of each segment file.
    pub segment_bytes: u64,
    /// When it was made.
    pub created: UtcNanos,
}

/// The first block of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Whose ring it belongs to.
    pub disk: DiskId,
    /// Number in the file name, from 1.
    pub slot: u32,
    /// Grows by one with each reuse over the whole ring: log order. 1 is the first.
    pub generation: u64,
    /// Sequence number of its first commit. Commits of older generations with this number or a later one are void.
    pub first_seq: u64,
    /// Hash of the commit before.
    pub prev_hash: Hash,
    /// When it was opened.
    pub utc: UtcNanos,
    /// First recording number not given out when it was opened.
    pub next_recording: u64,
    /// First event number not given out when it was opened.
    pub next_event: u64,
}

/// Appends zeros up to the checksum, and the checksum.
pub(crate) fn finish_header(mut bytes: Vec<u8>) -> Vec<u8> {
    debug_assert!(bytes.len() <= HEADER_CRC_AT);
    bytes.resize(HEADER_CRC_AT, 0);
    let crc = crc32c::crc32c(&bytes);
    bytes.u32(crc);
    bytes.resize(usize::try_from(BLOCK_BYTES).unwrap_or(HEADER_BYTES), 0);
    bytes
}

/// The fields behind magic and version, when both and the checksum are right.
pub(crate) fn open_header(block: &[u8], magic: [u8; 8]) -> core::result::Result<Take<'_>, &'static str> {
    let mut take = Take(block.get(..HEADER_CRC_AT).ok_or("too short")?);
    let crc = Take(block.get(HEADER_CRC_AT..).unwrap_or_default()).u32();
    if take.array() != Some(magic) {
        return Err("other first bytes than this program writes");
    }
    if crc != Some(crc32c::crc32c(block.get(..HEADER_CRC_AT).unwrap_or_default())) {
        return Err("checksum mismatch");
    }
    match take.u32() {
        Some(FORMAT_VERSION) => Ok(take),
        _ => Err("a format version that this program does not know"),
    }
}

impl Superblock {
    /// The stored form: one block that begins with `magic`, [`SUPERBLOCK_MAGIC`] or [`VAULT_MAGIC`].
    #[must_use]
    pub fn encode(&self, magic: [u8; 8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put(&magic);
        bytes.u32(FORMAT_VERSION);
        bytes.u32(0);
        bytes.put(&self.disk.0);
        bytes.u64(self.segment_bytes);
        bytes.i64(self.created.0);
        finish_header(bytes)
    }

    /// The superblock with this stored form, which must begin with `magic`.
    ///
    /// # Errors
    /// `Corrupt` with the reason.
    pub fn decode(block: &[u8], magic: [u8; 8]) -> Result<Self> {
        let mut take =
            open_header(block, magic).map_err(|why| Error::corrupt(format!("reading the superblock: {why}")))?;
        let fields = (|| {
            take.u32()?;
            Some(Self { disk: DiskId(take.array()?), segment_bytes: take.u64()?, created: UtcNanos(take.i64()?) })
        })();
        fields
            .filter(|found| {
                (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&found.segment_bytes)
                    && found.segment_bytes.is_multiple_of(BLOCK_BYTES)
            })
            .ok_or_else(|| Error::corrupt("reading the superblock: impossible segment size"))
    }
}

impl SegmentHeader {
    /// The stored form: one block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put(&SEGMENT_MAGIC);
        bytes.u32(FORMAT_VERSION);
        bytes.u32(self.slot);
        bytes.put(&self.disk.0);
        bytes.u64(self.generation);
        bytes.u64(self.first_seq);
        bytes.put(&self.prev_hash);
        bytes.i64(self.utc.0);
        bytes.u64(self.next_recording);
        bytes.u64(self.next_event);
        finish_header(bytes)
    }

    /// The header with this stored form; `None` when the block holds none.
    #[must_use]
    pub fn decode(block: &[u8]) -> Option<Self> {
        let mut take = open_header(block, SEGMENT_MAGIC).ok()?;
        let read = Self {
            slot: take.u32()?,
            disk: DiskId(take.array()?),
            generation: take.u64()?,
            first_seq: take.u64()?,
            prev_hash: take.array()?,
            utc: UtcNanos(take.i64()?),
            next_recording: take.u64()?,
            next_event: take.u64()?,
        };
        let numbers = [read.generation, read.first_seq, read.next_recording, read.next_event];
        numbers.iter().all(|number| *number <= NUMBER_MAX).then_some(read)
    }
}

/// File name of a slot.
#[must_use]
pub fn segment_name(slot: u32) -> String {
    format!("{slot:06}.seg")
}

/// Slot of a file name; `None` for foreign files.
#[must_use]
pub fn slot_of_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    let slot: u32 = digits.parse().ok()?;
    (slot > 0 && segment_name(slot) == name).then_some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_storage_and_any_changed_byte_is_noticed() {
        let superblock = Superblock { disk: DiskId([9; 16]), segment_bytes: 8 << 20, created: UtcNanos(77) };
        let segment = SegmentHeader {
            disk: DiskId([9; 16]),
            slot: 3,
            generation: 44,
            first_seq: 1000,
            prev_hash: [5; 32],
            utc: UtcNanos(-1),
            next_recording: 12,
            next_event: 13,
        };
        let (a, b) = (superblock.encode(SUPERBLOCK_MAGIC), segment.encode());
        assert_eq!((a.len(), b.len()), (4096, 4096));
        assert_eq!(Superblock::decode(&a, SUPERBLOCK_MAGIC).unwrap(), superblock);
        assert!(Superblock::decode(&a, VAULT_MAGIC).is_err(), "a ring is no vault");
        assert_eq!(SegmentHeader::decode(&b), Some(segment));
        for at in 0..HEADER_BYTES {
            let mut bad = a.clone();
            bad[at] ^= 1;
            assert!(Superblock::decode(&bad, SUPERBLOCK_MAGIC).is_err(), "byte {at}");
            let mut bad = b.clone();
            bad[at] ^= 0x80;
            assert_eq!(SegmentHeader::decode(&bad), None, "byte {at}");
        }
        assert_eq!(SegmentHeader::decode(&a), None, "a superblock is no segment");
    }

    #[test]
    fn format_md_is_what_the_code_does() {
        let text = include_str!("../FORMAT.md");
        let table = |name: &str| -> u64 {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("| {name} | ")))
                .unwrap_or_else(|| panic!("{name} is missing"));
            line.split('|').nth(2).unwrap().trim().parse().unwrap()
        };
        let constants = [
            ("FORMAT_VERSION", u64::from(FORMAT_VERSION)),
            ("BLOCK_BYTES", BLOCK_BYTES),
            ("HEADER_BYTES", HEADER_BYTES as u64),
            ("COMMIT_HEADER_BYTES", COMMIT_HEADER_BYTES as u64),
            ("RUN_ENTRY_BYTES", RUN_ENTRY_BYTES as u64),
            ("RECORD_HEAD_BYTES", RECORD_HEAD_BYTES as u64),
            ("PAYLOAD_ALIGN_BYTES", PAYLOAD_ALIGN_BYTES),
            ("META_BYTES_MAX", META_BYTES_MAX),
            ("COMMIT_BYTES_MAX", COMMIT_BYTES_MAX),
            ("SEGMENT_BYTES_MIN", SEGMENT_BYTES_MIN),
            ("SEGMENT_BYTES_MAX", SEGMENT_BYTES_MAX),
            ("KEY_SLOT_BYTES", crate::keys::KEY_SLOT_BYTES as u64),
            ("SLOTS_MIN", crate::config::SLOTS_MIN),
        ];
        for (name, value) in constants {
            assert_eq!(table(name), value, "{name}");
        }
        for magic in [SUPERBLOCK_MAGIC, SEGMENT_MAGIC, COMMIT_MAGIC, crate::keys::KEYS_MAGIC] {
            let drawn = format!("| 0 | 8 | `{}` |", str::from_utf8(&magic).unwrap().escape_default());
            assert!(text.contains(&drawn), "{drawn}");
        }
    }

    #[test]
    fn slot_names_are_one_to_one() {
        assert_eq!((segment_name(7), slot_of_name("000007.seg")), ("000007.seg".to_owned(), Some(7)));
        assert_eq!(slot_of_name(&segment_name(1_234_567)), Some(1_234_567));
        for foreign in ["7.seg", "000000.seg", "000007.tmp", "+00007.seg", "lost+found"] {
            assert_eq!(slot_of_name(foreign), None, "{foreign}");
        }
    }
}
