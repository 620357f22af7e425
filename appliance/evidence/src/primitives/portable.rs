//! RustCrypto's SHA-256 and dalek's Ed25519, which need nothing but Rust and so run where AWS-LC does not.

use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use sha2::Digest as _;

#[derive(Clone, Default)]
pub(crate) struct Sha256(sha2::Sha256);

impl Sha256 {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// False for one of the few second spellings of a point: its coordinate is not below 2^255 − 19, or the point is one of the two that are their own mirror image and the sign says otherwise.
/// RFC 8032 §5.1.3 refuses them and AWS-LC does; dalek takes them.
fn is_canonical(public: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = public;
    let below = *first < 0xED || last & 0x7F != 0x7F || middle.iter().any(|byte| *byte != 0xFF);
    let is_one = *first == 1 && last & 0x7F == 0 && middle.iter().all(|byte| *byte == 0);
    let is_minus_one = *first == 0xEC && last & 0x7F == 0x7F && middle.iter().all(|byte| *byte == 0xFF);
    below && !(last & 0x80 != 0 && (is_one || is_minus_one))
}

/// True when `signature` is Ed25519 of `message` under `public`.
pub(crate) fn verifies(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(public), Signature::from_slice(signature)) else {
        return false;
    };
    is_canonical(public) && key.verify(message, &signature).is_ok()
}

pub(crate) struct KeyPair(SigningKey);

impl KeyPair {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Some(Self(SigningKey::from_bytes(seed)))
    }

    #[allow(clippy::unnecessary_wraps, reason = "the native one can fail")]
    pub(crate) fn public(&self) -> Option<[u8; 32]> {
        Some(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_bytes().to_vec()
    }
}
