//! Base64 (RFC 4648 §4), as keys and lock files have it.

/// The bytes of `text`, with or without its padding; nothing when it has other letters.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        // At most 7 bits wait for the rest of their byte.
        bits = (bits << 6 | u32::from(value)) & 0x3FFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xFF) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_length_is_bytes() {
        // RFC 4648 §10.
        for (text, word) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(base64(text).as_deref(), Some(word.as_bytes()));
        }
        assert_eq!(base64("+/+/"), Some(vec![0xFB, 0xFF, 0xBF]));
        assert_eq!(base64("a b"), None);
    }
}
