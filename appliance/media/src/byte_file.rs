//! Files that exist only as a plan: their length is known at once, and any part of them can be produced on its own.

use crate::error::Error;
use crate::span::SpanSource;
use bytes::Bytes;
use core::ops::Range;

/// Most bytes of one chunk: large enough that a disk reads in sequence, small enough that a hundred readers need 100 MiB.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;
/// Small pieces (sample tables, audio) are joined until a chunk has this size.
pub(crate) const CHUNK_BYTES_WANTED: usize = 64 << 10;

/// A file made of footage on demand. Reading blocks (it asks the [`SpanSource`]), keeps no position, and yields the same bytes every time.
pub trait ByteFile: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// True for a file without bytes, which no plan makes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes from `offset` on: at least one (none at the end of the file), at most `len_max`, at most [`CHUNK_BYTES_MAX`].
    ///
    /// # Errors
    /// What the source reports (`NotFound` when the ring has reused the space meanwhile), and `Corrupt` when a table does not agree with its summary.
    fn read_at(&self, offset: u64, len_max: usize, source: &dyn SpanSource) -> Result<Bytes, Error>;
}

/// The bytes of `range` (cut to the file's length) in chunks of at most [`CHUNK_BYTES_MAX`]; ends after the first error.
#[must_use]
pub fn chunks<'a>(file: &'a dyn ByteFile, range: Range<u64>, source: &'a dyn SpanSource) -> Chunks<'a> {
    Chunks { file, source, offset: range.start, end: range.end.min(file.len()) }
}

/// See [`chunks`].
pub struct Chunks<'a> {
    file: &'a dyn ByteFile,
    source: &'a dyn SpanSource,
    offset: u64,
    end: u64,
}

impl Iterator for Chunks<'_> {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.end.checked_sub(self.offset).filter(|left| *left > 0)?;
        let len_max = usize::try_from(left).unwrap_or(usize::MAX);
        let chunk = self.file.read_at(self.offset, len_max, self.source);
        self.offset = match &chunk {
            Ok(bytes) if !bytes.is_empty() => {
                self.offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            _ => self.end,
        };
        Some(chunk)
    }
}

/// Joins pieces until a chunk is worth sending. `piece(offset, len_max)` yields 1 to `len_max` bytes from `offset` on, none at the file's end.
pub(crate) fn join_pieces(
    offset: u64,
    len_max: usize,
    mut piece: impl FnMut(u64, usize) -> Result<Bytes, Error>,
) -> Result<Bytes, Error> {
    let len_max = len_max.min(CHUNK_BYTES_MAX);
    let first = piece(offset, len_max)?;
    if first.len() >= len_max.min(CHUNK_BYTES_WANTED) || first.is_empty() {
        return Ok(first);
    }
    let mut joined = Vec::with_capacity(CHUNK_BYTES_WANTED);
    joined.extend_from_slice(&first);
    while joined.len() < len_max.min(CHUNK_BYTES_WANTED) {
        let at = offset.saturating_add(u64::try_from(joined.len()).unwrap_or(u64::MAX));
        let next = piece(at, len_max - joined.len())?;
        if next.is_empty() {
            break;
        }
        joined.extend_from_slice(&next);
    }
    Ok(Bytes::from(joined))
}
