//! A bundle as the one ZIP that a recorder hands out (PKWARE APPNOTE 6.3.10): stored files one behind the other, then the directory, and nothing else. Whatever has another
//! form, compressed or with bytes that belong to no file, is refused: who has one unpacks it and gives the folder.

use super::verify::Bundle;
use std::collections::BTreeMap;

/// Files of an archive; a bundle has fewer.
pub const ENTRIES_MAX: usize = 1 << 12;
/// Bytes of the directory.
pub const DIRECTORY_BYTES_MAX: u64 = 1 << 20;
/// Bytes of the end record without a comment (§4.3.16).
const END_BYTES: u64 = 22;
/// Bytes of the locator (§4.3.15) and of the ZIP64 end record (§4.3.14) before it.
const WIDE_END_BYTES: u64 = 20 + 56;
/// What the ZIP64 end record says of its own length: what follows behind that number.
const WIDE_RECORD_BYTES: u64 = 44;
const LOCAL_BYTES: u64 = 30;
/// Type of a file in the upper half of its external attributes, as Unix has it: none is told, or a plain one (POSIX `S_IFREG`).
const PLAIN_FILES: [u64; 2] = [0, 0o10];
/// Stands for a number that is in the ZIP64 field.
const WIDE: u64 = 0xFFFF_FFFF;

const OTHER_FIELDS: &str = "a file in it has fields that a recorder does not write; unpack it and give the folder";

/// Bytes that can be read in any order.
pub trait Bytes {
    /// How many there are.
    ///
    /// # Errors
    /// A sentence, when that cannot be told.
    fn size(&self) -> Result<u64, String>;

    /// Gives `length` bytes from `at` on to `sink`, in pieces.
    ///
    /// # Errors
    /// A sentence, when there are fewer or they cannot be read.
    fn read(&self, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String>;

    /// As [`Bundle::expect`].
    fn expect(&self, _bytes: u64) {}
}

/// An archive whose directory was read.
pub struct Archive<B> {
    bytes: B,
    /// Where each file's bytes lie: offset and length.
    files: BTreeMap<String, (u64, u64)>,
}

/// Little-endian fields, one behind the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("its directory ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, count: usize) -> Result<u64, String> {
        Ok(self.bytes(count)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn expect(&mut self, magic: &[u8; 4]) -> Result<(), String> {
        if self.bytes(4)? == magic { Ok(()) } else { Err("it is not a ZIP as a recorder makes them".to_owned()) }
    }
}

/// What the directory says of a file.
struct Entry {
    name: String,
    bytes: u64,
    /// Of its local header.
    at: u64,
    /// What the local header must say too: flags to the uncompressed size.
    common: Vec<u8>,
}

impl<B: Bytes> Archive<B> {
    /// Reads the directory.
    ///
    /// # Errors
    /// A sentence: it is no ZIP, or one of a form that no recorder makes.
    pub fn open(bytes: B) -> Result<Self, String> {
        let size = bytes.size()?;
        let (count, start, length) = directory_of(&bytes, size)?;
        let directory = part(&bytes, start, length)?;
        let mut fields = Fields(&directory);
        let (mut files, mut next) = (BTreeMap::new(), 0);
        for _ in 0..count {
            let entry = entry(&mut fields)?;
            if entry.at != next {
                return Err("it has bytes that belong to none of its files; unpack it and give the folder".to_owned());
            }
            let data = local(&bytes, &entry, start)?;
            next = data.checked_add(entry.bytes).filter(|end| *end <= start).ok_or("a file in it has no end")?;
            if files.insert(entry.name, (data, entry.bytes)).is_some() {
                return Err("it has two files of one name".to_owned());
            }
        }
        if next != start || !fields.0.is_empty() {
            return Err("it has bytes that belong to none of its files; unpack it and give the folder".to_owned());
        }
        Ok(Self { bytes, files })
    }
}

impl<B: Bytes> Bundle for Archive<B> {
    fn names(&self) -> Result<Vec<String>, String> {
        Ok(self.files.keys().cloned().collect())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, String> {
        Ok(self.files.get(name).map(|(_, bytes)| *bytes))
    }

    fn read(&self, name: &str, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let (start, bytes) = self.files.get(name).ok_or_else(|| format!("reading {name}: it is not there"))?;
        let end = at.checked_add(length).filter(|end| end <= bytes);
        let from = end.and_then(|_| start.checked_add(at));
        self.bytes.read(from.ok_or_else(|| format!("reading {name} at {at}: bytes are missing"))?, length, sink)
    }

    fn expect(&self, bytes: u64) {
        self.bytes.expect(bytes);
    }
}

fn part(bytes: &dyn Bytes, at: u64, length: u64) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    bytes.read(at, length, &mut |piece| all.extend_from_slice(piece))?;
    Ok(all)
}

/// How many files, and where the directory begins and how long it is.
fn directory_of(bytes: &dyn Bytes, size: u64) -> Result<(usize, u64, u64), String> {
    let end_at = size.checked_sub(END_BYTES).ok_or("it is too short for a ZIP")?;
    let end = part(bytes, end_at, END_BYTES)?;
    let mut end = Fields(&end);
    end.expect(b"PK\x05\x06")?;
    let disks = end.number(4)?;
    let (here, count) = (end.number(2)?, end.number(2)?);
    let (length, start, comment) = (end.number(4)?, end.number(4)?, end.number(2)?);
    if disks != 0 || here != count || comment != 0 {
        return Err("it has several parts or a comment; unpack it and give the folder".to_owned());
    }
    let (mut length, mut start, mut directory_end) = (length, start, end_at);
    if start == WIDE || length == WIDE {
        directory_end = end_at.checked_sub(WIDE_END_BYTES).ok_or("its end is broken")?;
        let wide = part(bytes, directory_end, WIDE_END_BYTES)?;
        let mut wide = Fields(&wide);
        wide.expect(b"PK\x06\x06")?;
        let size = wide.number(8)?;
        // Versions say what is needed to read it, which is known.
        wide.bytes(4)?;
        let disks = wide.number(8)?;
        let counts = (wide.number(8)?, wide.number(8)?);
        let narrow = (length, start);
        (length, start) = (wide.number(8)?, wide.number(8)?);
        wide.expect(b"PK\x06\x07")?;
        let place = (wide.number(4)?, wide.number(8)?, wide.number(4)?);
        let agrees = |narrow, wide| narrow == WIDE || narrow == wide;
        let agree = agrees(narrow.0, length) && agrees(narrow.1, start) && counts == (count, count);
        // Another program would look for the directory where the locator says.
        if size != WIDE_RECORD_BYTES || disks != 0 || place != (0, directory_end, 1) || !agree {
            return Err("its two ends do not agree".to_owned());
        }
    }
    let count = usize::try_from(count).ok().filter(|count| *count <= ENTRIES_MAX);
    let count = count.ok_or_else(|| format!("it has more than {ENTRIES_MAX} files"))?;
    if length > DIRECTORY_BYTES_MAX || start.checked_add(length) != Some(directory_end) {
        return Err(format!("its directory is broken or has more than {DIRECTORY_BYTES_MAX} bytes"));
    }
    Ok((count, start, length))
}

/// One header of the directory (§4.3.12).
fn entry(fields: &mut Fields<'_>) -> Result<Entry, String> {
    fields.expect(b"PK\x01\x02")?;
    fields.bytes(4)?;
    let common = fields.bytes(20)?;
    let (name, extra, comment) = (fields.number(2)?, fields.number(2)?, fields.number(2)?);
    let (disk, _internal, external) = (fields.number(2)?, fields.number(2)?, fields.number(4)?);
    let at = fields.number(4)?;
    let length = |count: u64| usize::try_from(count).map_err(|error| error.to_string());
    let name = core::str::from_utf8(fields.bytes(length(name)?)?).map_err(|_| "a name in it is no text")?;
    let mut extra = Fields(fields.bytes(length(extra)?)?);
    let mut numbers = Fields(common);
    let (flags, method) = (numbers.number(2)?, numbers.number(2)?);
    numbers.bytes(8)?;
    let (packed, bytes) = (numbers.number(4)?, numbers.number(4)?);
    // Bit 11 says that names are UTF-8; every other one changes how the bytes are read.
    if flags & !(1 << 11) != 0 || method != 0 || packed != bytes || comment != 0 {
        return Err(format!("{name} in it is compressed or encrypted; unpack it and give the folder"));
    }
    if disk != 0 || !PLAIN_FILES.contains(&(external >> 28)) {
        return Err(format!("{name} in it is no plain file; unpack it and give the folder"));
    }
    if bytes == WIDE || at == WIDE {
        wide_head(&mut extra)?;
    }
    let mut wide = |value: u64| if value == WIDE { extra.number(8) } else { Ok(value) };
    let (bytes, again, at) = (wide(bytes)?, wide(packed)?, wide(at)?);
    if bytes != again {
        return Err(format!("{name} in it has two lengths"));
    }
    // Other fields name a file anew, or say how it is to be read: another program would unpack other files.
    if !extra.0.is_empty() {
        return Err(OTHER_FIELDS.to_owned());
    }
    Ok(Entry { name: name.to_owned(), bytes, at, common: common.to_vec() })
}

/// Number and length of the ZIP64 field (§4.5.3).
fn wide_head(extra: &mut Fields<'_>) -> Result<(), String> {
    if extra.number(2)? != 1 || extra.number(2)? != extra.0.len() as u64 {
        return Err(OTHER_FIELDS.to_owned());
    }
    Ok(())
}

/// Where the bytes behind a file's own header (§4.3.7) begin; it must say what the directory says.
fn local(bytes: &dyn Bytes, entry: &Entry, end: u64) -> Result<u64, String> {
    let wrong = || format!("the header of {} in it does not say what the directory says", entry.name);
    let fits = |at: &u64| *at <= end;
    let names_at = entry.at.checked_add(LOCAL_BYTES).filter(fits).ok_or_else(wrong)?;
    let head = part(bytes, entry.at, LOCAL_BYTES)?;
    let mut head = Fields(&head);
    head.expect(b"PK\x03\x04")?;
    head.bytes(2)?;
    let common = head.bytes(20)?;
    let (name, extra) = (head.number(2)?, head.number(2)?);
    let data = names_at.checked_add(name + extra).filter(fits).ok_or_else(wrong)?;
    if common != entry.common || part(bytes, names_at, name)? != entry.name.as_bytes() {
        return Err(wrong());
    }
    let is_wide = common.ends_with(&[0xFF; 4]);
    let length = entry.bytes.to_le_bytes();
    let fields = if is_wide { [&[1, 0, 16, 0][..], &length, &length].concat() } else { Vec::new() };
    if extra != fields.len() as u64 || part(bytes, names_at + name, extra)? != fields {
        return Err(OTHER_FIELDS.to_owned());
    }
    Ok(data)
}

#[cfg(test)]
mod tests;
