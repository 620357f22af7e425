//! Tiles of the audit log: the tree as pieces that never change once they are full, so that a proof about one of millions of entries reads a few of them.
//!
//! Table `audit_tile`: level u8, index u64 big-endian → hashes of 32 bytes. A full tile of level 0 is written with its last entry, and with it the tiles above it, which
//! grow. Leaf hashes of entries behind the last full tile are computed from the entries.

use super::{AUDIT, AUDIT_TILE};
use crate::error::{Error, Result};
use crate::kv::{Batch, Keys, Kv};
use watchbook_evidence::Hash;
use watchbook_evidence::merkle::leaf_hash;
use watchbook_evidence::tile::{TILE_WIDTH, Tile, TileError, TileSource, grown};

const WIDTH: u64 = TILE_WIDTH as u64;

/// Tiles of the log in this store.
pub(super) struct AuditTiles<'k>(pub(super) &'k dyn Kv);

fn key(level: u8, index: u64) -> Vec<u8> {
    [&[level][..], &index.to_be_bytes()].concat()
}

impl AuditTiles<'_> {
    /// Leaf hashes of entries `from` to before `to`.
    fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>> {
        let mut hashes = Vec::new();
        self.0.scan(AUDIT, &Keys::between(from.to_be_bytes(), to.to_be_bytes()), &mut |_, leaf| {
            hashes.push(leaf_hash(leaf));
            true
        })?;
        if crate::codec::wide(hashes.len()) == to - from {
            return Ok(hashes);
        }
        Err(Error::corrupt(format!("reading audit entries {from} to {}: there are {}", to - 1, hashes.len())))
    }

    /// The tiles that entries with the hashes `added` fill when they come behind `size` others; none when they fill none. A damaged entry before them costs proofs, which
    /// [`super::Register::verify`] tells of, and never that the next entries can be written.
    pub(super) fn fill(&self, batch: &mut Batch, size: u64, added: &[Hash]) {
        let full = (size + crate::codec::wide(added.len())) / WIDTH * WIDTH;
        if full <= size {
            return;
        }
        let first = size / WIDTH * WIDTH;
        let filled = self.leaves(first, size).and_then(|mut hashes| {
            hashes.extend(added.iter().take(crate::codec::narrow(full - size)));
            self.put(batch, first, &hashes)
        });
        if let Err(error) = filled {
            tracing::error!(%error, "a tile of the audit log is left out; there are no proofs behind it");
        }
    }

    fn put(&self, batch: &mut Batch, first: u64, hashes: &[Hash]) -> Result<()> {
        let tiles = grown(self, first, hashes).map_err(tile_error)?;
        tiles
            .into_iter()
            .for_each(|(tile, hashes)| batch.put(AUDIT_TILE, key(tile.level, tile.index), hashes.concat()));
        Ok(())
    }

    /// Makes all tiles of a log of `size` entries anew.
    pub(super) fn rebuild(&self, size: u64) -> Result<()> {
        let mut batch = Batch::default();
        self.0.scan(AUDIT_TILE, &Keys::prefix(b""), &mut |key, _| {
            batch.delete(AUDIT_TILE, key.to_vec());
            true
        })?;
        self.0.write(&batch, true)?;
        self.complete(size)
    }

    /// Makes the tiles that a log of `size` entries should have and has not: it is older than they are.
    pub(super) fn complete(&self, size: u64) -> Result<()> {
        let mut last = None;
        self.0.scan(AUDIT_TILE, &Keys::prefix(&[0]).reversed(), &mut |key, _| {
            last = key.get(1..).and_then(|index| index.try_into().ok()).map(u64::from_be_bytes);
            false
        })?;
        for index in last.map_or(0, |last| last + 1)..size / WIDTH {
            let mut batch = Batch::default();
            self.put(&mut batch, index * WIDTH, &self.leaves(index * WIDTH, (index + 1) * WIDTH)?)?;
            // Each is made from the entries and the tiles before it. One that a power cut takes is made again.
            self.0.write(&batch, index + 1 == size / WIDTH)?;
        }
        Ok(())
    }
}

/// What went wrong with a tile of our own.
pub(super) fn tile_error(error: TileError<Error>) -> Error {
    match error {
        TileError::Source(error) => error,
        other => Error::corrupt(format!("the tiles of the audit log: {other}")),
    }
}

impl TileSource for AuditTiles<'_> {
    type Error = Error;

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>> {
        let width = usize::from(tile.width);
        match self.0.get(AUDIT_TILE, &key(tile.level, tile.index))? {
            Some(stored) => {
                let (hashes, rest) = stored.as_chunks::<32>();
                let cut = hashes.get(..width).filter(|_| rest.is_empty());
                cut.map(<[Hash]>::to_vec).ok_or_else(|| Error::corrupt(format!("{tile} of the audit log is too short")))
            }
            None if tile.level == 0 => {
                let first = tile.index.saturating_mul(WIDTH);
                self.leaves(first, first.saturating_add(u64::from(tile.width)))
            }
            None => Err(Error::corrupt(format!("{tile} of the audit log is missing"))),
        }
    }
}
