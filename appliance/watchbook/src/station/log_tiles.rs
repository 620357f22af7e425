//! The audit log's tree and entries as C2SP tlog-tiles has them read: what the last checkpoint is about, and nothing behind it.

use super::desk::stored;
use watchbook_base::Kind;
use watchbook_evidence::tile::{TILE_WIDTH, Tile, TileSource as _, encode_entries};
use watchbook_store::register::Register;
use watchbook_web::error::Error;

type Result<T> = core::result::Result<T, Error>;

/// The bytes of `path`, `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`, of a log of which `signed` entries are signed: hashes of 32 bytes, or entries of at most 16 KiB each with their
/// lengths, at most [`TILE_WIDTH`].
///
/// # Errors
/// `NotFound` for a path that is none, or what is not signed; when the register cannot be read.
pub fn read(register: &Register, signed: u64, path: &str) -> Result<Vec<u8>> {
    let unknown = || {
        Error::not_found("the signed log has no such tile")
            .next("Tiles have the paths of C2SP tlog-tiles; how many entries are signed stands in the checkpoint.")
    };
    let (tile, is_entries) = match Tile::parse(path) {
        Some(tile) => (tile, false),
        None => (Tile::parse_entries(path).ok_or_else(unknown)?, true),
    };
    let there = Tile::of_tree(tile.level, tile.index, signed).is_some_and(|there| there.width >= tile.width);
    match (there, is_entries) {
        (false, _) => Err(unknown()),
        (true, false) => Ok(register.tile(tile).map_err(stored)?.concat()),
        (true, true) => entries(register, tile),
    }
}

fn entries(register: &Register, tile: Tile) -> Result<Vec<u8>> {
    let corrupt = |what: &str| Error::new(Kind::Corrupt, format!("reading {}: {what}", tile.entries_path()));
    let first = tile.index.saturating_mul(u64::from(TILE_WIDTH));
    let rows = register.audit_entries(first, usize::from(tile.width)).map_err(stored)?;
    let whole = rows.len() == usize::from(tile.width) && (first..).zip(&rows).all(|(index, row)| row.index == index);
    if !whole {
        return Err(corrupt("entries are missing"));
    }
    let leaves: core::result::Result<Vec<Vec<u8>>, _> = rows.iter().map(|row| row.leaf.encode()).collect();
    let leaves = leaves.map_err(|error| corrupt(&error.to_string()))?;
    encode_entries(leaves.iter().map(Vec::as_slice)).ok_or_else(|| corrupt("an entry is too long"))
}
