//! The Merkle tree of RFC 6962 §2.1 (the same hashes as RFC 9162 §2.1): root, inclusion and consistency proofs, and the frontier that lets a log of any
//! length grow with at most 64 hashes in memory.

use crate::sha256_of;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Hash of the tree without leaves: SHA-256 of nothing (RFC 6962 §2.1).
#[must_use]
pub fn empty_root() -> Hash {
    sha256_of(&[])
}

/// Hash of a leaf: SHA-256(0x00 ‖ leaf).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256_of(&[&[0], leaf])
}

/// Hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256_of(&[&[1], left, right])
}

/// How long a log is and what it hashes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Leaves.
    pub size: u64,
    /// RFC 6962 tree hash.
    pub hash: Hash,
}

/// The right edge of a growing tree: the roots of its full subtrees, largest first; one per set bit of `size`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier with these parts; `None` when the number of peaks does not fit `size`.
    #[must_use]
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (usize::try_from(size.count_ones()).ok()? == peaks.len()).then_some(Self { size, peaks })
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the full subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds the leaf with this hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The tree's root now.
    #[must_use]
    pub fn root(&self) -> Root {
        let mut peaks = self.peaks.iter().rev();
        let hash = match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        };
        Root { size: self.size, hash }
    }
}

/// Root over these leaf hashes.
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = halves(leaves);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Splits at the largest power of two smaller than the length (`k` of RFC 6962 §2.1). Needs two leaves or more.
fn halves(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    leaves.split_at(leaves.len().next_power_of_two() / 2)
}

/// The audit path of the leaf at `index` (RFC 6962 §2.1.1), from the leaf up; `None` when there is no such leaf.
#[must_use]
pub fn prove_inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = halves(leaves);
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (prove_inclusion(left, index)?, right),
        Some(index) => (prove_inclusion(right, index)?, left),
    };
    path.push(root_of(sibling));
    Some(path)
}

/// True when `path` proves that the leaf with hash `leaf` is number `index` of the tree `root` (RFC 9162 §2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, root: &Root, path: &[Hash]) -> bool {
    if index >= root.size {
        return false;
    }
    let (mut at, mut last) = (index, root.size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root.hash
}

/// The proof that the first `old` leaves are a prefix of `leaves` (RFC 6962 §2.1.2); `None` when `old` is 0 or more than there are.
#[must_use]
pub fn prove_consistency(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
    (1..=leaves.len()).contains(&old).then(|| subproof(old, leaves, true))
}

/// `SUBPROOF(m, D[n], b)` of RFC 6962 §2.1.2.
fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old >= leaves.len() {
        return if whole { Vec::new() } else { vec![root_of(leaves)] };
    }
    let (left, right) = halves(leaves);
    match old.checked_sub(left.len()) {
        None | Some(0) => {
            let mut proof = subproof(old, left, whole);
            proof.push(root_of(right));
            proof
        }
        Some(beyond) => {
            let mut proof = subproof(beyond, right, false);
            proof.push(root_of(left));
            proof
        }
    }
}

/// True when `proof` shows that the tree `new` begins with the leaves of the tree `old` (RFC 9162 §2.1.4.2). An empty `old` is a prefix of anything.
#[must_use]
pub fn verify_consistency(old: &Root, new: &Root, proof: &[Hash]) -> bool {
    if old.size == 0 {
        return proof.is_empty() && old.hash == empty_root() && (new.size > 0 || new.hash == old.hash);
    }
    if old.size == new.size {
        return proof.is_empty() && old.hash == new.hash;
    }
    if old.size > new.size {
        return false;
    }
    let mut path = proof.iter();
    let first = if old.size.is_power_of_two() { Some(&old.hash) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old.size - 1, new.size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == old.hash && new_hash == new.hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use proptest::prelude::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    fn hash(text: &str) -> Hash {
        unhex(text).try_into().unwrap()
    }

    /// The eight leaves that the Certificate Transparency reference implementations test with (google/certificate-transparency
    /// `merkle_tree_test.cc`, transparency-dev/merkle `testonly/constants.go`).
    fn ct_leaves() -> Vec<Hash> {
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
            .iter()
            .map(|leaf| leaf_hash(&unhex(leaf)))
            .collect()
    }

    const CT_ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let leaves = ct_leaves();
        let mut frontier = Frontier::default();
        for (size, want) in CT_ROOTS.iter().enumerate() {
            assert_eq!(hex(&root_of(&leaves[..size])), *want, "{size} leaves");
            assert_eq!(hex(&frontier.root().hash), *want, "frontier of {size} leaves");
            if let Some(leaf) = leaves.get(size) {
                frontier.push(*leaf);
            }
        }
    }

    #[test]
    fn the_inclusion_path_is_that_of_certificate_transparency() {
        // Leaf 5 of 8 in the vectors named above.
        let path = prove_inclusion(&ct_leaves(), 5).unwrap();
        let want = [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        assert_eq!(path.iter().map(|hash| hex(hash)).collect::<Vec<_>>(), want);
        let root = Root { size: 8, hash: hash(CT_ROOTS[8]) };
        assert!(verify_inclusion(&ct_leaves()[5], 5, &root, &path));
    }

    #[test]
    fn the_consistency_proof_is_that_of_certificate_transparency() {
        // From 6 to 8 leaves in the vectors named above.
        let proof = prove_consistency(&ct_leaves(), 6).unwrap();
        let want = [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        assert_eq!(proof.iter().map(|hash| hex(hash)).collect::<Vec<_>>(), want);
        let root = |size: usize| Root { size: size as u64, hash: hash(CT_ROOTS[size]) };
        assert!(verify_consistency(&root(6), &root(8), &proof));
    }

    #[test]
    fn an_empty_tree_is_a_prefix_and_a_longer_one_is_not() {
        let leaves = ct_leaves();
        let root = |n: usize| Root { size: n as u64, hash: root_of(&leaves[..n]) };
        assert!(verify_consistency(&root(0), &root(5), &[]));
        assert!(verify_consistency(&root(0), &root(0), &[]));
        assert!(!verify_consistency(&root(0), &Root { size: 0, hash: [1; 32] }, &[]));
        assert!(!verify_consistency(&root(5), &root(4), &[]));
        assert!(verify_consistency(&root(5), &root(5), &[]));
        assert_eq!((prove_consistency(&leaves, 0), prove_consistency(&leaves, 9)), (None, None));
        assert_eq!(Frontier::from_parts(5, vec![[0; 32]]), None);
    }

    proptest! {
        #[test]
        fn proofs_verify_and_changed_ones_do_not(size in 1_usize..70, pick in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>()) {
            let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_le_bytes())).collect();
            let index = pick.index(size);
            let new = Root { size: size as u64, hash: root_of(&leaves) };
            let mut path = prove_inclusion(&leaves, index).unwrap();
            prop_assert!(verify_inclusion(&leaves[index], index as u64, &new, &path));
            for other in (0..size as u64).filter(|other| *other != index as u64) {
                prop_assert!(!verify_inclusion(&leaves[index], other, &new, &path), "leaf {} passed as {}", index, other);
            }
            let old = Root { size: index as u64 + 1, hash: root_of(&leaves[..=index]) };
            let mut proof = prove_consistency(&leaves, index + 1).unwrap();
            prop_assert!(verify_consistency(&old, &new, &proof));
            let wrong = Root { hash: leaf_hash(b"wrong"), ..old };
            prop_assert!(!verify_consistency(&wrong, &new, &proof));
            for hashes in [&mut path, &mut proof] {
                if !hashes.is_empty() {
                    let at = flip.index(hashes.len());
                    hashes[at][0] ^= 1;
                }
            }
            prop_assert!(path.is_empty() || !verify_inclusion(&leaves[index], index as u64, &new, &path));
            prop_assert!(proof.is_empty() || !verify_consistency(&old, &new, &proof));
        }

        #[test]
        fn the_frontier_agrees_with_the_whole_tree(size in 0_usize..200) {
            let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_le_bytes())).collect();
            let mut frontier = Frontier::default();
            leaves.iter().for_each(|leaf| frontier.push(*leaf));
            prop_assert_eq!(frontier.root(), Root { size: size as u64, hash: root_of(&leaves) });
            let again = Frontier::from_parts(frontier.size(), frontier.peaks().to_vec());
            prop_assert_eq!(again, Some(frontier));
        }
    }
}
