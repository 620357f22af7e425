//! What the bytes of a key file mean: a header, then slots of one key each. `FORMAT.md` draws them.

use super::master::KEY_BYTES;
use crate::codec::{Put, Take};
use crate::format::{BLOCK_BYTES, finish_header, open_header};
use watchbook_base::{CameraId, UtcNanos};

/// First bytes of a key file.
pub const KEYS_MAGIC: [u8; 8] = *b"WB-KEYS\n";
/// One slot. Four lie in a sector, and none lies in two, so a torn write leaves a slot old or new.
pub const KEY_SLOT_BYTES: usize = 128;
/// Bytes of a nonce of AES-GCM.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes of a tag of AES-GCM.
pub(crate) const TAG_BYTES: usize = 16;
/// Of a slot before its checksum.
pub(super) const SUMMED_BYTES: usize = KEY_SLOT_BYTES - 4;
/// Where a slot tells the hour of a destroyed key.
const UNTOLD_AT: usize = 92;
const LIVE: u8 = 1;
const DESTROYED: u8 = 2;

/// The first block of a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeysHeader {
    /// Which keys: random, the same in both copies.
    pub(crate) set: [u8; 16],
    /// Grows by one with each batch of changes.
    pub(crate) batch: u64,
    /// The newest batch that destroyed a key.
    pub(crate) destroyed: u64,
    /// First key number not promised.
    pub(crate) next_key: u32,
    /// The time by which footage grows old, at the last batch.
    pub(crate) noted: UtcNanos,
    /// Nonce and tag of nothing, sealed with the master key: tells whether a master key is the right one.
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) tag: [u8; TAG_BYTES],
}

impl KeysHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put(&KEYS_MAGIC);
        bytes.u32(crate::format::FORMAT_VERSION);
        bytes.u32(0);
        bytes.put(&self.set);
        bytes.u64(self.batch);
        bytes.u64(self.destroyed);
        bytes.u32(self.next_key);
        bytes.i64(self.noted.0);
        bytes.put(&self.nonce);
        bytes.put(&self.tag);
        finish_header(bytes)
    }

    pub(crate) fn decode(block: &[u8]) -> Option<Self> {
        let mut take = open_header(block, KEYS_MAGIC).ok()?;
        take.u32()?;
        Some(Self {
            set: take.array()?,
            batch: take.u64()?,
            destroyed: take.u64()?,
            next_key: take.u32()?,
            noted: UtcNanos(take.i64()?),
            nonce: take.array()?,
            tag: take.array()?,
        })
    }
}

/// A key wrapped with the master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrapped {
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) key: [u8; KEY_BYTES],
    pub(crate) tag: [u8; TAG_BYTES],
}

/// A key, or what is left of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) key_id: u32,
    /// Batch that wrote this slot.
    pub(crate) batch: u64,
    /// Whose footage; `None`: a hold's.
    pub(crate) camera: Option<CameraId>,
    /// Start of the hour that it covers, by the trusted time; of a destroyed key, when it was destroyed.
    pub(crate) basis: UtcNanos,
    /// Maximum age of the camera's footage when the key was made, in days; 0: none.
    pub(crate) days_max: u32,
    /// `None`: destroyed.
    pub(crate) wrapped: Option<Wrapped>,
    /// Of a destroyed key of whose erasure somebody is still to be told.
    pub(crate) untold: Option<Untold>,
}

/// An erasure that is not told of everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Untold {
    /// Start of the hour that the key covered.
    pub(crate) hour: UtcNanos,
    pub(crate) owed: Owed,
}

/// Where an erasure is still to be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owed {
    /// In a ring's log.
    pub(crate) log: bool,
    /// To who listens: the audit log.
    pub(crate) listener: bool,
}

impl Owed {
    pub(crate) fn is_any(self) -> bool {
        self.log || self.listener
    }

    fn bits(self) -> u8 {
        u8::from(self.log) | (u8::from(self.listener) << 1)
    }

    fn of(bits: u8) -> Self {
        Self { log: bits & 1 != 0, listener: bits & 2 != 0 }
    }
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet.
    Free,
    /// A key, live or destroyed.
    Slot(Slot),
    /// Bytes that do not check out.
    Bad,
}

impl Slot {
    /// The stored form. `index`: its number in the file, part of the checksum so that a slot in the wrong place shows.
    pub(crate) fn encode(&self, index: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(KEY_SLOT_BYTES);
        bytes.u8(if self.wrapped.is_some() { LIVE } else { DESTROYED });
        bytes.u8(self.untold.map_or(0, |untold| untold.owed.bits()));
        bytes.zeros(2);
        bytes.u32(self.key_id);
        bytes.u64(self.batch);
        bytes.i64(self.basis.0);
        bytes.u32(self.camera.map_or(0, CameraId::get));
        bytes.u32(self.days_max);
        if let Some(wrapped) = &self.wrapped {
            bytes.put(&wrapped.nonce);
            bytes.put(&wrapped.key);
            bytes.put(&wrapped.tag);
        }
        bytes.resize(UNTOLD_AT, 0);
        bytes.i64(self.untold.map_or(0, |untold| untold.hour.0));
        bytes.resize(SUMMED_BYTES, 0);
        let crc = checksum(index, &bytes);
        bytes.u32(crc);
        bytes
    }

    fn decode(bytes: &[u8], index: u32) -> Option<Self> {
        let summed = bytes.get(..SUMMED_BYTES)?;
        if Take(bytes.get(SUMMED_BYTES..)?).u32()? != checksum(index, summed) {
            return None;
        }
        let mut take = Take(summed);
        let (state, owed) = (take.u8()?, Owed::of(take.u8()?));
        take.slice(2)?;
        let (key_id, batch, basis) = (take.u32()?, take.u64()?, UtcNanos(take.i64()?));
        let (camera, days_max) = (CameraId::new(take.u32()?), take.u32()?);
        let wrapped = Wrapped { nonce: take.array()?, key: take.array()?, tag: take.array()? };
        let wrapped = match state {
            LIVE => Some(wrapped),
            DESTROYED => None,
            _ => return None,
        };
        let untold = Untold { hour: UtcNanos(take.i64()?), owed };
        Some(Self { key_id, batch, camera, basis, days_max, wrapped, untold: owed.is_any().then_some(untold) })
    }

    /// What the wrapping binds the key to.
    pub(crate) fn bound_to(key_id: u32, camera: Option<CameraId>, basis: UtcNanos) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16);
        bytes.u32(key_id);
        bytes.u32(camera.map_or(0, CameraId::get));
        bytes.i64(basis.0);
        bytes
    }
}

impl Found {
    pub(crate) fn decode(bytes: &[u8], index: u32) -> Self {
        match Slot::decode(bytes, index) {
            Some(slot) => Self::Slot(slot),
            None if bytes.len() == KEY_SLOT_BYTES && bytes.iter().all(|byte| *byte == 0) => Self::Free,
            None => Self::Bad,
        }
    }

    pub(crate) fn encode(&self, index: u32) -> Vec<u8> {
        match self {
            Self::Slot(slot) => slot.encode(index),
            Self::Free => vec![0; KEY_SLOT_BYTES],
            // In a file that is made anew it stays what it is: lost, and not free.
            Self::Bad => vec![u8::MAX; KEY_SLOT_BYTES],
        }
    }

    /// Batch that wrote it; 0 for a free one.
    pub(crate) fn batch(&self) -> u64 {
        match self {
            Self::Slot(slot) => slot.batch,
            Self::Free | Self::Bad => 0,
        }
    }
}

pub(super) fn checksum(index: u32, summed: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&index.to_le_bytes()), summed)
}

/// Where a slot lies.
pub(crate) fn slot_offset(index: u32) -> u64 {
    BLOCK_BYTES + u64::from(index) * crate::codec::wide(KEY_SLOT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_headers_survive_storage_and_any_changed_byte_is_noticed() {
        let wrapped = Wrapped { nonce: [1; 12], key: [2; 32], tag: [3; 16] };
        let live = Slot {
            key_id: 7,
            batch: 9,
            camera: CameraId::new(4),
            basis: UtcNanos(-5),
            days_max: 30,
            wrapped: Some(wrapped),
            untold: None,
        };
        let gone = Slot { wrapped: None, ..live };
        let untold = |log, listener| {
            let owed = Owed { log, listener };
            Slot { untold: Some(Untold { hour: UtcNanos(-7), owed }), ..gone }
        };
        let untold = [untold(true, false), untold(false, true), untold(true, true)];
        for slot in [live, gone, Slot { camera: None, ..live }].into_iter().chain(untold) {
            let bytes = slot.encode(3);
            assert_eq!((bytes.len(), Found::decode(&bytes, 3)), (KEY_SLOT_BYTES, Found::Slot(slot)));
            assert_eq!(Found::decode(&bytes, 4), Found::Bad, "in another place");
            for at in 0..KEY_SLOT_BYTES {
                let mut bad = bytes.clone();
                bad[at] ^= 1;
                assert_eq!(Found::decode(&bad, 3), Found::Bad, "byte {at}");
            }
        }
        assert!(!gone.encode(3).windows(32).any(|bytes| bytes == [2; 32]), "nothing of a destroyed key is left");
        assert_eq!(Found::decode(&[0; KEY_SLOT_BYTES], 3), Found::Free);
        let header = KeysHeader {
            set: [1; 16],
            batch: 2,
            destroyed: 8,
            next_key: 3,
            noted: UtcNanos(4),
            nonce: [5; 12],
            tag: [6; 16],
        };
        let bytes = header.encode();
        assert_eq!(KeysHeader::decode(&bytes), Some(header));
        for at in 0..crate::format::HEADER_BYTES {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert_eq!(KeysHeader::decode(&bad), None, "byte {at}");
        }
    }
}
