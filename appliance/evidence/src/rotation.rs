//! A log that changes its key says so in a leaf: a signed note with the old key and the new one, signed with both.
//!
//! ```text
//! watchbook log key v1
//! <origin>
//! <vkey of the key that goes>
//! <vkey of the key that comes>
//! ```
//! The first tree that has the leaf is signed with both keys, too; for every tree that has it the new key's signature is the one that counts.

use crate::key::{Algorithm, SigningKey, VerifierKey};
use crate::note::{Note, NoteError};
use core::fmt;

const TITLE: &str = "watchbook log key v1";
/// Changes of key in the life of one log. One a month for forty years are fewer.
pub const ROTATIONS_MAX: usize = 512;

/// Which key follows which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Of which log.
    pub origin: String,
    /// The key that goes.
    pub old: VerifierKey,
    /// The key that comes.
    pub new: VerifierKey,
}

/// Why a change of key is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationError {
    /// As a note.
    Note(NoteError),
    /// Not the four lines, or keys that cannot sign for a log.
    Form,
    /// Only one of the two keys has signed.
    OneSided,
    /// It does not continue the key that is trusted, is of another log, or lies before the change that was followed last.
    NotNext,
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => error.fmt(f),
            Self::Form => f.write_str("the entry is no change of a log's key"),
            Self::OneSided => f.write_str("the change of key is not signed with both keys"),
            Self::NotNext => f.write_str("the change of key does not continue the key that is trusted"),
        }
    }
}

impl std::error::Error for RotationError {}

impl Rotation {
    fn text(&self) -> String {
        format!("{TITLE}\n{}\n{}\n{}\n", self.origin, self.old, self.new)
    }

    /// The note for the leaf.
    ///
    /// # Errors
    /// When `origin` has a line break or a key is no log's.
    pub fn sign(origin: &str, old: &SigningKey, new: &SigningKey) -> Result<String, RotationError> {
        let rotation = Self { origin: origin.to_owned(), old: old.verifier().clone(), new: new.verifier().clone() };
        let mut note = Note::new(&rotation.text()).map_err(RotationError::Note)?;
        for key in [old, new] {
            note.sign(key).map_err(RotationError::Note)?;
        }
        let text = note.to_text();
        if Self::verify(text.as_bytes())? == rotation { Ok(text) } else { Err(RotationError::Form) }
    }

    /// The change that this note makes. Whether its old key is to be trusted is [`KeyChain::follow`]'s question.
    ///
    /// # Errors
    /// When the form is wrong or one of the two signatures is missing or false.
    pub fn verify(bytes: &[u8]) -> Result<Self, RotationError> {
        let note = Note::parse(bytes).map_err(RotationError::Note)?;
        let lines: Vec<&str> = note.text().lines().collect();
        let [TITLE, origin, old, new] = lines[..] else { return Err(RotationError::Form) };
        let key = |text| VerifierKey::parse(text).map_err(|_| RotationError::Form);
        let keys = [key(old)?, key(new)?];
        let signed = note.verify(&keys).map_err(RotationError::Note)?;
        let [old, new] = keys.clone();
        if origin.is_empty() || old == new || keys.iter().any(|key| key.algorithm() != Algorithm::Ed25519) {
            return Err(RotationError::Form);
        }
        if keys.iter().any(|key| !signed.iter().any(|signed| signed.key == key)) {
            return Err(RotationError::OneSided);
        }
        Ok(Self { origin: origin.to_owned(), old, new })
    }
}

/// The keys of one log from one that a person trusts onwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChain {
    origin: String,
    first: VerifierKey,
    /// Leaf and the key that came with it, in order.
    changes: Vec<(u64, VerifierKey)>,
}

impl KeyChain {
    /// Begins with a key that somebody compared with its owner's.
    #[must_use]
    pub fn trusting(origin: &str, first: VerifierKey) -> Self {
        Self { origin: origin.to_owned(), first, changes: Vec::new() }
    }

    /// Goes on to the key that the leaf number `leaf` brings. That it is in the log is the caller's to prove, against a tree signed with a key of this chain.
    ///
    /// # Errors
    /// [`RotationError::NotNext`], also after [`ROTATIONS_MAX`] changes.
    pub fn follow(&mut self, leaf: u64, rotation: &Rotation) -> Result<(), RotationError> {
        let (last, key) = self.changes.last().map_or((None, &self.first), |(leaf, key)| (Some(*leaf), key));
        let continues = rotation.origin == self.origin && rotation.old == *key && last.is_none_or(|last| last < leaf);
        if !continues || self.changes.len() >= ROTATIONS_MAX {
            return Err(RotationError::NotNext);
        }
        self.changes.push((leaf, rotation.new.clone()));
        Ok(())
    }

    /// The key whose signature a tree of `size` leaves must have.
    #[must_use]
    pub fn key_of(&self, size: u64) -> &VerifierKey {
        self.changes.iter().rev().find(|(leaf, _)| size > *leaf).map_or(&self.first, |(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "station.example/log";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(ORIGIN, Algorithm::Ed25519, &[seed; 32]).unwrap()
    }

    fn rotation(old: u8, new: u8) -> Rotation {
        Rotation::verify(Rotation::sign(ORIGIN, &key(old), &key(new)).unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn both_keys_sign_the_change() {
        let text = Rotation::sign(ORIGIN, &key(1), &key(2)).unwrap();
        let want = format!("watchbook log key v1\n{ORIGIN}\n{}\n{}\n\n", key(1).verifier(), key(2).verifier());
        assert!(text.starts_with(&want));
        let lines: Vec<&str> = text.lines().collect();
        for (gone, why) in [(5, RotationError::OneSided), (6, RotationError::OneSided)] {
            let left: String =
                lines.iter().enumerate().filter(|(i, _)| *i != gone).map(|(_, line)| format!("{line}\n")).collect();
            assert_eq!(Rotation::verify(left.as_bytes()), Err(why));
        }
        let other = text.replacen("station", "another", 1);
        assert!(matches!(Rotation::verify(other.as_bytes()), Err(RotationError::Note(_))));
        assert_eq!(Rotation::sign(ORIGIN, &key(1), &key(1)), Err(RotationError::Form));
        assert_eq!(Rotation::sign("two\nlines", &key(1), &key(2)), Err(RotationError::Form));
    }

    #[test]
    fn a_chain_says_whose_signature_a_tree_must_have() {
        let mut chain = KeyChain::trusting(ORIGIN, key(1).verifier().clone());
        chain.follow(10, &rotation(1, 2)).unwrap();
        chain.follow(20, &rotation(2, 3)).unwrap();
        for (size, seed) in [(0, 1), (10, 1), (11, 2), (20, 2), (21, 3), (u64::MAX, 3)] {
            assert_eq!(chain.key_of(size), key(seed).verifier(), "{size}");
        }
        assert_eq!(chain.follow(30, &rotation(1, 4)), Err(RotationError::NotNext));
        assert_eq!(chain.follow(20, &rotation(3, 4)), Err(RotationError::NotNext));
        let elsewhere = Rotation { origin: "another".to_owned(), ..rotation(3, 4) };
        assert_eq!(chain.follow(30, &elsewhere), Err(RotationError::NotNext));
    }
}
