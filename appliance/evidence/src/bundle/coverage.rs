//! Whether the runs of a master are all that is in it: every byte of every `mdat` box belongs to one run.

/// Top-level boxes of a file. A fragmented day has one pair a second.
pub const BOXES_MAX: usize = 1 << 20;
/// Bytes of a box's header: length, type, long length (ISO/IEC 14496-12 §4.2).
pub const BOX_HEADER_BYTES: u64 = 16;

/// A stretch of a file: from, and to before.
pub type Stretch = (u64, u64);

/// Where the contents of `mdat` boxes lie in a file of `size` bytes. `head` reads up to [`BOX_HEADER_BYTES`] from an offset.
///
/// # Errors
/// A sentence, when the file is not a sequence of boxes.
pub fn media_data(
    size: u64,
    mut head: impl FnMut(u64, u64) -> Result<Vec<u8>, String>,
) -> Result<Vec<Stretch>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    for _ in 0..BOXES_MAX {
        let left = size - at;
        if left == 0 {
            return Ok(found);
        }
        let bytes = head(at, left.min(BOX_HEADER_BYTES))?;
        let broken = || format!("the box at {at} is broken");
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
        let (name, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let (header, length) = match u32::from_be_bytes(*length) {
            0 => (8, left),
            1 => (16, u64::from_be_bytes(*rest.first_chunk::<8>().ok_or_else(broken)?)),
            short => (8, u64::from(short)),
        };
        if length < header || length > left {
            return Err(broken());
        }
        if name == b"mdat" && length > header {
            found.push((at + header, at + length));
        }
        at += length;
    }
    Err(format!("it has more than {BOXES_MAX} boxes"))
}

/// Stretches one behind the other as one; `None` when two overlap.
fn joined(mut stretches: Vec<Stretch>) -> Option<Vec<Stretch>> {
    stretches.sort_unstable();
    let mut whole: Vec<Stretch> = Vec::new();
    for (from, to) in stretches {
        match whole.last_mut() {
            Some(last) if from < last.1 => return None,
            Some(last) if from == last.1 => last.1 = to,
            _ => whole.push((from, to)),
        }
    }
    Some(whole)
}

/// True when `ranges` (offset, length) cover `media` exactly once and nothing else.
#[must_use]
pub fn covers(ranges: impl IntoIterator<Item = (u64, u64)>, media: Vec<Stretch>) -> bool {
    let ranges = ranges.into_iter().map(|(at, length)| (at, at.saturating_add(length))).collect();
    joined(ranges).is_some_and(|ranges| Some(ranges) == joined(media))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(file: &[u8]) -> Result<Vec<Stretch>, String> {
        media_data(file.len() as u64, |at, length| Ok(file[at as usize..(at + length) as usize].to_vec()))
    }

    fn small(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
    }

    #[test]
    fn media_data_is_found_in_short_long_and_last_boxes() {
        let long = [&1_u32.to_be_bytes()[..], b"mdat", &18_u64.to_be_bytes(), b"ab"].concat();
        let last = [&0_u32.to_be_bytes()[..], b"mdat", b"xyz"].concat();
        let file = [small(b"ftyp", b"iso6"), small(b"mdat", b"abc"), long, small(b"mdat", b""), last].concat();
        assert_eq!(look(&file), Ok(vec![(20, 23), (39, 41), (57, 60)]));
        assert_eq!(look(b""), Ok(Vec::new()));
        for bad in [
            &b"\0\0\0"[..],
            b"\0\0\0\x07mdat",
            b"\0\0\0\x09mdat",
            b"\0\0\0\x01mdat\0\0\0\0\0\0\0",
            b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f",
        ] {
            assert!(look(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_byte_belongs_to_one_run() {
        let media = || vec![(20, 23), (30, 40)];
        assert!(covers([(21, 2), (20, 1), (30, 10)], media()));
        for bad in
            [vec![(20, 3)], vec![(20, 3), (30, 9)], vec![(20, 3), (30, 10), (31, 1)], vec![(20, 3), (29, 11)], vec![]]
        {
            assert!(!covers(bad.clone(), media()), "{bad:?}");
        }
        assert!(covers([], Vec::new()));
        assert!(!covers([(u64::MAX, u64::MAX)], media()));
    }
}
