//! Tiles (C2SP tlog-tiles): the tree as pieces of at most 256 hashes that never change once they are full, their paths, the bundles of entries beside them,
//! and which tiles a growing log writes.

use crate::merkle::{Hash, root_of};
use core::fmt;

/// Hashes of a full tile: a subtree of height 8.
pub const TILE_WIDTH: u16 = 256;
/// Levels of a tree with fewer than 2^63 leaves.
pub const LEVELS_MAX: u8 = 8;
/// Bytes of a path: `tile/entries/`, seven groups of three digits with `x` and `/`, `.p/255`.
pub const PATH_BYTES_MAX: usize = 64;

/// A place in the tree: `width` hashes of `level`, from hash `index` × 256 on. At level 0 these are leaf hashes, above the roots of full tiles of the level
/// below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// From 0, the leaves.
    pub level: u8,
    /// Number of the tile within its level.
    pub index: u64,
    /// 1 to [`TILE_WIDTH`].
    pub width: u16,
}

impl Tile {
    /// Tile `index` of `level` in a tree of `size` leaves: full, partial, or `None` when the tree has nothing there.
    #[must_use]
    pub fn of_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let before = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = hashes_at(level, size).checked_sub(before)?.min(u64::from(TILE_WIDTH));
        let width = u16::try_from(width).ok()?;
        (width > 0).then_some(Self { level, index, width })
    }

    /// True when it will never change.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Reads `tile/<L>/<N>[.p/<W>]`.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = u8::try_from(crate::text::decimal(level)?).ok().filter(|level| *level < LEVELS_MAX)?;
        let (index, width) = parse_place(rest)?;
        Some(Self { level, index, width })
    }

    /// The bundle of the entries whose hashes this tile of level 0 has: `tile/entries/<N>[.p/<W>]`.
    #[must_use]
    pub fn entries_path(&self) -> String {
        format!("tile/entries/{}", Place(self.index, self.width))
    }

    /// Reads the path of a bundle of entries, as the tile of level 0 with their hashes.
    #[must_use]
    pub fn parse_entries(path: &str) -> Option<Self> {
        let (index, width) = parse_place(path.strip_prefix("tile/entries/")?)?;
        Some(Self { level: 0, index, width })
    }
}

impl fmt::Display for Tile {
    /// `tile/<L>/<N>[.p/<W>]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, Place(self.index, self.width))
    }
}

/// `<N>[.p/<W>]`.
struct Place(u64, u16);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = vec![self.0 % 1000];
        let mut rest = self.0 / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", self.0 % 1000)?;
        if self.1 < TILE_WIDTH { write!(f, ".p/{}", self.1) } else { Ok(()) }
    }
}

fn parse_place(text: &str) -> Option<(u64, u16)> {
    if text.len() > PATH_BYTES_MAX {
        return None;
    }
    let (number, width) = match text.split_once(".p/") {
        None => (text, TILE_WIDTH),
        Some((number, width)) => {
            let width = u16::try_from(crate::text::decimal(width)?).ok()?;
            (number, Some(width).filter(|width| (1..TILE_WIDTH).contains(width))?)
        }
    };
    let mut index: u64 = 0;
    for group in number.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let value: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        index = index.checked_mul(1000)?.checked_add(value)?;
    }
    // One spelling: the right number of digits, an `x` before each group but the last, no group of zeroes in front.
    (Place(index, width).to_string() == text).then_some((index, width))
}

/// Hashes of all tiles of `level` together in a tree of `size` leaves.
fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// Where tiles come from. Nothing is believed of them: whoever uses a proof made from them checks it against a signed root.
pub trait TileSource {
    /// Why a tile could not be read.
    type Error;

    /// The hashes of `tile`, exactly [`Tile::width`] of them. A source that has the full tile may cut it.
    ///
    /// # Errors
    /// When it cannot be had.
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, Self::Error>;
}

/// Why something could not be computed from tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TileError<E> {
    /// The source failed.
    Source(E),
    /// The source gave another number of hashes than the tile has.
    Width(Tile, usize),
    /// The tree has no such leaf, or no such earlier size.
    OutOfTree,
}

impl<E: fmt::Display> fmt::Display for TileError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Width(tile, got) => write!(f, "{tile} has {got} hashes instead of {}", tile.width),
            Self::OutOfTree => f.write_str("the tree does not reach that far"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for TileError<E> {}

/// Reads one tile and counts its hashes.
pub(crate) fn read<S: TileSource + ?Sized>(source: &S, tile: Tile) -> Result<Vec<Hash>, TileError<S::Error>> {
    let hashes = source.tile(tile).map_err(TileError::Source)?;
    if hashes.len() == usize::from(tile.width) { Ok(hashes) } else { Err(TileError::Width(tile, hashes.len())) }
}

/// Tiles with their hashes.
pub type Tiles = Vec<(Tile, Vec<Hash>)>;

/// The tiles that a log writes when it grows from `old` leaves by `leaves`, from level 0 up, each with its hashes. A partial tile replaces the narrower one
/// before it. Reads at most one partial tile a level.
///
/// # Errors
/// When the last tile of a level cannot be read.
pub fn grown<S: TileSource + ?Sized>(source: &S, old: u64, leaves: &[Hash]) -> Result<Tiles, TileError<S::Error>> {
    let width = usize::from(TILE_WIDTH);
    let mut written = Vec::new();
    let mut added = leaves.to_vec();
    for level in 0..LEVELS_MAX {
        if added.is_empty() {
            break;
        }
        let have = hashes_at(level, old);
        let first = have / u64::from(TILE_WIDTH);
        let mut hashes = match Tile::of_tree(level, first, old) {
            Some(partial) => read(source, partial)?,
            None => Vec::new(),
        };
        hashes.append(&mut added);
        for (index, chunk) in (first..).zip(hashes.chunks(width)) {
            let width = u16::try_from(chunk.len()).unwrap_or(TILE_WIDTH);
            let tile = Tile { level, index, width };
            if tile.is_full() {
                added.push(root_of(chunk));
            }
            written.push((tile, chunk.to_vec()));
        }
    }
    Ok(written)
}

/// Entries of one bundle as bytes: each with its length in two bytes, big-endian, before it. `None` when one is longer than 65,535 bytes.
#[must_use]
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend(entry);
    }
    Some(bytes)
}

/// The entries of a bundle, at most [`TILE_WIDTH`]; `None` when the bytes end within one or there are more.
#[must_use]
pub fn decode_entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if entries.len() == usize::from(TILE_WIDTH) {
            return None;
        }
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// Tiles in memory, for tests and for whoever holds a small log.
#[derive(Clone, Debug, Default)]
pub struct MemoryTiles(std::collections::BTreeMap<(u8, u64), Vec<Hash>>);

impl MemoryTiles {
    /// Keeps what [`grown`] says is to be written.
    pub fn write(&mut self, tiles: Tiles) {
        self.0.extend(tiles.into_iter().map(|(tile, hashes)| ((tile.level, tile.index), hashes)));
    }
}

impl TileSource for MemoryTiles {
    type Error = String;

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String> {
        let hashes = self.0.get(&(tile.level, tile.index)).ok_or_else(|| format!("there is no {tile}"))?;
        Ok(hashes.get(..usize::from(tile.width)).unwrap_or(hashes).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;
    use proptest::prelude::*;

    fn tile(level: u8, index: u64, width: u16) -> Tile {
        Tile { level, index, width }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        // tlog-tiles, *Merkle Tree*: index 1234067; golang.org/x/mod's `FuzzParseTilePath` has the rows without `x`.
        for (tile, path, entries) in [
            (tile(0, 1_234_067, 256), "tile/0/x001/x234/067", "tile/entries/x001/x234/067"),
            (tile(5, 123_456_078, 2), "tile/5/x123/x456/078.p/2", "tile/entries/x123/x456/078.p/2"),
            (tile(0, 1, 5), "tile/0/001.p/5", "tile/entries/001.p/5"),
            (tile(1, 0, 256), "tile/1/000", "tile/entries/000"),
            (tile(0, 1000, 255), "tile/0/x001/000.p/255", "tile/entries/x001/000.p/255"),
        ] {
            assert_eq!((tile.to_string().as_str(), tile.entries_path().as_str()), (path, entries));
            assert_eq!(Tile::parse(path), Some(tile));
            assert_eq!(Tile::parse_entries(entries), Some(Tile { level: 0, ..tile }));
        }
        for bad in [
            "",
            "tile/0/",
            "tile/0/1",
            "tile/0/x000/001",
            "tile/0/123/456/078",
            "tile/0/x123/x456",
            "tile/00/001",
            "tile/8/001",
            "tile/-1/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/05",
            "tile/0/001.p/5/",
            "tile/0/001/",
            "tile/0/+01",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/entries/001",
            "/tile/0/001",
            "tile/0/../001",
        ] {
            assert_eq!(Tile::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_tree_has_the_tiles_that_the_specification_counts() {
        // tlog-tiles, *Partial Tiles*: a tree of size 70,000, and one of 256.
        let tiles = |level, size| (0..).map_while(|index| Tile::of_tree(level, index, size)).collect::<Vec<_>>();
        let widths = |level, size| {
            let all = tiles(level, size);
            let full = all.iter().filter(|tile| tile.is_full()).count();
            (full, all.iter().find(|tile| !tile.is_full()).map(|tile| tile.width))
        };
        assert_eq!(widths(0, 70_000), (273, Some(112)));
        assert_eq!(widths(1, 70_000), (1, Some(17)));
        assert_eq!(widths(2, 70_000), (0, Some(1)));
        assert_eq!(widths(3, 70_000), (0, None));
        assert_eq!((widths(0, 256), widths(1, 256)), ((1, None), (0, Some(1))));
        assert_eq!(Tile::of_tree(0, 0, 0), None);
        assert_eq!(Tile::of_tree(255, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn bundles_of_entries_read_back_and_cut_ones_do_not() {
        let entries: [&[u8]; 3] = [b"", b"ab", &[7; 300]];
        let bytes = encode_entries(entries).unwrap();
        assert_eq!(bytes[..8], [0, 0, 0, 2, b'a', b'b', 1, 44]);
        assert_eq!(decode_entries(&bytes).unwrap(), entries);
        for cut in [1, 3, 5, 7, bytes.len() - 1] {
            assert_eq!(decode_entries(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(encode_entries([&[0_u8; 65_536][..]]), None);
        assert!(decode_entries(&[0; 512]).is_some());
        assert_eq!(decode_entries(&[0; 514]), None);
    }

    proptest! {
        #[test]
        fn a_tree_that_grows_in_steps_has_the_tiles_of_one_that_grew_at_once(steps in proptest::collection::vec(0_usize..700, 1..6)) {
            let all: Vec<Hash> = (0..steps.iter().sum::<usize>()).map(|i| leaf_hash(&i.to_le_bytes())).collect();
            let mut stepwise = MemoryTiles::default();
            let mut size = 0;
            for step in steps {
                let tiles = grown(&stepwise, size as u64, &all[size..size + step]).unwrap();
                stepwise.write(tiles);
                size += step;
            }
            let at_once = grown(&MemoryTiles::default(), 0, &all).unwrap();
            for (tile, hashes) in &at_once {
                prop_assert_eq!(Tile::of_tree(tile.level, tile.index, size as u64), Some(*tile));
                prop_assert_eq!(&stepwise.tile(*tile).unwrap(), hashes);
            }
            prop_assert_eq!(stepwise.0.len(), at_once.len());
        }

        #[test]
        fn a_path_that_reads_is_the_one_that_is_written(path in "tile/([0-9]|entries)/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Some(tile) = Tile::parse(&path) {
                prop_assert_eq!(tile.to_string(), path.clone());
            }
            if let Some(tile) = Tile::parse_entries(&path) {
                prop_assert_eq!(tile.entries_path(), path);
            }
        }
    }
}
