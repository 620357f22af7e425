//! A log from a folder: another copy of this program, or what an auditor took along (`checkpoint`, and `leaves.jsonl` with the lines of `/api/v1/log/leaves`).

use super::source::{BUNDLE_BYTES_MAX, Source, Trouble, decoded, first_of};
use crate::state::bounded;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use watchbook_evidence::Hash;
use watchbook_evidence::leaf::BODY_BYTES_MAX;
use watchbook_evidence::mirror::Alert;
use watchbook_evidence::note::NOTE_BYTES_MAX;
use watchbook_evidence::text::unhex;
use watchbook_evidence::tile::{TILE_WIDTH, Tile};

/// Bytes of one line: an entry in hexadecimal, and its number.
const LINE_BYTES_MAX: u64 = 2 * BODY_BYTES_MAX as u64 + 256;

/// The folder.
pub(super) struct Folder {
    dir: PathBuf,
    lines: Option<Lines>,
}

/// The file of an auditor, with the place of each 256th line.
struct Lines {
    file: BufReader<File>,
    places: Vec<u64>,
    count: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    index: u64,
    leaf: String,
}

impl Folder {
    pub(super) fn open(dir: &Path) -> Result<Self, Trouble> {
        let path = dir.join("leaves.jsonl");
        let lines = match File::open(&path) {
            Ok(file) => Some(Lines::open(file, &path)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Trouble::Unreached(format!("reading {}: {error}", path.display()))),
        };
        Ok(Self { dir: dir.to_owned(), lines })
    }
}

fn read(line: &[u8], index: u64) -> Result<Vec<u8>, Trouble> {
    let wrong = |why: String| Trouble::Alert(Alert::Entry { index, why });
    let line: Line = serde_json::from_slice(line).map_err(|_| wrong("its line of leaves.jsonl is none".to_owned()))?;
    if line.index != index {
        return Err(wrong(format!("entry {} stands in its place", line.index)));
    }
    unhex(&line.leaf).ok_or_else(|| wrong("its bytes are not hexadecimal".to_owned()))
}

impl Lines {
    fn open(file: File, path: &Path) -> Result<Self, Trouble> {
        let told = |error: std::io::Error| Trouble::Unreached(format!("reading {}: {error}", path.display()));
        let mut lines = Self { file: BufReader::new(file), places: Vec::new(), count: 0 };
        let mut place = 0;
        loop {
            let line = lines.next().map_err(told)?;
            if line.is_empty() {
                return Ok(lines);
            }
            if lines.count.is_multiple_of(u64::from(TILE_WIDTH)) {
                lines.places.push(place);
            }
            read(&line, lines.count)?;
            lines.count += 1;
            place += u64::try_from(line.len()).unwrap_or_default();
        }
    }

    /// The next line; empty at the end.
    fn next(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn entries(&mut self, tile: Tile) -> Result<Vec<Vec<u8>>, Trouble> {
        let first = first_of(tile);
        let told = |error: std::io::Error| Trouble::Unreached(format!("reading leaves.jsonl: {error}"));
        let place = usize::try_from(tile.index).ok().and_then(|at| self.places.get(at)).copied();
        if place.is_none() || self.count < first + u64::from(tile.width) {
            let why = format!("leaves.jsonl has {} entries, fewer than the checkpoint beside it", self.count);
            return Err(Trouble::Alert(Alert::Entry { index: self.count, why }));
        }
        self.file.seek(SeekFrom::Start(place.unwrap_or_default())).map_err(told)?;
        (first..first + u64::from(tile.width)).map(|index| read(&self.next().map_err(told)?, index)).collect()
    }
}

impl Source for Folder {
    fn checkpoint(&mut self) -> Result<Vec<u8>, Trouble> {
        bounded(&self.dir.join("checkpoint"), NOTE_BYTES_MAX as u64).map_err(Trouble::Unreached)
    }

    fn entries(&mut self, tile: Tile) -> Result<Vec<Vec<u8>>, Trouble> {
        if let Some(lines) = &mut self.lines {
            return lines.entries(tile);
        }
        let path = |tile: Tile| self.dir.join(tile.entries_path());
        let whole = Tile { width: TILE_WIDTH, ..tile };
        // A copy that has grown since its checkpoint was read has the longer bundle alone.
        let found = if path(tile).exists() { tile } else { whole };
        let bytes = bounded(&path(found), BUNDLE_BYTES_MAX).map_err(Trouble::Unreached)?;
        let mut entries = decoded(found, &bytes)?;
        entries.truncate(usize::from(tile.width));
        Ok(entries)
    }

    fn tile(&self, _: Tile) -> Result<Vec<Hash>, Trouble> {
        Err(Trouble::Unreached("a folder has no hashes of its own".to_owned()))
    }

    fn is_cheap(&self) -> bool {
        true
    }
}
