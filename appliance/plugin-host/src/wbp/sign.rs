//! minisign signatures (Ed25519 over BLAKE2b-512) and the keys that make them.

use crate::Error;
use core::fmt;
use watchbook_base::Kind;

/// Bytes of a signature's text: two comments and two lines of base64.
pub const SIGNATURE_BYTES_MAX: usize = 2048;
/// Bytes of a publisher's name.
const NAME_BYTES_MAX: usize = 128;
/// Base64 digits of a public key: algorithm, key id and key are 42 bytes.
const KEY_DIGITS: usize = 56;

/// A signature that has been read. Everything in it is a claim until [`super::Sealed::verify`] has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Which key is said to have made it: 16 hex digits in upper case. minisign prints the same without leading zeros.
    pub key_id: String,
    /// What the signer wrote beside it, signed too.
    pub comment: String,
    /// The four lines of a minisign signature file.
    pub text: String,
}

impl Signature {
    pub(super) fn read(payload: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(payload).map_err(|_| "its signature is not UTF-8".to_owned())?;
        let signature = minisign_verify::Signature::decode(text)
            .map_err(|error| format!("its signature is no minisign signature: {error}"))?;
        let good = |c: char| c == '\n' || c == '\t' || !c.is_control();
        let lines: Vec<&str> = text.split('\n').collect();
        if lines.len() != 5 || !lines[4].is_empty() || !text.chars().all(good) {
            return Err("its signature has not four lines of text".to_owned());
        }
        let key_id = key_id(lines[1]).ok_or("its signature has no key id")?;
        Ok(Self { key_id, comment: signature.trusted_comment().to_owned(), text: text.to_owned() })
    }
}

/// A publisher whose packages are trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct PublisherKey {
    name: String,
    public_key: String,
    key_id: String,
    key: minisign_verify::PublicKey,
}

impl fmt::Debug for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublisherKey({}, {})", self.name, self.key_id)
    }
}

impl PublisherKey {
    /// A publisher by the name that the station gives it. `public_key` is the content of a minisign `.pub` file, or its second line alone.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] when the name has not 1 to 128 bytes or the key is no minisign public key.
    pub fn new(name: &str, public_key: &str) -> Result<Self, Error> {
        let wrong = |sentence: String| Error::new(Kind::InvalidInput, sentence);
        let name = name.trim();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(wrong(format!("a publisher's name has 1 to {NAME_BYTES_MAX} bytes in one line")));
        }
        let line = public_key.trim().lines().last().unwrap_or_default().trim();
        let no_key = || {
            wrong(format!(
                "this is no minisign public key; it is a line of {KEY_DIGITS} letters and digits that begins with RW"
            ))
        };
        if line.len() != KEY_DIGITS {
            return Err(no_key());
        }
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| no_key())?;
        let key_id = key_id(line).ok_or_else(no_key)?;
        Ok(Self { name: name.to_owned(), public_key: line.to_owned(), key_id, key })
    }

    /// The name that the station gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 16 hex digits in upper case. minisign prints the same without leading zeros.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The key as minisign prints it: 56 digits of base64. This is what people compare.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    pub(super) fn verifies(&self, body: &[u8], signature: &Signature) -> bool {
        // Signatures over the bytes themselves instead of their BLAKE2b, which minisign once made, are refused.
        minisign_verify::Signature::decode(&signature.text)
            .is_ok_and(|signature| self.key.verify(body, &signature, false).is_ok())
    }
}

/// The key id in a line of base64 that holds two bytes of algorithm and eight of key id, least significant first.
fn key_id(line: &str) -> Option<String> {
    let mut bits = 0_u128;
    // 14 digits are 84 bits: the ten bytes, and four bits of what follows.
    for digit in line.get(..14)?.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u128::from(value);
    }
    let key_id = (bits >> 4) as u64;
    Some(format!("{:016X}", key_id.swap_bytes()))
}
