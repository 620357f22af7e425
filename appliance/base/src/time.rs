//! Times with their unit in the type. UTC everywhere inside; local time exists on the page only.

use core::fmt;
use core::ops::{Add, Sub};
use serde::{Deserialize, Serialize};

/// Nanoseconds of a second.
pub const NANOS_PER_SEC: i64 = 1_000_000_000;
/// Nanoseconds of a millisecond.
pub const NANOS_PER_MS: i64 = 1_000_000;
/// [`Ticks90k`] of a second: the RTP clock of H.264 and H.265 (RFC 6184 §8.2.1, RFC 7798 §7.1).
pub const TICKS_PER_SEC: i64 = 90_000;

/// Nanoseconds since 1970-01-01 UTC, leap seconds smeared or repeated as the system clock does it. Good until the year 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcNanos(pub i64);

impl UtcNanos {
    /// From milliseconds since 1970; saturates at the ends of the range.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(NANOS_PER_MS))
    }

    /// Whole milliseconds since 1970, rounded down.
    #[must_use]
    pub fn as_ms(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MS)
    }

    /// This moment moved by `nanos`; saturates.
    #[must_use]
    pub fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// This moment moved by a media duration; saturates.
    #[must_use]
    pub fn plus_ticks(self, ticks: Ticks90k) -> Self {
        self.plus_nanos(ticks.as_nanos())
    }

    /// `self - earlier` in nanoseconds; saturates.
    #[must_use]
    pub fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`: never steps, means nothing after a reboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MonoNanos(pub u64);

impl MonoNanos {
    /// `self - earlier` in nanoseconds, 0 when `earlier` is later.
    #[must_use]
    pub fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Media time in 1/90,000 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticks90k(pub i64);

impl Ticks90k {
    /// Nanoseconds, rounded towards zero.
    #[must_use]
    pub fn as_nanos(self) -> i64 {
        // 10^9 / 90,000 = 100,000 / 9; i128 because 2^63 ticks × 100,000 does not fit.
        i64::try_from(i128::from(self.0) * 100_000 / 9).unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX })
    }

    /// From nanoseconds, rounded to the nearest tick.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Self {
        Self(i64::try_from((i128::from(nanos) * 9 + 50_000).div_euclid(100_000)).unwrap_or(i64::MAX))
    }
}

impl Add for Ticks90k {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Ticks90k {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A half-open interval of UTC: `start` is in it, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// First moment inside.
    pub start: UtcNanos,
    /// First moment outside; never before `start`.
    pub end: UtcNanos,
}

impl TimeRange {
    /// `None` when `end` lies before `start`.
    #[must_use]
    pub fn new(start: UtcNanos, end: UtcNanos) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// Length in nanoseconds; saturates.
    #[must_use]
    pub fn nanos(self) -> i64 {
        self.end.nanos_since(self.start)
    }

    /// True when the two share at least one moment.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// True when `moment` lies inside.
    #[must_use]
    pub fn contains(self, moment: UtcNanos) -> bool {
        self.start <= moment && moment < self.end
    }
}

impl fmt::Display for UtcNanos {
    /// RFC 3339 with milliseconds, as in `2026-11-24T03:51:07.250Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.div_euclid(NANOS_PER_SEC);
        let (year, month, day) = civil_from_days(secs.div_euclid(86_400));
        let of_day = secs.rem_euclid(86_400);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let ms = self.0.rem_euclid(NANOS_PER_SEC) / NANOS_PER_MS;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of a day number counted from 1970-01-01 in the proleptic Gregorian calendar. An era of 400 years has 146,097 days; counting
/// the year from March puts the leap day at its end.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_nanos_convert_both_ways() {
        assert_eq!(Ticks90k(90_000).as_nanos(), NANOS_PER_SEC);
        assert_eq!(Ticks90k(-3).as_nanos(), -33_333);
        for ticks in [-90_001, -1, 0, 1, 3003, 324_000_000_000] {
            assert_eq!(Ticks90k::from_nanos(Ticks90k(ticks).as_nanos()), Ticks90k(ticks));
        }
        assert_eq!(Ticks90k(i64::MAX).as_nanos(), i64::MAX);
    }

    #[test]
    fn utc_prints_as_rfc_3339() {
        // Independent source: `date -u -d @1709210096` and `date -u -d @-1`.
        assert_eq!(UtcNanos(1_709_210_096_250_000_000).to_string(), "2024-02-29T12:34:56.250Z");
        assert_eq!(UtcNanos(-1_000_000).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn ranges_are_half_open() {
        let range = |a, b| TimeRange::new(UtcNanos(a), UtcNanos(b)).unwrap();
        assert!(TimeRange::new(UtcNanos(2), UtcNanos(1)).is_none());
        assert!(range(0, 10).overlaps(range(9, 11)));
        assert!(!range(0, 10).overlaps(range(10, 11)));
        assert!(range(0, 10).contains(UtcNanos(0)) && !range(0, 10).contains(UtcNanos(10)));
    }
}
