//! What must hold for any bytes of a key file; part of [`crate::fuzz_body::headers`].

use super::KEY_SLOT_BYTES;
use super::slot::{Found, KEYS_MAGIC, KeysHeader, SUMMED_BYTES, checksum};
use crate::codec::narrow;
use crate::format::{BLOCK_BYTES, HEADER_BYTES};
use crate::fuzz_body::seal;

/// `data` as the head of a key file and as a slot of it: what is read is written as what reads the same.
pub(crate) fn key_file(data: &[u8]) {
    let mut block = data.to_vec();
    block.resize(narrow(BLOCK_BYTES), 0);
    seal(&mut block, KEYS_MAGIC, HEADER_BYTES - 4);
    let header = KeysHeader::decode(&block).expect("every field may have every value");
    assert_eq!(KeysHeader::decode(&header.encode()), Some(header));
    let mut slot = data.to_vec();
    slot.resize(KEY_SLOT_BYTES, 0);
    for right in [false, true] {
        if right {
            let crc = slot.get(..SUMMED_BYTES).map_or(0, |summed| checksum(3, summed));
            slot.truncate(SUMMED_BYTES);
            slot.extend(crc.to_le_bytes());
        }
        let found = Found::decode(&slot, 3);
        if let Found::Slot(_) = &found {
            assert_eq!(Found::decode(&found.encode(3), 3), found);
            assert!(!matches!(Found::decode(&slot, 4), Found::Slot(_)), "a slot is valid in its own place alone");
        }
    }
}
