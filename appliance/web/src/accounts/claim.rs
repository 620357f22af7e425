//! The one-time code that proves that whoever claims the box stands in front of it.

use super::password::random;
use crate::error::Error;

/// No letter or digit that is mistaken for another when read aloud or off a small screen: no 0, 1, I, L, O, U. 30 of them.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 16 × log2(30) = 78 bits.
const CODE_CHARS: usize = 16;
/// Characters of one group, for reading aloud.
const GROUP_CHARS: usize = 4;

/// A code that is in force until the box is claimed or the recorder restarts.
pub(super) struct ClaimCode([u8; CODE_CHARS]);

impl ClaimCode {
    pub(super) fn new() -> Result<Self, Error> {
        let mut code = [0; CODE_CHARS];
        for place in &mut code {
            // Bytes from 240 up would make the first letters likelier.
            let byte = loop {
                let [byte] = random::<1>()?;
                if byte < 240 {
                    break byte;
                }
            };
            *place = ALPHABET[usize::from(byte) % ALPHABET.len()];
        }
        Ok(Self(code))
    }

    /// As it is printed: `ABCD-EFGH-JKMN-PQRS`.
    pub(super) fn grouped(&self) -> String {
        let groups = self.0.chunks(GROUP_CHARS).map(|group| String::from_utf8_lossy(group).into_owned());
        groups.collect::<Vec<_>>().join("-")
    }

    /// Whether `typed` is it; case, spaces and dashes do not matter. Takes the same time wherever it differs.
    pub(super) fn is(&self, typed: &str) -> bool {
        let mut plain = [0; CODE_CHARS];
        let mut len = 0_usize;
        for byte in typed.bytes().filter(u8::is_ascii_alphanumeric).take(CODE_CHARS + 1) {
            if let Some(place) = plain.get_mut(len) {
                *place = byte.to_ascii_uppercase();
            }
            len += 1;
        }
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&plain, &self.0).is_ok();
        same && len == CODE_CHARS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_as_people_type_it_and_nothing_else_is() {
        let code = ClaimCode::new().unwrap();
        let printed = code.grouped();
        assert_eq!((printed.len(), printed.matches('-').count()), (19, 3));
        assert!(code.is(&printed) && code.is(&printed.to_lowercase()) && code.is(&printed.replace('-', " ")));
        let mut wrong = printed.clone().into_bytes();
        wrong[18] = if wrong[18] == b'2' { b'3' } else { b'2' };
        assert!(!code.is(&String::from_utf8(wrong).unwrap()));
        assert!(!code.is(&printed[..18]) && !code.is(&format!("{printed}2")) && !code.is(""));
    }

    #[test]
    fn codes_differ_and_keep_to_the_alphabet() {
        let codes: std::collections::BTreeSet<String> = (0..64).map(|_| ClaimCode::new().unwrap().grouped()).collect();
        assert_eq!(codes.len(), 64);
        assert!(codes.iter().flat_map(|code| code.bytes()).all(|byte| byte == b'-' || ALPHABET.contains(&byte)));
    }
}
