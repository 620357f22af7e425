//! Files that somebody else reads for us.

use crate::ask::File;
use std::collections::BTreeMap;
use watchbook_evidence::bundle::Bundle;
use watchbook_evidence::bundle::archive::Bytes;

/// Bytes that are held of a file at a time.
pub const PIECE_BYTES: u64 = 1 << 16;

/// Whoever reads.
pub trait Source {
    /// Fills `to` with the bytes of file number `file` from `at` on; false when there are fewer or they cannot be read.
    fn read(&self, file: u32, at: u64, to: &mut [u8]) -> bool;

    /// How many bytes are going to be read in all.
    fn expect(&self, bytes: u64);
}

fn pieces(source: &dyn Source, file: u32, (at, length): (u64, u64), sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let wrong = || "its bytes cannot be read; choose it again".to_owned();
    let end = at.checked_add(length).ok_or_else(wrong)?;
    let mut piece = vec![0; usize::try_from(length.min(PIECE_BYTES)).map_err(|_| wrong())?];
    let mut from = at;
    while from < end {
        let count = usize::try_from((end - from).min(PIECE_BYTES)).map_err(|_| wrong())?;
        let to = piece.get_mut(..count).ok_or_else(wrong)?;
        if !source.read(file, from, to) {
            return Err(wrong());
        }
        sink(to);
        from += count as u64;
    }
    Ok(())
}

/// A folder's files.
pub(crate) struct Chosen<'a> {
    source: &'a dyn Source,
    files: BTreeMap<&'a str, (u32, Option<u64>)>,
}

impl<'a> Chosen<'a> {
    pub(crate) fn new(source: &'a dyn Source, files: &'a [File]) -> Self {
        let files = (0_u32..).zip(files).map(|(number, file)| (&*file.name, (number, file.bytes)));
        Self { source, files: files.collect() }
    }
}

impl Bundle for Chosen<'_> {
    fn names(&self) -> Result<Vec<String>, String> {
        Ok(self.files.keys().map(|name| (*name).to_owned()).collect())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, String> {
        Ok(self.files.get(name).and_then(|(_, bytes)| *bytes))
    }

    fn read(&self, name: &str, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let told = |error: String| format!("reading {name} at {at}: {error}");
        let (number, _) = self.files.get(name).ok_or_else(|| told("it is not a file".to_owned()))?;
        pieces(self.source, *number, (at, length), sink).map_err(told)
    }

    fn expect(&self, bytes: u64) {
        self.source.expect(bytes);
    }
}

/// The first file alone.
pub(crate) struct One<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) bytes: u64,
}

impl Bytes for One<'_> {
    fn size(&self) -> Result<u64, String> {
        Ok(self.bytes)
    }

    fn read(&self, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        pieces(self.source, 0, (at, length), sink).map_err(|error| format!("at {at}: {error}"))
    }

    fn expect(&self, bytes: u64) {
        self.source.expect(bytes);
    }
}
