//! Frames of zstd (RFC 8878): where the compressed one ends, and the skippable one that follows it. Walking them decompresses nothing.

use super::sign::SIGNATURE_BYTES_MAX;
use std::io::Read;

/// First bytes of a compressed frame, RFC 8878 §3.1.1.
const COMPRESSED: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// First bytes of our skippable frame: the eighth of the sixteen that RFC 8878 §3.1.2 sets aside.
const SKIPPABLE: [u8; 4] = 0x184D_2A57_u32.to_le_bytes();
/// The most that a block may hold, RFC 8878 §3.1.1.2.4.
const BLOCK_BYTES_MAX: usize = 128 << 10;

/// Takes bytes from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends within its zstd frame; get it again")?;
        self.0 = rest;
        Ok(taken)
    }

    /// A little-endian number of at most 8 bytes.
    fn number(&mut self, count: usize) -> Result<u64, String> {
        let mut wide = [0; 8];
        wide.iter_mut().zip(self.take(count)?).for_each(|(to, from)| *to = *from);
        Ok(u64::from_le_bytes(wide))
    }
}

/// The compressed frame that `bytes` begin with, and what follows it.
pub(super) fn compressed(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let mut cursor = Cursor(bytes);
    if !bytes.starts_with(&COMPRESSED) {
        return Err("it does not begin with a zstd frame; is it a .wbp file?".to_owned());
    }
    cursor.take(COMPRESSED.len())?;
    let descriptor = cursor.number(1)?;
    let single_segment = descriptor & 0x20 != 0;
    if descriptor & 0x08 != 0 || descriptor & 0x03 != 0 {
        return Err("its zstd frame has a reserved bit or wants a dictionary".to_owned());
    }
    let content_size_bytes = match descriptor >> 6 {
        0 => usize::from(single_segment),
        flag => 1 << flag,
    };
    cursor.take(usize::from(!single_segment) + content_size_bytes)?;
    loop {
        let header = cursor.number(3)?;
        let size = usize::try_from(header >> 3).map_err(|error| error.to_string())?;
        match header >> 1 & 3 {
            _ if size > BLOCK_BYTES_MAX => return Err(format!("a zstd block of {size} bytes")),
            0 | 2 => cursor.take(size)?,
            1 => cursor.take(1)?,
            _ => return Err("its zstd frame has a block of a reserved type".to_owned()),
        };
        if header & 1 != 0 {
            break;
        }
    }
    if descriptor & 0x04 != 0 {
        cursor.take(4)?;
    }
    Ok(bytes.split_at(bytes.len() - cursor.0.len()))
}

/// The payload of the one skippable frame that `rest` is, or nothing when `rest` is empty.
pub(super) fn skippable(rest: &[u8]) -> Result<Option<&[u8]>, String> {
    if rest.is_empty() {
        return Ok(None);
    }
    let mut cursor = Cursor(rest);
    if !rest.starts_with(&SKIPPABLE) {
        return Err("what follows its zstd frame is no signature".to_owned());
    }
    cursor.take(SKIPPABLE.len())?;
    let size = usize::try_from(cursor.number(4)?).map_err(|error| error.to_string())?;
    if size > SIGNATURE_BYTES_MAX {
        return Err(format!("its signature has {size} bytes; at most {SIGNATURE_BYTES_MAX} are allowed"));
    }
    let payload = cursor.take(size)?;
    if cursor.0.is_empty() { Ok(Some(payload)) } else { Err("something follows its signature".to_owned()) }
}

/// A skippable frame around `payload`.
pub(super) fn skippable_of(payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    [&SKIPPABLE, &size.to_le_bytes(), payload].concat()
}

/// What the compressed frame `body` holds, with at most 2^`window_log` bytes of memory for the window.
pub(super) fn decompress(body: &[u8], window_log: u32) -> Result<impl Read, String> {
    let failed = |error: std::io::Error| format!("starting libzstd: {error}");
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(failed)?.single_frame();
    decoder.window_log_max(window_log).map_err(failed)?;
    Ok(decoder)
}
