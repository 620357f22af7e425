//! Who signs for a log, and what must be true before. A state machine: the caller brings tiles and stored checkpoints, and takes what was signed to the disk and
//! outside.
//!
//! Order of the caller: 1. the leaves are durable, 2. [`Keeper::sign`], 3. the signed checkpoint is durable, 4. it is shown to anybody, and written to a second place.
//! A crash between 2 and 3 loses a checkpoint that nobody has seen.

use crate::checkpoint::{Checkpoint, SignedCheckpoint, SignedError};
use crate::key::{Algorithm, SigningKey, VerifierKey};
use crate::merkle::{Root, verify_consistency};
use crate::proof::TiledTree;
use crate::tile::{TileError, TileSource};
use core::fmt;

/// Signs checkpoints of one log, each of which continues all before it.
#[derive(Debug)]
pub struct Keeper {
    origin: String,
    key: SigningKey,
    next: Option<NextKey>,
    /// Everything that was signed and is still known, largest last.
    known: Vec<SignedCheckpoint>,
}

/// A key that takes over once its leaf is in the tree.
#[derive(Debug)]
struct NextKey {
    key: SigningKey,
    leaf: u64,
}

/// Why nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal<E> {
    /// The log is shorter than one that was signed: it comes from an old copy of the disk, or its end was cut off.
    Rollback {
        /// What was signed.
        signed: Root,
        /// What there is now.
        now: Root,
    },
    /// The log does not begin with the one that was signed: an entry was changed, removed or put in, or it is another log.
    Fork {
        /// What was signed.
        signed: Root,
        /// What there is now.
        now: Root,
    },
    /// The tiles do not hash to the root that the log believes it has.
    Damaged {
        /// What the log believes.
        believed: Root,
        /// What the tiles say.
        tiles: Root,
    },
    /// A tile cannot be read.
    Tiles(TileError<E>),
    /// A checkpoint that is said to be this log's is not, or cannot be signed.
    NotOurs(SignedError),
    /// A checkpoint of another log.
    Origin(String),
    /// A key that cannot sign for a log, or a second change of key before the first is done.
    Key,
}

impl<E: fmt::Display> fmt::Display for Refusal<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rollback { signed, now } => write!(
                f,
                "ROLLBACK: a tree of {} entries was signed, the log has {} now; it comes from an old copy. Nothing is signed until the newer log is back",
                signed.size, now.size
            ),
            Self::Fork { signed, now } => write!(
                f,
                "FORK: the log of {} entries does not begin with the {} that were signed; an entry was changed, removed or put in. Nothing is signed",
                now.size, signed.size
            ),
            Self::Damaged { believed, tiles } => write!(
                f,
                "the tiles of {} entries do not hash to the root of the log of {}; make them anew from its entries",
                tiles.size, believed.size
            ),
            Self::Tiles(error) => error.fmt(f),
            Self::NotOurs(error) => write!(f, "a stored checkpoint is not this log's: {error}"),
            Self::Origin(origin) => write!(f, "the checkpoint is one of the log {origin}"),
            Self::Key => f.write_str("the key cannot sign for this log, or another change of key is not done yet"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Refusal<E> {}

impl Keeper {
    /// The keeper of the log `origin`, which knows these checkpoints: every copy of what it signed last, from every place where one is kept. `retired` are the
    /// keys with which some of them may have been signed.
    ///
    /// # Errors
    /// `Key`, and for a copy that is not this log's `NotOurs` or `Origin`; `Fork` when two copies of the same size differ.
    pub fn open<E>(
        origin: &str,
        key: SigningKey,
        retired: &[VerifierKey],
        copies: &[&[u8]],
    ) -> Result<Self, Refusal<E>> {
        if key.verifier().algorithm() != Algorithm::Ed25519 {
            return Err(Refusal::Key);
        }
        let keys = [&[key.verifier().clone()], retired].concat();
        let mut keeper = Self { origin: origin.to_owned(), key, next: None, known: Vec::new() };
        for copy in copies {
            keeper.learn(copy, &keys)?;
        }
        Ok(keeper)
    }

    /// The largest tree that was signed.
    #[must_use]
    pub fn last(&self) -> Option<&SignedCheckpoint> {
        self.known.last()
    }

    /// Learns a checkpoint of this log that comes from outside: from a witness, an auditor or the page of yesterday. `keys` are those that this log has had.
    ///
    /// # Errors
    /// `NotOurs` or `Origin` when this log has not signed it, `Fork` when it contradicts one that is known.
    pub fn learn<E>(&mut self, seen: &[u8], keys: &[VerifierKey]) -> Result<(), Refusal<E>> {
        let seen = SignedCheckpoint::parse(seen).map_err(Refusal::NotOurs)?;
        let Checkpoint { origin, root, .. } = seen.checkpoint();
        if *origin != self.origin {
            return Err(Refusal::Origin(origin.clone()));
        }
        seen.verify(keys).map_err(|error| Refusal::NotOurs(error.into()))?;
        let size = |known: &SignedCheckpoint| known.checkpoint().root.size;
        match self.known.binary_search_by_key(&root.size, size) {
            Err(place) => self.known.insert(place, seen),
            Ok(place) => {
                let known = self.known.get(place).map(|known| known.checkpoint().root);
                if let Some(signed) = known.filter(|known| known != root) {
                    return Err(Refusal::Fork { signed, now: *root });
                }
            }
        }
        Ok(())
    }

    /// Compares the log as it is now, with its tiles, with everything that was signed. Run at the start: it signs nothing.
    ///
    /// # Errors
    /// `Rollback`, `Fork`, `Damaged` or `Tiles`.
    pub fn check<S: TileSource + ?Sized>(&self, source: &S, now: Root) -> Result<(), Refusal<S::Error>> {
        let tree = TiledTree::new(source, now.size);
        for known in self.known.iter().rev() {
            let signed = known.checkpoint().root;
            if signed.size > now.size {
                return Err(Refusal::Rollback { signed, now });
            }
        }
        let tiles = tree.root().map_err(Refusal::Tiles)?;
        if tiles != now {
            return Err(Refusal::Damaged { believed: now, tiles });
        }
        for known in &self.known {
            let signed = known.checkpoint().root;
            let proof = tree.prove_consistency(signed.size).map_err(Refusal::Tiles)?;
            if !verify_consistency(&signed, &now, &proof) {
                return Err(Refusal::Fork { signed, now });
            }
        }
        Ok(())
    }

    /// Signs the log as it is now. A tree that is signed already is given back as it was.
    ///
    /// # Errors
    /// As [`Keeper::check`]; then nothing is signed.
    pub fn sign<S: TileSource + ?Sized>(
        &mut self,
        source: &S,
        now: Root,
    ) -> Result<SignedCheckpoint, Refusal<S::Error>> {
        self.check(source, now)?;
        if let Some(last) = self.known.last().filter(|last| last.checkpoint().root == now) {
            return Ok(last.clone());
        }
        let next = self.next.take_if(|next| now.size > next.leaf);
        let checkpoint = Checkpoint { origin: self.origin.clone(), root: now, extensions: Vec::new() };
        let keys: Vec<&SigningKey> =
            [Some(&self.key), next.as_ref().map(|next| &next.key)].into_iter().flatten().collect();
        let signed = SignedCheckpoint::sign(checkpoint, &keys);
        if let Some(NextKey { key, .. }) = next {
            self.key = key;
        }
        let signed = signed.map_err(Refusal::NotOurs)?;
        // `check` has proved that this tree continues all that is known.
        self.known = vec![signed.clone()];
        Ok(signed)
    }

    /// Has `key` take over with the first tree that has the leaf `leaf`, whose body is [`crate::rotation::Rotation::sign`]'s note. That tree is signed with both
    /// keys, all later ones with the new one alone. To be called again after a restart while no tree with the leaf has been signed.
    ///
    /// # Errors
    /// `Key` for a key that is no log's, the same one, or while another change is under way or `leaf` is in a tree that has been signed.
    pub fn rotate<E>(&mut self, key: SigningKey, leaf: u64) -> Result<(), Refusal<E>> {
        let is_new = key.verifier() != self.key.verifier() && key.verifier().algorithm() == Algorithm::Ed25519;
        let is_signed = self.known.last().is_some_and(|last| last.checkpoint().root.size > leaf);
        if !is_new || is_signed || self.next.is_some() {
            return Err(Refusal::Key);
        }
        self.next = Some(NextKey { key, leaf });
        Ok(())
    }

    /// The key that signs the next tree.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        self.key.verifier()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{Hash, leaf_hash, root_of};
    use crate::tile::{MemoryTiles, grown};
    use proptest::prelude::*;

    type Outcome<T> = Result<T, Refusal<String>>;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("station.example/log", Algorithm::Ed25519, &[seed; 32]).unwrap()
    }

    fn keeper(copies: &[&[u8]]) -> Outcome<Keeper> {
        Keeper::open("station.example/log", key(1), &[], copies)
    }

    /// Leaves `0..size`, of which those from `other` on are not what they were.
    fn log(size: usize, other: usize) -> (MemoryTiles, Root) {
        let leaf = |i: usize| leaf_hash(format!("{i}{}", if i < other { "" } else { " changed" }).as_bytes());
        let leaves: Vec<Hash> = (0..size).map(leaf).collect();
        let mut tiles = MemoryTiles::default();
        tiles.write(grown(&tiles, 0, &leaves).unwrap());
        (tiles, Root { size: size as u64, hash: root_of(&leaves) })
    }

    fn signed(size: usize, other: usize) -> SignedCheckpoint {
        let (tiles, root) = log(size, other);
        keeper(&[]).unwrap().sign(&tiles, root).unwrap()
    }

    #[test]
    fn a_growing_log_is_signed_and_the_same_tree_once() {
        let mut keeper = keeper(&[]).unwrap();
        for size in [0, 1, 5, 300, 300, 1000] {
            let (tiles, root) = log(size, usize::MAX);
            let signed = keeper.sign(&tiles, root).unwrap();
            assert_eq!(signed.checkpoint().root, root);
            assert!(signed.verify(&[key(1).verifier().clone()]).is_ok());
            assert_eq!(keeper.last(), Some(&signed));
        }
    }

    #[test]
    fn an_old_copy_of_the_disk_is_a_rollback() {
        let last = signed(300, usize::MAX).to_text();
        let (tiles, now) = log(299, usize::MAX);
        let mut keeper = keeper(&[last.as_bytes()]).unwrap();
        let rollback = Refusal::Rollback { signed: log(300, usize::MAX).1, now };
        assert_eq!(keeper.check(&tiles, now), Err(rollback.clone()));
        assert_eq!(keeper.sign(&tiles, now), Err(rollback.clone()));
        assert!(rollback.to_string().starts_with("ROLLBACK"));
        // Growing past what was signed with other entries is no way out.
        let (tiles, now) = log(400, 299);
        assert!(matches!(keeper.sign(&tiles, now), Err(Refusal::Fork { .. })));
        // The right log is.
        let (tiles, now) = log(400, usize::MAX);
        assert!(keeper.sign(&tiles, now).is_ok());
    }

    #[test]
    fn the_second_place_remembers_what_the_first_forgot() {
        let (old, new) = (signed(100, usize::MAX).to_text(), signed(300, usize::MAX).to_text());
        let (tiles, now) = log(100, usize::MAX);
        let mut keeper = keeper(&[old.as_bytes(), new.as_bytes(), old.as_bytes()]).unwrap();
        assert!(matches!(keeper.sign(&tiles, now), Err(Refusal::Rollback { .. })));
    }

    #[test]
    fn two_signed_trees_that_do_not_agree_are_a_fork() {
        let (one, other) = (signed(300, usize::MAX).to_text(), signed(300, 7).to_text());
        assert!(matches!(keeper(&[one.as_bytes(), other.as_bytes()]).err(), Some(Refusal::Fork { .. })));
        // Of different sizes: found as soon as the log itself is there.
        let longer = signed(301, 7).to_text();
        let (tiles, now) = log(400, usize::MAX);
        let mut keeper = keeper(&[one.as_bytes(), longer.as_bytes()]).unwrap();
        assert!(matches!(keeper.sign(&tiles, now), Err(Refusal::Fork { signed, .. }) if signed.size == 301));
        let fork: Outcome<()> = keeper.learn(other.as_bytes(), &[key(1).verifier().clone()]);
        assert!(matches!(fork, Err(Refusal::Fork { .. })));
    }

    #[test]
    fn what_another_log_or_key_signed_is_not_ours() {
        let text = signed(5, usize::MAX).to_text();
        let with = |origin, key| Keeper::open::<String>(origin, key, &[], &[text.as_bytes()]).err();
        assert!(matches!(with("another.example/log", key(1)), Some(Refusal::Origin(_))));
        assert!(matches!(with("station.example/log", key(2)), Some(Refusal::NotOurs(_))));
        assert!(matches!(keeper(&[b"rubbish"]).err(), Some(Refusal::NotOurs(_))));
        let witness = SigningKey::from_seed("w", Algorithm::Cosignature, &[1; 32]).unwrap();
        assert!(matches!(Keeper::open::<String>("log", witness, &[], &[]).err(), Some(Refusal::Key)));
    }

    #[test]
    fn tiles_that_are_not_the_log_s_are_damaged() {
        let (tiles, _) = log(300, 299);
        let (_, believed) = log(300, usize::MAX);
        assert!(matches!(keeper(&[]).unwrap().sign(&tiles, believed), Err(Refusal::Damaged { .. })));
        assert!(matches!(keeper(&[]).unwrap().sign(&tiles, log(301, 299).1), Err(Refusal::Tiles(_))));
    }

    #[test]
    fn a_new_key_takes_over_with_the_tree_that_names_it() {
        let mut keeper = keeper(&[]).unwrap();
        let (old, new) = ([key(1).verifier().clone()], [key(2).verifier().clone()]);
        let sign = |keeper: &mut Keeper, size| {
            let (tiles, now) = log(size, usize::MAX);
            keeper.sign(&tiles, now).unwrap()
        };
        let refused: Outcome<()> = keeper.rotate(key(1), 5);
        assert_eq!(refused, Err(Refusal::Key));
        keeper.rotate::<String>(key(2), 5).unwrap();
        let before = sign(&mut keeper, 5);
        assert!(before.verify(&old).is_ok() && before.verify(&new).is_err());
        let both = sign(&mut keeper, 6);
        assert!(both.verify(&old).is_ok() && both.verify(&new).is_ok());
        let after = sign(&mut keeper, 7);
        assert!(after.verify(&old).is_err() && after.verify(&new).is_ok());
        assert_eq!(keeper.key(), &new[0]);
        let late: Outcome<()> = keeper.rotate(key(3), 6);
        assert_eq!(late, Err(Refusal::Key), "the leaf is in a signed tree");
        // Both copies are known after a restart with the new key.
        let copies = [before.to_text(), after.to_text()];
        let again =
            Keeper::open::<String>("station.example/log", key(2), &old, &[copies[0].as_bytes(), copies[1].as_bytes()]);
        assert_eq!(again.unwrap().last(), Some(&after));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn only_a_log_that_begins_with_what_was_signed_is_signed(first in 1_usize..400, then in 0_usize..400, changed in 0_usize..400) {
            let (tiles, root) = log(first, usize::MAX);
            let mut keeper = keeper(&[]).unwrap();
            keeper.sign(&tiles, root).unwrap();
            let (tiles, now) = log(then, changed);
            let outcome = keeper.sign(&tiles, now);
            match (then >= first, changed >= first) {
                (false, _) => assert!(matches!(outcome, Err(Refusal::Rollback { .. }))),
                (true, false) => assert!(matches!(outcome, Err(Refusal::Fork { .. }))),
                (true, true) => assert!(outcome.is_ok()),
            }
        }
    }
}
