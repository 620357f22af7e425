//! Roots and proofs of a tree whose hashes lie in tiles. For a log of ten million entries a proof reads three full tiles and the right edge.

use crate::merkle::{Hash, Root, empty_root, node_hash, root_of};
use crate::tile::{Tile, TileError, TileSource, read};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A tree of `size` leaves over the tiles of `source`. It keeps the tiles that it has read, so that several proofs of the same tree share them.
pub struct TiledTree<'s, S: TileSource + ?Sized> {
    source: &'s S,
    size: u64,
    seen: RefCell<BTreeMap<Tile, Vec<Hash>>>,
}

impl<'s, S: TileSource + ?Sized> TiledTree<'s, S> {
    /// The tree of the first `size` leaves.
    #[must_use]
    pub fn new(source: &'s S, size: u64) -> Self {
        Self { source, size, seen: RefCell::default() }
    }

    /// Its root.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn root(&self) -> Result<Root, TileError<S::Error>> {
        let hash = if self.size == 0 { empty_root() } else { self.hash(0, self.size)? };
        Ok(Root { size: self.size, hash })
    }

    /// The audit path of leaf `index` (RFC 6962 §2.1.1), from the leaf up.
    ///
    /// # Errors
    /// `OutOfTree` when there is no such leaf, and when a tile cannot be read.
    pub fn prove_inclusion(&self, index: u64) -> Result<Vec<Hash>, TileError<S::Error>> {
        if index >= self.size {
            return Err(TileError::OutOfTree);
        }
        let (mut from, mut to) = (0, self.size);
        let mut path = Vec::new();
        while to - from > 1 {
            let middle = split(from, to);
            if index < middle {
                path.push(self.hash(middle, to)?);
                to = middle;
            } else {
                path.push(self.hash(from, middle)?);
                from = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The proof that the tree of the first `old` leaves is a prefix of this one (RFC 6962 §2.1.2); empty for the empty tree, which is a prefix of any.
    ///
    /// # Errors
    /// `OutOfTree` when `old` is larger than this tree, and when a tile cannot be read.
    pub fn prove_consistency(&self, old: u64) -> Result<Vec<Hash>, TileError<S::Error>> {
        if old > self.size {
            return Err(TileError::OutOfTree);
        }
        let mut proof = Vec::new();
        if old == 0 || old == self.size {
            return Ok(proof);
        }
        let (mut from, mut to) = (0, self.size);
        // SUBPROOF(m, D[from:to], b): b is true while the subtree still begins with the first leaf.
        while old < to {
            let middle = split(from, to);
            if old <= middle {
                proof.push(self.hash(middle, to)?);
                to = middle;
            } else {
                proof.push(self.hash(from, middle)?);
                from = middle;
            }
        }
        if from > 0 {
            proof.push(self.hash(from, to)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// Hash of the leaves from `from` to before `to`: a subtree of RFC 6962, so `from` is a multiple of a power of two that is not smaller than its length.
    fn hash(&self, from: u64, to: u64) -> Result<Hash, TileError<S::Error>> {
        let leaves = to - from;
        if leaves.is_power_of_two() {
            return self.full(from, leaves.trailing_zeros());
        }
        let middle = split(from, to);
        Ok(node_hash(&self.hash(from, middle)?, &self.hash(middle, to)?))
    }

    /// Hash of the full subtree of 2^`height` leaves from `from` on: some of the hashes of one tile.
    fn full(&self, from: u64, height: u32) -> Result<Hash, TileError<S::Error>> {
        let level = height / 8;
        let at = from >> (8 * level);
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let tile = Tile::of_tree(level, at / 256, self.size).ok_or(TileError::OutOfTree)?;
        let mut seen = self.seen.borrow_mut();
        let hashes = match seen.entry(tile) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(read(self.source, tile)?),
        };
        // At most 255 hashes into the tile, and 128 hashes long: both fit every usize.
        let first = usize::try_from(at % 256).unwrap_or(usize::MAX);
        let count = 1_usize << (height % 8);
        let part = hashes.iter().skip(first).take(count).copied().collect::<Vec<Hash>>();
        if part.len() == count { Ok(root_of(&part)) } else { Err(TileError::OutOfTree) }
    }
}

/// Where RFC 6962 splits the leaves from `from` to before `to`, of which there are two or more: behind the largest power of two that is smaller than their
/// number.
fn split(from: u64, to: u64) -> u64 {
    from + (to - from).next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{leaf_hash, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion};
    use crate::tile::{MemoryTiles, grown};
    use proptest::prelude::*;

    fn tree(size: usize) -> (Vec<Hash>, MemoryTiles) {
        let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_le_bytes())).collect();
        let mut tiles = MemoryTiles::default();
        tiles.write(grown(&tiles, 0, &leaves).unwrap());
        (leaves, tiles)
    }

    #[test]
    fn every_proof_of_every_small_tree_is_the_one_of_the_whole_tree() {
        let (leaves, tiles) = tree(70);
        for size in 1..=leaves.len() {
            let tiled = TiledTree::new(&tiles, size as u64);
            assert_eq!(tiled.root().unwrap().hash, root_of(&leaves[..size]));
            for at in 0..size {
                assert_eq!(tiled.prove_inclusion(at as u64).unwrap(), prove_inclusion(&leaves[..size], at).unwrap());
                let consistency = tiled.prove_consistency(at as u64 + 1).unwrap();
                assert_eq!(consistency, prove_consistency(&leaves[..size], at + 1).unwrap(), "{} of {size}", at + 1);
            }
        }
    }

    #[test]
    fn what_is_not_in_the_tree_is_not_proved() {
        let (_, tiles) = tree(300);
        let tiled = TiledTree::new(&tiles, 300);
        assert_eq!(tiled.prove_inclusion(300), Err(TileError::OutOfTree));
        assert_eq!(tiled.prove_consistency(301), Err(TileError::OutOfTree));
        assert_eq!(tiled.prove_consistency(0), Ok(Vec::new()));
        assert_eq!(TiledTree::new(&tiles, 0).root().unwrap(), Root { size: 0, hash: empty_root() });
        assert!(matches!(
            TiledTree::new(&tiles, 301).root(),
            Err(TileError::Width(Tile { level: 0, index: 1, width: 45 }, 44))
        ));
        assert!(matches!(TiledTree::new(&tiles, 70_000).root(), Err(TileError::Source(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn proofs_from_tiles_equal_those_from_leaves(size in 1_usize..70_000, picks in proptest::collection::vec(any::<prop::sample::Index>(), 4)) {
            let (leaves, tiles) = tree(size);
            let tiled = TiledTree::new(&tiles, size as u64);
            let root = tiled.root().unwrap();
            prop_assert_eq!(root.hash, root_of(&leaves));
            for pick in picks {
                let at = pick.index(size);
                let path = tiled.prove_inclusion(at as u64).unwrap();
                prop_assert!(verify_inclusion(&leaves[at], at as u64, &root, &path));
                prop_assert_eq!(path, prove_inclusion(&leaves, at).unwrap());
                let proof = tiled.prove_consistency(at as u64 + 1).unwrap();
                let old = Root { size: at as u64 + 1, hash: root_of(&leaves[..=at]) };
                prop_assert!(verify_consistency(&old, &root, &proof));
                prop_assert_eq!(proof, prove_consistency(&leaves, at + 1).unwrap());
            }
        }
    }
}
