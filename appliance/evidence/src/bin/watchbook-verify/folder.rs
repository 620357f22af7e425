//! A bundle that lies on a disk: a folder, or one file.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use watchbook_evidence::bundle::Bundle;
use watchbook_evidence::bundle::archive::Bytes;

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 1 << 16;

/// Its path.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Bundle for Folder {
    fn names(&self) -> Result<Vec<String>, String> {
        let told = |error: std::io::Error| format!("listing {}: {error}", self.0.display());
        let entries = fs::read_dir(&self.0).map_err(told)?;
        entries.map(|entry| Ok(entry.map_err(told)?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn size(&self, name: &str) -> Result<Option<u64>, String> {
        match fs::symlink_metadata(self.0.join(name)) {
            // What a link leads to is not in the bundle.
            Ok(data) => Ok(data.is_file().then_some(data.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("looking at {name}: {error}")),
        }
    }

    fn read(&self, name: &str, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        // A link or a pipe is not opened at all.
        if self.size(name)?.is_none() {
            return Err(format!("reading {name} at {at}: it is not a file"));
        }
        pieces(&self.0.join(name), at, length, sink).map_err(|error| format!("reading {name} at {at}: {error}"))
    }
}

/// A bundle that is one file, by its path.
pub(crate) struct Whole(pub(crate) PathBuf);

impl Bytes for Whole {
    fn size(&self) -> Result<u64, String> {
        fs::metadata(&self.0).map(|data| data.len()).map_err(|error| error.to_string())
    }

    fn read(&self, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        pieces(&self.0, at, length, sink).map_err(|error| format!("at {at}: {error}"))
    }
}

fn pieces(path: &Path, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(told)?;
    file.seek(SeekFrom::Start(at)).map_err(told)?;
    let mut piece = Vec::new();
    let mut left = length;
    while left > 0 {
        piece.clear();
        let read = (&file).take(left.min(PIECE_BYTES)).read_to_end(&mut piece).map_err(told)?;
        if read == 0 {
            return Err(format!("{left} bytes are missing"));
        }
        sink(&piece);
        left -= read as u64;
    }
    Ok(())
}
