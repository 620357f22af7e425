//! How counts are shown to the public: small ones hidden, and so that sums do not give them away.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A count below this is shown as [`FEW`]: it may be about one person or one case. 0 is such a count, because that nobody looked yet tells something, too.
pub const SMALL: u64 = 5;
/// Shown for a count under [`SMALL`].
pub const FEW: &str = "<5";

/// How counts of a period are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// As they are: the period is over.
    Exact,
    /// In whole fives, rounded down: who looks again and again while the period lasts must not see each single act.
    Fives,
}

/// One count.
#[must_use]
pub fn cell(count: u64, exactness: Exactness) -> Value {
    if count < SMALL { json!(FEW) } else { json!(rounded(count, exactness)) }
}

/// Counts by word with their sum: `{"by": {word: count}, "total": count}`. When one of them is hidden the exact sum would give it away, or the sum of several: then
/// the sum of those that are shown stands there as `≥12`, which tells nothing that they do not. Whether it does depends on nothing but what is shown.
#[must_use]
pub fn split(counts: &BTreeMap<String, u64>, exactness: Exactness) -> Value {
    let by: Map<String, Value> = counts.iter().map(|(word, count)| (word.clone(), cell(*count, exactness))).collect();
    let shown = counts.values().filter(|count| **count >= SMALL).map(|count| rounded(*count, exactness));
    let shown: u64 = shown.sum();
    let all_shown = counts.values().all(|count| *count >= SMALL);
    let total = if all_shown { json!(shown) } else { json!(format!("\u{2265}{shown}")) };
    json!({"by": by, "total": total})
}

fn rounded(count: u64, exactness: Exactness) -> u64 {
    match exactness {
        Exactness::Exact => count,
        Exactness::Fives => count - count % SMALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(of: &[u64]) -> BTreeMap<String, u64> {
        of.iter().enumerate().map(|(index, count)| (format!("w{index}"), *count)).collect()
    }

    #[test]
    fn small_counts_are_hidden_and_an_open_period_counts_in_fives() {
        for (count, exact, fives) in [
            (0, json!("<5"), json!("<5")),
            (4, json!("<5"), json!("<5")),
            (5, json!(5), json!(5)),
            (9, json!(9), json!(5)),
        ] {
            assert_eq!((cell(count, Exactness::Exact), cell(count, Exactness::Fives)), (exact, fives));
        }
    }

    #[test]
    fn a_sum_does_not_give_a_small_count_away() {
        let split = |of: &[u64]| super::split(&counts(of), Exactness::Exact);
        assert_eq!(split(&[20, 17, 3]), json!({"by": {"w0": 20, "w1": 17, "w2": "<5"}, "total": "≥37"}));
        assert_eq!(split(&[10, 6]), json!({"by": {"w0": 10, "w1": 6}, "total": 16}));
        assert_eq!(split(&[0, 0]), json!({"by": {"w0": "<5", "w1": "<5"}, "total": "≥0"}));
        assert_eq!(split(&[]), json!({"by": {}, "total": 0}));
    }

    proptest! {
        /// Whatever a small count is, the same is shown.
        #[test]
        fn what_is_shown_does_not_depend_on_a_small_count(
            of in prop::collection::vec(0_u64..9, 1..8), other in 0_u64..5, at in any::<prop::sample::Index>(), over in any::<bool>(),
        ) {
            let at = at.index(of.len());
            let mut changed = of.clone();
            if of[at] < SMALL {
                changed[at] = other;
            }
            let exactness = if over { Exactness::Exact } else { Exactness::Fives };
            prop_assert_eq!(split(&counts(&of), exactness), split(&counts(&changed), exactness));
        }
    }
}
