//! What stands out in the log and is worth an auditor's look: stated rules with named limits, nothing learnt. A finding accuses nobody.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::UtcNanos;
use watchbook_base::time::NANOS_PER_SEC;

/// Looks at footage and files taken out by one account in one day: a stretch of footage is at least five minutes, so this is a whole working day of one camera and
/// as much again.
pub const VOLUME_PER_DAY: u64 = 200;
/// Hours of the night, by the clock on the wall: from this one on …
pub const NIGHT_FROM_HOUR: i64 = 22;
/// … up to this one.
pub const NIGHT_TO_HOUR: i64 = 5;
/// Looks at footage by one account in one night.
pub const NIGHT_ACCESSES: u64 = 5;
/// Days on which one account looked at recorded footage of the same camera.
pub const SAME_PLACE_DAYS: u64 = 6;
/// Refusals of one account, or of those who are not signed in, in one day.
pub const REFUSALS_PER_DAY: u64 = 15;
/// Combinations of account, camera and day that are counted: 100 accounts × 400 cameras on one day each. Further ones are not.
const COUNTED_MAX: usize = 40_000;
/// Entries that one finding names.
const ENTRIES_MAX: usize = 8;

/// What makes something stand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// More than [`VOLUME_PER_DAY`].
    Volume,
    /// More than [`NIGHT_ACCESSES`] at night.
    OddHours,
    /// On at least [`SAME_PLACE_DAYS`] days.
    SamePlace,
    /// More than [`REFUSALS_PER_DAY`].
    Refusals,
}

impl Rule {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::OddHours => "odd_hours",
            Self::SamePlace => "same_place",
            Self::Refusals => "refusals",
        }
    }

    /// What is still usual.
    #[must_use]
    pub fn limit(self) -> u64 {
        match self {
            Self::Volume => VOLUME_PER_DAY,
            Self::OddHours => NIGHT_ACCESSES,
            Self::SamePlace => SAME_PLACE_DAYS - 1,
            Self::Refusals => REFUSALS_PER_DAY,
        }
    }
}

/// Something that stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// By which rule.
    pub rule: Rule,
    /// Whose; `None`: of those who were not signed in.
    pub account: Option<u64>,
    /// At which camera, where the rule is about one.
    pub camera: Option<u64>,
    /// The day (or the evening before the night), counted from 1970 by the clock on the wall; of several the last.
    pub day: i64,
    /// How often, or on how many days.
    pub count: u64,
    /// Some of the entries.
    pub entries: Vec<u64>,
}

/// Who looked at which camera.
type Place = (Option<u64>, Option<u64>);

type Key = (Rule, Option<u64>, Option<u64>, i64);

/// Looks at entries, in any order.
#[derive(Clone, Debug)]
pub struct Lookout {
    offset_s: i64,
    counted: BTreeMap<Key, (u64, Vec<u64>)>,
}

impl Lookout {
    /// `offset_min`: how far the clock on the wall is ahead of UTC.
    #[must_use]
    pub fn new(offset_min: i64) -> Self {
        Self { offset_s: offset_min.clamp(-840, 840) * 60, counted: BTreeMap::new() }
    }

    /// Looks at an entry.
    pub fn take(&mut self, index: u64, utc: UtcNanos, body: &[u8]) {
        let Ok(Value::Object(entry)) = serde_json::from_slice(body) else { return };
        let Some(action) = entry.get("action").and_then(Value::as_str) else { return };
        let account = entry.get("account").and_then(Value::as_u64);
        let local_s = utc.0.div_euclid(NANOS_PER_SEC).saturating_add(self.offset_s);
        let (day, hour) = (local_s.div_euclid(86_400), local_s.rem_euclid(86_400) / 3600);
        if entry.get("outcome").and_then(Value::as_str) != Some("allowed") {
            return self.count((Rule::Refusals, account, None, day), index);
        }
        if !matches!(action, "playback" | "export" | "deliver_export") {
            return;
        }
        self.count((Rule::Volume, account, None, day), index);
        if !(NIGHT_TO_HOUR..NIGHT_FROM_HOUR).contains(&hour) {
            let evening = day - i64::from(hour < NIGHT_TO_HOUR);
            self.count((Rule::OddHours, account, None, evening), index);
        }
        if let Some(camera) = entry.get("camera").and_then(Value::as_u64) {
            self.count((Rule::SamePlace, account, Some(camera), day), index);
        }
    }

    fn count(&mut self, key: Key, index: u64) {
        if self.counted.len() >= COUNTED_MAX && !self.counted.contains_key(&key) {
            return;
        }
        let (count, entries) = self.counted.entry(key).or_default();
        *count += 1;
        if entries.len() < ENTRIES_MAX {
            entries.push(index);
        }
    }

    /// What stands out, the newest day first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut places: BTreeMap<Place, (BTreeSet<i64>, Vec<u64>)> = BTreeMap::new();
        for ((rule, account, camera, day), (count, entries)) in &self.counted {
            if *rule == Rule::SamePlace {
                let (days, some) = places.entry((*account, *camera)).or_default();
                days.insert(*day);
                some.extend(entries.first());
            } else if *count > rule.limit() {
                let (rule, account, camera, day, count) = (*rule, *account, *camera, *day, *count);
                found.push(Finding { rule, account, camera, day, count, entries: entries.clone() });
            }
        }
        for ((account, camera), (days, mut entries)) in places {
            let count = u64::try_from(days.len()).unwrap_or(u64::MAX);
            if let Some(day) = days.last().copied().filter(|_| count > Rule::SamePlace.limit()) {
                entries.truncate(ENTRIES_MAX);
                found.push(Finding { rule: Rule::SamePlace, account, camera, day, count, entries });
            }
        }
        found.sort_by_key(|finding| (core::cmp::Reverse(finding.day), finding.rule, finding.account, finding.camera));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// 2026-11-09 00:00 in Phnom Penh, seven hours ahead of UTC.
    const MIDNIGHT_S: i64 = 1_794_182_400 - 7 * 3600;

    struct Days {
        lookout: Lookout,
        next: u64,
    }

    impl Days {
        fn new() -> Self {
            Self { lookout: Lookout::new(420), next: 0 }
        }

        fn entry(&mut self, day: i64, minute: i64, mut body: Value) {
            if body.get("outcome").is_none() {
                body["outcome"] = json!("allowed");
            }
            let utc = UtcNanos((MIDNIGHT_S + day * 86_400 + minute * 60) * NANOS_PER_SEC);
            self.lookout.take(self.next, utc, body.to_string().as_bytes());
            self.next += 1;
        }

        fn look(&mut self, account: u64, camera: u64, day: i64, minute: i64) {
            self.entry(day, minute, json!({"account": account, "action": "playback", "camera": camera}));
        }

        fn rules(&self) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
            let told = self.lookout.findings();
            told.into_iter().map(|finding| (finding.rule.word(), finding.account, finding.camera)).collect()
        }
    }

    #[test]
    fn two_weeks_of_ordinary_work_stand_out_in_nothing() {
        let mut days = Days::new();
        for day in 0..14 {
            // Three investigators, each with their case: 60 looks in office hours, another camera each few days, and a wrong password now and then.
            for account in 1..=3_i64 {
                for look in 0..60 {
                    days.look(account.unsigned_abs(), (account * 100 + day / 4).unsigned_abs(), day, 8 * 60 + look * 8);
                }
                days.entry(day, 480, json!({"account": null, "action": "sign_in", "outcome": {"refused": "wrong"}}));
            }
            // The watch looks at an accident in the night.
            days.look(9, 50 + day.unsigned_abs(), day, 23 * 60 + 10);
            days.look(9, 50 + day.unsigned_abs(), day, 23 * 60 + 50);
        }
        assert_eq!(days.rules(), []);
    }

    #[test]
    fn who_follows_somebody_stands_out() {
        let mut days = Days::new();
        // Each night, for ten days, the camera before somebody's door: six looks between 23:00 and 01:00. He tries the neighbour's camera, too, which is not his.
        for day in 0..10 {
            for look in 0..6 {
                days.look(5, 12, day, 23 * 60 + look * 20);
            }
        }
        for _ in 0..20 {
            days.entry(
                9,
                600,
                json!({"account": 5, "action": "playback", "camera": 13, "outcome": {"refused": "not yours"}}),
            );
        }
        let rules = days.rules();
        assert!(rules.contains(&("same_place", Some(5), Some(12))), "{rules:?}");
        assert!(rules.contains(&("refusals", Some(5), None)), "{rules:?}");
        assert_eq!(
            rules.iter().filter(|(rule, ..)| *rule == "odd_hours").count(),
            10,
            "one a night, although it passes midnight"
        );
        let place = days.lookout.findings().into_iter().find(|finding| finding.rule == Rule::SamePlace).unwrap();
        assert_eq!((place.count, place.entries.len()), (11, 8), "ten evenings, and the morning behind the last one");
    }

    #[test]
    fn a_day_of_too_much_stands_out_and_the_memory_is_bounded() {
        let mut days = Days::new();
        (0..=200).for_each(|look| days.look(1, look / 40, 0, 540 + i64::try_from(look).unwrap()));
        assert_eq!(days.rules(), [("volume", Some(1), None)]);
        (0..100_000).for_each(|camera| days.look(2, camera, camera.cast_signed() % 100, 600));
        assert!(days.lookout.counted.len() <= COUNTED_MAX);
    }
}
