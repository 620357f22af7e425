//! AES-256-GCM (NIST SP 800-38D), narrowed to what the ring needs: runs sealed with a key, keys wrapped with the master key.

use super::master::{KEY_BYTES, MasterKey};
use super::slot::{NONCE_BYTES, Slot, TAG_BYTES, Wrapped};
use crate::codec::Put;
use crate::error::{Error, Result};
use crate::format::Run;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use watchbook_base::{CameraId, Kind, StreamId, UtcNanos};
use watchbook_media::RecordingId;
use zeroize::Zeroizing;

/// Number of this cipher in the run directory.
pub(crate) const CIPHER: u8 = 1;

/// A key that seals and opens; wiped when dropped.
pub(crate) struct SealKey {
    pub(crate) id: u32,
    key: LessSafeKey,
}

fn aead(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of AES-256 has 32 bytes"))
}

/// What a run's tag covers beside its payload: whose it is, and its sample table, which also tells its first decode time. Nothing of it depends on the
/// place where the run lies.
fn bound_to(stream: StreamId, recording: RecordingId, table: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + table.len());
    bytes.u32(stream.to_u32());
    bytes.u64(recording.0);
    bytes.put(table);
    bytes
}

impl SealKey {
    pub(crate) fn new(id: u32, key: &[u8; KEY_BYTES]) -> Self {
        Self { id, key: aead(key) }
    }

    /// Seals `payload` in place and appends the tag. The nonce must not have been used with this key before.
    pub(crate) fn seal(&self, run: &Run, nonce: [u8; NONCE_BYTES], payload: &mut Vec<u8>) -> Result<()> {
        let bound = bound_to(run.stream, run.recording, &run.table);
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&bound), payload)
            .map_err(|_| Error::new(Kind::Internal, format!("sealing {} bytes of {}", payload.len(), run.stream)))?;
        payload.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens a stored payload in place and cuts the tag off. `None` when it is not what was sealed for this run.
    pub(crate) fn open(
        &self,
        of: (StreamId, RecordingId, &[u8]),
        nonce: [u8; NONCE_BYTES],
        payload: &mut Vec<u8>,
    ) -> Option<()> {
        let (stream, recording, table) = of;
        let bound = bound_to(stream, recording, table);
        let opened = self.key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(&bound), payload).ok()?;
        let len = opened.len();
        payload.truncate(len);
        Some(())
    }
}

/// Wraps and unwraps keys.
pub(crate) struct Wrapper(LessSafeKey);

impl Wrapper {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self(aead(&master.0))
    }

    /// Wraps `key`, which is overwritten by that.
    fn wrap(&self, bound: &[u8], key: &mut [u8; KEY_BYTES]) -> Result<Wrapped> {
        let nonce = super::random()?;
        let tag = self.seal(nonce, bound, key)?;
        Ok(Wrapped { nonce, key: *key, tag })
    }

    /// Puts the key of a slot into `plain`, whose owner wipes it: a key that is handed on by value leaves copies behind.
    fn unwrap(&self, slot: &Slot, plain: &mut [u8; KEY_BYTES]) -> Option<()> {
        let wrapped = slot.wrapped.as_ref()?;
        let bound = Slot::bound_to(slot.key_id, slot.camera, slot.basis);
        let (nonce, aad) = (Nonce::assume_unique_for_key(wrapped.nonce), Aad::from(&bound));
        self.0.open_separate_gather(nonce, aad, &wrapped.key, &wrapped.tag, plain).ok()
    }

    /// The key of a slot, ready for use; `None` when this master key has not wrapped it.
    pub(crate) fn key_of(&self, slot: &Slot) -> Option<SealKey> {
        let mut plain = Zeroizing::new([0; KEY_BYTES]);
        self.unwrap(slot, &mut plain)?;
        Some(SealKey::new(slot.key_id, &plain))
    }

    /// True when this master key has wrapped it.
    pub(crate) fn fits(&self, slot: &Slot) -> bool {
        self.unwrap(slot, &mut Zeroizing::new([0; KEY_BYTES])).is_some()
    }

    /// The same key for another hour.
    pub(crate) fn redated(&self, slot: &Slot, basis: UtcNanos) -> Option<Slot> {
        let mut plain = Zeroizing::new([0; KEY_BYTES]);
        self.unwrap(slot, &mut plain)?;
        let wrapped = self.wrap(&Slot::bound_to(slot.key_id, slot.camera, basis), &mut plain).ok()?;
        Some(Slot { basis, wrapped: Some(wrapped), ..*slot })
    }

    /// Nonce and tag of nothing, bound to the set of keys.
    pub(crate) fn prove(&self, set: &[u8; 16]) -> Result<([u8; NONCE_BYTES], [u8; TAG_BYTES])> {
        let nonce = super::random()?;
        Ok((nonce, self.seal(nonce, set, &mut [])?))
    }

    /// True when [`Wrapper::prove`] of the same master key made them.
    pub(crate) fn proves(&self, set: &[u8; 16], nonce: [u8; NONCE_BYTES], tag: &[u8; TAG_BYTES]) -> bool {
        self.0.open_separate_gather(Nonce::assume_unique_for_key(nonce), Aad::from(set), &[], tag, &mut []).is_ok()
    }

    /// Opens what [`Wrapper::seal`] sealed, a secret and its tag, into `plain`, whose owner wipes it.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        bound: &[u8],
        sealed: (&[u8; KEY_BYTES], &[u8; TAG_BYTES]),
        plain: &mut [u8; KEY_BYTES],
    ) -> Option<()> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_separate_gather(nonce, Aad::from(bound), sealed.0, sealed.1, plain).ok()
    }

    /// Opens what [`Wrapper::seal`] sealed and its tag behind it, of any length.
    pub(super) fn open_any(&self, nonce: [u8; NONCE_BYTES], bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = sealed.to_vec();
        let opened = self.0.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut bytes).ok()?;
        let len = opened.len();
        bytes.truncate(len);
        Some(bytes)
    }

    pub(super) fn seal(&self, nonce: [u8; NONCE_BYTES], bound: &[u8], bytes: &mut [u8]) -> Result<[u8; TAG_BYTES]> {
        let sealed: Option<Tag> =
            self.0.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), bytes).ok();
        let tag = sealed.and_then(|tag| <[u8; TAG_BYTES]>::try_from(tag.as_ref()).ok());
        tag.ok_or_else(|| Error::new(Kind::Internal, "wrapping a key with the master key"))
    }
}

/// A new key in its wrapping, and ready for use.
pub(crate) fn new_key(wrapper: &Wrapper, of: (u32, Option<CameraId>, UtcNanos)) -> Result<(Wrapped, SealKey)> {
    let mut plain = Zeroizing::new([0; KEY_BYTES]);
    super::fill(&mut *plain)?;
    let (id, camera, basis) = of;
    let key = SealKey::new(id, &plain);
    Ok((wrapper.wrap(&Slot::bound_to(id, camera, basis), &mut plain)?, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::harness::video;
    use watchbook_base::{MonoNanos, Ticks90k};

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        let bytes: Vec<u8> =
            (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect();
        bytes.try_into().unwrap()
    }

    /// The GCM specification of McGrew and Viega, test case 16: AES-256, 60 bytes, 20 bytes of additional data.
    #[test]
    fn the_cipher_gives_the_published_answer() {
        let key = aead(&unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
        let mut text: [u8; 60] = unhex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let aad: [u8; 20] = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let nonce = Nonce::assume_unique_for_key(unhex("cafebabefacedbaddecaf888"));
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text).unwrap();
        let cipher: [u8; 60] = unhex(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        );
        assert_eq!(text, cipher);
        assert_eq!(tag.as_ref(), unhex::<16>("76fc6ece0f4e1768cddf8853bb2d551b"));
    }

    fn run() -> Run {
        Run {
            stream: video(3),
            recording: RecordingId(5),
            payload_offset: 0,
            payload_len: 0,
            table: vec![0, 1, 9, 9],
            sample_count: 1,
            key_count: 1,
            has_cts: false,
            has_lost: false,
            first_dts: Ticks90k(4),
            length_ticks: 1,
            first_utc: UtcNanos(1),
            first_mono: MonoNanos(1),
            crc: 0,
            sha256: [0; 32],
            seal: None,
        }
    }

    #[test]
    fn a_run_opens_only_as_it_was_sealed() {
        let (key, run, nonce) = (SealKey::new(1, &[7; 32]), run(), [9; 12]);
        let plain = b"samples".to_vec();
        let mut sealed = plain.clone();
        key.seal(&run, nonce, &mut sealed).unwrap();
        assert_eq!(sealed.len(), plain.len() + TAG_BYTES);
        let open = |key: &SealKey, of, nonce, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            key.open(of, nonce, &mut bytes).map(|()| bytes)
        };
        let of = (run.stream, run.recording, run.table.as_slice());
        assert_eq!(open(&key, of, nonce, &sealed), Some(plain));
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(open(&key, of, nonce, &bad), None, "byte {at}");
        }
        assert_eq!(open(&key, (video(4), of.1, of.2), nonce, &sealed), None, "another stream");
        assert_eq!(open(&key, (of.0, RecordingId(6), of.2), nonce, &sealed), None, "another recording");
        assert_eq!(open(&key, (of.0, of.1, &[0, 1, 9, 8]), nonce, &sealed), None, "another table");
        assert_eq!(open(&key, of, [8; 12], &sealed), None, "another nonce");
        assert_eq!(open(&SealKey::new(1, &[6; 32]), of, nonce, &sealed), None, "another key");
        assert_eq!(open(&key, of, nonce, &sealed[..TAG_BYTES - 1]), None, "no room for a tag");
    }

    #[test]
    fn a_wrapped_key_is_bound_to_its_number_camera_and_hour() {
        let wrapper = Wrapper::new(&MasterKey::of_bytes([1; 32]));
        let (id, camera, basis) = (5, CameraId::new(2), UtcNanos(77));
        let mut key = [4; 32];
        let wrapped = wrapper.wrap(&Slot::bound_to(id, camera, basis), &mut key).unwrap();
        assert_ne!(key, [4; 32], "wrapped in place");
        let slot = Slot { key_id: id, batch: 1, camera, basis, days_max: 0, wrapped: Some(wrapped), untold: None };
        assert!(wrapper.unwrap(&slot, &mut key).is_some() && key == [4; 32]);
        let moved = wrapper.redated(&slot, UtcNanos(78)).unwrap();
        assert!(wrapper.unwrap(&moved, &mut key).is_some() && key == [4; 32] && moved.wrapped != slot.wrapped);
        for other in [
            Slot { key_id: 6, ..slot },
            Slot { camera: None, ..slot },
            Slot { basis: UtcNanos(78), ..slot },
            Slot { wrapped: Some(Wrapped { tag: [0; 16], ..wrapped }), ..slot },
        ] {
            assert!(!wrapper.fits(&other));
        }
        assert!(!Wrapper::new(&MasterKey::of_bytes([2; 32])).fits(&slot));
        let (nonce, tag) = wrapper.prove(&[3; 16]).unwrap();
        assert!(wrapper.proves(&[3; 16], nonce, &tag) && !wrapper.proves(&[4; 16], nonce, &tag));
    }
}
