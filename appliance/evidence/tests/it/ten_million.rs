//! What one proof costs in a log of ten million entries. It prints; nothing here judges a time:
//! `cargo test --release -p watchbook-evidence ten_million -- --ignored --nocapture`.

use std::cell::Cell;
use std::time::Instant;
use watchbook_evidence::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use watchbook_evidence::proof::TiledTree;
use watchbook_evidence::tile::{MemoryTiles, Tile, TileSource, grown};
use watchbook_evidence::{Frontier, Hash};

const LEAVES: u64 = 10_000_000;
const PROOFS: u64 = 200;

/// Counts what is read.
struct Counting<'a>(&'a MemoryTiles, Cell<u64>);

impl TileSource for Counting<'_> {
    type Error = String;

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String> {
        self.1.set(self.1.get() + 1);
        self.0.tile(tile)
    }
}

#[test]
#[ignore = "a measurement: 320 MB of hashes, some seconds"]
fn proofs_out_of_ten_million() {
    let mut tiles = MemoryTiles::default();
    let mut frontier = Frontier::default();
    let started = Instant::now();
    for from in (0..LEAVES).step_by(100_000) {
        let leaves: Vec<Hash> = (from..from + 100_000).map(|i| leaf_hash(&i.to_le_bytes())).collect();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        tiles.write(grown(&tiles, from, &leaves).unwrap());
    }
    println!("{LEAVES} leaves hashed and laid out in tiles: {:?}", started.elapsed());
    let root = frontier.root();
    let counting = Counting(&tiles, Cell::new(0));
    // Spread over the whole log by a step that is coprime to its length.
    let picks = || (0..PROOFS).map(|i| i * 7_368_787 % LEAVES);
    let started = Instant::now();
    for at in picks() {
        let path = TiledTree::new(&counting, LEAVES).prove_inclusion(at).unwrap();
        assert!(verify_inclusion(&leaf_hash(&at.to_le_bytes()), at, &root, &path));
    }
    let each = started.elapsed() / u32::try_from(PROOFS).unwrap();
    println!("an inclusion proof, made and verified: {each:?}, {} tiles", counting.1.take() / PROOFS);
    let started = Instant::now();
    for at in picks() {
        let old = TiledTree::new(&counting, at + 1).root().unwrap();
        let proof = TiledTree::new(&counting, LEAVES).prove_consistency(at + 1).unwrap();
        assert!(verify_consistency(&old, &root, &proof));
    }
    let each = started.elapsed() / u32::try_from(PROOFS).unwrap();
    println!("an old root and a consistency proof, made and verified: {each:?}, {} tiles", counting.1.take() / PROOFS);
}
