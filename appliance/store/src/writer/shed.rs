//! Whose GOPs are dropped when the disk is too slow, and from when to when. Pure.

use watchbook_base::{Importance, TrackRole};

/// Steps of importance, the least important first: sub streams of cameras of low importance; their main streams and normal sub streams; normal main streams
/// and sub streams of cameras of high importance; their main streams. Sound goes with the main stream.
pub const STEPS: usize = 4;

/// The step of a stream, 0 to [`STEPS`] − 1: a sub stream is one step below its main stream, which shows the same in full size.
#[must_use]
pub fn step_of(importance: Importance, role: TrackRole) -> usize {
    usize::from(importance.step(role))
}

/// A row of the table: how full the memory for waiting footage is when a step begins no GOP any more, and when it begins them again.
struct Threshold {
    drop_from_percent: u64,
    resume_below_percent: u64,
}

/// By the distance from the most important step that records, so that a station whose cameras all have the same importance uses all of the memory.
/// Rows are 12 to 15 apart, for the GOPs in progress of one step to end before the next step is hit: 15 % of 256 MiB are 1.2 s of 64 streams of 4 Mbit/s. A
/// step comes back 17 to 20 below where it went, 1.5 s of them, so that it does not come and go with each commit.
const THRESHOLDS: [Threshold; STEPS] = [
    Threshold { drop_from_percent: 92, resume_below_percent: 75 },
    Threshold { drop_from_percent: 80, resume_below_percent: 60 },
    Threshold { drop_from_percent: 65, resume_below_percent: 45 },
    Threshold { drop_from_percent: 50, resume_below_percent: 30 },
];

/// How many rows of the table, counted from its end, are dropped now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shedding(usize);

impl Shedding {
    /// True when a packet of a stream so many steps below the most important one goes. A dropped step begins no GOP; those in progress go on until
    /// the step above is dropped too, so that a more important stream never loses what a less important one gets.
    pub(crate) fn drops(self, below_top: usize, key: bool) -> bool {
        let first = STEPS.saturating_sub(self.0);
        if key { below_top >= first } else { below_top > first }
    }

    /// A packet of this distance did not fit at all: its step and all below go.
    pub(crate) fn not_fitting(self, below_top: usize) -> Self {
        Self(self.0.max(STEPS.saturating_sub(below_top)))
    }
}

/// What is dropped once the memory is so full, given what was dropped before.
pub(crate) fn plan_shedding(before: Shedding, full_percent: u64) -> Shedding {
    let mut rows = before.0;
    while let Some(row) = rows.checked_sub(1).and_then(|last| THRESHOLDS.iter().rev().nth(last))
        && full_percent < row.resume_below_percent
    {
        rows -= 1;
    }
    while let Some(row) = THRESHOLDS.iter().rev().nth(rows)
        && full_percent >= row.drop_from_percent
    {
        rows += 1;
    }
    Shedding(rows)
}

#[cfg(test)]
pub(crate) fn resume_below_percent(below_top: usize) -> u64 {
    THRESHOLDS[below_top].resume_below_percent
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_dropping_is_the_stated_one() {
        use Importance::{High, Low, Normal};
        use TrackRole::{MainAudio, MainVideo, SubVideo};
        let order = [(Low, SubVideo), (Low, MainVideo), (Normal, SubVideo), (Normal, MainVideo), (High, SubVideo)];
        let steps: Vec<usize> = order.into_iter().map(|(importance, role)| step_of(importance, role)).collect();
        assert_eq!(steps, [0, 1, 1, 2, 2]);
        assert_eq!((step_of(High, MainVideo), step_of(High, MainAudio)), (3, 3));
        let rows = include_str!("../../FORMAT.md");
        for (below, row) in THRESHOLDS.iter().enumerate() {
            let line = format!("| {below} | {} % | {} % |", row.drop_from_percent, row.resume_below_percent);
            assert!(rows.contains(&line), "FORMAT.md lacks {line}");
        }
    }

    #[test]
    fn a_step_goes_at_its_threshold_and_comes_back_well_below_it() {
        let mut shedding = Shedding::default();
        let mut seen = Vec::new();
        for percent in (0..=100).chain((0..=100).rev()) {
            let next = plan_shedding(shedding, percent);
            if next != shedding {
                seen.push((percent, next.0));
            }
            shedding = next;
        }
        assert_eq!(seen, [(50, 1), (65, 2), (80, 3), (92, 4), (74, 3), (59, 2), (44, 1), (29, 0)]);
    }

    proptest! {
        #[test]
        fn less_important_steps_go_first_and_nothing_flaps(percents in proptest::collection::vec(0_u64..=100, 1..200)) {
            let mut shedding = Shedding::default();
            for percent in percents {
                shedding = plan_shedding(shedding, percent);
                prop_assert_eq!(plan_shedding(shedding, percent), shedding, "asked twice, the answer is the same");
                for below in 0..STEPS - 1 {
                    prop_assert!(!shedding.drops(below, true) || shedding.drops(below + 1, false), "what is below loses all");
                    prop_assert!(!shedding.drops(below, false) || shedding.drops(below, true));
                }
                for (below, row) in THRESHOLDS.iter().enumerate() {
                    prop_assert!(percent < row.drop_from_percent || shedding.drops(below, true));
                    prop_assert!(percent >= row.resume_below_percent || !shedding.drops(below, true));
                }
            }
        }
    }
}
