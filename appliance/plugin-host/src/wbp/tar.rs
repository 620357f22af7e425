//! The one form of tar that a package has: POSIX ustar, regular files only, sorted by name, mode 0644, owner 0, time 0, two zero blocks at the end.
//!
//! A header that differs in one byte from what [`write`] makes for the same name and size is refused. So there is nothing to interpret: no link, no
//! device, no sparse map, no extended header, no second spelling of a number.

use super::{Files, UNPACKED_BYTES_MAX, files};
use std::io::Read;

/// A header, and the unit of everything.
const BLOCK: usize = 512;
/// The longest name in a ustar header without its prefix field.
const NAME_BYTES_MAX: usize = 100;

/// The header of a file. `name` has at most [`NAME_BYTES_MAX`] bytes.
fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum counts its own field as blanks.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Zero bytes that fill the last block of a file of `size` bytes.
fn padding(size: usize) -> usize {
    size.next_multiple_of(BLOCK) - size
}

/// All of `files` in the canonical form.
pub(super) fn write(files: &Files) -> Result<Vec<u8>, String> {
    let mut tar = Vec::new();
    for (name, content) in files {
        files::limit_of(name).ok_or_else(|| unknown(name))?;
        tar.extend_from_slice(&header(name, content.len()));
        tar.extend_from_slice(content);
        tar.resize(tar.len() + padding(content.len()), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    Ok(tar)
}

fn unknown(name: &str) -> String {
    let name: String = name.chars().take(NAME_BYTES_MAX).flat_map(char::escape_default).collect();
    format!("`{name}` is no file of a package; sdk/PACKAGE.md lists them")
}

/// Reads files out of `stream` and stops at the first byte that is not allowed. At most [`UNPACKED_BYTES_MAX`] and the headers are taken from it.
pub(super) fn read(stream: &mut impl Read) -> Result<Files, String> {
    let mut files = Files::new();
    let mut total = 0;
    let mut block = [0; BLOCK];
    loop {
        exactly(stream, &mut block)?;
        if block == [0; BLOCK] {
            break;
        }
        let (name, size) = entry(&block)?;
        if let Some((last, _)) = files.last_key_value()
            && *last >= name
        {
            return Err(format!("`{name}` is there twice or not in the order of the names"));
        }
        if files.len() == files::FILES_MAX {
            return Err(format!("it has more than {} files", files::FILES_MAX));
        }
        let limit = files::limit_of(&name).ok_or_else(|| unknown(&name))?;
        if size > limit {
            return Err(format!("{name} has {size} bytes; at most {limit} are allowed"));
        }
        total += size;
        if total > UNPACKED_BYTES_MAX {
            return Err(format!("its files have more than {UNPACKED_BYTES_MAX} bytes together"));
        }
        files.insert(name, content(stream, size)?);
    }
    exactly(stream, &mut block)?;
    if block != [0; BLOCK] {
        return Err("one zero block is followed by something else".to_owned());
    }
    match stream.read(&mut block[..1]) {
        Ok(0) => Ok(files),
        Ok(_) => Err("something follows the end of its tar".to_owned()),
        Err(error) => Err(format!("decompressing: {error}")),
    }
}

/// Name and size of a header in the canonical form.
fn entry(block: &[u8; BLOCK]) -> Result<(String, usize), String> {
    let name = block[..NAME_BYTES_MAX].split(|byte| *byte == 0).next().unwrap_or_default();
    let name = str::from_utf8(name).map_err(|_| "it has a file name that is not UTF-8".to_owned())?;
    // Named before the form of the header is judged: `../x` or `/etc/x` is then what the sentence is about.
    files::limit_of(name).ok_or_else(|| unknown(name))?;
    let size = str::from_utf8(&block[124..135]).ok().and_then(|digits| usize::from_str_radix(digits, 8).ok());
    match size {
        Some(size) if header(name, size) == *block => Ok((name.to_owned(), size)),
        _ => Err(format!(
            "the tar header of {name} is not in the form of sdk/PACKAGE.md: a regular file, mode 0644, owner 0, time 0, no extension"
        )),
    }
}

fn content(stream: &mut impl Read, size: usize) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    stream.take(size as u64).read_to_end(&mut content).map_err(|error| format!("decompressing: {error}"))?;
    let mut rest = [0; BLOCK];
    let rest = &mut rest[..padding(size)];
    exactly(stream, rest)?;
    if content.len() < size || rest.iter().any(|byte| *byte != 0) {
        return Err("a file in it ends early or is not filled up with zeros".to_owned());
    }
    Ok(content)
}

fn exactly(stream: &mut impl Read, to: &mut [u8]) -> Result<(), String> {
    stream.read_exact(to).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "its tar ends early".to_owned(),
        _ => format!("decompressing: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a start and then zeros without end, and counts.
    struct Endless {
        start: Vec<u8>,
        given: usize,
    }

    impl Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            for byte in to.iter_mut() {
                *byte = self.start.get(self.given).copied().unwrap_or(0);
                self.given += 1;
            }
            Ok(to.len())
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit_and_not_after_it() {
        let component = super::super::files::limit_of("plugin.wasm").unwrap();
        let refused = |start: Vec<u8>, given_max: usize| {
            let mut stream = Endless { start, given: 0 };
            let sentence = read(&mut stream).unwrap_err();
            assert!(stream.given <= given_max, "{} bytes were taken before: {sentence}", stream.given);
            sentence
        };
        // A declared size over the limit: not a byte of the file is taken.
        assert!(refused(header("plugin.wasm", component + 1).to_vec(), BLOCK).contains("at most 33554432"));
        // Three models of 32 MiB: the third is over the total.
        let model = |name: &str| header(name, files::MODEL_BYTES_MAX).to_vec();
        let zeros = vec![0; files::MODEL_BYTES_MAX];
        let start = [model("models/a"), zeros.clone(), model("models/b"), zeros, model("models/c")].concat();
        assert!(refused(start, UNPACKED_BYTES_MAX + 3 * BLOCK).contains("together"));
        // Zeros without end.
        assert!(refused(Vec::new(), 3 * BLOCK).contains("follows the end"));
    }
}
