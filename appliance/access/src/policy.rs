//! What a station's policy allows: numbers that today's rules hold to, and nothing that nobody holds to. Which policy is in force is for the station to know; a change that
//! loosens anything takes two people.

use crate::case::{self, Case};
use serde::{Deserialize, Serialize};
use watchbook_base::UtcNanos;
use watchbook_base::time::NANOS_PER_SEC;

const DAY_NANOS: i64 = 86_400 * NANOS_PER_SEC;
/// Longest maximum age of footage that any policy may allow, in days: as long as a case may be open.
pub const RETENTION_DAYS_MAX: u32 = 92;
/// No policy draws fewer accesses for review, of a hundred and at least.
pub const REVIEW_LEAST: (u32, u32) = (2, 5);

/// The numbers of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Maximum age of the footage of a camera that is added without one, in days.
    pub retention_days: u32,
    /// Largest maximum age that a camera may have, in days.
    pub retention_days_max: u32,
    /// Sound may be recorded, where somebody says what for.
    pub sound: bool,
    /// How long a case may stay open from now on, in days.
    pub case_days_max: u32,
    /// Longest stretch of footage of one case, in days.
    pub case_footage_days_max: u32,
    /// How long an emergency may last, in minutes.
    pub emergency_minutes_max: u32,
    /// So many of a hundred accesses are drawn for review each week.
    pub review_percent: u32,
    /// At least so many, as long as there are so many.
    pub review_at_least: u32,
    /// Within how many days somebody who asks for footage of themselves is answered.
    pub subject_request_days: u32,
}

/// A policy: a file that people can read, and its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Such as `kh-default`: letters, digits and hyphens.
    pub id: String,
    /// Grows with each change of the file.
    pub version: u32,
    /// In English.
    pub title_en: String,
    /// In Khmer.
    pub title_km: String,
    /// Which law or guidance says what, in our words.
    pub sources: Vec<String>,
    /// What is held to.
    pub rules: Rules,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}

impl Rules {
    /// As far as anything may go: what holds where there is no policy.
    pub const WIDEST: Self = Self {
        retention_days: 7,
        retention_days_max: 30,
        sound: true,
        case_days_max: 92,
        case_footage_days_max: 31,
        emergency_minutes_max: 30,
        review_percent: REVIEW_LEAST.0,
        review_at_least: REVIEW_LEAST.1,
        subject_request_days: 30,
    };

    /// Whether these numbers can be held to.
    ///
    /// # Errors
    /// The name of the first one that cannot, with what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let days = |nanos: i64| u32::try_from(nanos / DAY_NANOS).unwrap_or_default();
        let minutes = u32::try_from(case::EMERGENCY_NANOS_MAX / (60 * NANOS_PER_SEC)).unwrap_or_default();
        for (name, value, least, most) in [
            ("retention_days_max", self.retention_days_max, 1, RETENTION_DAYS_MAX),
            ("retention_days", self.retention_days, 1, self.retention_days_max),
            ("case_days_max", self.case_days_max, 1, days(case::OPEN_NANOS_MAX)),
            ("case_footage_days_max", self.case_footage_days_max, 1, days(case::WINDOW_NANOS_MAX)),
            ("emergency_minutes_max", self.emergency_minutes_max, 1, minutes),
            ("review_percent", self.review_percent, REVIEW_LEAST.0, 100),
            ("review_at_least", self.review_at_least, REVIEW_LEAST.1, 1000),
            ("subject_request_days", self.subject_request_days, 1, 92),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{name} is {value}; {least} to {most} is allowed"));
            }
        }
        Ok(())
    }

    /// What these allow that `before` did not, by name; empty: nothing is loosened.
    #[must_use]
    pub fn loosened(&self, before: &Self) -> Vec<&'static str> {
        [
            ("retention_days", self.retention_days > before.retention_days),
            ("retention_days_max", self.retention_days_max > before.retention_days_max),
            ("sound", self.sound && !before.sound),
            ("case_days_max", self.case_days_max > before.case_days_max),
            ("case_footage_days_max", self.case_footage_days_max > before.case_footage_days_max),
            ("emergency_minutes_max", self.emergency_minutes_max > before.emergency_minutes_max),
            ("review_percent", self.review_percent < before.review_percent),
            ("review_at_least", self.review_at_least < before.review_at_least),
            ("subject_request_days", self.subject_request_days > before.subject_request_days),
        ]
        .into_iter()
        .filter_map(|(name, looser)| looser.then_some(name))
        .collect()
    }

    /// What a case must be when it is opened or changed at this moment: [`Case::check`], and what the policy says.
    ///
    /// # Errors
    /// In a sentence, what is wrong.
    pub fn check_case(&self, case: &Case, now: UtcNanos) -> Result<(), String> {
        case.check(now)?;
        let open = case.expires.nanos_since(now);
        match () {
            () if case.range.nanos() > i64::from(self.case_footage_days_max) * DAY_NANOS => Err(format!(
                "under the station's policy a case is about {} days of footage at most",
                self.case_footage_days_max
            )),
            () if case.emergency && open > i64::from(self.emergency_minutes_max) * 60 * NANOS_PER_SEC => Err(format!(
                "under the station's policy an emergency lasts {} minutes at most",
                self.emergency_minutes_max
            )),
            () if open > i64::from(self.case_days_max) * DAY_NANOS => {
                Err(format!("under the station's policy a case stays open for {} days at most", self.case_days_max))
            }
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Purpose;
    use watchbook_base::{CameraId, TimeRange};

    #[test]
    fn each_number_has_its_bounds_and_is_looser_in_one_direction() {
        assert_eq!(Rules::WIDEST.check(), Ok(()));
        type Set = fn(&mut Rules, u32);
        let numbers: [(&str, u32, u32, bool, Set); 8] = [
            ("retention_days", 1, 30, true, |rules, to| rules.retention_days = to),
            ("retention_days_max", 7, 92, true, |rules, to| rules.retention_days_max = to),
            ("case_days_max", 1, 92, true, |rules, to| rules.case_days_max = to),
            ("case_footage_days_max", 1, 31, true, |rules, to| rules.case_footage_days_max = to),
            ("emergency_minutes_max", 1, 30, true, |rules, to| rules.emergency_minutes_max = to),
            ("review_percent", 2, 100, false, |rules, to| rules.review_percent = to),
            ("review_at_least", 5, 1000, false, |rules, to| rules.review_at_least = to),
            ("subject_request_days", 1, 92, true, |rules, to| rules.subject_request_days = to),
        ];
        let with = |set: Set, to: u32| {
            let mut rules = Rules::WIDEST;
            set(&mut rules, to);
            rules
        };
        for (name, least, most, more_is_looser, set) in numbers {
            let (small, large) = (with(set, least), with(set, most));
            assert_eq!((small.check(), large.check()), (Ok(()), Ok(())), "{name}");
            assert!(with(set, most + 1).check().unwrap_err().contains(name));
            assert!(with(set, least - 1).check().is_err(), "{name}");
            let (loose, strict) = if more_is_looser { (&large, &small) } else { (&small, &large) };
            assert_eq!((loose.loosened(strict), strict.loosened(loose)), (vec![name], vec![]), "{name}");
        }
        let silent = Rules { sound: false, ..Rules::WIDEST };
        assert_eq!((Rules::WIDEST.loosened(&silent), silent.loosened(&Rules::WIDEST)), (vec!["sound"], vec![]));
        // A stricter maximum does not make up for a looser default.
        let mixed = Rules { retention_days: 10, retention_days_max: 20, ..Rules::WIDEST };
        assert_eq!(mixed.loosened(&Rules::WIDEST), ["retention_days"]);
    }

    #[test]
    fn a_case_is_as_long_as_the_policy_says() {
        let rules = Rules { case_days_max: 10, case_footage_days_max: 3, emergency_minutes_max: 15, ..Rules::WIDEST };
        let now = UtcNanos(100 * DAY_NANOS);
        let case = |open_nanos: i64, days: i64, emergency: bool| Case {
            number: "7/26".into(),
            purpose: Purpose::Theft,
            cameras: CameraId::new(1).into_iter().collect(),
            range: TimeRange { start: now.plus_nanos(-days * DAY_NANOS), end: now },
            expires: now.plus_nanos(open_nanos),
            opened_by: 3,
            opened: now,
            investigators: [if emergency { 3 } else { 7 }].into(),
            closed: None,
            emergency,
            reviewed: None,
            stopped: None,
            bookmarks: Vec::new(),
        };
        let minutes = |minutes: i64| minutes * 60 * NANOS_PER_SEC;
        for (case, why) in [
            (case(10 * DAY_NANOS, 3, false), None),
            (case(10 * DAY_NANOS + 1, 3, false), Some("10 days at most")),
            (case(10 * DAY_NANOS, 4, false), Some("3 days of footage")),
            (case(minutes(15), 1, true), None),
            (case(minutes(16), 1, true), Some("15 minutes")),
            (case(93 * DAY_NANOS, 3, false), Some("92 days")),
        ] {
            match (rules.check_case(&case, now), why) {
                (Ok(()), None) => {}
                (Err(told), Some(why)) => assert!(told.contains(why), "{told}"),
                (told, why) => panic!("{told:?}, not {why:?}"),
            }
        }
    }
}
