//! The two implementations say the same of good, spoilt and crafted signatures: a bundle that one verifies and the other does not would have two verdicts.

use super::{native, portable};
use crate::text::unhex;
use proptest::prelude::*;

/// The order of the group, 2^252 + 27742317777372353535851937790883648493, little-endian (RFC 8032 §5.1).
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
/// Encodings of points of small order, canonical ones and those that are not (Brendel and others, "The Provable Security of Ed25519", table of small points), and of none.
const ODD_POINTS: [&str; 12] = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0200000000000000000000000000000000000000000000000000000000000000",
];

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).unwrap().try_into().unwrap()
}

/// What both say.
fn both(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let said = native::verifies(public, message, signature);
    assert_eq!(said, portable::verifies(public, message, signature), "{public:02x?} {message:02x?} {signature:02x?}");
    said
}

proptest! {
    #[test]
    fn both_hash_and_sign_alike(seed: [u8; 32], message in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..300_usize) {
        let (mut one, mut other) = (native::Sha256::default(), portable::Sha256::default());
        let (first, rest) = message.split_at(cut.min(message.len()));
        for part in [first, rest] {
            one.update(part);
            other.update(part);
        }
        prop_assert_eq!(one.finish(), other.finish());
        let (one, other) = (native::KeyPair::from_seed(&seed).unwrap(), portable::KeyPair::from_seed(&seed).unwrap());
        prop_assert_eq!(one.public(), other.public());
        prop_assert_eq!(one.sign(&message), other.sign(&message));
        prop_assert!(both(&one.public().unwrap(), &message, &one.sign(&message)));
    }

    #[test]
    fn both_refuse_what_was_changed(seed: [u8; 32], at in 0..96_usize, bit in 0..8_u32, length in 0..70_usize) {
        let pair = native::KeyPair::from_seed(&seed).unwrap();
        let (mut public, mut signature) = (pair.public().unwrap(), pair.sign(b"a checkpoint"));
        prop_assert_eq!(both(&public, b"a checkpoint", &signature[..length.min(64)]), length >= 64);
        match at.checked_sub(64) {
            Some(at) => public[at] ^= 1 << bit,
            None => signature[at] ^= 1 << bit,
        }
        prop_assert!(!both(&public, b"a checkpoint", &signature));
    }
}

#[test]
fn both_refuse_a_second_form_of_a_signature() {
    let pair = native::KeyPair::from_seed(&[7; 32]).unwrap();
    let mut signature = pair.sign(b"once");
    let mut carry = 0;
    for (digit, add) in signature[32..].iter_mut().zip(bytes::<32>(ORDER)) {
        let sum = u16::from(*digit) + u16::from(add) + carry;
        (*digit, carry) = (sum as u8, sum >> 8);
    }
    assert!(!both(&pair.public().unwrap(), b"once", &signature), "S + L is S to whoever does not look");
}

#[test]
fn both_say_the_same_of_points_that_no_key_has() {
    let mut accepted = 0;
    for public in ODD_POINTS.map(bytes::<32>) {
        for r in ODD_POINTS.map(bytes::<32>) {
            for s in [[0; 32], bytes::<32>("0100000000000000000000000000000000000000000000000000000000000000")] {
                for message in 0..16_u8 {
                    accepted += u32::from(both(&public, &[message], &[r, s].concat()));
                }
            }
        }
    }
    // RFC 8032 does not refuse small points; a key of the reader's is never one of these.
    assert!(accepted > 0, "some of them verify");
}
