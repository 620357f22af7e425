//! `Range` and `If-Range` (RFC 9110 §14): one part of a file, or all of it.

use axum::http::{HeaderMap, header};

/// What to send of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, with 200.
    Whole,
    /// Bytes `start` to `end`, not included, with 206. Never empty.
    Some {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
    },
    /// Nothing of what was asked for exists: 416.
    Unsatisfiable,
}

/// What the headers ask of a file of `len` bytes. A range that cannot be understood, and more than one range, mean the whole file (§14.2 lets a
/// server ignore them). `If-Range` with another tag than `etag` means the whole file too.
pub(crate) fn part(headers: &HeaderMap, len: u64, etag: &str) -> Part {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return Part::Whole };
    // Our tags are strong: equal tags mean equal bytes (§13.1.5). A date can never match.
    if text(header::IF_RANGE).is_some_and(|tag| tag != etag) {
        return Part::Whole;
    }
    parse(range, len).unwrap_or(Part::Whole)
}

fn parse(range: &str, len: u64) -> Option<Part> {
    let (unit, set) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit mean "far beyond the end".
        true if !text.is_empty() => Some(text.parse().unwrap_or(u64::MAX)),
        _ => None,
    };
    let (start, end) = match (first, last) {
        ("", suffix) => (len.saturating_sub(number(suffix)?), len),
        (first, "") => (number(first)?, len),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(len))
        }
    };
    Some(if start < end { Part::Some { start, end } } else { Part::Unsatisfiable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(range: &str, if_range: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = range.parse() {
            headers.insert(header::RANGE, value);
        }
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, tag.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_examples_of_rfc_9110_section_14_1_2() {
        // A representation of 10,000 bytes.
        for (range, expected) in [
            ("bytes=0-499", Part::Some { start: 0, end: 500 }),
            ("bytes=500-999", Part::Some { start: 500, end: 1000 }),
            ("bytes=-500", Part::Some { start: 9500, end: 10_000 }),
            ("bytes=9500-", Part::Some { start: 9500, end: 10_000 }),
            ("bytes=0-0,-1", Part::Whole),
            ("bytes= 0-999", Part::Some { start: 0, end: 1000 }),
            ("bytes=10000-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=9999-99999999999999999999999", Part::Some { start: 9999, end: 10_000 }),
            ("bytes=5-4", Part::Whole),
            ("bytes=+5-9", Part::Whole),
            ("bytes=-", Part::Whole),
            ("seconds=0-1", Part::Whole),
        ] {
            assert_eq!(part(&headers(range, None), 10_000, "\"a\""), expected, "{range}");
        }
        assert_eq!(part(&headers("bytes=0-1", Some("\"a\"")), 10, "\"a\""), Part::Some { start: 0, end: 2 });
        assert_eq!(part(&headers("bytes=0-1", Some("\"b\"")), 10, "\"a\""), Part::Whole);
        assert_eq!(part(&HeaderMap::new(), 10, "\"a\""), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_the_file_and_is_what_was_asked_for(len in 0_u64..2000, first in 0_u64..2500, more in 0_u64..2500) {
            let last = first + more;
            let expected = if first < len { Part::Some { start: first, end: len.min(last + 1) } } else { Part::Unsatisfiable };
            prop_assert_eq!(part(&headers(&format!("bytes={first}-{last}"), None), len, ""), expected);
        }

        #[test]
        fn no_text_makes_it_leave_the_file(text in "(bytes)?=?[-0-9, ]{0,40}", len in 0_u64..u64::MAX) {
            if let Part::Some { start, end } = part(&headers(&text, None), len, "") {
                prop_assert!(start < end && end <= len);
            }
        }
    }
}
