//! Base64 and decimals as the C2SP formats write them.

use crate::Hash;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose};

/// Sizes, indices and POSIX seconds are below 2^63 (tlog-cosignature, and the 63 lines that a consistency proof has at most).
pub const NUMBER_MAX: u64 = i64::MAX as u64;

/// Standard Base 64 (RFC 4648 §4) with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Bytes with exactly this encoding; `None` for anything that [`base64`] would not have written.
#[must_use]
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    general_purpose::STANDARD.decode(text).ok()
}

/// As [`unbase64`], but bits that the padding leaves over may be set, as Go's `sumdb/note`, which wrote most notes there are, reads them. For signatures alone: a
/// changed bit there still fails as a signature, and not as a malformed note.
pub(crate) fn unbase64_of_a_signature(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    LENIENT.decode(text).ok()
}

/// The hash on one line of base64.
#[must_use]
pub fn hash_of_line(line: &str) -> Option<Hash> {
    unbase64(line)?.try_into().ok()
}

/// An ASCII decimal without sign and leading zeroes, at most [`NUMBER_MAX`].
#[must_use]
pub fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let value: u64 = if plain { text.parse().ok()? } else { return None };
    (value <= NUMBER_MAX).then_some(value)
}

/// Bytes written as lower-case hexadecimal.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// A SHA-256 digest written as lower-case hexadecimal.
#[must_use]
pub fn hash_of_hex(text: &str) -> Option<Hash> {
    unhex(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_spelling() {
        // RFC 4648 §10.
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), text);
            assert_eq!(unbase64(text).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Zg", "Zg=", "Zh==", "Zg==\n", " Zg==", "Zm9v=", "_-8=", "Zg==Zg=="] {
            assert_eq!(unbase64(bad), None, "{bad:?}");
        }
        assert_eq!(unbase64_of_a_signature("Zh==").as_deref(), Some(&b"f"[..]));
        assert_eq!(unbase64_of_a_signature("Zh="), None);
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("20852163"), Some(20_852_163));
        assert_eq!(decimal("9223372036854775807"), Some(NUMBER_MAX));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "9223372036854775808", "99999999999999999999", "٣"]
        {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hexadecimal_has_one_spelling() {
        assert_eq!(unhex("00ff7a"), Some(vec![0, 255, 0x7A]));
        for bad in ["0", "0F", "zz", "0x", "é"] {
            assert_eq!(unhex(bad), None, "{bad:?}");
        }
    }
}
