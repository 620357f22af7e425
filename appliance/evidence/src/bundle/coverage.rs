//! Whether the runs of a master are all that is in it: every byte of every `mdat` box belongs to one run.

/// Top-level boxes of a file. A fragmented day has one pair a second.
pub const BOXES_MAX: usize = 1 << 20;
/// Bytes of a box's header: length, type, long length (ISO/IEC 14496-12 §4.2).
pub const BOX_HEADER_BYTES: u64 = 16;

/// A stretch of a file: from, and to before.
pub type Stretch = (u64, u64);

/// Stretches of `ranges` (offset, length) in their order in the file; `None` when two overlap.
#[must_use]
pub fn apart(ranges: impl IntoIterator<Item = (u64, u64)>) -> Option<Vec<Stretch>> {
    let mut ranges: Vec<Stretch> = ranges.into_iter().map(|(at, length)| (at, at.saturating_add(length))).collect();
    ranges.sort_unstable();
    ranges.is_sorted_by(|one, next| one.1 <= next.0).then_some(ranges)
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

/// True when `ranges` cover `media` exactly once and nothing else.
#[must_use]
pub fn covers(ranges: Vec<Stretch>, media: Vec<Stretch>) -> bool {
    joined(ranges).is_some_and(|ranges| Some(ranges) == joined(media))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_belongs_to_one_run() {
        let media = || vec![(20, 23), (30, 40)];
        let covered = |ranges: Vec<(u64, u64)>| apart(ranges).is_some_and(|ranges| covers(ranges, media()));
        assert!(covered(vec![(21, 2), (20, 1), (30, 10)]));
        for bad in
            [vec![(20, 3)], vec![(20, 3), (30, 9)], vec![(20, 3), (30, 10), (31, 1)], vec![(20, 3), (29, 11)], vec![]]
        {
            assert!(!covered(bad.clone()), "{bad:?}");
        }
        assert!(covers(Vec::new(), Vec::new()));
        assert!(!covered(vec![(u64::MAX, u64::MAX)]));
    }
}
