//! A folder as one ZIP (PKWARE APPNOTE 6.3.10), stored and not compressed: its length and every part of it are known from the lengths and checksums of its files, and footage does not
//! get smaller. Sizes of 4 GiB and more have the ZIP64 fields (§4.5.3).

use crate::{Error, Result};
use watchbook_base::Kind;
use watchbook_evidence::bundle::is_file_name;

/// What an archive holds of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// CRC-32 (ISO 3309), as ZIP has it.
    pub crc32: u32,
}

#[derive(Debug)]
enum What {
    Fixed(Vec<u8>),
    File(usize),
}

#[derive(Debug)]
struct Part {
    start: u64,
    what: What,
}

/// An archive as a plan.
#[derive(Debug)]
pub struct Zip {
    parts: Vec<Part>,
    len: u64,
}

/// A part of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes of a file from an offset on.
    File {
        /// Index of the file.
        file: usize,
        /// From here.
        offset: u64,
        /// So many.
        len: u64,
    },
}

/// 1980-01-01, the first day that ZIP knows: when the files were written is in the log.
const DOS_DATE: u16 = 1 << 5 | 1;
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Names are UTF-8 (§4.4.4, bit 11).
const FLAGS: u16 = 1 << 11;
const BIG: u64 = 0xFFFF_FFFF;

impl Zip {
    /// Plans an archive of `entries`.
    ///
    /// # Errors
    /// `InvalidInput` for more than 65,534 of them, for a name twice, and for one that no file of a bundle has: whoever unpacks the archive gets files in one folder.
    pub fn plan(entries: &[Entry]) -> Result<Self> {
        let names: std::collections::BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let good = names.len() == entries.len() && names.iter().all(|name| is_file_name(name));
        let Some(count) = u16::try_from(entries.len()).ok().filter(|count| *count < u16::MAX && good) else {
            return Err(Error::new(
                Kind::InvalidInput,
                "planning an archive: it has too many files, or a name that is there twice or that no file of a bundle has",
            ));
        };
        let mut zip = Self { parts: Vec::new(), len: 0 };
        let mut directory = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            directory.extend(central(entry, zip.len));
            zip.push(What::Fixed(local(entry)), 0);
            zip.push(What::File(index), entry.bytes);
        }
        let start = zip.len;
        let bytes = wide(directory.len());
        let mut end = directory;
        end.extend(end_of(count, start, bytes));
        zip.push(What::Fixed(end), 0);
        Ok(zip)
    }

    fn push(&mut self, what: What, file_bytes: u64) {
        let len = match &what {
            What::Fixed(bytes) => wide(bytes.len()),
            What::File(_) => file_bytes,
        };
        if len > 0 {
            self.parts.push(Part { start: self.len, what });
            self.len += len;
        }
    }

    /// Its length.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: an archive without files has an end, too.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What lies at `offset`, at most `len_max` bytes; `None` at the end.
    #[must_use]
    pub fn piece(&self, offset: u64, len_max: u64) -> Option<Piece> {
        let index = self.parts.partition_point(|part| part.start <= offset).checked_sub(1)?;
        let part = self.parts.get(index).filter(|_| offset < self.len && len_max > 0)?;
        let end = self.parts.get(index + 1).map_or(self.len, |next| next.start);
        let (at, len) = (offset - part.start, (end - offset).min(len_max));
        Some(match &part.what {
            What::File(file) => Piece::File { file: *file, offset: at, len },
            What::Fixed(bytes) => {
                let from = usize::try_from(at).ok()?;
                let to = from.checked_add(usize::try_from(len).ok()?)?;
                Piece::Bytes(bytes.get(from..to)?.to_vec())
            }
        })
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The number, or all ones when it stands in the ZIP64 field.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn version(entry: &Entry) -> u16 {
    if entry.bytes >= BIG { VERSION_ZIP64 } else { VERSION }
}

fn put(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// What both headers of a file have in common, from the flags to the sizes.
fn common(entry: &Entry) -> Vec<u8> {
    let size = low(entry.bytes).to_le_bytes();
    let (flags, method, time, date) = (FLAGS.to_le_bytes(), [0; 2], [0; 2], DOS_DATE.to_le_bytes());
    put(&[&flags, &method, &time, &date, &entry.crc32.to_le_bytes(), &size, &size])
}

fn name_len(entry: &Entry) -> [u8; 2] {
    u16::try_from(entry.name.len()).unwrap_or(u16::MAX).to_le_bytes()
}

/// A ZIP64 field with these numbers; none without.
fn zip64(numbers: &[u64]) -> Vec<u8> {
    if numbers.is_empty() {
        return Vec::new();
    }
    let len = u16::try_from(numbers.len() * 8).unwrap_or(u16::MAX);
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    put(&[&1_u16.to_le_bytes(), &len.to_le_bytes(), &numbers])
}

fn extra_len(extra: &[u8]) -> [u8; 2] {
    u16::try_from(extra.len()).unwrap_or(u16::MAX).to_le_bytes()
}

/// Local file header (§4.3.7).
fn local(entry: &Entry) -> Vec<u8> {
    let extra = if entry.bytes >= BIG { zip64(&[entry.bytes, entry.bytes]) } else { Vec::new() };
    let version = version(entry).to_le_bytes();
    put(&[b"PK\x03\x04", &version, &common(entry), &name_len(entry), &extra_len(&extra), entry.name.as_bytes(), &extra])
}

/// Central directory header (§4.3.12).
fn central(entry: &Entry, offset: u64) -> Vec<u8> {
    let mut numbers = if entry.bytes >= BIG { vec![entry.bytes, entry.bytes] } else { Vec::new() };
    if offset >= BIG {
        numbers.push(offset);
    }
    let extra = zip64(&numbers);
    let needed = if numbers.is_empty() { VERSION } else { VERSION_ZIP64 }.to_le_bytes();
    // Made on Unix; a plain file that its owner reads and writes.
    let (made, mode) = ((3_u16 << 8 | VERSION_ZIP64).to_le_bytes(), (0o100_644_u32 << 16).to_le_bytes());
    let head = put(&[b"PK\x01\x02", &made, &needed, &common(entry), &name_len(entry), &extra_len(&extra)]);
    // No comment, first disk, no internal attributes.
    put(&[&head, &[0; 6], &mode, &low(offset).to_le_bytes(), entry.name.as_bytes(), &extra])
}

/// The end of the central directory (§4.3.16), after those of ZIP64 (§4.3.14 and §4.3.15) when they are needed.
fn end_of(count: u16, start: u64, bytes: u64) -> Vec<u8> {
    let mut end = Vec::new();
    if start >= BIG || bytes >= BIG {
        let versions = VERSION_ZIP64.to_le_bytes();
        let all = u64::from(count).to_le_bytes();
        end.extend(put(&[b"PK\x06\x06", &44_u64.to_le_bytes(), &versions, &versions, &[0; 8], &all, &all]));
        end.extend(put(&[&bytes.to_le_bytes(), &start.to_le_bytes()]));
        let here = start.saturating_add(bytes).to_le_bytes();
        end.extend(put(&[b"PK\x06\x07", &[0; 4], &here, &1_u32.to_le_bytes()]));
    }
    let count = count.to_le_bytes();
    end.extend(put(&[
        b"PK\x05\x06",
        &[0; 4],
        &count,
        &count,
        &low(bytes).to_le_bytes(),
        &low(start).to_le_bytes(),
        &[0; 2],
    ]));
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, bytes: u64, crc32: u32) -> Entry {
        Entry { name: name.to_owned(), bytes, crc32 }
    }

    fn all(zip: &Zip, files: &[&[u8]], step: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(piece) = zip.piece(out.len() as u64, step) {
            match piece {
                Piece::Bytes(bytes) => out.extend(bytes),
                Piece::File { file, offset, len } => {
                    out.extend_from_slice(&files[file][offset as usize..(offset + len) as usize])
                }
            }
        }
        out
    }

    /// The judge is Python's zipfile.
    fn python(code: &str, file: &std::path::Path) -> String {
        let output = std::process::Command::new("python3").args(["-c", code]).arg(file).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
    }

    #[test]
    fn another_program_reads_the_archive() {
        let files: [&[u8]; 3] = [b"hello", b"", "ខ្ញុំ".as_bytes()];
        let named = ["a.txt", "empty", "b.txt"];
        let entries: Vec<Entry> = named
            .iter()
            .zip(files)
            .map(|(name, bytes)| entry(name, bytes.len() as u64, crc32fast::hash(bytes)))
            .collect();
        let zip = Zip::plan(&entries).unwrap();
        let bytes = all(&zip, &files, 7);
        assert_eq!(bytes.len() as u64, zip.len());
        assert_eq!(bytes, all(&zip, &files, 1 << 20), "any parts make the same whole");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bundle.zip");
        std::fs::write(&file, bytes).unwrap();
        let code = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); print(z.testzip(), [(i.filename, z.read(i).decode()) for i in z.infolist()])";
        assert_eq!(python(code, &file), "None [('a.txt', 'hello'), ('empty', ''), ('b.txt', 'ខ្ញុំ')]");
    }

    #[test]
    fn nobody_unpacks_a_file_elsewhere() {
        for names in [&["../a"][..], &["/a"], &["a/b"], &["a", "a"], &["a\u{202e}b"], &[""]] {
            let entries: Vec<Entry> = names.iter().map(|name| entry(name, 1, 0)).collect();
            assert_eq!(Zip::plan(&entries).unwrap_err().kind, Kind::InvalidInput, "{names:?}");
        }
    }

    #[test]
    fn files_of_more_than_four_gib_have_their_places() {
        use std::io::{Seek, SeekFrom, Write};
        let zip = Zip::plan(&[entry("big", 5 << 30, 0), entry("small", 2, crc32fast::hash(b"hi"))]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.zip");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut at = 0;
        // Sparse: of the large file nothing is written.
        while let Some(piece) = zip.piece(at, u64::MAX) {
            let (bytes, len) = match piece {
                Piece::Bytes(bytes) => (bytes.clone(), bytes.len() as u64),
                Piece::File { file: 1, len, .. } => (b"hi".to_vec(), len),
                Piece::File { len, .. } => (Vec::new(), len),
            };
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&bytes).unwrap();
            at += len;
        }
        let code = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); print([(i.filename, i.file_size) for i in z.infolist()], z.read('small'))";
        assert_eq!(python(code, &path), "[('big', 5368709120), ('small', 2)] b'hi'");
    }
}
