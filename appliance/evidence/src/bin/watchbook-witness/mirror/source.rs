//! Where a copy of a log is taken from.

use watchbook_evidence::Hash;
use watchbook_evidence::leaf::BODY_BYTES_MAX;
use watchbook_evidence::mirror::Alert;
use watchbook_evidence::tile::{TILE_WIDTH, Tile, TileSource, decode_entries};

/// Bytes of a bundle: 256 entries of the largest size, each with its head and its length.
pub(super) const BUNDLE_BYTES_MAX: u64 = TILE_WIDTH as u64 * (BODY_BYTES_MAX as u64 + 64);

/// Why something was not got.
pub(super) enum Trouble {
    /// What was got is wrong.
    Alert(Alert),
    /// Nothing was got: in a sentence.
    Unreached(String),
    /// Nobody is let in with this token.
    NotLetIn(String),
}

/// A log that can be read.
pub(super) trait Source {
    /// The last checkpoint.
    fn checkpoint(&mut self) -> Result<Vec<u8>, Trouble>;

    /// The entries whose hashes this tile of level 0 has, exactly [`Tile::width`] of them.
    fn entries(&mut self, tile: Tile) -> Result<Vec<Vec<u8>>, Trouble>;

    /// The hashes of a tile, for finding out what is wrong.
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, Trouble>;

    /// Reading everything again costs little.
    fn is_cheap(&self) -> bool;
}

/// Number of the first entry of a tile of level 0.
pub(super) fn first_of(tile: Tile) -> u64 {
    tile.index.saturating_mul(u64::from(TILE_WIDTH))
}

/// The entries in a bundle's bytes.
pub(super) fn decoded(tile: Tile, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Trouble> {
    let wrong = |why: String| Trouble::Alert(Alert::Entry { index: first_of(tile), why });
    let entries = decode_entries(bytes)
        .ok_or_else(|| wrong("what is handed out from there on is no bundle of entries".to_owned()))?;
    match entries.len() == usize::from(tile.width) {
        true => Ok(entries.into_iter().map(<[u8]>::to_vec).collect()),
        false => Err(wrong(format!(
            "{} entries are handed out from there on, where {} are signed",
            entries.len(),
            tile.width
        ))),
    }
}

/// A source's tiles for proofs.
pub(super) struct Tiles<'s>(pub(super) &'s dyn Source);

impl TileSource for Tiles<'_> {
    type Error = ();

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, ()> {
        self.0.tile(tile).map_err(drop)
    }
}
