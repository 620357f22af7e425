//! What a redacted copy was made of, and what is black in it.

use super::{INTEGER_MAX, nanos};
use crate::run::ClockState;
use crate::text::hash_of_hex;
use serde::{Deserialize, Serialize};

/// Value of the manifest's `format` for a bundle with a redacted copy.
pub const REDACTED_FORMAT: &str = "watchbook-redacted/1";
/// Value of its `copy_class`.
pub const REDACTED: &str = "redacted";
/// The names of its working files begin so, so that nobody takes one for a master.
pub const NAME_BEGIN: &str = "WORKING-REDACTED-";
/// Regions of one copy.
pub const REGIONS_MAX: usize = 32;
/// Places that a region moves over.
pub const KEYS_MAX: usize = 64;
/// Corners of a polygon.
pub const CORNERS_MAX: usize = 64;
/// Bytes of an encoder's name.
const ENCODER_BYTES_MAX: usize = 64;

/// A point in 1/65,536 of the picture's width and height, from the upper left corner.
pub type Corner = (u16, u16);

/// Where a rectangle is at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// In nanoseconds since 1970, decimal.
    pub at_ns: String,
    /// Left, top, right and bottom edge.
    pub rectangle: (u16, u16, u16, u16),
}

/// A part of the picture: a polygon that stays, or a rectangle that moves in straight lines from key to key and stays before the first and behind the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// The moment from which on it counts, decimal; none: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ns: Option<String>,
    /// By time; 1 to [`KEYS_MAX`] when there is no polygon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// 3 to [`CORNERS_MAX`] corners when there are no keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub polygon: Vec<Corner>,
    /// The moment from which on it counts no more, decimal; none: until the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ns: Option<String>,
}

/// The bundle with the footage as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterLink {
    /// SHA-256 of the master file of this camera, lower-case hexadecimal.
    pub file: String,
    /// SHA-256 of its `manifest.json`, lower-case hexadecimal.
    pub manifest: String,
}

/// How a redacted copy was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    /// What encoded it.
    pub encoder: String,
    /// Everything is black but the regions.
    pub everything_but: bool,
    /// Pictures in the copy.
    pub frames: u64,
    /// Pictures of its runs, within what was asked for, that could not be decoded and are not in it.
    pub left_out: u64,
    /// The master that it was asked for from, when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<MasterLink>,
    /// `true` when pictures with an odd width or height have a black column at the right edge or a black row at the lower one, because H.264 in 4:2:0 has even sizes alone; else it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padded: Option<bool>,
    /// At most [`REGIONS_MAX`].
    pub regions: Vec<Region>,
}

/// A run that a redacted copy was made of. Its samples are not handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRun {
    /// As in [`Run`].
    pub clock: ClockState,
    /// As in [`Run`].
    pub first_dts: i64,
    /// As in [`Run`], decimal.
    pub first_utc_ns: String,
    /// As in [`Run`].
    pub length: u32,
    /// As in [`Run`].
    pub samples: u32,
    /// Over table and samples as they were recorded, lower-case hexadecimal.
    pub sha256: String,
}

impl SourceRun {
    pub(super) fn is_well_formed(&self) -> bool {
        self.first_dts.unsigned_abs() <= INTEGER_MAX
            && nanos(&self.first_utc_ns).is_some()
            && hash_of_hex(&self.sha256).is_some()
    }
}

impl Redaction {
    /// # Errors
    /// What is wrong with its form.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.regions.len() > REGIONS_MAX {
            return Err("it has too many regions");
        }
        self.regions.iter().try_for_each(Region::check)?;
        if self.frames.max(self.left_out) > INTEGER_MAX || self.encoder.len() > ENCODER_BYTES_MAX {
            return Err("a number or a name in it is too large");
        }
        if self.padded == Some(false) {
            return Err("what is said of its padding is nothing");
        }
        let hashes = self.master.iter().flat_map(|master| [&master.file, &master.manifest]);
        if hashes.into_iter().any(|hash| hash_of_hex(hash).is_none()) {
            return Err("the hash of its master is none");
        }
        Ok(())
    }
}

impl Region {
    /// Looks at its form.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub fn check(&self) -> Result<(), &'static str> {
        let of = |text: &Option<String>| text.as_ref().map(|text| nanos(text));
        let times = [of(&self.from_ns), of(&self.to_ns)];
        if times.contains(&Some(None)) {
            return Err("a region in it begins or ends at no time");
        }
        if let [Some(from), Some(to)] = times
            && from >= to
        {
            return Err("a region in it ends before it begins");
        }
        match (self.keys.len(), self.polygon.len()) {
            (0, 3..=CORNERS_MAX) => Ok(()),
            (1..=KEYS_MAX, 0) => self.check_keys(),
            _ => Err("a region in it must be a polygon of 3 to 64 corners or a rectangle at 1 to 64 moments"),
        }
    }

    fn check_keys(&self) -> Result<(), &'static str> {
        let times: Vec<Option<i64>> = self.keys.iter().map(|key| nanos(&key.at_ns)).collect();
        if times.contains(&None) || !times.is_sorted_by(|a, b| a < b) {
            return Err("the moments of a region in it are none, or not in order");
        }
        let good = |(left, top, right, bottom): (u16, u16, u16, u16)| left < right && top < bottom;
        if self.keys.iter().all(|key| good(key.rectangle)) { Ok(()) } else { Err("a rectangle in it is empty") }
    }

    /// What it has of a picture that is shown from `from` until before `until`, in nanoseconds since 1970. What is to be black (`stays` is false) has all that lies in it at any moment of that
    /// time; what is to stay only what lies in it all of that time. `None` when that is nothing.
    ///
    /// A reader draws on the picture that is on the screen, at a moment somewhere between its beginning and its end.
    #[must_use]
    pub fn cover(&self, (from, until): (i64, i64), stays: bool) -> Option<Vec<Corner>> {
        let time = |text: &Option<String>| text.as_deref().and_then(nanos);
        let last = until.saturating_sub(1).max(from);
        let begin = time(&self.from_ns).unwrap_or(i64::MIN).max(from);
        let end = time(&self.to_ns).map_or(last, |to| last.min(to.saturating_sub(1)));
        if begin > end || (stays && (begin, end) != (from, last)) {
            return None;
        }
        if self.keys.is_empty() {
            return Some(self.polygon.clone());
        }
        let moments = self.keys.iter().filter_map(|key| nanos(&key.at_ns)).filter(|at| (begin..=end).contains(at));
        let outlines = moments.chain([begin, end]).filter_map(|at| self.outline(at));
        let corners = outlines.filter_map(|outline| Some((*outline.first()?, *outline.get(2)?)));
        let ((left, top), (right, bottom)) = corners.reduce(|(a, b), (c, d)| match stays {
            false => ((a.0.min(c.0), a.1.min(c.1)), (b.0.max(d.0), b.1.max(d.1))),
            true => ((a.0.max(c.0), a.1.max(c.1)), (b.0.min(d.0), b.1.min(d.1))),
        })?;
        let is_there = left < right && top < bottom;
        is_there.then(|| vec![(left, top), (right, top), (right, bottom), (left, bottom)])
    }

    /// Its corners at a moment, in nanoseconds since 1970; `None` when it does not count then.
    #[must_use]
    pub fn outline(&self, at_ns: i64) -> Option<Vec<Corner>> {
        let time = |text: &Option<String>| text.as_deref().and_then(nanos);
        if time(&self.from_ns).is_some_and(|from| at_ns < from) || time(&self.to_ns).is_some_and(|to| at_ns >= to) {
            return None;
        }
        if self.keys.is_empty() {
            return Some(self.polygon.clone());
        }
        let keys: Vec<(i64, _)> =
            self.keys.iter().filter_map(|key| Some((nanos(&key.at_ns)?, key.rectangle))).collect();
        let later = keys.partition_point(|(at, _)| *at <= at_ns);
        let before = later.checked_sub(1).and_then(|index| keys.get(index));
        let (left, top, right, bottom) = match (before, keys.get(later)) {
            (Some((from, one)), Some((to, next))) => {
                let part = |a: u16, b: u16| between((a, *from), (b, *to), at_ns);
                (part(one.0, next.0), part(one.1, next.1), part(one.2, next.2), part(one.3, next.3))
            }
            (Some((_, one)), None) | (None, Some((_, one))) => *one,
            (None, None) => return None,
        };
        Some(vec![(left, top), (right, top), (right, bottom), (left, bottom)])
    }
}

/// A value on the straight line between two, rounded down.
fn between((a, from): (u16, i64), (b, to): (u16, i64), at: i64) -> u16 {
    let (a, b) = (i128::from(a), i128::from(b));
    let (passed, all) = (i128::from(at) - i128::from(from), (i128::from(to) - i128::from(from)).max(1));
    u16::try_from(a + (b - a) * passed / all).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(at: i64, rectangle: (u16, u16, u16, u16)) -> Key {
        Key { at_ns: at.to_string(), rectangle }
    }

    #[test]
    fn a_rectangle_moves_in_straight_lines_and_stays_at_both_ends() {
        let region = Region {
            from_ns: Some("0".to_owned()),
            keys: vec![key(100, (0, 100, 1000, 300)), key(200, (2000, 0, 3000, 200))],
            to_ns: Some("500".to_owned()),
            ..Region::default()
        };
        assert_eq!(region.check(), Ok(()));
        let first_and_third = |at| region.outline(at).map(|outline| (outline[0], outline[2]));
        assert_eq!(first_and_third(-1), None, "it does not count yet");
        assert_eq!(first_and_third(0), Some(((0, 100), (1000, 300))));
        assert_eq!(first_and_third(150), Some(((1000, 50), (2000, 250))));
        assert_eq!(first_and_third(499), Some(((2000, 0), (3000, 200))));
        assert_eq!(first_and_third(500), None, "and no more");
    }

    #[test]
    fn a_picture_counts_for_as_long_as_it_is_shown() {
        let still = Region {
            from_ns: Some("150".to_owned()),
            polygon: vec![(1, 1), (9, 1), (5, 9)],
            to_ns: Some("250".to_owned()),
            ..Region::default()
        };
        let there = |shown, stays| still.cover(shown, stays).is_some();
        assert!(there((100, 200), false), "it begins while the picture is on the screen");
        assert!(there((200, 300), false) && there((249, 300), false), "it ends while the picture is on the screen");
        assert!(!there((100, 150), false) && !there((250, 300), false));
        assert!(there((150, 250), true) && !there((149, 200), true) && !there((200, 251), true));
        let moving =
            Region { keys: vec![key(100, (0, 100, 1000, 300)), key(200, (2000, 0, 3000, 200))], ..Region::default() };
        let first_and_third = |shown, stays| moving.cover(shown, stays).map(|outline| (outline[0], outline[2]));
        assert_eq!(first_and_third((0, 50), false), Some(((0, 100), (1000, 300))), "it has not moved yet");
        // At 125: (500, 75, 1500, 275); at 149, the last moment: 980, 51, 1980, 251.
        assert_eq!(first_and_third((125, 150), false), Some(((500, 51), (1980, 275))));
        assert_eq!(first_and_third((125, 150), true), Some(((980, 75), (1500, 251))));
        assert_eq!(first_and_third((0, 1000), false), Some(((0, 0), (3000, 300))), "it passed while one picture stood");
        assert_eq!(first_and_third((0, 1000), true), None, "nothing lies in it all the time");
        assert_eq!(first_and_third((7, 7), false), Some(((0, 100), (1000, 300))), "a picture without a length");
    }

    #[test]
    fn what_is_no_region_is_refused() {
        let polygon = |corners| Region { polygon: vec![(1, 2); corners], ..Region::default() };
        assert_eq!(polygon(3).check(), Ok(()));
        assert!(polygon(2).check().is_err() && polygon(65).check().is_err());
        let keys = |keys: Vec<Key>| Region { keys, ..Region::default() };
        assert!(keys(vec![key(2, (0, 0, 1, 1)), key(2, (0, 0, 1, 1))]).check().is_err(), "one moment twice");
        assert!(keys(vec![key(2, (1, 0, 1, 1))]).check().is_err(), "empty");
        assert!(Region { keys: vec![key(2, (0, 0, 1, 1))], ..polygon(3) }.check().is_err(), "both");
        assert!(Region { from_ns: Some("5".to_owned()), to_ns: Some("5".to_owned()), ..polygon(3) }.check().is_err());
        assert!(Region { from_ns: Some("05".to_owned()), ..polygon(3) }.check().is_err());
    }
}
