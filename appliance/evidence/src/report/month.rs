//! Months of UTC, as reports have them.

use core::fmt;
use serde::{Deserialize, Serialize};
use watchbook_base::UtcNanos;
use watchbook_base::time::NANOS_PER_SEC;

const DAY_NANOS: i64 = 86_400 * NANOS_PER_SEC;
/// Years that are read: far inside what [`UtcNanos`] holds.
const YEARS: core::ops::RangeInclusive<i64> = 1970..=2200;

/// A month of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Month {
    year: i64,
    month: i64,
}

impl Month {
    /// The month in which `utc` lies; a moment outside the years that are read counts as the nearest one of them.
    #[must_use]
    pub fn of(utc: UtcNanos) -> Self {
        let text = utc.to_string();
        let mut parts = text.splitn(3, '-').map(|part| part.parse().ok());
        let (year, month) = (parts.next().flatten(), parts.next().flatten());
        let year: i64 = year.unwrap_or(*YEARS.start());
        Self { year: year.clamp(*YEARS.start(), *YEARS.end()), month: month.unwrap_or(1) }
    }

    /// Reads `2026-11`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (year, month) = (year.parse().ok()?, month.parse().ok().filter(|_| digits(year) && digits(month))?);
        (YEARS.contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        let first = self.month == 12;
        Self { year: self.year + i64::from(first), month: if first { 1 } else { self.month + 1 } }
    }

    /// Its first moment.
    #[must_use]
    pub fn start(self) -> UtcNanos {
        // Days since 1970-01-01; the year begins in March, so that the leap day is its last (the opposite of what `UtcNanos` prints).
        let year = self.year - i64::from(self.month <= 2);
        let from_march = (self.month + 9).rem_euclid(12);
        let of_era = year.rem_euclid(400);
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + (153 * from_march + 2) / 5;
        let days = year.div_euclid(400) * 146_097 + day_of_era - 719_468;
        UtcNanos(days.saturating_mul(DAY_NANOS))
    }

    /// The first moment behind it.
    #[must_use]
    pub fn end(self) -> UtcNanos {
        self.next().start()
    }

    /// Whether `utc` lies in it.
    #[must_use]
    pub fn contains(self, utc: UtcNanos) -> bool {
        self.start() <= utc && utc < self.end()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// Number of the week, from Monday 00:00 UTC to the next; 1970-01-01 was a Thursday.
#[must_use]
pub fn week_of(utc: UtcNanos) -> i64 {
    (utc.0.div_euclid(DAY_NANOS) + 3).div_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_its_first_moment_and_those_up_to_the_next() {
        // Independent source: `date -u -d 2024-02-01 +%s` and so on.
        for (text, start_s, end_s) in [
            ("1970-01", 0, 2_678_400),
            ("2024-02", 1_706_745_600, 1_709_251_200),
            ("2026-12", 1_796_083_200, 1_798_761_600),
            ("2100-02", 4_105_123_200, 4_107_542_400),
        ] {
            let month = Month::parse(text).unwrap();
            assert_eq!(month.to_string(), text);
            assert_eq!(month.start(), UtcNanos(start_s * NANOS_PER_SEC), "{text}");
            assert_eq!(month.end(), UtcNanos(end_s * NANOS_PER_SEC), "{text}");
            assert!(month.contains(month.start()) && !month.contains(month.end()));
            assert_eq!(Month::of(month.start()), month);
            assert_eq!(Month::of(UtcNanos(month.end().0 - 1)), month);
        }
        for bad in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "+026-11", "2026-11-01", "9999-01"] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
        assert!(Month::of(UtcNanos(i64::MAX)) >= Month::of(UtcNanos(0)));
    }

    #[test]
    fn a_week_begins_on_monday() {
        // 2026-11-22 was a Sunday: `date -u -d 2026-11-23 +%s` is 1795392000.
        let monday = 1_795_392_000 * NANOS_PER_SEC;
        assert_eq!(week_of(UtcNanos(monday)), week_of(UtcNanos(monday - 1)) + 1);
        assert_eq!(week_of(UtcNanos(monday)), week_of(UtcNanos(monday + 7 * DAY_NANOS - 1)));
    }
}
