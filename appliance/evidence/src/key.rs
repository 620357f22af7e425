//! Keys of logs and witnesses, written as C2SP signed-note's `vkey` and Go's `skey` strings. Ed25519 (RFC 8032) only.

use crate::primitives::{self, KeyPair};
use crate::text::{base64, unbase64};
use crate::{hex, sha256_of};
use core::fmt;
use zeroize::Zeroizing;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of a name. ML-DSA cosignatures (tlog-cosignature) have one byte for its length.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a key as text: name, two separators, key id, base64 of 33 bytes, and Go's prefix for secret ones.
pub const KEY_TEXT_BYTES_MAX: usize = NAME_BYTES_MAX + 2 + 8 + 44 + SECRET_PREFIX.len();
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// What a key signs: the signature type byte of signed-note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// 0x01: the note's text.
    Ed25519,
    /// 0x04: a checkpoint with the time at which it was seen (tlog-cosignature).
    Cosignature,
}

impl Algorithm {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::Cosignature].into_iter().find(|algorithm| algorithm.byte() == byte)
    }
}

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not `name+id+base64`, or a name that is empty, too long, or has a space or a plus.
    Form,
    /// The key id is not that of this name and key: a mistake in copying.
    Id,
    /// A type of key that this program does not know.
    Algorithm,
    /// The secret part is no Ed25519 seed.
    Secret,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a key is one line `name+id+base64`; the name has no space and no plus",
            Self::Id => "the key's id does not fit its name and bytes; copy the whole line again",
            Self::Algorithm => {
                "the key is of a type that this program does not know; it knows Ed25519 for logs (1) and witnesses (4)"
            }
            Self::Secret => "the secret key is not usable; make a new one",
        })
    }
}

impl std::error::Error for KeyError {}

/// True for a name that may stand in a signature line: not empty, no white space, no plus, no control character, at most [`NAME_BYTES_MAX`].
#[must_use]
pub fn is_name(name: &str) -> bool {
    let good = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(good)
}

/// Checks signatures of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: u32,
    algorithm: Algorithm,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key `public` under this name.
    ///
    /// # Errors
    /// [`KeyError::Form`] for a name that is none.
    pub fn new(name: &str, algorithm: Algorithm, public: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Form);
        }
        let [a, b, c, d, ..] = sha256_of(&[name.as_bytes(), b"\n", &[algorithm.byte()], &public]);
        Ok(Self { name: name.to_owned(), key_id: u32::from_be_bytes([a, b, c, d]), algorithm, public })
    }

    /// Reads a `vkey`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = parts(text)?;
        let (kind, public) = key.split_first().ok_or(KeyError::Form)?;
        let algorithm = Algorithm::of_byte(*kind).ok_or(KeyError::Algorithm)?;
        let key = Self::new(name, algorithm, public.try_into().map_err(|_| KeyError::Form)?)?;
        if format!("{:08x}", key.key_id) == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Short number that stands in signature lines. It finds the key and proves nothing.
    #[must_use]
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What the key signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// True when `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        primitives::verifies(&self.public, message, signature)
    }
}

impl fmt::Display for VerifierKey {
    /// The `vkey`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.algorithm.byte()], &self.public[..]].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.key_id, base64(&key))
    }
}

/// `name+id+base64` in its three parts.
fn parts(text: &str) -> Result<(&str, &str, Zeroizing<Vec<u8>>), KeyError> {
    let form = KeyError::Form;
    if text.len() > KEY_TEXT_BYTES_MAX {
        return Err(form);
    }
    let (name, rest) = text.split_once('+').ok_or(form)?;
    let (id, key) = rest.split_once('+').ok_or(form)?;
    Ok((name, id, Zeroizing::new(unbase64(key).ok_or(form)?)))
}

/// Signs as one log or witness.
pub struct SigningKey {
    verifier: VerifierKey,
    pair: KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for SigningKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.verifier).finish()
    }
}

impl SigningKey {
    /// The key with this seed, which is 32 random bytes.
    ///
    /// # Errors
    /// [`KeyError::Form`] for a name that is none.
    pub fn from_seed(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = KeyPair::from_seed(seed).ok_or(KeyError::Secret)?;
        let public = pair.public().ok_or(KeyError::Secret)?;
        Ok(Self { verifier: VerifierKey::new(name, algorithm, public)?, pair, seed: Zeroizing::new(*seed) })
    }

    /// Reads what [`SigningKey::secret_text`] wrote: `PRIVATE+KEY+name+id+base64`, as Go's `sumdb/note` has it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = parts(text.strip_prefix(SECRET_PREFIX).ok_or(KeyError::Form)?)?;
        let (kind, seed) = key.split_first().ok_or(KeyError::Form)?;
        let algorithm = Algorithm::of_byte(*kind).ok_or(KeyError::Algorithm)?;
        let key = Self::from_seed(name, algorithm, seed.try_into().map_err(|_| KeyError::Form)?)?;
        if format!("{:08x}", key.verifier.key_id) == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The key as one line that whoever reads it can sign with.
    #[must_use]
    pub fn secret_text(&self) -> Zeroizing<String> {
        let key = Zeroizing::new([&[self.verifier.algorithm.byte()], &self.seed[..]].concat());
        let encoded = Zeroizing::new(base64(&key));
        let VerifierKey { name, key_id, .. } = &self.verifier;
        Zeroizing::new(format!("{SECRET_PREFIX}{name}+{key_id:08x}+{}", *encoded))
    }

    /// What checks this key's signatures.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message)
    }
}

/// Name and id of a key for messages: `name+id`.
pub(crate) fn name_and_id(name: &str, key_id: u32) -> String {
    format!("{name}+{}", hex(&key_id.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that golang.org/x/mod's `sumdb/note/note_test.go` tests with.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn the_keys_of_the_go_implementation_read_and_write_back() {
        let key = VerifierKey::parse(PETER).unwrap();
        assert_eq!((key.name(), key.key_id(), key.algorithm()), ("PeterNeumann", 0xC74F_20A3, Algorithm::Ed25519));
        assert_eq!(key.to_string(), PETER);
        let secret = SigningKey::parse(PETER_SECRET).unwrap();
        assert_eq!(secret.verifier(), &key);
        assert_eq!(*secret.secret_text(), PETER_SECRET);
        assert!(!format!("{secret:?}").contains("AYEKFALV"));
    }

    #[test]
    fn no_part_and_no_mangling_of_a_key_is_a_key() {
        // The manglings of `TestNewVerifier` and `TestNewSigner` there.
        for (whole, read) in [
            (PETER, (|text| VerifierKey::parse(text).is_ok()) as fn(&str) -> bool),
            (PETER_SECRET, |text| SigningKey::parse(text).is_ok()),
        ] {
            assert!(read(whole));
            for from in 0..=whole.len() {
                for to in from + 1..=whole.len() {
                    assert!(to - from == whole.len() || !read(&whole[from..to]), "{}", &whole[from..to]);
                }
            }
            for at in 0..whole.len() {
                let mut bytes = whole.as_bytes().to_vec();
                bytes[at] += 1;
                assert!(!read(core::str::from_utf8(&bytes).unwrap()), "byte {at}");
            }
        }
        let long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
        assert_eq!(VerifierKey::parse(long), Err(KeyError::Form));
        let unknown = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(VerifierKey::parse(unknown), Err(KeyError::Algorithm));
        assert_eq!(VerifierKey::parse(&PETER.replace("c74f", "C74F")), Err(KeyError::Id));
    }

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        // RFC 8032 §7.1, tests 1 and 2.
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let unhex = |text: &str| crate::text::unhex(text).unwrap();
            let key = SigningKey::from_seed("rfc", Algorithm::Ed25519, &unhex(seed).try_into().unwrap()).unwrap();
            assert_eq!(hex(&key.verifier.public), public);
            let made = key.sign(&unhex(message));
            assert_eq!(hex(&made), signature);
            assert!(key.verifier.verifies(&unhex(message), &made));
            assert!(!key.verifier.verifies(b"another message", &made));
            assert!(!key.verifier.verifies(&unhex(message), &made[..63]));
        }
    }

    #[test]
    fn names_have_no_spaces_and_no_plus() {
        for good in ["a", "example.com/behind-the-sofa", "ភ្នំពេញ"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "a+b", "a\u{a0}b", "a\u{2003}b", "a\nb", "a\u{7f}", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert_eq!(VerifierKey::new("a b", Algorithm::Ed25519, [0; 32]), Err(KeyError::Form));
    }
}
